//! Trains one small batch on one thread and nothing else: what `benches/instructions/count` counts.
//!
//! `small_batch [ACTIVATION [PRECISION [UNITS [NETWORKS [STEPS [RATE]]]]]]`: networks of two hidden
//! layers on 20 points in 15 dimensions. The last losses are printed, so that no work can be
//! optimised away.

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NoSuchWord, StrDeserializer};
use thalweg_engine::seed::{Purpose, stream};
use thalweg_engine::{Criterion, Engine, Job, Problem, Queue, Trained, cpu::Cpu};

const POINTS: usize = 20;
const DIM: usize = 15;
const SEED: u64 = 2018;

/// The replicates of one problem, handed out in order.
struct Batch {
    problem: Problem,
    rate: f64,
    networks: u64,
    next: AtomicU64,
    trained: Mutex<Vec<Trained>>,
}

impl Batch {
    /// Draws a training set and weights of variance 2/fan_in, all normal.
    fn job(&self, replicate: u64) -> Job {
        let normals = |purpose, part, count: usize, std: f64| {
            let mut random = stream(SEED, replicate, purpose, part);
            (0..count).map(move |_| std * random.normal())
        };
        let parts = self.problem.tensors.iter().zip(0..);
        Job {
            replicate,
            tag: 0,
            x: normals(Purpose::Data, 1, POINTS * DIM, 1.0).collect(),
            y: normals(Purpose::Data, 0, POINTS, 1.0).collect(),
            weights: parts
                .flat_map(|(tensor, part)| {
                    let std = match tensor.shape[..] {
                        [_, fan_in] => (2.0 / fan_in as f64).sqrt(),
                        _ => 0.0,
                    };
                    normals(Purpose::Init, part, tensor.len(), std)
                })
                .collect(),
            rate: self.rate,
            seed: SEED,
            snapshots: Vec::new(),
            keep_best: false,
            keep_losses: false,
            watch: Vec::new(),
            cuts: Vec::new(),
        }
    }
}

impl Queue for Batch {
    fn next(&self) -> Option<Job> {
        let replicate = self.next.fetch_add(1, Ordering::Relaxed);
        (replicate < self.networks).then(|| self.job(replicate))
    }

    fn finish(&self, trained: Trained) {
        self.trained
            .lock()
            .expect("no thread panicked")
            .push(trained);
    }

    fn remaining(&self) -> u64 {
        self.networks
            .saturating_sub(self.next.load(Ordering::Relaxed))
    }

    fn progress(&self, _steps: u64, _room: u64) -> bool {
        true
    }
}

/// Two hidden layers of so many units, trained by gradient descent to the last step.
fn problem(
    activation: &str,
    precision: &str,
    units: usize,
    steps: u64,
) -> Result<Problem, NoSuchWord> {
    fn word(text: &str) -> StrDeserializer<'_, NoSuchWord> {
        text.into_deserializer()
    }
    let sizes = vec![DIM, units, units, 1];
    Ok(Problem {
        activation: Deserialize::deserialize(word(activation))?,
        run_all: true,
        success: Criterion::Loss { below: 0.0 },
        precision: Deserialize::deserialize(word(precision))?,
        ..Problem::descent(sizes, true, POINTS, steps)
    })
}

#[expect(clippy::print_stdout, reason = "what was trained is the output")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |default: &str| arguments.next().unwrap_or(default.into());
    let (activation, precision) = (next("relu"), next("f32"));
    let (units, networks, steps) = (
        next("20").parse()?,
        next("16").parse()?,
        next("200").parse()?,
    );
    let batch = Batch {
        problem: problem(&activation, &precision, units, steps)?,
        rate: next("0.001").parse()?,
        networks,
        next: AtomicU64::new(0),
        trained: Mutex::default(),
    };
    Cpu::detect().train(&batch.problem, &batch, 1)?;
    let trained = batch.trained.into_inner()?;
    let losses: Vec<f64> = trained.iter().map(|one| one.last.loss).collect();
    println!("{} replicate-steps, {losses:?}", networks * steps);
    Ok(())
}
