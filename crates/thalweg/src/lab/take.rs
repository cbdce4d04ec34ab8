//! What is kept of a replicate that ended, and the record that they make together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CURVES, Judge, Span, row};
use crate::engine::{Problem, Snapshot, Trained};
use crate::observe;
use crate::plan::Cell;
use crate::record::{BANDS, Curve, Kept, Observation, Outcome, ROWS, Record, Row, Tally};
use crate::stats::{SequentialTest, quantile_of};
use crate::study::{At, Losses, Replicates, TestSet, Weights};

/// What is kept of a replicate that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    row: Row,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    losses: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    looks: Vec<Observation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    curve: Option<Curve>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
}

/// The replicates of a cell that ended: the first ones whole, the others counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ends {
    kept: BTreeMap<u64, Ended>,
    tally: Tally,
    #[serde(skip)]
    decision: Decision,
}

/// Decides how many replicates of a cell are wanted.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Decision(Option<SequentialTest>);

impl Decision {
    pub(crate) fn of(cell: &Cell) -> Decision {
        Decision(match cell.setting.replicates {
            Replicates::Fixed(_) => None,
            Replicates::UntilDecided { level, .. } => {
                Some(SequentialTest::new(cell.setting.success.share, level))
            }
        })
    }

    /// Whether replicates are to be judged in the order of their numbers.
    pub(crate) fn in_order(&self) -> bool {
        self.0.is_some()
    }

    /// Takes one more; false if no more are wanted.
    pub(crate) fn judge(&mut self, reached: bool) -> bool {
        match &mut self.0 {
            None => true,
            Some(test) => {
                test.push(reached);
                test.decision().is_none()
            }
        }
    }
}

impl Ends {
    pub(super) fn new(cell: &Cell) -> Ends {
        Ends {
            kept: BTreeMap::new(),
            tally: Tally::default(),
            decision: Decision::of(cell),
        }
    }

    /// Takes the replicates of a piece in, none of which is here yet.
    pub(super) fn join(&mut self, piece: Ends) {
        self.kept.extend(piece.kept);
        self.tally.add(&piece.tally);
    }
}

impl Judge for (Span, Ends) {
    type Ended = Ended;

    fn judge(&mut self, ended: Ended) -> bool {
        self.1.judge(ended)
    }
}

impl Ends {
    /// Takes one more; false if no more are wanted.
    fn judge(&mut self, ended: Ended) -> bool {
        let reached = ended.row.reached();
        if ended.row.replicate < ROWS {
            self.kept.insert(ended.row.replicate, ended);
        } else {
            self.tally.count(&ended.row);
        }
        self.decision.judge(reached)
    }
}

/// The test points of a replicate.
struct Test<'a> {
    cell: &'a Cell,
    problem: &'a Problem,
    set: TestSet,
}

impl<'a> Test<'a> {
    /// Those of a replicate; none if none are asked for.
    fn of(cell: &'a Cell, problem: &'a Problem, replicate: u64) -> Option<Test<'a>> {
        let set = cell.test_set(replicate)?;
        Some(Test { cell, problem, set })
    }

    /// Outputs there [M, k].
    fn outputs(&self, weights: &[f64]) -> Vec<f64> {
        observe::Tangent::outputs(self.problem, weights, &self.set.x)
    }

    /// The loss there, where there are targets.
    fn loss(&self, weights: &[f64]) -> Option<f64> {
        let y = self.set.y.as_ref()?;
        Some(self.loss_of(&self.outputs(weights), y))
    }

    fn loss_of(&self, outputs: &[f64], y: &[f64]) -> f64 {
        let loss = observe::test_loss(self.problem, outputs, y);
        if loss.is_nan() { f64::INFINITY } else { loss }
    }

    /// Loss and accuracy at the end of a replicate.
    fn end(&self, trained: &Trained) -> (Option<f64>, Option<f64>) {
        let Some(y) = &self.set.y else {
            return (None, None);
        };
        let boundary = self.cell.boundary();
        if matches!(trained.outcome, Outcome::Diverged { .. }) {
            return (Some(f64::INFINITY), boundary.map(|_| 0.0));
        }
        let outputs = self.outputs(&trained.last.weights);
        let accuracy = boundary.map(|at| observe::accuracy(self.problem, &outputs, y, at));
        (Some(self.loss_of(&outputs, y)), accuracy)
    }
}

/// The row of a replicate that ended, with what its test points say.
fn row_with(test: Option<&Test<'_>>, trained: &Trained) -> Row {
    let mut row = row(trained);
    if let Some(test) = test {
        (row.test_loss, row.test_accuracy) = test.end(trained);
    }
    row
}

/// The same of a replicate that nothing else is kept of.
pub(crate) fn tested_row(cell: &Cell, problem: &Problem, trained: &Trained) -> Row {
    let test = Test::of(cell, problem, trained.replicate);
    row_with(test.as_ref(), trained)
}

