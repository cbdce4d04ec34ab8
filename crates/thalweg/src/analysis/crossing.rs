//! Where success crosses a share along a number.

use serde::Serialize;

use super::LEVEL;
use super::hitting_times::Quantile;
use super::summary::{IntervalKind, Reaches, Summary};
use crate::descent::Stop;
use crate::plan::Plan;
use crate::record::Record;
use crate::stats::{BinomialGroup, Interval, Logistic};

/// Cells with some successes and some failures, near the crossing, from which on a curve is fitted:
/// through two every curve goes.
const FITTED: usize = 3;

/// Below this p-value of lack of fit a curve is not believed.
const DEPARTS: f64 = 0.05;

/// Where the probability of success crosses a share along a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Crossing {
    /// Whether success rises with the number.
    pub rises: bool,
    /// Where: a number if both ends are the same, else the two between which the observed share
    /// crosses, or the whole numbers around it where it counts something.
    pub at: Interval,
    /// 95 % interval; infinite ends lie beyond what was tried.
    pub interval: Interval,
    /// How it was found.
    pub found: Found,
}

/// How a crossing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// As the quantile of the hitting time under the largest budget: budgets share their
    /// replicates, and nothing is to be fitted.
    Quantile,
    /// By a logistic curve through so many cells near the crossing, with replicates as clusters.
    Fit(usize),
    /// By the cells on either side whose whole intervals lie on that side: success is monotone, and
    /// no more is supposed.
    Bracket,
}

/// The cells along a number, and what is asked.
struct Along<'a> {
    at: &'a [(f64, usize)],
    cells: Vec<&'a Summary>,
    records: Vec<&'a Record>,
    share: f64,
    rises: bool,
}

/// Where success crosses `share` along the numbers of these cells, which `key` takes; none if it
/// does not within what was tried, or not in one direction.
pub fn crossing(
    at: &[(f64, usize)],
    key: &str,
    plan: &Plan,
    (records, summaries): (&[Record], &[Summary]),
    share: f64,
) -> Option<Crossing> {
    let cells: Vec<&Summary> = at.iter().map(|(_, m)| &summaries[*m]).collect();
    let (first, last) = (cells.first()?, cells.last()?);
    let along = Along {
        at,
        records: at.iter().map(|(_, m)| &records[*m]).collect(),
        share,
        rises: last.share > first.share,
        cells,
    };
    let stops = |m: usize| plan.cells[m].setting.descent.stop == Stop::Below;
    if key == "descent.steps" && at.iter().all(|(_, m)| stops(*m)) {
        return along.of_budgets();
    }
    let bracket = along.bracket()?;
    // What is counted, in whole numbers.
    let counts = matches!(key, "data.dim" | "data.points" | "net.hidden");
    if counts {
        return Some(bracket);
    }
    // Rates, steps and factors are told apart by their ratios.
    Some(
        along
            .fit(&bracket, key.starts_with("descent."))
            .unwrap_or(bracket),
    )
}

