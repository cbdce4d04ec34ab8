//! What is said would have been otherwise, done: trained with the change, many times, it comes out
//! as it was said.

use thalweg::analysis::cause::Cause;
use thalweg::engine::cpu::Cpu;
use thalweg::engine::{Job, Problem, Trained};
use thalweg::explain;
use thalweg::lab::{self, Control};
use thalweg::plan::Cell;
use thalweg::record::{Outcome, Row};

use crate::train;
use crate::verdicts::{TANH, causes_of, study};

/// A study's cell with so many replicates, all looked at.
fn cell(net: &str, data: &str, descent: &str, replicates: u64) -> Cell {
    let many = format!("replicates = {replicates}");
    let text = study(net, data, descent).replace("replicates = 12", &many);
    crate::plan(&text).cells.remove(0)
}

const SIN: &str = "hidden = [8, 8]\nactivation = \"sin\"\ninit = \"kaiming_normal\"";

/// Trains on from the last weights of a run, at a rate.
fn onward(cell: &Cell, row: &Row, rate: f64, problem: &Problem) -> Trained {
    let (job, before) = lab::replay(cell, &Cpu::detect(), row.replicate, &Control::default())
        .expect("nothing stops it");
    let job = Job {
        weights: before.last.weights,
        rate,
        snapshots: Vec::new(),
        watch: Vec::new(),
        ..job
    };
    train(&Cpu::detect(), problem, vec![job], 1).remove(0)
}

/// Of the claims about a number of steps nine in ten are right to a factor of two, and there are at
/// least twenty.
#[track_caller]
fn nine_in_ten(claims: &[(u64, Option<u64>)]) {
    let right = |(said, made): &&(u64, Option<u64>)| {
        // A step more or less is none of the kernel's business.
        made.is_some_and(|made| *said < 2 * (made + 1) && made < 2 * (said + 1))
    };
    let good = claims.iter().filter(right).count();
    assert!(claims.len() >= 20, "{} claims", claims.len());
    assert!(
        10 * good >= 9 * claims.len(),
        "{good} of {}: {claims:?}",
        claims.len()
    );
}

/// The steps that a slow run is said to need are those that it then makes: early and late in
/// training, at several dimensions and activations.
#[test]
fn slow_runs_need_the_steps_they_are_said_to_need() {
    let mut claims = Vec::new();
    for (net, data, descent) in [
        (SIN, "dim = 15", "rate = 0.001\nsteps = 100"),
        (SIN, "dim = 3", "rate = 0.002\nsteps = 1000"),
        (SIN, "dim = 2", "rate = 0.004\nsteps = 4000"),
        (TANH, "dim = 8", "rate = { of_limit = 0.2 }\nsteps = 100"),
        (TANH, "dim = 8", "rate = 1e-4\nsteps = 100"),
    ] {
        let (cell, all) = causes_of(cell(net, data, descent, 12));
        let problem = Problem {
            steps: 2_000_000,
            grid: vec![0, 2_000_000].into(),
            ..cell.problem()
        };
        for (row, _, _, why) in &all {
            let Cause::TooSlow {
                more: Some(more),
                holds: true,
                at_best_rate,
                ..
            } = why
            else {
                continue;
            };
            assert!(at_best_rate.expect("gradient descent has one") <= *more);
            let outcome = onward(&cell, row, row.rate, &problem).outcome;
            let made = match outcome {
                Outcome::Below { step } => Some(step),
                Outcome::Spent | Outcome::Fixed { .. } | Outcome::Diverged { .. } => None,
            };
            claims.push((*more, made));
        }
    }
    nine_in_ten(&claims);
}

