//! One training for all cells that train the same networks: what each of them wants of it, and what
//! it has of it.
//!
//! Cells that differ in their budgets, and in what is looked at, kept and asked, train the same
//! networks, step by step. The longest training is cut where the others end.

use std::cmp::Reverse;

use super::{Span, draw, grouped};
use crate::engine::{Job, Problem, Trained};
use crate::plan::{Cell, Plan};
use crate::study::{Losses, Replicates, Weights};

/// What a cell wants of the training of a replicate.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) cell: &'a Cell,
    /// Losses and weights are kept on the way, as the cell asks for.
    pub(super) followed: bool,
}

impl Wish<'_> {
    pub(super) fn steps(&self) -> u64 {
        self.cell.setting.descent.steps
    }

    fn is_kept(&self, replicate: u64) -> bool {
        self.followed && replicate < self.cell.setting.keep.replicates
    }

    fn keeps_best(&self, replicate: u64) -> bool {
        self.is_kept(replicate) && self.cell.setting.keep.weights == Weights::Best
    }

    fn keeps_losses(&self, replicate: u64) -> bool {
        self.is_kept(replicate) && self.cell.setting.keep.losses == Losses::All
    }

    /// Whether the loss of a step is one that is kept of every step.
    pub(super) fn follows(&self, replicate: u64, step: u64) -> bool {
        self.keeps_losses(replicate) && step <= self.steps()
    }

    fn snapshots(&self, replicate: u64) -> Vec<u64> {
        if self.followed && self.cell.looks_at(replicate) {
            self.cell.look_steps(replicate)
        } else {
            Vec::new()
        }
    }

    fn watch(&self, replicate: u64) -> Vec<u64> {
        if self.followed && self.cell.looks_at(replicate) {
            self.cell.watch_steps()
        } else {
            Vec::new()
        }
    }

    /// What it has of a training that it shares with all of them, as that is where it ends for it.
    pub(super) fn share(&self, all: &[Self], problem: &Problem, own: &Trained) -> Trained {
        let (replicate, steps) = (own.replicate, self.steps());
        // The grid of a budget is that of every longer one up to its own last step.
        let on_grid = problem.grid.iter().zip(&own.losses);
        let before = on_grid.filter(|(step, _)| **step < steps);
        let at_last = (own.last.step == steps).then_some(own.last.loss);
        let (wanted, snapshots) = (self.watch(replicate), self.snapshots(replicate));
        let watched = steps_of(all, |wish| wish.watch(replicate));
        let watched = watched.iter().zip(&own.watched);
        let watched = watched.filter(|(step, _)| wanted.binary_search(step).is_ok());
        let taken = own.snapshots.iter();
        let taken = taken.filter(|one| snapshots.binary_search(&one.step).is_ok());
        Trained {
            losses: before.map(|(_, loss)| *loss).chain(at_last).collect(),
            all_losses: match self.keeps_losses(replicate) {
                true => own.all_losses.clone(),
                false => Vec::new(),
            },
            best: own.best.clone().filter(|_| self.keeps_best(replicate)),
            last: own.last.clone(),
            snapshots: taken.cloned().collect(),
            watched: watched.map(|(_, loss)| *loss).collect(),
            ..*own
        }
    }
}