/// Looks at a replicate that ended, and keeps of it what its cell asks for.
pub(super) fn take(cell: &Cell, problem: &Problem, trained: Trained) -> Ended {
    let replicate = trained.replicate;
    let test = Test::of(cell, problem, replicate);
    let row = row_with(test.as_ref(), &trained);
    let keep = cell.setting.keep;
    let looked = cell.looks_at(replicate);
    let is_kept = replicate < keep.replicates;
    // The report shows the first few one by one; their losses on the grid cost next to nothing.
    let has_curve = is_kept || replicate < CURVES;
    if !looked && !has_curve {
        let losses = if replicate < BANDS {
            trained.losses
        } else {
            Vec::new()
        };
        return Ended {
            row,
            losses,
            looks: Vec::new(),
            curve: None,
            kept: None,
        };
    }
    let set = cell.set(replicate);
    let looks = if looked {
        let course = observe::course(problem, &cell.watch_steps(), &trained);
        let at = &cell.setting.look.at;
        let mut path = Vec::new();
        if at.contains(&At::Start) {
            path.push(Snapshot {
                step: 0,
                loss: row.initial_loss,
                weights: cell.weights(replicate),
            });
        }
        path.extend(trained.snapshots);
        let diverged = matches!(trained.outcome, Outcome::Diverged { .. });
        if at.contains(&At::End)
            && !diverged
            && path.last().is_none_or(|p| p.step < trained.last.step)
        {
            path.push(trained.last.clone());
        }
        let mut looks = observe::look(
            problem,
            &cell.setting.look.observables,
            replicate,
            row.rate,
            &set,
            &path,
        );
        if let Some(last) = looks.last_mut() {
            last.course = Some(course);
        }
        if let Some(test) = &test {
            for (look, here) in looks.iter_mut().zip(&path) {
                look.test_loss = test.loss(&here.weights);
            }
        }
        looks
    } else {
        Vec::new()
    };
    let curve = has_curve.then(|| match keep.losses {
        Losses::All if is_kept => Curve {
            replicate,
            steps: (0..trained.all_losses.len() as u64).collect(),
            losses: trained.all_losses,
        },
        Losses::All | Losses::Log => {
            let on_grid = trained.losses.len();
            let mut steps: Vec<u64> = problem.grid[..on_grid].to_vec();
            let mut losses = trained.losses.clone();
            if steps.last() != Some(&row.steps) {
                steps.push(row.steps);
                losses.push(row.final_loss);
            }
            Curve {
                replicate,
                steps,
                losses,
            }
        }
    });
    let weights = match keep.weights {
        Weights::Best => trained.best,
        Weights::Final => Some(trained.last),
        Weights::None => None,
    };
    let kept = weights.filter(|_| is_kept).map(|snapshot| Kept {
        replicate,
        step: snapshot.step,
        loss: snapshot.loss,
        outputs: observe::Tangent::outputs(problem, &snapshot.weights, &set.x),
        test_outputs: test.as_ref().map(|test| test.outputs(&snapshot.weights)),
        weights: snapshot.weights,
        x: set.x,
        y: set.y,
    });
    Ended {
        row,
        losses: trained.losses,
        looks,
        curve,
        kept,
    }
}

/// Puts the replicates together in the order of their numbers.
pub(super) fn gather(
    cell: &Cell,
    problem: &Problem,
    engine: &str,
    ends: Ends,
    seconds: f64,
) -> Record {
    let Ends {
        kept, mut tally, ..
    } = ends;
    let first = || kept.range(..BANDS).map(|(_, ended)| ended);
    let longest = first().map(|e| e.losses.len()).max().unwrap_or(0);
    let quantiles = (0..longest)
        .map(|i| {
            let at: Vec<f64> = first()
                .map(|e| match (e.losses.get(i), e.row.outcome) {
                    (_, Outcome::Diverged { step }) if problem.grid[i] >= step => f64::INFINITY,
                    (Some(loss), _) => *loss,
                    (None, _) => e.row.final_loss,
                })
                .collect();
            [0.1, 0.5, 0.9].map(|q| quantile_of(&at, q))
        })
        .collect();
    let mut record = Record {
        hash: cell.hash.clone(),
        engine: engine.to_string(),
        seconds,
        tally,
        rows: Vec::new(),
        looks: Vec::new(),
        grid: problem.grid[..longest].to_vec(),
        quantiles,
        curves: Vec::new(),
        kept: Vec::new(),
    };
    for one in kept.into_values() {
        tally.count(&one.row);
        record.rows.push(one.row);
        record.looks.extend(one.looks);
        record.curves.extend(one.curve);
        record.kept.extend(one.kept);
    }
    record.tally = tally;
    record
}
