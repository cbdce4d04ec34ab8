//! A group of networks trained side by side: a lane is a replicate.
//!
//! Any width is full, no padding is needed, and the kernel reads like the formula.

use std::ops::Range;

use fearless_simd::Simd;

use super::kernel::Kernel;
use super::lane::{Lane, Real};
use super::layer::{Backward, Forward, Stepped};
use super::loss::{gather, worth};
use super::output::{Outputs, outputs};
use super::rule::UpdateRule;
use super::slope::Slope;
use super::tiles::{Row, WIDTH, panels, stride};
use crate::{Activation, Clip, Criterion, Job, Method, Output, Problem, Tensor};

/// The numbers of a group of replicates. Matrices are in panels (see [`super::tiles`]), the lane
/// innermost.
pub(super) struct Group<S: Simd, V: Lane<S>> {
    simd: S,
    spans: Vec<Span>,
    /// Effective weights.
    w: Vec<V>,
    rule: UpdateRule<V>,
    /// [N, d], and [N, k] row by row.
    x: Vec<Row<V>>,
    y: Vec<V>,
    /// Activations of each hidden layer [N, h], on the way back replaced by ∂L/∂z over 2 s; φ'
    /// where the activation does not tell it.
    a: Vec<Vec<Row<V>>>,
    slope: Vec<Vec<Row<V>>>,
    slope_from: Slope,
    /// The next ∂L/∂z over 2 s, while the activations of its layer are still wanted.
    grad_input: Vec<Row<V>>,
    /// ∂L/∂z of the outputs over 2 s: `[N]` of one output, [N, k] in panels of several.
    r: Vec<V>,
    /// Weight of each point in the mini-batch `[N]`.
    in_batch: Vec<V>,
    /// Where each parameter lies, in their order, if the norm of a gradient is asked for: its sum
    /// has an order of its own, which is that of the parameters in any layout.
    order: Vec<usize>,
}

/// Where a tensor lies: a matrix in panels, or a bias.
struct Span {
    start: usize,
    rows: usize,
    columns: usize,
    is_bias: bool,
}

impl Span {
    fn range(&self) -> Range<usize> {
        let length = if self.is_bias {
            self.columns
        } else {
            panels(self.columns) * stride(self.rows) * WIDTH
        };
        self.start..self.start + length
    }

    /// Each entry's place in the row-major tensor and here, in the order of places here.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let start = self.start;
        let (rows, width, stride) = if self.is_bias {
            (1, self.columns.max(1), 1)
        } else {
            (self.rows, WIDTH, stride(self.rows))
        };
        places(rows, self.columns, width, stride).map(move |(from, to)| (from, start + to))
    }
}

/// The places of a matrix's entries, row-major and in panels of so many columns, `stride` rows
/// apart.
fn places(
    rows: usize,
    columns: usize,
    width: usize,
    stride: usize,
) -> impl Iterator<Item = (usize, usize)> {
    (0..columns.div_ceil(width)).flat_map(move |panel| {
        (0..rows).flat_map(move |row| {
            let first = panel * width;
            (first..columns.min(first + width)).map(move |column| {
                let place = (panel * stride + row) * width + column - first;
                (row * columns + column, place)
            })
        })
    })
}

fn spans(problem: &Problem) -> Vec<Span> {
    let mut start = 0;
    let span = |tensor: &Tensor| {
        let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
        let span = Span {
            start,
            rows: tensor.len() / columns,
            columns,
            is_bias: tensor.is_bias,
        };
        start = span.range().end;
        span
    };
    problem.tensors.iter().map(span).collect()
}

/// The weights and the bias of a layer in a list of all.
#[inline(always)]
fn layer<'a, V>(
    all: &'a mut [V],
    spans: &[Span],
    bias: bool,
    l: usize,
) -> (&'a mut [Row<V>], &'a mut [V]) {
    let (weights, bias) = if bias {
        let (weights, bias) = (spans[2 * l].range(), spans[2 * l + 1].range());
        let (before, after) = all.split_at_mut(bias.start);
        (&mut before[weights], &mut after[..bias.len()])
    } else {
        (&mut all[spans[l].range()], Default::default())
    };
    (weights.as_chunks_mut().0, bias)
}