/// The steps that any of them wants, increasing.
fn steps_of(all: &[Wish<'_>], wanted: impl Fn(&Wish<'_>) -> Vec<u64>) -> Vec<u64> {
    let mut steps: Vec<u64> = all.iter().flat_map(wanted).collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// Where a training to the budget of a problem is cut for all of them.
pub(super) fn cuts(all: &[Wish<'_>], problem: &Problem) -> Vec<u64> {
    let mut cuts = steps_of(all, |wish| vec![wish.steps()]);
    cuts.retain(|step| *step < problem.steps);
    cuts
}

/// A replicate of cells that train the same networks, as all of them want it, and not cut.
pub(super) fn job_for(all: &[Wish<'_>], problem: &Problem, replicate: u64) -> Job {
    Job {
        snapshots: steps_of(all, |wish| wish.snapshots(replicate)),
        keep_best: all.iter().any(|wish| wish.keeps_best(replicate)),
        keep_losses: all.iter().any(|wish| wish.keeps_losses(replicate)),
        watch: steps_of(all, |wish| wish.watch(replicate)),
        ..draw(all[0].cell, problem, replicate)
    }
}

/// Spans in families that train the same networks, the longest budget first, whose span has all
/// replicates of the others. Budgets differ only if trainings are `cut`.
pub(super) fn families(plan: &Plan, spans: &[Span], cut: bool) -> Vec<Vec<Span>> {
    let steps = |span: &Span| plan.cells[span.cell].setting.descent.steps;
    let keyed = spans.iter().map(|span| {
        let cell = &plan.cells[span.cell];
        let alone = match cell.setting.replicates {
            Replicates::Fixed(_) => None,
            // How many it wants is decided on the way.
            Replicates::UntilDecided { .. } => Some(span.cell),
        };
        let budget = if cut { 0 } else { steps(span) };
        ((cell.training(), budget, alone), *span)
    });
    let mut families = Vec::new();
    for mut left in grouped(keyed) {
        left.sort_by_key(|span| Reverse((steps(span), span.until - span.from)));
        while let Some(longest) = left.first().copied() {
            let within = |span: &Span| longest.from <= span.from && span.until <= longest.until;
            let (family, beyond) = left.into_iter().partition(within);
            families.push(family);
            left = beyond;
        }
    }
    families
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::descent::{Descent, Method, Precision, Rate, Schedule, Stop};
    use crate::engine::{self, Engine};
    use crate::lab::{self, Control, Event, InMemory};
    use crate::net::Net;
    use crate::record::Record;
    use crate::study::{At, Compare, Keep, Look, Setting, Success};
    use crate::{Inputs, Study, data};

    /// Cells that train the same networks and differ in all that may differ.
    fn plan(descent: &Descent, loss_below: f64) -> Plan {
        let study = Study {
            compare: vec![
                Compare::new("budget").vary("descent.steps", [3, 100, 150, 400]),
                Compare::new("share").vary("success.share", [0.5]),
                Compare::new("many")
                    .vary("descent.steps", [40])
                    .vary("replicates", [40]),
                Compare::new("few")
                    .vary("descent.steps", [900])
                    .vary("replicates", [5]),
            ],
            ..Study::of(Setting {
                replicates: Replicates::Fixed(23),
                data: data::Data {
                    points: 4,
                    dim: 3,
                    ..data::Data::default()
                },
                net: Net {
                    hidden: vec![5],
                    ..Net::default()
                },
                descent: descent.clone(),
                success: Success {
                    loss_below,
                    ..Success::default()
                },
                look: Look {
                    at: vec![At::Start, At::Every(30), At::End],
                    replicates: 2,
                    follow: 1,
                    ..Look::default()
                },
                keep: Keep {
                    losses: Losses::All,
                    ..Keep::default()
                },
                ..Setting::default()
            })
        };
        let mut plan = Plan::new(&study, &Inputs::default()).expect("a study");
        let other = &mut plan.cells[2].setting;
        other.look.replicates = 1;
        other.keep.losses = Losses::Log;
        other.keep.weights = Weights::None;
        plan
    }

    /// The records of a run, and the steps that were made.
    fn run(plan: &Plan, engine: &dyn Engine) -> (Vec<Record>, u64) {
        let made = AtomicU64::new(0);
        let control = Control {
            listen: &|event| {
                if let Event::Steps(steps) = event {
                    made.fetch_add(steps, Ordering::Relaxed);
                }
            },
            ..Control::default()
        };
        let records = lab::run(plan, engine, 2, &InMemory, &control).expect("it trains");
        (records, made.into_inner())
    }

    /// A training that is shared leaves each cell the record that it has alone.
    #[test]
    fn a_cell_does_not_feel_who_shares_its_training() {
        let base = Descent {
            steps: 400,
            rate: Rate::Absolute(0.02),
            ..Descent::default()
        };
        let change = |change: fn(&mut Descent)| {
            let mut descent = base.clone();
            change(&mut descent);
            descent
        };
        let all = [
            base.clone(),
            change(|d| d.stop = Stop::Never),
            change(|d| d.precision = Precision::F32),
            change(|d| d.rate = Rate::OfLimit(0.7)),
            // Some diverge, and some of those before the shortest budget is over.
            change(|d| d.rate = Rate::OfLimit(2.3)),
            // A dead end at once.
            change(|d| d.rate = Rate::Absolute(1e-30)),
            change(|d| d.method = Method::Momentum { beta: 0.9 }),
            change(|d| d.method = Method::ALL[3]),
            change(|d| d.batch = Some(3)),
            change(|d| {
                d.schedule = Schedule::MultiStep {
                    milestones: vec![50],
                    gamma: 0.5,
                }
            }),
            change(|d| {
                d.schedule = Schedule::Step {
                    every: 120,
                    gamma: 0.5,
                }
            }),
        ];
        let engines = ["cpu", "reference"].map(|name| engine::by_name(name).expect("it is there"));
        let mut ends = String::new();
        for descent in &all {
            for loss_below in [1e-1, 1e-8] {
                let plan = plan(descent, loss_below);
                for engine in &engines {
                    for (cell, together) in plan.cells.iter().zip(run(&plan, &**engine).0) {
                        let control = Control::default();
                        let alone = lab::train(cell, &**engine, 2, &control).expect("it trains");
                        // As text NaN is NaN.
                        let (together, alone) = (format!("{together:?}"), format!("{alone:?}"));
                        assert_eq!(together, alone, "{descent:?}, {}", cell.describe());
                        ends += &alone;
                    }
                }
            }
        }
        for outcome in ["Below", "Spent", "Diverged", "Fixed"] {
            assert!(ends.contains(outcome), "no replicate is {outcome}");
        }
    }

    /// No step is made twice: of cells that share a training the longest is trained.
    #[test]
    fn cells_that_share_a_training_cost_what_the_longest_does() {
        let descent = Descent {
            steps: 400,
            rate: Rate::Absolute(1e-4),
            stop: Stop::Never,
            ..Descent::default()
        };
        let plan = plan(&descent, 1e-8);
        let engine = engine::by_name("cpu").expect("it is there");
        // 40 networks to step 40 and 5 to step 900 share with nobody whose replicates they lack.
        let (_, made) = run(&plan, &*engine);
        let steps = |replicates: u64, budget: u64| replicates * (budget + 1);
        assert_eq!(made, steps(23, 400) + steps(40, 40) + steps(5, 900));
        let families = families(
            &plan,
            &plan.cells.iter().map(Span::whole).collect::<Vec<_>>(),
            true,
        );
        assert_eq!(families.len(), 3);
    }
}
