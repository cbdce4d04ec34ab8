//! Chooses the instruction set, once, at run time.

use fearless_simd::{Level, Simd};

use super::group::Group;
use super::kernel;
use super::lane::Lane;
use super::limit;
use super::single::Single;
use crate::Precision;
use crate::threads::on_threads;
use crate::{Engine, Error, Problem, Queue};

/// The engine for processors: AVX-512, AVX2 with FMA, NEON, or the target's baseline. All give the
/// same bits, because every product is summed in the same order with one rounding a term.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    level: Level,
}

impl Cpu {
    /// With the best instructions this processor has.
    pub fn detect() -> Cpu {
        Cpu {
            level: Level::new(),
        }
    }

    /// One engine for each instruction set that this processor has, by name, the best one first.
    pub fn all() -> Vec<(&'static str, Cpu)> {
        let best = Level::new();
        #[cfg(target_arch = "x86_64")]
        let levels = [
            ("avx512", best.as_avx512().map(Level::Avx512)),
            ("avx2", best.as_avx2().map(Level::Avx2)),
            ("baseline", Some(Level::baseline())),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let levels = [("best", Some(best))];
        levels
            .into_iter()
            .filter_map(|(name, level)| Some((name, Cpu { level: level? })))
            .collect()
    }

    /// The name of the instruction set.
    pub fn instructions(&self) -> String {
        let debug = format!("{:?}", self.level);
        debug.split('(').next().unwrap_or(&debug).to_lowercase()
    }

    /// LaneCount of a vector.
    pub fn lanes(&self, precision: Precision) -> usize {
        self.on(precision, LaneCount)
    }

    /// Floating-point operations a second of fused multiply-adds in registers, by a clock in
    /// seconds.
    pub fn peak(&self, precision: Precision, clock: fn() -> f64) -> f64 {
        let begun = clock();
        let (flops, all) = self.on(precision, MultiplyAdd { rounds: 1 << 22 });
        std::hint::black_box(all);
        flops / (clock() - begun)
    }

    /// Seconds that tanh takes of one number.
    pub fn tanh_seconds(&self, precision: Precision, clock: fn() -> f64) -> f64 {
        let begun = clock();
        let (numbers, all) = self.on(precision, TanhOf { rounds: 1 << 16 });
        std::hint::black_box(all);
        (clock() - begun) / numbers
    }

    fn on<W: Work>(&self, precision: Precision, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = self.level.as_avx512() {
                return compiled(simd, precision, work);
            }
            if let Some(simd) = self.level.as_avx2() {
                return compiled(simd, precision, work);
            }
            match Level::baseline().as_sse2() {
                Some(simd) => compiled(simd, precision, work),
                None => unreachable!("every x86-64 processor has SSE2"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        fearless_simd::dispatch!(self.level, simd => compiled(simd, precision, work))
    }
}

/// Something that is compiled for every instruction set and arithmetic. Everything called from
/// [`compiled`] must be inlined, or vectorized again: or the vectors are lost.
trait Work {
    type Output;
    fn run<S: Simd, V: Lane<S>>(self, simd: S) -> Self::Output;
}

#[inline(always)]
fn compiled<S: Simd, W: Work>(simd: S, precision: Precision, work: W) -> W::Output {
    match precision {
        Precision::F32 => simd.vectorize(
            #[inline(always)]
            || work.run::<S, S::f32s>(simd),
        ),
        Precision::F64 => simd.vectorize(
            #[inline(always)]
            || work.run::<S, S::f64s>(simd),
        ),
    }
}

struct LaneCount;

impl Work for LaneCount {
    type Output = usize;
    fn run<S: Simd, V: Lane<S>>(self, _: S) -> usize {
        V::LEN
    }
}

struct MultiplyAdd {
    rounds: u64,
}

impl Work for MultiplyAdd {
    type Output = (f64, f64);
    #[inline(always)]
    fn run<S: Simd, V: Lane<S>>(self, simd: S) -> (f64, f64) {
        limit::multiply_add::<S, V>(simd, self.rounds)
    }
}

struct TanhOf {
    rounds: u64,
}

impl Work for TanhOf {
    type Output = (f64, f64);
    #[inline(always)]
    fn run<S: Simd, V: Lane<S>>(self, simd: S) -> (f64, f64) {
        limit::tanh::<S, V>(simd, self.rounds)
    }
}

/// Training from a queue, each thread its share.
struct Train<'a> {
    problem: &'a Problem,
    queue: &'a dyn Queue,
    share: u64,
}

/// Bytes of weights and activations up to which replicates are trained as a group. A group wider
/// than the second cache runs from the third, of which a processor has some megabytes; one network
/// at a time beyond.
const CACHE: usize = 8 << 20;

/// Whether a group of so many lanes stays within [`CACHE`].
fn fits(problem: &Problem, lanes: usize) -> bool {
    let parameters = problem.parameters();
    let units: usize = problem.sizes.iter().sum();
    let number = problem.precision.bytes();
    (parameters + 3 * units * problem.points) * lanes * number <= CACHE
}

impl Work for Train<'_> {
    type Output = ();

    /// Chooses who shares a vector: replicates, or the units of one network. The bits are the same.
    #[inline(always)]
    fn run<S: Simd, V: Lane<S>>(self, simd: S) {
        let Train {
            problem,
            queue,
            share,
        } = self;
        let lanes = V::LEN as u64;
        if share <= lanes / 2 || !fits(problem, V::LEN) {
            kernel::run::<S, V, Single<S, V>>(simd, problem, queue, 1);
        } else {
            let width = share.min(lanes) as usize;
            kernel::run::<S, V, Group<S, V>>(simd, problem, queue, width);
        }
    }
}

impl Engine for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn in_flight(&self, problem: &Problem, threads: usize) -> u64 {
        let lanes = self.lanes(problem.precision);
        let each = if fits(problem, lanes) { lanes } else { 1 };
        (threads.max(1) * each) as u64
    }

    fn cuts(&self) -> bool {
        true
    }

    fn train(&self, problem: &Problem, queue: &dyn Queue, threads: usize) -> Result<(), Error> {
        problem.check()?;
        // Shares of the same size: no thread takes all lanes and leaves the others idle.
        let remaining = queue.remaining();
        let threads = remaining.clamp(1, threads.max(1) as u64);
        let share = remaining.div_ceil(threads);
        on_threads(threads as usize, &|| {
            let work = Train {
                problem,
                queue,
                share,
            };
            self.on(problem.precision, work);
        });
        Ok(())
    }
}