/// What a layer trains, its gradient and its step size.
#[inline(always)]
fn stepped<'a, V: Copy>(
    w: &'a mut [V],
    rule: &'a mut UpdateRule<V>,
    spans: &[Span],
    bias: bool,
    l: usize,
) -> Stepped<'a, V> {
    let at = if bias { 2 * l } else { l };
    let (step_size, bias_step_size) = (rule.step_size[at], rule.step_size[at + usize::from(bias)]);
    let (weights, bias_weights) = layer(w, spans, bias, l);
    let (gradient, bias_gradient) = layer(&mut rule.g, spans, bias, l);
    Stepped {
        weights,
        bias: bias_weights,
        gradient,
        bias_gradient,
        step_size,
        bias_step_size,
    }
}

impl<S: Simd, V: Lane<S>> Kernel<S, V> for Group<S, V> {
    fn new(simd: S, problem: &Problem) -> Self {
        let zero = V::of(simd, 0.0);
        let spans = spans(problem);
        let parameters = spans.last().map_or(0, |s| s.range().end);
        let mut real = vec![0; parameters];
        for (_, place) in spans.iter().flat_map(Span::places) {
            real[place] = u64::MAX >> (64 - V::LEN);
        }
        let mut order = Vec::new();
        if let Some(Clip::Norm(_)) = problem.clip {
            order.resize(problem.parameters(), 0);
            for (span, tensor) in spans.iter().zip(&problem.tensors) {
                let of_tensor = &mut order[tensor.range()];
                span.places().for_each(|(from, to)| of_tensor[from] = to);
            }
        }
        let slope_from = Slope::of(problem.activation);
        let hidden = &problem.sizes[1..problem.sizes.len() - 1];
        let n = problem.points;
        let matrix = |columns: usize| vec![[zero; WIDTH]; panels(columns) * stride(n)];
        // All as wide as the widest: on the way back they change places.
        let widest = hidden.iter().copied().max().unwrap_or(0);
        let layers = |wanted: bool| {
            let each = hidden.iter();
            each.map(|_| matrix(if wanted { widest } else { 0 }))
                .collect()
        };
        Group {
            simd,
            spans,
            w: vec![zero; parameters],
            rule: UpdateRule::new(simd, problem, real),
            x: matrix(problem.sizes[0]),
            y: vec![zero; problem.targets()],
            a: layers(true),
            slope: layers(slope_from == Slope::Kept),
            slope_from,
            grad_input: matrix(widest),
            r: match problem.outputs() {
                1 => vec![zero; n],
                k => matrix(k).into_flattened(),
            },
            in_batch: vec![zero; n],
            order,
        }
    }

    fn load(&mut self, problem: &Problem, lane: usize, job: &Job) {
        // Of a predecessor nothing stays, in the padding neither.
        for w in &mut self.w {
            w.as_mut_slice()[lane] = Real::of(0.0);
        }
        for (span, tensor) in self.spans.iter().zip(&problem.tensors) {
            let weights = &job.weights[tensor.range()];
            for (from, to) in span.places() {
                self.w[to].as_mut_slice()[lane] = Real::of(weights[from]);
            }
        }
        let (n, d) = (problem.points, problem.sizes[0]);
        let x = self.x.as_flattened_mut();
        for (from, to) in places(n, d, WIDTH, stride(n)) {
            x[to].as_mut_slice()[lane] = Real::of(job.x[from]);
        }
        for (y, &value) in self.y.iter_mut().zip(&job.y) {
            y.as_mut_slice()[lane] = Real::of(problem.loss.target(value));
        }
        self.rule.begin(problem, job.rate, lane..lane + 1);
    }

    fn set_rate(&mut self, problem: &Problem, lane: usize, rate: f64) {
        self.rule.set_rate(problem, rate, lane..lane + 1);
    }

