//! The reference engine: plain double-precision loops, one network at a time, obviously right.
//!
//! It ignores `precision` and shares no arithmetic with the fast engine; every other engine is
//! tested against it.

#![allow(
    clippy::needless_range_loop,
    reason = "the loops read like the formula"
)]

use crate::Method;
use crate::Outcome;
use crate::activation::{Activation, value_and_slope};
use crate::class_sign;
use crate::seed::{Purpose, stream};
use crate::threads::on_threads;
use crate::{Clip, Criterion, DIVERGED, Engine, Error, Job, Problem, Queue, Snapshot, Trained};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct Reference;

impl Engine for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn in_flight(&self, _: &Problem, threads: usize) -> u64 {
        threads.max(1) as u64
    }

    fn cuts(&self) -> bool {
        true
    }

    fn train(&self, problem: &Problem, queue: &dyn Queue, threads: usize) -> Result<(), Error> {
        problem.check()?;
        let threads = queue.remaining().clamp(1, threads.max(1) as u64);
        on_threads(threads as usize, &|| {
            loop {
                while let Some(job) = queue.next() {
                    match train_one(problem, job, queue) {
                        Some(trained) => queue.finish(trained),
                        None => return,
                    }
                }
                if !queue.wait() {
                    return;
                }
            }
        });
        Ok(())
    }
}

/// Outputs f [N, k] for flat effective weights and inputs x [N, d].
pub fn outputs(problem: &Problem, weights: &[f64], x: &[f64]) -> Vec<f64> {
    let h = |z: f64| value_and_slope(problem.output.activation(), z).0;
    x.chunks_exact(problem.sizes[0])
        .flat_map(|row| forward(problem, weights, row).output)
        .map(h)
        .collect()
}

struct Pass {
    /// Activations of every layer, the inputs first.
    a: Vec<Vec<f64>>,
    /// φ' of every hidden layer.
    slope: Vec<Vec<f64>>,
    /// What goes into the function of the output layer.
    output: Vec<f64>,
}

fn forward(problem: &Problem, weights: &[f64], row: &[f64]) -> Pass {
    let per_layer = if problem.bias { 2 } else { 1 };
    let layers = problem.tensors.len() / per_layer;
    let mut pass = Pass {
        a: vec![row.to_vec()],
        slope: Vec::new(),
        output: Vec::new(),
    };
    for l in 0..layers {
        let w = &weights[problem.tensors[per_layer * l].range()];
        let b = problem
            .bias
            .then(|| &weights[problem.tensors[per_layer * l + 1].range()]);
        let input = &pass.a[l];
        let z: Vec<f64> = (0..problem.sizes[l + 1])
            .map(|j| {
                let mut z = b.map_or(0.0, |b| b[j]);
                for k in 0..input.len() {
                    z += w[j * input.len() + k] * input[k];
                }
                z
            })
            .collect();
        if l + 1 == layers {
            pass.output = z;
        } else {
            let (a, slope) = z
                .iter()
                .map(|&z| value_and_slope(problem.activation, z))
                .unzip();
            pass.a.push(a);
            pass.slope.push(slope);
        }
    }
    pass
}

/// The loss over s of an output z beside its target, and its derivative.
fn loss_and_slope(problem: &Problem, z: f64, y: f64) -> (f64, f64) {
    if problem.loss.is_squared() {
        let (f, slope) = value_and_slope(problem.output.activation(), z);
        let r = f - y;
        (r * r, 2.0 * r * slope)
    } else {
        let sign = class_sign(y);
        let (value, slope) = value_and_slope(Activation::Softplus, -sign * z);
        (value, -sign * slope)
    }
}

/// What success is judged by, of outputs f and targets y [N, k]: their `loss`, the largest error,
/// or how many points are wrong.
pub fn judged(problem: &Problem, f: &[f64], y: &[f64], loss: f64) -> f64 {
    let sides = |y: f64, boundary: f64| {
        if problem.loss.is_squared() {
            y - boundary
        } else {
            class_sign(y)
        }
    };
    match problem.success {
        Criterion::Loss { .. } => loss,
        Criterion::Error { .. } => {
            let errors = f.iter().zip(y).map(|(f, y)| (f - y).abs());
            errors.fold(0.0, f64::max)
        }
        Criterion::Accuracy { boundary, .. } => {
            let k = problem.outputs();
            let right = |f: f64, y: f64| (f - boundary) * sides(y, boundary) > 0.0;
            let points = f.chunks_exact(k).zip(y.chunks_exact(k));
            let wrong = points.filter(|(f, y)| !f.iter().zip(*y).all(|(f, y)| right(*f, *y)));
            wrong.count() as f64
        }
    }
}

