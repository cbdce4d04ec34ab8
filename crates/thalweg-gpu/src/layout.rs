//! Where the numbers of a network lie in a group's memory, and how its products are cut in tiles.

use thalweg_engine::{Activation, Clip, Criterion, Method, Output, Precision, Problem};

/// Where a matrix lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// In the group's own memory.
    Near,
    /// In the group's piece of the device's memory.
    Far,
}

/// A matrix, by its name in the kernel.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    pub(crate) name: String,
    pub(crate) space: Space,
    pub(crate) start: usize,
    /// From one row to the next.
    pub(crate) stride: usize,
}

/// Rows and columns of a tile; for products on the way down columns in fours, for gradients both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// A problem laid out for a device.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Threads of a group.
    pub(crate) threads: usize,
    pub(crate) matrices: Vec<Matrix>,
    /// Numbers in the group's own memory, and in the device's.
    pub(crate) near: usize,
    pub(crate) far: usize,
    /// Bytes that groups on the same unit have together.
    pub(crate) bytes: usize,
    /// Tiles of each layer's products: up, down, gradient.
    pub(crate) tiles: Vec<[Tile; 3]>,
}

/// What a layout may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Bytes of a group's own memory.
    pub(crate) bytes: usize,
    /// Threads of a group at most.
    pub(crate) threads: usize,
    /// Bytes of sums that a thread keeps in registers at most.
    pub(crate) sums: usize,
}

/// A row's length in memory: rows that follow each other begin in different banks when sixteen
/// bytes are read of each.
fn stride(precision: Precision, columns: usize) -> usize {
    let unit = match precision {
        Precision::F32 => 4,
        Precision::F64 => 2,
    };
    let units = columns.div_ceil(unit).max(1);
    unit * (units | 1)
}

/// Whether φ' is kept on the way up.
pub(crate) fn keeps_slope(activation: Activation) -> bool {
    match activation {
        Activation::Identity | Activation::Relu | Activation::LeakyRelu | Activation::Tanh => false,
        Activation::Abs
        | Activation::Sigmoid
        | Activation::Erf
        | Activation::Gelu
        | Activation::Silu
        | Activation::Softplus
        | Activation::Sin
        | Activation::Cos => true,
    }
}

/// Numbers a parameter that the update rule remembers.
pub(crate) fn memories(method: Method) -> usize {
    match method {
        Method::Gd => 0,
        Method::Momentum { .. } | Method::Nesterov { .. } => 1,
        Method::Adam { .. } | Method::AdamW { .. } => 2,
    }
}

/// Whether the terms of the loss are its derivatives, and need no room of their own.
pub(crate) fn terms_are_deltas(problem: &Problem) -> bool {
    problem.loss.is_squared() && problem.output == Output::Identity && problem.batch.is_none()
}

impl Layout {
    /// For groups of so many threads; of as many as serve the problem well, if that is not said.
    pub(crate) fn of(problem: &Problem, room: Room, threads: Option<usize>) -> Layout {
        let threads = threads
            .unwrap_or_else(|| threads_for(problem))
            .min(room.threads);
        let mut layout = Layout {
            threads,
            matrices: Vec::new(),
            near: 0,
            far: 0,
            bytes: room.bytes,
            tiles: tiles(problem, threads, room.sums / problem.precision.bytes()),
        };
        let most = room.bytes / problem.precision.bytes();
        for (name, rows, columns) in wanted(problem) {
            let stride = match rows {
                1 => columns.next_multiple_of(4),
                _ => stride(problem.precision, columns),
            };
            // Four numbers may be read beyond the last one.
            let length = (rows * stride + 4).next_multiple_of(4);
            let space = if layout.near + length <= most {
                Space::Near
            } else {
                Space::Far
            };
            let end = match space {
                Space::Near => &mut layout.near,
                Space::Far => &mut layout.far,
            };
            let start = *end;
            *end += length;
            layout.matrices.push(Matrix {
                name,
                space,
                start,
                stride,
            });
        }
        layout
    }

    /// Groups that a unit shall hold at the same time: as many as fit its memory, if that leaves
    /// every thread 128 registers; a group as large as eight warps has all of them.
    pub(crate) fn groups_a_unit(&self, precision: Precision) -> usize {
        let near = self.near.max(4) * precision.bytes() + 1024;
        let each = if self.threads < 256 { 128 } else { 255 };
        let by_registers = REGISTERS / (self.threads * each);
        (self.bytes / near).min(by_registers).clamp(1, 32)
    }

    /// How far a product's loop over terms is unrolled.
    pub(crate) fn unrolled(&self) -> usize {
        if self.threads == 32 { 8 } else { 4 }
    }

    pub(crate) fn matrix(&self, name: &str) -> Option<&Matrix> {
        self.matrices.iter().find(|m| m.name == name)
    }
}

