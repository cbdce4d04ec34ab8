//! The cheapest setting that can be certified: theory orders the candidates, a race on common random
//! draws drops the losers early, and the winner is certified on fresh training sets.
//!
//! A training costs what its steps cost, the whole budget if it does not reach the loss. One candidate
//! is cheaper than another if it costs less on most training sets. In the race every decision is an
//! anytime-valid sequential test ([`SequentialTest`]), made at a level that all of them share: the
//! share of successes of each candidate, and the sign of the difference in cost of each pair. Only a
//! candidate that has shown that it succeeds often enough can drop another for being cheaper. So with
//! probability `level` no candidate was dropped that should not have been, however the race went; and
//! since the certificate rests on draws that the race never saw, it owes nothing to the winner's luck.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::analysis::cause::{Cause, CauseCount, cause};
use crate::analysis::forecast::predict;
use crate::certify::{Certificate, Decision, Terms, certify, fresh_seed, train_some};
use crate::data::Set;
use crate::engine::{Engine, Snapshot, Trained};
use crate::error::Error;
use crate::lab::{Control, Numbers, calibrate, job, row};
use crate::net::{parameters, sizes};
use crate::observe;
use crate::plan::{Cell, Plan};
use crate::record::{Outcome, Row};
use crate::stats::{Interval, SequentialTest, Side, median, paired_ratio, spearman, wilson};
use crate::study::{Cost, Observable, Space};

/// Draws on which theory's prediction of a candidate rests.
const PREDICTED: u64 = 6;

/// Replicates that failed and are looked at for their causes, of each candidate.
const LOOKED: usize = 12;

/// Replicates at which the race is judged: these and every doubling.
const FIRST: u64 = 16;

/// What was chosen under one condition, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The condition, as `key = value`; empty if there is but one.
    pub condition: String,
    /// What was to be cheap.
    pub cost: Cost,
    /// The share of training sets that must reach the loss.
    pub share: f64,
    /// The loss.
    pub loss_below: f64,
    /// Level of the race, and of the certificates together.
    pub level: f64,
    /// Seed of the race.
    pub seed: u64,
    /// All candidates, in the order in which theory let them start.
    pub candidates: Vec<Candidate>,
    /// Which of them was certified.
    pub winner: Option<usize>,
    /// The certification of survivors, in order; the last one is the winner's.
    pub attempts: Vec<Attempt>,
    /// Candidates that no other beats in both cost and success, cheapest first.
    pub front: Vec<usize>,
    /// Spearman's correlation of predicted and measured cost over the candidates with both.
    pub theory: Option<f64>,
    /// What it took.
    pub work: Work,
}

impl Choice {
    /// Whether it answers the question that `cell` asks: with its seed, loss and share.
    pub fn answers(&self, cell: &Cell) -> bool {
        let success = cell.setting.success;
        self.seed == cell.setting.seed
            && self.share.to_bits() == success.share.to_bits()
            && self.loss_below.to_bits() == success.loss_below.to_bits()
    }
}

/// One setting of the space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// What it is; `as written` for the study's own setting.
    pub label: String,
    /// Content hash of its cell.
    pub cell: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Cost of a step.
    pub price: f64,
    /// Cost predicted by the initial tangent kernel, median over a few draws; infinite if never, none
    /// for rules without a theory.
    pub predicted: Option<f64>,
    /// Replicates it ran in the race.
    pub replicates: u64,
    /// Successes among them.
    pub successes: u64,
    /// Wilson interval of the success probability. The number of replicates depended on the race.
    pub success: Interval,
    /// Median cost over training sets, failures at their whole budget.
    pub median_cost: f64,
    /// Replicate-steps it made in the race.
    pub steps: u64,
    /// Why those replicates failed that were looked at, most frequent first.
    pub causes: Vec<CauseCount>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Certified: the cheapest that could be.
    Chosen,
    /// It reaches the loss on too few training sets.
    TooSeldom,
    /// Another is cheaper on most training sets.
    Costlier {
        /// The other one.
        than: usize,
        /// Training sets on which this one was cheaper.
        cheaper_here: u64,
        /// Training sets on which the other one was.
        cheaper_there: u64,
        /// Median of this one's cost over the other's where both reach the loss, with its interval.
        ratio: Option<(f64, Interval)>,
    },
    /// Nothing told it apart from the winner within the race; its median cost is larger.
    NotToldApart,
    /// Whether it reaches the loss often enough was open at the end of the race.
    Open,
    /// It survived the race and was not certified.
    NotCertified,
}