/// Runs that bounce at the edge are done at half the limit in the steps that they are said to need,
/// wherever the last step fell: on one side of the limit, or on the other.
#[test]
fn bouncing_runs_are_done_at_half_the_limit() {
    let (mut claims, mut below) = (Vec::new(), 0);
    for (seed, points) in [(1, 20), (2, 16)] {
        let mut cell = cell(SIN, "dim = 2", "rate = 0.005\nsteps = 20_000", 60);
        cell.setting.data.points = points;
        let (cell, all) = causes_of(cell.reseeded(seed));
        let problem = Problem {
            steps: 200_000,
            grid: vec![0, 200_000].into(),
            ..cell.problem()
        };
        for (row, _, last, why) in &all {
            let Cause::AtTheEdge {
                over_limit,
                at_half_limit,
                ..
            } = why
            else {
                // Next to the limit only what does not bounce is too slow.
                let top = last.eigenvalues.as_ref().expect("asked for")[points - 1];
                if !row.reached() && row.rate * top > 0.95 {
                    let pull = last.rayleigh().expect("asked for");
                    assert!(pull < 0.5 * top, "{why:?}");
                }
                continue;
            };
            below += u64::from(*over_limit < 1.0);
            let Some(said) = at_half_limit.filter(|steps| *steps < 100_000) else {
                continue;
            };
            let rate = 0.5 * row.rate / over_limit;
            let outcome = onward(&cell, row, rate, &problem).outcome;
            let made = match outcome {
                Outcome::Below { step } => Some(step),
                Outcome::Spent | Outcome::Fixed { .. } | Outcome::Diverged { .. } => None,
            };
            claims.push((said, made));
        }
    }
    assert!(below >= 5, "{below} of {} below the limit", claims.len());
    nine_in_ten(&claims);
}

/// A run that diverged above the limit of its kernel at the start does not at half that limit; the
/// limit is that of the start, not of the exploded weights.
#[test]
fn diverged_runs_do_not_diverge_at_half_the_limit_of_their_start() {
    let mut tried = 0;
    for (net, data) in [(SIN, "dim = 15"), (TANH, "dim = 8"), (SIN, "dim = 3")] {
        let (cell, all) = causes_of(cell(net, data, "rate = 3.0\nsteps = 2000", 12));
        let problem = cell.problem();
        for (row, first, _, why) in &all {
            let Cause::Diverged {
                over_limit_start, ..
            } = why
            else {
                continue;
            };
            let limit = row.rate / over_limit_start;
            let top = first
                .eigenvalues
                .as_ref()
                .expect("asked for")
                .last()
                .copied();
            assert!((limit * top.expect("there are points") - 1.0).abs() < 1e-9);
            let mut again = lab::job(&cell, &problem, row.replicate);
            again.rate = 0.5 * limit;
            let end = train(&Cpu::detect(), &problem, vec![again], 1).remove(0);
            assert!(!matches!(end.outcome, Outcome::Diverged { .. }), "{why:?}");
            assert!(end.last.loss < end.losses[0]);
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried}");
}

/// What `explain` tries is what the cause says: a run at the edge is trained on at half the limit,
/// a slow one at its own rate, a diverged one anew, and one that reached is left alone.
#[test]
fn explain_does_what_the_cause_says() {
    let tries = |descent: &str| {
        let cell = cell(SIN, "dim = 3", descent, 4);
        explain(&cell, &Cpu::detect(), 1, None, &Control::default()).expect("nothing stops it")
    };
    let slow = tries("rate = 0.002\nsteps = 200");
    assert!(matches!(slow.replicate.cause, Cause::TooSlow { .. }));
    let tried = slow.tried[0];
    assert!(!tried.from_start && tried.rate.to_bits() == slow.replicate.rate.to_bits());
    assert!(tried.loss < slow.replicate.final_loss);
    // Descent remembers nothing but its weights: trained on is trained longer.
    let longer = tries("rate = 0.002\nsteps = 400");
    assert_eq!(longer.replicate.final_loss.to_bits(), tried.loss.to_bits());

    let diverged = tries("rate = 3.0\nsteps = 200");
    assert!(diverged.tried[0].from_start);
    assert!(!matches!(
        diverged.tried[0].outcome,
        Outcome::Diverged { .. }
    ));

    let reached = tries("rate = 0.02\nsteps = 100_000");
    assert!(reached.replicate.cause.reached() && reached.tried.is_empty());
}