/// The matrices of a problem with rows and columns, those first that want the nearest memory most.
fn wanted(problem: &Problem) -> Vec<(String, usize, usize)> {
    let (n, k) = (problem.points, problem.outputs());
    let layers = problem.sizes.len() - 1;
    let mut wanted = vec![("STEP_SIZE".to_string(), 1, 2 * problem.tensors.len())];
    match k {
        1 => wanted.push(("R".into(), 1, n)),
        _ => wanted.push(("R".into(), n, k)),
    }
    wanted.push(("Y".into(), 1, n * k));
    if !terms_are_deltas(problem) {
        wanted.push(("E".into(), 1, n * k));
    }
    match problem.success {
        Criterion::Loss { .. } => {}
        Criterion::Error { .. } | Criterion::Accuracy { .. } => {
            wanted.push(("MISS".into(), 1, n));
        }
    }
    if problem.batch.is_some() {
        wanted.push(("IN_BATCH".into(), 1, n));
        wanted.push(("ORDER_ROOM".into(), 1, n));
    }
    if let Some(Clip::Norm(_)) = problem.clip {
        wanted.push(("SQUARES".into(), 1, problem.tensors.len()));
    }
    if problem.bias {
        for l in 0..layers {
            wanted.push((format!("B{l}"), 1, problem.sizes[l + 1]));
        }
    }
    for l in 1..layers {
        wanted.push((format!("A{l}"), n, problem.sizes[l]));
        wanted.push((format!("D{l}"), n, problem.sizes[l]));
    }
    wanted.push(("X".into(), n, problem.sizes[0]));
    let mut weights: Vec<usize> = (0..layers).collect();
    weights.sort_by_key(|&l| problem.sizes[l] * problem.sizes[l + 1]);
    for l in weights {
        wanted.push((format!("W{l}"), problem.sizes[l + 1], problem.sizes[l]));
    }
    let parameters = problem.parameters();
    match memories(problem.method) {
        0 => {}
        several => wanted.push(("MEMORY".into(), 1, several * parameters)),
    }
    if let Some(Clip::Norm(_)) = problem.clip {
        wanted.push(("GRADIENT".into(), 1, parameters));
    }
    wanted
}

/// Threads of a group, as measured (docs/performance.md): a warp for small networks, for which a
/// barrier costs nothing; more where there is work for them, and in double precision, whose sums
/// take twice the registers.
fn threads_for(problem: &Problem) -> usize {
    let widest = problem.sizes[1..].iter().copied().max().unwrap_or(1);
    let sums = problem.points * widest * problem.precision.bytes() / 4;
    match sums {
        0..=900 => 32,
        901..=2000 => 64,
        2001..=3000 => 128,
        _ => 256,
    }
}

/// Registers of a unit, which its threads share.
const REGISTERS: usize = 65536;

/// The best tile among some for a product: `rows` × `columns` sums of so many terms.
fn best(
    threads: usize,
    (rows, columns): (usize, usize),
    candidates: &[(usize, usize)],
    cost: impl Fn(usize, usize) -> f64,
) -> Tile {
    let of = |&(a, b): &(usize, usize)| {
        let count = rows.div_ceil(a) * columns.div_ceil(b);
        (count.div_ceil(threads) as f64) * cost(a, b)
    };
    let best = candidates.iter().min_by(|x, y| of(x).total_cmp(&of(y)));
    let (rows, columns) = best.copied().unwrap_or((1, 1));
    Tile { rows, columns }
}

fn tiles(problem: &Problem, threads: usize, most: usize) -> Vec<[Tile; 3]> {
    // Cycles of a load of sixteen bytes beside a fused multiply-add.
    let load = match problem.precision {
        Precision::F32 => 8.0,
        Precision::F64 => 16.0,
    };
    let sides = [1, 2, 3, 4, 5, 6, 7, 8, 10];
    let all: Vec<(usize, usize)> = sides
        .iter()
        .flat_map(|&a| sides.iter().map(move |&b| (a, b)))
        .filter(|(a, b)| a * b <= most)
        .collect();
    let fours: Vec<(usize, usize)> = all
        .iter()
        .copied()
        .filter(|(a, b)| 4 * a * b <= most)
        .collect();
    // Few sums, of which each has few terms: a tile of 8 × 8 was slower than one of 4 × 8.
    let both: Vec<(usize, usize)> = all
        .iter()
        .copied()
        .filter(|(a, b)| 32 * a * b <= most)
        .collect();
    let n = problem.points;
    let layers = problem.sizes.windows(2);
    layers
        .map(|pair| {
            let (fan_in, fan_out) = (pair[0], pair[1]);
            let terms = |count: usize| count as f64 / 4.0;
            let up = best(threads, (n, fan_out), &all, |a, b| {
                terms(fan_in) * ((4 * a * b) as f64 + (a + b) as f64 * load) + (10 * a * b) as f64
            });
            let down = best(threads, (n, fan_in.div_ceil(4)), &fours, |a, b| {
                terms(fan_out) * ((16 * a * b) as f64 + (a + 4 * b) as f64 * load)
                    + (20 * a * b) as f64
            });
            let gradient = best(
                threads,
                (fan_out.div_ceil(4), fan_in.div_ceil(4)),
                &both,
                |a, b| {
                    n as f64 * ((16 * a * b) as f64 + (a + b) as f64 * load) + (80 * a * b) as f64
                },
            );
            [up, down, gradient]
        })
        .collect()
}
