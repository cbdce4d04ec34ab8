//! The cheapest setting that can be certified: theory orders the candidates, a race on common
//! random draws drops the losers early, and the winner is certified on fresh training sets.
//!
//! A training costs what its steps cost, the whole budget if it does not reach the loss. One
//! candidate is cheaper than another if it costs less on most training sets. In the race every
//! decision is an anytime-valid sequential test ([`SequentialTest`]), made at a level that all of
//! them share: the share of successes of each candidate, and the sign of the difference in cost of
//! each pair. Only a candidate that has shown that it succeeds often enough can drop another for
//! being cheaper. So with probability `level` no candidate was dropped that should not have been,
//! however the race went; and since the certificate rests on draws that the race never saw, it owes
//! nothing to the winner's luck.

use super::certificate::{Decision, Draws, Terms};
use super::certify::{certify, fresh_seed};
use super::choice::{Attempt, Candidate, Choice, Fate, Work};
use super::contender::{Contender, diagnose_failure};
use super::replicates::train_replicates;
use crate::engine::Engine;
use crate::error::Error;
use crate::lab::{Control, Numbers};
use crate::plan::Plan;
use crate::stats::{SequentialTest, Side, Wait, paired_ratio, spearman};
use crate::study::Space;

/// Replicates at which the race is judged: these and every doubling.
const FIRST: u64 = 16;

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
        for cell in &plan.cells {
            cell.check_endless("a choice")?;
        }
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
    let race = Race {
        title: &plan.title,
        space,
        engine,
        threads,
        control,
    };
    let mut contenders = race.prepare(plan)?;
    for j in 0..contenders.len() {
        race.run(&mut contenders, j)?;
    }
    let ranked = race.rank(&mut contenders)?;
    let (attempts, winner, certificates) = race.certify(&contenders, &ranked)?;
    for &i in &ranked {
        let tried = attempts.iter().any(|a| a.candidate == i);
        contenders[i].fate = Some(if winner == Some(i) {
            Fate::Chosen
        } else if tried {
            Fate::NotCertified
        } else if contenders[i].feasible {
            Fate::NotToldApart
        } else {
            Fate::Open
        });
    }
    let candidates: Vec<Candidate> = contenders.iter().map(Contender::candidate).collect();
    let setting = &plan.cells[0].setting;
    let both: (Vec<f64>, Vec<f64>) = candidates
        .iter()
        .filter_map(|c| Some((c.predicted?, c.median_cost)))
        .unzip();
    Ok(Choice {
        condition: condition.into(),
        keys: space.each.iter().map(|(key, _)| key.clone()).collect(),
        cost: space.cost,
        success: setting.success,
        level: space.level,
        seed: setting.seed,
        winner,
        attempts,
        front: front(&candidates),
        theory: spearman(&both.0, &both.1),
        work: work(&contenders, space.race, certificates),
        candidates,
    })
}

/// What the race took, beside what every candidate on `race` replicates would have taken.
fn work(contenders: &[Contender<'_>], race: u64, certificates: f64) -> Work {
    let spent: f64 = contenders
        .iter()
        .map(|r| r.steps() as f64 * r.cell.step_work())
        .sum();
    let full: f64 = contenders
        .iter()
        .map(|r| {
            let mean = r.steps() as f64 / r.rows.len().max(1) as f64;
            mean * race as f64 * r.cell.step_work()
        })
        .sum();
    Work {
        steps: contenders.iter().map(Contender::steps).sum(),
        race: spent,
        certificates,
        full,
        // A race without a step saved none.
        saved: if spent > 0.0 { full / spent } else { 1.0 },
    }
}

/// With what the candidates of a space are trained, and how far.
struct Race<'a> {
    title: &'a str,
    space: &'a Space,
    engine: &'a dyn Engine,
    threads: usize,
    control: &'a Control<'a>,
}