/// An attempt to certify a survivor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which candidate.
    pub candidate: usize,
    /// The level: attempts share what may go wrong, a half, a quarter, …
    pub level: f64,
    /// What came of it, on draws of a fresh seed.
    pub certificate: Certificate,
}

/// Multiply-adds of training, and what trying everything would have taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Replicate-steps of the race.
    pub steps: u64,
    /// Multiply-adds of the race.
    pub race: f64,
    /// Multiply-adds of the certificates.
    pub certificates: f64,
    /// Multiply-adds of running every candidate on `race` replicates: its own mean so far, times them.
    pub full: f64,
    /// `full` over `race`.
    pub saved: f64,
}

/// A candidate while it runs.
struct Runner<'a> {
    cell: &'a Cell,
    label: String,
    price: f64,
    predicted: Option<f64>,
    rows: Vec<Row>,
    /// Trained to fill the lanes, and not yet asked for.
    ahead: Vec<Row>,
    /// Why the first ones failed, by number.
    causes: Mutex<BTreeMap<u64, Cause>>,
    shown: bool,
    fate: Option<Fate>,
}

impl Runner<'_> {
    /// What the r-th training costs.
    fn cost(&self, r: usize) -> f64 {
        let budget = self.cell.setting.descent.steps;
        self.price * self.rows[r].hit().unwrap_or(budget) as f64
    }

    fn successes(&self) -> u64 {
        self.rows.iter().filter(|r| r.reached()).count() as u64
    }

    fn steps(&self) -> u64 {
        self.rows.iter().map(|r| r.steps).sum()
    }

    fn median_cost(&self) -> f64 {
        median(
            &(0..self.rows.len())
                .map(|r| self.cost(r))
                .collect::<Vec<_>>(),
        )
    }

    /// Multiply-adds of one step.
    fn step_work(&self) -> f64 {
        let sizes = sizes(&self.cell.setting.net, self.cell.dim());
        let products: Vec<usize> = sizes.windows(2).map(|p| p[0] * p[1]).collect();
        let work = 3 * products.iter().sum::<usize>() - products[0];
        (self.cell.setting.data.points * work) as f64
    }
}

/// Chooses from a space for each of its conditions, whose plans are those of [`Plan::choices`].
///
/// # Errors
///
/// [`Error::Study`] if the space counts seconds where there is no clock; [`Error::Stopped`];
/// [`Error::Engine`].
pub fn choose(
    space: &Space,
    plans: &[(String, Plan)],
    engine: &dyn Engine,
    threads: usize,
    control: &Control<'_>,
) -> Result<Vec<Choice>, Error> {
    let mut all = Vec::new();
    for (condition, plan) in plans {
        let one = choose_one(condition, plan, space, engine, threads, control);
        all.push(one.map_err(|error| match error {
            Error::Stopped { .. } => Error::Stopped {
                done: all.len(),
                cells: plans.len(),
            },
            other => other,
        })?);
    }
    Ok(all)
}