impl Along<'_> {
    /// Of budgets: a replicate that is below under one is below under every larger one.
    fn of_budgets(&self) -> Option<Crossing> {
        let (least, _) = self.at.first()?;
        if self.cells.last()?.interval_kind != IntervalKind::Wilson {
            return self.bracket();
        }
        let found = Quantile::of(&self.records.last()?.hits(), self.share);
        let step = found.step? as f64;
        let number = |step: Option<u64>| step.map_or(f64::INFINITY, |step| step as f64);
        (step > *least).then(|| Crossing {
            rises: true,
            at: Interval {
                low: step,
                high: step,
            },
            interval: Interval {
                low: number(found.low),
                high: number(found.high),
            },
            found: Found::Quantile,
        })
    }

    /// Between the last cell, counted from either end, whose whole interval lies on the side of
    /// that end. Each end is wrong only if the first cell beyond the crossing is, whatever the
    /// cells have in common, so it has the level of one interval (a fixed sequence of tests:
    /// Maurer, Hothorn, Lehmacher 1995).
    fn bracket(&self) -> Option<Crossing> {
        let n = self.cells.len();
        let wanted = |below: bool| if below { Reaches::No } else { Reaches::Yes };
        let agree = |of: Reaches, i: &usize| self.cells[*i].reaches_share(self.share) == of;
        let head = (0..n).take_while(|i| agree(wanted(self.rises), i)).last();
        let tail = (0..n)
            .rev()
            .take_while(|i| agree(wanted(!self.rises), i))
            .last();
        // The observed shares on the two sides: they must change sides once.
        let above = |i: usize| self.cells[i].share >= self.share;
        let change = (1..n).find(|i| above(*i) != above(0))?;
        let once = (change..n).all(|i| above(i) == above(change));
        let ordered = above(change) == self.rises;
        if !(once && ordered) || self.contradicts() || (head.is_none() && tail.is_none()) {
            return None;
        }
        Some(Crossing {
            rises: self.rises,
            at: Interval {
                low: self.at[change - 1].0,
                high: self.at[change].0,
            },
            interval: Interval {
                low: head.map_or(f64::NEG_INFINITY, |i| self.at[i].0),
                high: tail.map_or(f64::INFINITY, |i| self.at[i].0),
            },
            found: Found::Bracket,
        })
    }

    /// Whether two cells stand in the other order with whole intervals.
    fn contradicts(&self) -> bool {
        let pairs = |i: usize| self.cells[i + 1..].iter().map(move |b| (self.cells[i], *b));
        (0..self.cells.len()).flat_map(pairs).any(|(a, b)| {
            if self.rises {
                a.success.low > b.success.high
            } else {
                b.success.low > a.success.high
            }
        })
    }

    /// A logistic curve through the cells from one end of the bracket to the other: cells far away
    /// would bend it. None if too few of them saw both outcomes, if it does not fit, or if
    /// replicates are no independent clusters.
    fn fit(&self, bracket: &Crossing, logarithmic: bool) -> Option<Crossing> {
        let scale = |v: f64| if logarithmic { v.ln() } else { v };
        let back = |x: f64| if logarithmic { x.exp() } else { x };
        let near = |v: f64| bracket.interval.low <= v && v <= bracket.interval.high;
        let places: Vec<usize> = (0..self.at.len()).filter(|i| near(self.at[*i].0)).collect();
        let plain = |i: &usize| self.cells[*i].interval_kind == IntervalKind::Wilson;
        let mixed = |i: &&usize| {
            let s = self.cells[**i];
            0 < s.successes && s.successes < s.replicates
        };
        if places.iter().filter(mixed).count() < FITTED || !places.iter().all(plain) {
            return None;
        }
        let groups: Vec<BinomialGroup> = (places.iter())
            .map(|i| BinomialGroup {
                x: scale(self.at[*i].0),
                successes: self.records[*i].rows.iter().filter(|r| r.reached()).count() as u64,
                trials: self.records[*i].rows.len() as u64,
            })
            .collect();
        let fit = Logistic::fit(&groups).ok()?;
        let most = places.iter().map(|i| self.records[*i].rows.len()).max()?;
        let outcomes: Vec<Vec<(usize, bool)>> = (0..most)
            .map(|r| {
                let of = |(place, i): (usize, &usize)| {
                    Some((place, self.records[*i].rows.get(r)?.reached()))
                };
                places.iter().enumerate().filter_map(of).collect()
            })
            .collect();
        let found = fit.clustered_threshold(self.share, LEVEL, &outcomes)?;
        let at = back(found.at);
        let right = (fit.slope > 0.0) == self.rises && near(at) && fit.lack_of_fit() >= DEPARTS;
        // Success is monotone with the level of the bracket's ends, whatever the curve.
        let clipped = Interval {
            low: back(found.interval.low).max(bracket.interval.low),
            high: back(found.interval.high).min(bracket.interval.high),
        };
        right.then_some(Crossing {
            at: Interval { low: at, high: at },
            interval: clipped,
            found: Found::Fit(places.len()),
            ..*bracket
        })
    }
}