/// The gradient of the loss, each point's term weighted; and the unweighted loss.
fn gradient(problem: &Problem, weights: &[f64], job: &Job, of_point: &[f64]) -> (f64, Vec<f64>) {
    let per_layer = if problem.bias { 2 } else { 1 };
    let s = problem.loss_factor();
    let (d, k) = (problem.sizes[0], problem.outputs());
    let mut loss = 0.0;
    let mut g = vec![0.0; weights.len()];
    for n in 0..problem.points {
        let pass = forward(problem, weights, &job.x[n * d..(n + 1) * d]);
        let mut delta = Vec::with_capacity(k);
        for (z, y) in pass.output.iter().zip(&job.y[n * k..]) {
            let (term, slope) = loss_and_slope(problem, *z, *y);
            loss += s * term;
            delta.push(s * slope * of_point[n]);
        }
        for l in (0..problem.sizes.len() - 1).rev() {
            let tensor = &problem.tensors[per_layer * l];
            let fan_in = problem.sizes[l];
            let mut grad_input = vec![0.0; fan_in];
            for j in 0..delta.len() {
                for k in 0..fan_in {
                    let at = tensor.start + j * fan_in + k;
                    g[at] += delta[j] * pass.a[l][k];
                    grad_input[k] += delta[j] * weights[at];
                }
                if problem.bias {
                    g[problem.tensors[per_layer * l + 1].start + j] += delta[j];
                }
            }
            if l > 0 {
                grad_input
                    .iter_mut()
                    .zip(&pass.slope[l - 1])
                    .for_each(|(d, s)| *d *= s);
            }
            delta = grad_input;
        }
    }
    (loss, g)
}

/// The gradient of the trainable numbers, clipped, from that of the effective weights.
fn clip(problem: &Problem, mut g: Vec<f64>) -> Vec<f64> {
    for (tensor, m) in problem.tensors.iter().zip(&problem.multipliers) {
        g[tensor.range()].iter_mut().for_each(|g| *g *= m);
    }
    match problem.clip {
        None => {}
        Some(Clip::Norm(bound)) => {
            let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
            let factor = (bound / (norm + 1e-6)).min(1.0);
            g.iter_mut().for_each(|g| *g *= factor);
        }
        Some(Clip::Value(bound)) => g.iter_mut().for_each(|g| *g = g.clamp(-bound, bound)),
    }
    g
}