impl Race<'_> {
    /// The candidates before they run, in the order in which they start.
    fn prepare<'c>(&self, plan: &'c Plan) -> Result<Vec<Contender<'c>>, Error> {
        let prepared = plan.cells.iter().map(|cell| {
            if (self.control.stopped)() {
                return Err(Error::Stopped { done: 0, cells: 1 });
            }
            Contender::new(cell, self.space.cost, self.engine, self.control)
        });
        let mut all = prepared.collect::<Result<Vec<Contender<'_>>, Error>>()?;
        // The cheapest by theory first: it sets the pace. Then those that theory sees fail, then
        // those of which it says nothing.
        all.sort_by(|a, b| {
            let key = |r: &Contender<'_>| (r.predicted.is_none(), r.predicted.unwrap_or(0.0));
            let ((a0, a1), (b0, b1)) = (key(a), key(b));
            a0.cmp(&b0).then(a1.total_cmp(&b1))
        });
        Ok(all)
    }

    /// The survivors, run on the same draws: those that are feasible first, the cheaper before the
    /// costlier.
    fn rank(&self, contenders: &mut [Contender<'_>]) -> Result<Vec<usize>, Error> {
        let survives = |r: &Contender<'_>| r.fate.is_none();
        let most = contenders.iter().filter(|r| survives(r));
        let most = most.map(|r| r.rows.len()).max().unwrap_or(0) as u64;
        for contender in contenders.iter_mut().filter(|r| survives(r)) {
            self.extend(contender, most)?;
        }
        let mut ranked: Vec<usize> = (0..contenders.len())
            .filter(|&i| survives(&contenders[i]))
            .collect();
        ranked.sort_by(|&i, &j| {
            let key = |i: usize| (!contenders[i].feasible, contenders[i].median_cost());
            let ((a0, a1), (b0, b1)) = (key(i), key(j));
            a0.cmp(&b0).then(a1.total_cmp(&b1))
        });
        Ok(ranked)
    }

    /// Runs a candidate until it is dropped, has dropped all others, or the race is over for it;
    /// others that it is compared with run as far as it does.
    fn run(&self, contenders: &mut [Contender<'_>], j: usize) -> Result<(), Error> {
        let count = contenders.len() as f64;
        // A share of what may go wrong for each candidate, and for each ordered pair of them.
        let alpha = 1.0 - self.space.level;
        let of_candidate = libm::log(2.0 * count / alpha);
        let of_pair = libm::log(2.0 * count * (count - 1.0).max(1.0) / alpha);
        let mut until = FIRST.min(self.space.race);
        loop {
            self.extend(&mut contenders[j], until)?;
            let success = success_test(&contenders[j]);
            contenders[j].feasible |= success.evidence(Side::Above) >= of_candidate;
            if success.evidence(Side::Below) >= of_candidate {
                contenders[j].fate = Some(Fate::TooSeldom);
                return Ok(());
            }
            let rivals: Vec<usize> = (0..j).filter(|&i| contenders[i].fate.is_none()).collect();
            for &i in &rivals {
                self.extend(&mut contenders[i], until)?;
                let late = success_test(&contenders[i]);
                contenders[i].feasible |= late.evidence(Side::Above) >= of_candidate;
                if late.evidence(Side::Below) >= of_candidate {
                    contenders[i].fate = Some(Fate::TooSeldom);
                    continue;
                }
                let (test, cheaper) = cost_test(&contenders[j], &contenders[i]);
                if contenders[i].feasible && test.evidence(Side::Below) >= of_pair {
                    contenders[j].fate = Some(costlier(&contenders[j], i, &contenders[i], cheaper));
                    return Ok(());
                }
                if contenders[j].feasible && test.evidence(Side::Above) >= of_pair {
                    let cheaper = [cheaper[1], cheaper[0]];
                    contenders[i].fate = Some(costlier(&contenders[i], j, &contenders[j], cheaper));
                }
            }
            let alone = (0..j).all(|i| contenders[i].fate.is_some());
            if until >= self.space.race || (alone && contenders[j].feasible) {
                return Ok(());
            }
            until = (2 * until).min(self.space.race);
        }
    }

    /// Trains a candidate's replicates up to a number, and some ahead where that fills the lanes.
    fn extend(&self, contender: &mut Contender<'_>, until: u64) -> Result<(), Error> {
        let missing = |r: &Contender<'_>| (until as usize).saturating_sub(r.rows.len());
        let known = missing(contender).min(contender.ahead.len());
        contender.rows.extend(contender.ahead.drain(..known));
        if missing(contender) == 0 {
            return Ok(());
        }
        let (cell, causes) = (contender.cell, &contender.causes);
        let from = contender.rows.len() as u64;
        let full = from + self.engine.in_flight(&cell.problem(), self.threads);
        // Not more than the next round would ask for: it may never come.
        let most = if full <= 2 * until {
            until.max(full.min(self.space.race))
        } else {
            until
        };
        let mut rows = train_replicates(
            cell,
            self.engine,
            self.threads,
            Numbers::Range(from, most),
            self.control,
            |trained| diagnose_failure(cell, trained, causes),
        )?;
        contender.ahead = rows.split_off((until - from) as usize);
        contender.rows.extend(rows);
        Ok(())
    }

    /// Certifies the survivors one after the other until one is; the work of it.
    fn certify(
        &self,
        contenders: &[Contender<'_>],
        ranked: &[usize],
    ) -> Result<(Vec<Attempt>, Option<usize>, f64), Error> {
        let (mut attempts, mut work, mut left) = (Vec::new(), 0.0, 1.0 - self.space.level);
        for (attempt, &candidate) in ranked.iter().enumerate() {
            left *= 0.5;
            let terms = Terms {
                level: 1.0 - left,
                at_most: self.space.at_most,
                draws: Draws::Reseeded,
            };
            let contender = &contenders[candidate];
            let cell = contender
                .cell
                .reseeded(fresh_seed(contender.cell.setting.seed, attempt as u64));
            let (engine, threads) = (self.engine, self.threads);
            let certificate = certify(&cell, self.title, engine, threads, terms, self.control)?;
            work += certificate.steps() as f64 * contender.cell.step_work();
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

fn success_test(contender: &Contender<'_>) -> SequentialTest {
    let mut test = SequentialTest::new(contender.cell.setting.success.share, 0.5);
    contender.rows.iter().for_each(|r| test.push(r.reached()));
    test
}

/// The sign test of "`a` is cheaper than `b`" over the replicates of both, ties left out, and on
/// how many each is cheaper.
fn cost_test(a: &Contender<'_>, b: &Contender<'_>) -> (SequentialTest, [u64; 2]) {
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

fn costlier(me: &Contender<'_>, than: usize, other: &Contender<'_>, cheaper: [u64; 2]) -> Fate {
    let n = me.rows.len().min(other.rows.len());
    // A cost is known of every training: one that fails costs its budget.
    let costs = |of: &Contender<'_>| (0..n).map(|r| Wait::Until(of.cost(r))).collect::<Vec<_>>();
    let ratio = paired_ratio(&costs(other), &costs(me), 0.95);
    let ratio = ratio.and_then(|found| Some((found.identified()?, found.interval)));
    Fate::Costlier {
        than,
        cheaper_here: cheaper[0],
        cheaper_there: cheaper[1],
        ratio,
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