    fn weights(&self, problem: &Problem, lane: usize, to: &mut Vec<f64>) {
        to.clear();
        to.resize(problem.parameters(), 0.0);
        for (span, tensor) in self.spans.iter().zip(&problem.tensors) {
            let to = &mut to[tensor.range()];
            for (at, from) in span.places() {
                to[at] = self.w[from].as_slice()[lane].to_f64();
            }
        }
    }

    fn put_in_batch(&mut self, lane: usize, point: usize, weight: f64) {
        self.in_batch[point].as_mut_slice()[lane] = Real::of(weight);
    }

    #[inline(always)]
    fn forward(&mut self, problem: &Problem) -> (V, V) {
        let simd = self.simd;
        let n = problem.points;
        let last = problem.sizes.len() - 2;
        for l in 0..products(problem) {
            let (weights, bias) = layer(&mut self.w, &self.spans, problem.bias, l);
            let (before, after) = self.a.split_at_mut(l);
            let hidden = after.first_mut();
            let activation = match hidden {
                Some(_) => problem.activation,
                None => Activation::Identity,
            };
            let forward = Forward::<S, V> {
                simd,
                points: n,
                fan_in: problem.sizes[l],
                fan_out: problem.sizes[l + 1],
                input: if l == 0 { &self.x } else { &before[l - 1] },
                weights,
                bias,
                activation,
                slope: self.slope.get_mut(l).map_or(&mut [], Vec::as_mut_slice),
                z: match hidden {
                    Some(hidden) => hidden,
                    None => self.r.as_chunks_mut().0,
                },
            };
            forward.run();
        }
        if problem.outputs() == 1 {
            let input = self.a.last().unwrap_or(&self.x);
            let (weights, bias) = layer(&mut self.w, &self.spans, problem.bias, last);
            let r = &mut self.r;
            outputs(simd, input, problem.sizes[last], weights, bias, r);
        }
        self.judge(problem)
    }

    #[inline(always)]
    fn step(&mut self, problem: &Problem, repeated: u64) -> u64 {
        let batches = problem.batch.is_some();
        if batches {
            let (n, k) = (problem.points, problem.outputs());
            for (point, weight) in self.in_batch.iter().enumerate() {
                for output in 0..k {
                    self.r[place(n, k, point, output)] *= *weight;
                }
            }
        }
        match problem.method {
            // What does not move in one mini-batch moves in another.
            Method::Gd if !problem.changes_gradient() && (repeated == 0 || batches) => {
                self.backward::<true>(problem);
            }
            Method::Gd => {
                self.backward::<false>(problem);
                self.change_gradient(problem);
                let spans = self.spans.iter().map(Span::range);
                let moved = self.rule.descend(&mut self.w, spans);
                return if batches { 0 } else { repeated & !moved };
            }
            Method::Momentum { .. }
            | Method::Nesterov { .. }
            | Method::Adam { .. }
            | Method::AdamW { .. } => {
                self.backward::<false>(problem);
                self.change_gradient(problem);
                let spans = self.spans.iter().map(Span::range);
                self.rule.step(self.simd, problem, &mut self.w, spans);
            }
        }
        0
    }
}

/// The layers that are products in tiles: all, but for a single output.
#[inline(always)]
fn products(problem: &Problem) -> usize {
    problem.sizes.len() - 1 - usize::from(problem.outputs() == 1)
}

/// Where an output of a point stands in [`Group::r`].
#[inline(always)]
fn place(n: usize, k: usize, point: usize, output: usize) -> usize {
    match k {
        1 => point,
        _ => ((output / WIDTH) * stride(n) + point) * WIDTH + output % WIDTH,
    }
}