/// Trains one replicate; nothing if the run was stopped.
fn train_one(problem: &Problem, job: Job, queue: &dyn Queue) -> Option<Trained> {
    let n = problem.points;
    let below = problem.success.below(n);
    let mut w = job.weights.clone();
    let (mut first, mut second) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    let mut trained = Trained::before(&job);
    let (mut limit, mut loss_before) = (f64::INFINITY, f64::NAN);
    let mut order = Vec::new();
    let mut eta = job.rate;
    for t in 0.. {
        if t % 256 == 255 && !queue.progress(256, 256) {
            return None;
        }
        let mut of_point = vec![1.0; n];
        if let Some(batch) = problem.batch {
            let batches = batch.per_epoch(n);
            if t % batches == 0 {
                let mut random = stream(job.seed, job.replicate, Purpose::Noise, t / batches);
                order = random.permutation(n);
            }
            let chosen = &order[batch.places(t, n)];
            let weight = if problem.loss.averages() {
                n as f64 / chosen.len() as f64
            } else {
                1.0
            };
            of_point = vec![0.0; n];
            chosen.iter().for_each(|&i| of_point[i] = weight);
        }
        let (loss, g) = gradient(problem, &w, &job, &of_point);
        if t == 0 {
            limit = (DIVERGED * loss.max(1.0)).min(f64::MAX);
        }
        let here = || Snapshot {
            step: t,
            loss,
            weights: w.clone(),
        };
        if problem.grid.binary_search(&t).is_ok() {
            trained.losses.push(loss);
        }
        if job.watch.binary_search(&t).is_ok() {
            trained.watched.push(loss);
        }
        if job.keep_losses {
            trained.all_losses.push(loss);
            queue.follow(job.tag, job.replicate, t, loss);
        }
        if job.snapshots.binary_search(&t).is_ok() {
            trained.snapshots.push(here());
        }
        if loss < trained.best_loss {
            trained.best_loss = loss;
            if job.keep_best {
                trained.best = Some(here());
            }
        }
        trained.judged = match problem.success {
            Criterion::Loss { .. } => None,
            Criterion::Error { .. } | Criterion::Accuracy { .. } => {
                let f = outputs(problem, &w, &job.x);
                Some(judged(problem, &f, &job.y, loss))
            }
        };
        let succeeded = trained.judged.unwrap_or(loss) < below;
        let diverged = !(loss <= limit);
        let reached = !diverged && succeeded;
        if reached && trained.first_below.is_none() {
            trained.first_below = Some(t);
        }
        let over = diverged || (reached && !problem.run_all) || t == problem.steps;
        let is_cut = !over && job.cuts.binary_search(&t).is_ok();
        if over || is_cut {
            trained.outcome = match trained.first_below {
                _ if diverged => Outcome::Diverged { step: t },
                Some(step) if reached => Outcome::Below { step },
                _ => Outcome::Spent,
            };
            trained.last = here();
            if over {
                return Some(trained);
            }
            queue.cut(trained.clone());
        }
        if let Ok(change) = problem.schedule.binary_search_by_key(&t, |m| m.step) {
            eta = job.rate * problem.schedule[change].factor;
        }
        let before = w.clone();
        let clipped = clip(problem, g);
        for (i, tensor) in problem.tensors.iter().enumerate() {
            let (m, rate) = (problem.multipliers[i], eta * problem.rate_factors[i]);
            for p in tensor.range() {
                let (mut g, theta) = (clipped[p], w[p] / m);
                match problem.method {
                    Method::AdamW { .. } => {
                        w[p] = m * (theta - rate * problem.weight_decay * theta)
                    }
                    Method::Gd
                    | Method::Momentum { .. }
                    | Method::Nesterov { .. }
                    | Method::Adam { .. } => g += problem.weight_decay * theta,
                }
                let step = match problem.method {
                    Method::Gd => rate * g,
                    Method::Momentum { beta } => {
                        first[p] = beta * first[p] + g;
                        rate * first[p]
                    }
                    Method::Nesterov { beta } => {
                        first[p] = beta * first[p] + g;
                        rate * (g + beta * first[p])
                    }
                    Method::Adam { betas, eps } | Method::AdamW { betas, eps } => {
                        first[p] += (1.0 - betas[0]) * (g - first[p]);
                        second[p] = betas[1] * second[p] + (1.0 - betas[1]) * g * g;
                        let done = (t + 1) as f64;
                        let scale1 = 1.0 - libm::pow(betas[0], done);
                        let scale2 = 1.0 - libm::pow(betas[1], done);
                        rate / scale1 * first[p] / (second[p].sqrt() / scale2.sqrt() + eps)
                    }
                };
                w[p] -= m * step;
            }
        }
        let same = w
            .iter()
            .zip(&before)
            .all(|(a, b)| a.to_bits() == b.to_bits());
        // The fast engine looks for a motionless step only where the loss repeats. At another rate
        // it may move again.
        let last_rate = problem.schedule.last().is_none_or(|m| m.step <= t);
        if problem.method == Method::Gd
            && problem.batch.is_none()
            && last_rate
            && same
            && loss.to_bits() == loss_before.to_bits()
        {
            trained.outcome = match trained.first_below {
                Some(step) if succeeded => Outcome::Below { step },
                _ => Outcome::Fixed { step: t },
            };
            trained.last = Snapshot {
                step: t,
                loss,
                weights: w,
            };
            return Some(trained);
        }
        loss_before = loss;
    }
    None
}