fn choose_one(
    condition: &str,
    plan: &Plan,
    space: &Space,
    engine: &dyn Engine,
    threads: usize,
    control: &Control<'_>,
) -> Result<Choice, Error> {
    let lined_up = plan.cells.iter().map(|cell| {
        if (control.stopped)() {
            return Err(Error::Stopped { done: 0, cells: 1 });
        }
        line_up(cell, space.cost, engine, control)
    });
    let mut runners = lined_up.collect::<Result<Vec<Runner<'_>>, Error>>()?;
    // The cheapest by theory first: it sets the pace. Then those that theory sees fail, then those of
    // which it says nothing.
    runners.sort_by(|a, b| {
        let key = |r: &Runner<'_>| (r.predicted.is_none(), r.predicted.unwrap_or(0.0));
        let ((a0, a1), (b0, b1)) = (key(a), key(b));
        a0.cmp(&b0).then(a1.total_cmp(&b1))
    });
    let race = Race {
        space,
        engine,
        threads,
        control,
    };
    for j in 0..runners.len() {
        race.run(&mut runners, j)?;
    }
    // Survivors are ranked on the same draws.
    let alive = |r: &Runner<'_>| r.fate.is_none();
    let most = runners.iter().filter(|r| alive(r)).map(|r| r.rows.len());
    let most = most.max().unwrap_or(0) as u64;
    for runner in runners.iter_mut().filter(|r| r.fate.is_none()) {
        race.extend(runner, most)?;
    }
    let mut ranked: Vec<usize> = (0..runners.len()).filter(|&i| alive(&runners[i])).collect();
    ranked.sort_by(|&i, &j| {
        let key = |i: usize| (!runners[i].shown, runners[i].median_cost());
        let ((a0, a1), (b0, b1)) = (key(i), key(j));
        a0.cmp(&b0).then(a1.total_cmp(&b1))
    });
    let (attempts, winner, certificates) = race.certify(&runners, &ranked)?;
    for &i in &ranked {
        let tried = attempts.iter().any(|a| a.candidate == i);
        runners[i].fate = Some(if winner == Some(i) {
            Fate::Chosen
        } else if tried {
            Fate::NotCertified
        } else if runners[i].shown {
            Fate::NotToldApart
        } else {
            Fate::Open
        });
    }
    let spent: f64 = runners
        .iter()
        .map(|r| r.steps() as f64 * r.step_work())
        .sum();
    let full: f64 = runners
        .iter()
        .map(|r| r.steps() as f64 / r.rows.len().max(1) as f64 * space.race as f64 * r.step_work())
        .sum();
    let candidates: Vec<Candidate> = runners.iter().map(candidate).collect();
    let setting = &plan.cells[0].setting;
    let both: (Vec<f64>, Vec<f64>) = candidates
        .iter()
        .filter_map(|c| Some((c.predicted?, c.median_cost)))
        .unzip();
    Ok(Choice {
        condition: condition.into(),
        cost: space.cost,
        share: setting.success.share,
        loss_below: setting.success.loss_below,
        level: space.level,
        seed: setting.seed,
        winner,
        attempts,
        front: front(&candidates),
        theory: spearman(&both.0, &both.1),
        work: Work {
            steps: runners.iter().map(Runner::steps).sum(),
            race: spent,
            certificates,
            full,
            saved: full / spent,
        },
        candidates,
    })
}

