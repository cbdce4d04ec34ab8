//! A candidate while it runs: its price, what theory expects of it, and why its failures failed.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::choice::{Candidate, Fate};
use crate::analysis::cause::{Cause, CauseCount, cause};
use crate::analysis::forecast::predict;
use crate::data::Set;
use crate::engine::{Engine, Snapshot, Trained};
use crate::error::Error;
use crate::lab::{Control, calibrate, job, row};
use crate::observe;
use crate::plan::Cell;
use crate::record::{Outcome, Row};
use crate::stats::{anytime_bounds, median};
use crate::study::{Cost, Observable};

/// Draws on which theory's prediction of a candidate rests.
const PREDICTED: u64 = 6;

/// Replicates that failed and are looked at for their causes, of each candidate.
const LOOKED: usize = 12;

/// A candidate while it runs.
pub(super) struct Contender<'a> {
    pub(super) cell: &'a Cell,
    label: String,
    /// Cost of a step.
    pub(super) price: f64,
    /// The median cost that theory predicts.
    pub(super) predicted: Option<f64>,
    /// The replicates that count.
    pub(super) rows: Vec<Row>,
    /// Trained to fill the lanes, and not yet asked for.
    pub(super) ahead: Vec<Row>,
    /// Why the first ones failed, by number.
    pub(super) causes: Mutex<BTreeMap<u64, Cause>>,
    /// It has shown that it reaches the loss often enough.
    pub(super) feasible: bool,
    /// What became of it; none while it runs.
    pub(super) fate: Option<Fate>,
}

impl<'a> Contender<'a> {
    /// A candidate before the race: its price and what theory expects.
    pub(super) fn new(
        cell: &'a Cell,
        cost: Cost,
        engine: &dyn Engine,
        control: &Control<'_>,
    ) -> Result<Contender<'a>, Error> {
        let price = price_of_step(cell, cost, engine, control)?;
        let steps = predicted_steps(cell);
        Ok(Contender {
            cell,
            label: if cell.label.is_empty() {
                "as written".into()
            } else {
                cell.label.clone()
            },
            price,
            predicted: steps.map(|s| price * median(&s)),
            rows: Vec::new(),
            ahead: Vec::new(),
            causes: Mutex::new(BTreeMap::new()),
            feasible: false,
            fate: None,
        })
    }

    /// What the r-th training costs.
    pub(super) fn cost(&self, r: usize) -> f64 {
        let budget = self.cell.setting.descent.steps;
        self.price * self.rows[r].hit().unwrap_or(budget) as f64
    }

    fn successes(&self) -> u64 {
        self.rows.iter().filter(|r| r.reached()).count() as u64
    }

    pub(super) fn steps(&self) -> u64 {
        self.rows.iter().map(|r| r.steps).sum()
    }

    pub(super) fn median_cost(&self) -> f64 {
        median(
            &(0..self.rows.len())
                .map(|r| self.cost(r))
                .collect::<Vec<_>>(),
        )
    }

    /// The candidate after the race.
    pub(super) fn candidate(&self) -> Candidate {
        let (n, k) = (self.rows.len() as u64, self.successes());
        let causes = self.causes.lock().unwrap_or_else(|e| e.into_inner());
        let causes = causes.range(..n).map(|(_, cause)| cause.kind());
        Candidate {
            label: self.label.clone(),
            setting: Some(Box::new(self.cell.setting.clone())),
            cell: self.cell.hash.clone(),
            parameters: self.cell.parameters(),
            price: self.price,
            predicted: self.predicted,
            replicates: n,
            successes: k,
            success: anytime_bounds(k, n, 0.95),
            median_cost: self.median_cost(),
            steps: self.steps(),
            causes: CauseCount::of(causes),
            fate: self.fate.clone().unwrap_or(Fate::Open),
        }
    }
}

/// The cost of one step of a cell.
fn price_of_step(
    cell: &Cell,
    cost: Cost,
    engine: &dyn Engine,
    control: &Control<'_>,
) -> Result<f64, Error> {
    Ok(match cost {
        Cost::Steps => 1.0,
        Cost::ParameterSteps => cell.parameters() as f64,
        Cost::Seconds => {
            let clock = control.clock.ok_or_else(|| Error::Study {
                message: "`cost = \"seconds\"` needs a clock, and there is none here".into(),
                hint: Some("`cost = \"parameter_steps\"` needs none".into()),
                place: None,
            })?;
            1.0 / calibrate(cell, engine, 1, clock, 0.1)?
        }
    })
}

/// The steps that theory predicts for the first draws, infinite beyond the budget; none for rules
/// without a theory.
fn predicted_steps(cell: &Cell) -> Option<Vec<f64>> {
    let problem = cell.problem();
    (0..PREDICTED)
        .map(|r| {
            let start = job(cell, &problem, r);
            let here = Snapshot {
                step: 0,
                loss: f64::NAN,
                weights: start.weights,
            };
            let set = Set {
                points: problem.points,
                x: start.x,
                y: start.y,
            };
            let look =
                observe::look(&problem, &[Observable::Ntk], r, start.rate, &set, &[here]).pop()?;
            let steps = predict(cell, start.rate, &look)?.as_number();
            let budget = cell.setting.descent.steps as f64;
            Some(if steps <= budget {
                steps
            } else {
                f64::INFINITY
            })
        })
        .collect()
}

/// The cause of a failed replicate, for the first few by number.
pub(super) fn diagnose_failure(
    cell: &Cell,
    trained: &Trained,
    causes: &Mutex<BTreeMap<u64, Cause>>,
) {
    let enough = || {
        let causes = causes.lock().unwrap_or_else(|e| e.into_inner());
        let last = causes.last_key_value();
        causes.len() >= LOOKED && last.is_some_and(|(last, _)| *last < trained.replicate)
    };
    if trained.reached() || enough() {
        return;
    }
    let problem = cell.problem();
    let again = job(cell, &problem, trained.replicate);
    let row = Row {
        initial_loss: f64::NAN,
        ..row(trained)
    };
    let set = Set {
        points: problem.points,
        x: again.x,
        y: again.y,
    };
    let mut path = vec![Snapshot {
        step: 0,
        loss: f64::NAN,
        weights: again.weights,
    }];
    if !matches!(trained.outcome, Outcome::Diverged { .. }) && trained.last.step > 0 {
        path.push(trained.last.clone());
    }
    let looks = observe::look(
        &problem,
        &[
            Observable::Ntk,
            Observable::Hessian,
            Observable::GradientNorm,
        ],
        trained.replicate,
        row.rate,
        &set,
        &path,
    );
    let why = cause(cell, &row, looks.first().zip(looks.last()));
    let mut causes = causes.lock().unwrap_or_else(|e| e.into_inner());
    causes.insert(trained.replicate, why);
    while causes.len() > LOOKED {
        causes.pop_last();
    }
}