impl<S: Simd, V: Lane<S>> Group<S, V> {
    /// Replaces the outputs by ∂L/∂z over 2 s; the loss, and what success is judged by.
    #[inline(always)]
    fn judge(&mut self, problem: &Problem) -> (V, V) {
        let simd = self.simd;
        let zero = V::of(simd, 0.0);
        let s = V::of(simd, problem.loss_factor());
        let plain = problem.outputs() == 1 && problem.output == Output::Identity;
        if let (true, true, Criterion::Loss { .. }) =
            (plain, problem.loss.is_squared(), problem.success)
        {
            let mut sum = zero;
            for (r, y) in self.r.iter_mut().zip(&self.y) {
                *r -= *y;
                sum = r.mul_add_precise(*r, sum);
            }
            return (sum * s, sum * s);
        }
        let (n, k) = (problem.points, problem.outputs());
        let (y, r) = (&self.y, &mut self.r);
        // A function of its own, as activations are.
        simd.vectorize(
            #[inline(always)]
            || {
                let (mut sum, mut judged) = (zero, zero);
                for (point, y) in y.chunks_exact(k).enumerate() {
                    let mut miss = zero;
                    for (output, y) in y.iter().enumerate() {
                        let r = &mut r[place(n, k, point, output)];
                        let worth = worth(simd, problem, *r, *y);
                        *r = worth.delta;
                        sum = worth.term[0].mul_add_precise(worth.term[1], sum);
                        miss = miss.max_precise(worth.miss);
                    }
                    judged = gather(problem.success, judged, miss);
                }
                match problem.success {
                    Criterion::Loss { .. } => (sum * s, sum * s),
                    Criterion::Error { .. } | Criterion::Accuracy { .. } => (sum * s, judged),
                }
            },
        )
    }

    /// Clips the gradient and adds weight decay, where there is anything of that.
    #[inline(always)]
    fn change_gradient(&mut self, problem: &Problem) {
        if !problem.changes_gradient() {
            return;
        }
        let mut squares = Vec::new();
        if let Some(Clip::Norm(_)) = problem.clip {
            for tensor in &problem.tensors {
                let mut sum = V::of(self.simd, 0.0);
                for place in &self.order[tensor.range()] {
                    let g = self.rule.g[*place];
                    sum = g.mul_add_precise(g, sum);
                }
                squares.push(sum);
            }
        }
        let spans = self.spans.iter().map(Span::range);
        self.rule
            .change_gradient(self.simd, problem, &self.w, spans, &squares);
    }

    /// Backward pass. If `STEP`, gradient descent steps each weight as soon as its gradient is
    /// known; else the gradient over 2 s is left with the rule.
    #[inline(always)]
    fn backward<const STEP: bool>(&mut self, problem: &Problem) {
        let simd = self.simd;
        let last = problem.sizes.len() - 2;
        let (spans, bias) = (&self.spans, problem.bias);
        let no_slope = Vec::new();
        if problem.outputs() == 1 {
            let output = Outputs::<S, V> {
                simd,
                fan_in: problem.sizes[last],
                r: &self.r,
                hidden: last > 0,
                input: self.a.last_mut().unwrap_or(&mut self.x),
                slope_from: self.slope_from,
                slope: self.slope.last().unwrap_or(&no_slope),
                stepped: stepped(&mut self.w, &mut self.rule, spans, bias, last),
            };
            output.run::<STEP>();
        }
        for l in (0..products(problem)).rev() {
            let (before, after) = self.a.split_at_mut(l);
            let backward = Backward::<S, V> {
                simd,
                points: problem.points,
                fan_in: problem.sizes[l],
                fan_out: problem.sizes[l + 1],
                delta: match after.first() {
                    Some(hidden) => hidden,
                    None => self.r.as_chunks().0,
                },
                input: if l == 0 { &self.x } else { &before[l - 1] },
                slope_from: self.slope_from,
                slope: if l == 0 { &[] } else { &self.slope[l - 1] },
                grad_input: if l == 0 {
                    &mut []
                } else {
                    &mut self.grad_input
                },
                stepped: stepped(&mut self.w, &mut self.rule, spans, bias, l),
            };
            backward.run::<STEP>();
            if l > 0 {
                std::mem::swap(&mut self.a[l - 1], &mut self.grad_input);
            }
        }
    }
}