/// A candidate before the race: its price and what theory expects.
fn line_up<'a>(
    cell: &'a Cell,
    cost: Cost,
    engine: &dyn Engine,
    control: &Control<'_>,
) -> Result<Runner<'a>, Error> {
    let price = match cost {
        Cost::Steps => 1.0,
        Cost::ParameterSteps => parameters(&cell.setting.net, cell.dim()) as f64,
        Cost::Seconds => {
            let clock = control.clock.ok_or_else(|| Error::Study {
                message: "`cost = \"seconds\"` needs a clock, and there is none here".into(),
                hint: Some("`cost = \"parameter_steps\"` needs none".into()),
                place: None,
            })?;
            1.0 / calibrate(cell, engine, 1, clock, 0.1)?
        }
    };
    let problem = cell.problem();
    let steps: Option<Vec<f64>> = (0..PREDICTED)
        .map(|r| {
            let start = job(cell, &problem, r);
            let here = Snapshot {
                step: 0,
                loss: f64::NAN,
                weights: start.weights,
            };
            let set = Set {
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
        .collect();
    Ok(Runner {
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
        shown: false,
        fate: None,
    })
}

struct Race<'a> {
    space: &'a Space,
    engine: &'a dyn Engine,
    threads: usize,
    control: &'a Control<'a>,
}

impl Race<'_> {
    /// Runs a candidate until it is dropped, has dropped all others, or the race is over for it; others
    /// that it is compared with run as far as it does.
    fn run(&self, runners: &mut [Runner<'_>], j: usize) -> Result<(), Error> {
        let count = runners.len() as f64;
        // A share of what may go wrong for each candidate, and for each ordered pair of them.
        let alpha = 1.0 - self.space.level;
        let of_candidate = libm::log(2.0 * count / alpha);
        let of_pair = libm::log(2.0 * count * (count - 1.0).max(1.0) / alpha);
        let mut until = FIRST.min(self.space.race);
        loop {
            self.extend(&mut runners[j], until)?;
            let success = success_test(&runners[j]);
            runners[j].shown |= success.evidence(Side::Above) >= of_candidate;
            if success.evidence(Side::Below) >= of_candidate {
                runners[j].fate = Some(Fate::TooSeldom);
                return Ok(());
            }
            let rivals: Vec<usize> = (0..j).filter(|&i| runners[i].fate.is_none()).collect();
            for &i in &rivals {
                self.extend(&mut runners[i], until)?;
                let late = success_test(&runners[i]);
                runners[i].shown |= late.evidence(Side::Above) >= of_candidate;
                if late.evidence(Side::Below) >= of_candidate {
                    runners[i].fate = Some(Fate::TooSeldom);
                    continue;
                }
                let (test, cheaper) = cost_test(&runners[j], &runners[i]);
                if runners[i].shown && test.evidence(Side::Below) >= of_pair {
                    runners[j].fate = Some(costlier(&runners[j], i, &runners[i], cheaper));
                    return Ok(());
                }
                if runners[j].shown && test.evidence(Side::Above) >= of_pair {
                    let cheaper = [cheaper[1], cheaper[0]];
                    runners[i].fate = Some(costlier(&runners[i], j, &runners[j], cheaper));
                }
            }
            let alone = (0..j).all(|i| runners[i].fate.is_some());
            if until >= self.space.race || (alone && runners[j].shown) {
                return Ok(());
            }
            until = (2 * until).min(self.space.race);
        }
    }

    /// Trains a candidate's replicates up to a number, and some ahead where that fills the lanes.
    fn extend(&self, runner: &mut Runner<'_>, until: u64) -> Result<(), Error> {
        let missing = |r: &Runner<'_>| (until as usize).saturating_sub(r.rows.len());
        let known = missing(runner).min(runner.ahead.len());
        runner.rows.extend(runner.ahead.drain(..known));
        if missing(runner) == 0 {
            return Ok(());
        }
        let (cell, causes) = (runner.cell, &runner.causes);
        let from = runner.rows.len() as u64;
        let full = from + self.engine.in_flight(&cell.problem(), self.threads);
        // Not more than the next round would ask for: it may never come.
        let most = if full <= 2 * until {
            until.max(full.min(self.space.race))
        } else {
            until
        };
        let mut rows = train_some(
            cell,
            self.engine,
            self.threads,
            Numbers::Range(from, most),
            self.control,
            |trained| look_at_failure(cell, trained, causes),
        )?;
        runner.ahead = rows.split_off((until - from) as usize);
        runner.rows.extend(rows);
        Ok(())
    }

    /// Certifies the survivors one after the other until one is; the work of it.
    fn certify(
        &self,
        runners: &[Runner<'_>],
        ranked: &[usize],
    ) -> Result<(Vec<Attempt>, Option<usize>, f64), Error> {
        let (mut attempts, mut work, mut left) = (Vec::new(), 0.0, 1.0 - self.space.level);
        for (attempt, &candidate) in ranked.iter().enumerate() {
            left *= 0.5;
            let terms = Terms {
                level: 1.0 - left,
                at_most: self.space.at_most,
            };
            let runner = &runners[candidate];
            let cell = runner
                .cell
                .reseeded(fresh_seed(runner.cell.setting.seed, attempt as u64));
            let certificate = certify(&cell, self.engine, self.threads, terms, self.control)?;
            work += certificate.steps() as f64 * runner.step_work();
            let certified = certificate.decision == Decision::Yes;
            attempts.push(Attempt {
                candidate,
                level: terms.level,
                certificate,
            });
            if certified {
                return Ok((attempts, Some(candidate), work));
            }
        }
        Ok((attempts, None, work))
    }
}

fn success_test(runner: &Runner<'_>) -> SequentialTest {
    let mut test = SequentialTest::new(runner.cell.setting.success.share, 0.5);
    runner.rows.iter().for_each(|r| test.push(r.reached()));
    test
}

/// The sign test of "`a` is cheaper than `b`" over the replicates of both, ties left out, and on how
/// many each is cheaper.
fn cost_test(a: &Runner<'_>, b: &Runner<'_>) -> (SequentialTest, [u64; 2]) {
    let mut test = SequentialTest::new(0.5, 0.5);
    let mut cheaper = [0, 0];
    for r in 0..a.rows.len().min(b.rows.len()) {
        let (mine, other) = (a.cost(r), b.cost(r));
        if mine < other {
            cheaper[0] += 1;
            test.push(true);
        } else if other < mine {
            cheaper[1] += 1;
            test.push(false);
        }
    }
    (test, cheaper)
}

fn costlier(me: &Runner<'_>, than: usize, other: &Runner<'_>, cheaper: [u64; 2]) -> Fate {
    let n = me.rows.len().min(other.rows.len());
    let hits = |r: &Runner<'_>| r.rows[..n].iter().map(Row::hit).collect::<Vec<_>>();
    let scale = me.price / other.price;
    let ratio = paired_ratio(&hits(other), &hits(me), 0.95).map(|(ratio, interval)| {
        let interval = Interval {
            low: scale * interval.low,
            high: scale * interval.high,
        };
        (scale * ratio, interval)
    });
    Fate::Costlier {
        than,
        cheaper_here: cheaper[0],
        cheaper_there: cheaper[1],
        ratio,
    }
}

/// The cause of a failed replicate, for the first few by number.
fn look_at_failure(cell: &Cell, trained: &Trained, causes: &Mutex<BTreeMap<u64, Cause>>) {
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

/// A candidate after the race.
fn candidate(runner: &Runner<'_>) -> Candidate {
    let (n, k) = (runner.rows.len() as u64, runner.successes());
    let causes = runner.causes.lock().unwrap_or_else(|e| e.into_inner());
    let causes = causes.range(..n).map(|(_, cause)| cause.kind());
    Candidate {
        label: runner.label.clone(),
        cell: runner.cell.hash.clone(),
        parameters: parameters(&runner.cell.setting.net, runner.cell.dim()),
        price: runner.price,
        predicted: runner.predicted,
        replicates: n,
        successes: k,
        success: wilson(k, n, 0.95),
        median_cost: runner.median_cost(),
        steps: runner.steps(),
        causes: CauseCount::of(causes),
        fate: runner.fate.clone().unwrap_or(Fate::Open),
    }
}

/// The candidates that no other beats in both cost and success, by what was measured of them; the
/// cheapest first. Of equals the first stays.
fn front(candidates: &[Candidate]) -> Vec<usize> {
    let success = |c: &Candidate| c.successes as f64 / c.replicates.max(1) as f64;
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|&i, &j| {
        let (a, b) = (&candidates[i], &candidates[j]);
        let by_cost = a.median_cost.total_cmp(&b.median_cost);
        by_cost.then(success(b).total_cmp(&success(a)))
    });
    let mut best = 0.0;
    order.retain(|&i| {
        let here = success(&candidates[i]);
        let better = here > best;
        best = f64::max(best, here);
        better
    });
    order
}
