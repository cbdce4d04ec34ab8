//! One comparison as a part of the page: its sentences, figures and tables.

use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::Compared;
use thalweg::analysis::summary::{Reaches, Summary};

use super::hue;
use super::page::{Block, Figure, Hue, IntervalRow, Line, Part, Plot, Series, ShareRow, TimeRow};
use super::slug;
use super::tables::{members, outcomes, paired, summary};
use super::words::comparison::{self, names};
use super::words::numbers::{count, number};
use super::words::{cell, goal, setting};

/// Members with different numbers from which on steps are drawn against the number.
const DRAWN: usize = 4;

/// Rates from which on the last losses are drawn against the rate.
const RATES: usize = 8;

/// Most survival curves in one figure.
const CURVES: usize = 14;

/// A comparison as the page shows it: title, lead and blocks.
pub(super) fn part(run: &Analysis, compared: &Compared) -> Part {
    let mut said = comparison::sentences(run, compared).into_iter();
    let lead = said.next().unwrap_or_default();
    let mut blocks: Vec<Block> = said.map(Block::Text).collect();
    let figures = if budgets(compared) {
        // The same runs, cut at several steps: one curve says it all, and no pair is of two runs.
        vec![cut_survival(run, compared)]
    } else {
        let numbers = against_number(run, compared);
        // Shares that are all the same say nothing; how long it took does.
        let first = match alike(run, compared) {
            true if numbers.is_none() => times(run, compared),
            true => None,
            false => Some(success(run, compared)),
        };
        let all = [
            first,
            numbers,
            bifurcation(run, compared),
            Some(survival(run, compared)),
        ];
        all.into_iter().flatten().collect()
    };
    blocks.extend(figures.into_iter().map(Block::Figure));
    blocks.extend(comparison::threshold(run, compared).map(Block::Text));
    blocks.push(Block::Table(outcomes(run, compared)));
    if !budgets(compared) {
        blocks.push(Block::Table(paired(run, compared)));
    }
    Part {
        title: compared.name.clone(),
        lead,
        blocks,
    }
}

/// Whether it varies the number of steps and nothing else.
fn budgets(compared: &Compared) -> bool {
    compared.keys == ["descent.steps"]
}

/// Whether all members succeed equally often, and always or never.
fn alike(run: &Analysis, compared: &Compared) -> bool {
    let all = members(run, compared);
    all.iter().all(|s| s.successes == s.replicates) || all.iter().all(|s| s.successes == 0)
}

/// The survival curve of the longest budget, with every budget marked on it.
fn cut_survival(run: &Analysis, compared: &Compared) -> Figure {
    let all = members(run, compared);
    let longest = (0..all.len())
        .max_by_key(|at| all[*at].budget())
        .unwrap_or(0);
    let marks = all.iter().map(|s| {
        let name = format!("{} of {}", count(s.successes), count(s.replicates));
        (s.budget() as f64, name)
    });
    let name = names(run, compared).swap_remove(longest);
    Figure {
        name: format!("{}-survival", slug(&compared.name)),
        caption: format!(
            "{}: share of runs still above the loss (Kaplan–Meier) of the longest budget; a line \
             at each budget, with how many are below by then.",
            compared.name
        ),
        plot: Plot::Survival {
            curves: vec![Series {
                name,
                points: all[longest].survival.clone(),
                hue: Hue::Distinct(0),
            }],
            x_label: "step".into(),
            marks: marks.collect(),
        },
    }
}

/// The median steps of each member, with their interval, the fastest first; none where a median is
/// beyond its budget.
fn times(run: &Analysis, compared: &Compared) -> Option<Figure> {
    let names = names(run, compared).into_iter().enumerate();
    let mut rows: Vec<TimeRow> = names
        .map(|(at, label)| {
            let steps = &summary(run, compared, at).steps;
            Some(TimeRow {
                label,
                median: steps.median.step? as f64,
                low: steps.median.low? as f64,
                high: steps.median.high? as f64,
                late: steps.q90.step.map(|t| t as f64),
                base: at == compared.base,
            })
        })
        .collect::<Option<_>>()?;
    rows.sort_by(|a, b| a.median.total_cmp(&b.median));
    Some(Figure {
        name: format!("{}-times", slug(&compared.name)),
        caption: format!(
            "{}: steps until half of the runs are there, with the 95 % interval of that; \
             the ring, until 90 % are. All of them get there.",
            compared.name
        ),
        plot: Plot::Times {
            rows,
            x_label: "steps to the loss".into(),
        },
    })
}

fn success(run: &Analysis, compared: &Compared) -> Figure {
    let names = names(run, compared).into_iter().enumerate();
    let mut rows: Vec<IntervalRow> = names
        .map(|(at, label)| {
            let s = summary(run, compared, at);
            IntervalRow {
                label,
                value: s.share,
                low: s.success.low,
                high: s.success.high,
                predicted: s.by_start().map(|f| f.success),
                base: at == compared.base,
            }
        })
        .collect();
    // What has no order of its own is sorted by what it shows.
    if compared.numbers.is_none() {
        rows.sort_by(|a, b| b.value.total_cmp(&a.value));
    }
    let diamonds = if rows.iter().any(|r| r.predicted.is_some()) {
        "; diamonds, the share that the networks' own initial kernels predict"
    } else {
        ""
    };
    Figure {
        name: format!("{}-success", slug(&compared.name)),
        caption: format!(
            "{}: success probability with {}{diamonds}.",
            compared.name,
            cell::interval_makers(&members(run, compared))
        ),
        plot: Plot::Intervals {
            rows,
            target: run.cells[compared.reference].setting.success.share,
            x_label: format!(
                "share of replicates {}",
                goal::there(&run.cells[compared.reference].setting.success)
            ),
        },
    }
}

/// The name of what theory says of the median.
const PREDICTED: &str = "predicted median";

/// Whether numbers are all positive and span a decade or more.
pub(super) fn decades(numbers: &[(f64, usize)]) -> bool {
    let all = || numbers.iter().map(|(v, _)| *v);
    let least = all().fold(f64::INFINITY, f64::min);
    least > 0.0 && all().fold(0.0, f64::max) >= 10.0 * least
}

/// Steps against a key whose values are numbers; none if they are not, or few.
fn against_number(run: &Analysis, compared: &Compared) -> Option<Figure> {
    let numbers = compared.numbers.as_ref().filter(|n| n.len() >= DRAWN)?;
    let line = |name: &str, hue: usize, of: &dyn Fn(&Summary) -> Option<f64>| {
        let points = numbers.iter().map(|(v, at)| {
            let steps = of(summary(run, compared, *at));
            (*v, steps.unwrap_or(f64::NAN))
        });
        Line {
            name: name.into(),
            points: points.collect(),
            band: Vec::new(),
            dashed: name == PREDICTED,
            hue: Hue::Distinct(hue),
        }
    };
    let step = |step: Option<u64>| step.map(|t| t as f64);
    let mut lines = vec![
        line("median", 0, &|s| step(s.steps.median.step)),
        line(PREDICTED, 0, &|s| Some(s.by_start()?.median)),
        line("80 % quantile", 1, &|s| step(s.steps.q80.step)),
        line("at infinite width", 2, &|s| Some(s.by_infinite()?.median)),
    ];
    // What is out of reach by far would flatten what was seen.
    let budgets = numbers.iter();
    let budgets = budgets.map(|(_, at)| summary(run, compared, *at).budget());
    let most = 1e3 * budgets.max().unwrap_or(0) as f64;
    for line in &mut lines {
        line.points.retain(|(_, y)| *y <= most);
    }
    lines.retain(|l| l.points.iter().any(|(_, y)| y.is_finite()));
    let predicted = if lines.iter().any(|l| l.dashed) {
        "; dashed, the median that the networks' own initial kernels predict; at infinite width, \
         the median that the theory of infinitely wide networks predicts for the same training sets"
    } else {
        "; these rules have no prediction, or it is never"
    };
    Some(Figure {
        name: format!("{}-steps", slug(&compared.name)),
        caption: format!(
            "{}: steps to the loss, median and 80 % quantile observed{predicted}.",
            compared.name
        ),
        plot: Plot::Curves {
            lines,
            x_label: setting::axis(compared.keys.first()?),
            y_label: "steps".into(),
            log_x: decades(numbers),
            log_y: true,
            reference_y: None,
            x_ticks: numbers.iter().map(|(v, _)| (*v, number(*v))).collect(),
        },
    })
}

/// The last losses against a rate, where they are kept and do not stand still everywhere.
fn bifurcation(run: &Analysis, compared: &Compared) -> Option<Figure> {
    let numbers = compared.numbers.as_ref().filter(|n| n.len() >= RATES)?;
    if compared.keys != ["descent.rate"] {
        return None;
    }
    let last = || {
        let all = numbers.iter();
        all.filter_map(|(v, at)| Some((*v, summary(run, compared, *at).last_losses.as_ref()?)))
    };
    if !last().any(|(_, last)| last.moving) {
        return None;
    }
    let most = last().map(|(_, last)| last.losses.len()).max()?;
    let dots = last().flat_map(|(v, last)| last.losses.iter().map(move |loss| (v, *loss)));
    Some(Figure {
        name: format!("{}-last-losses", slug(&compared.name)),
        caption: format!(
            "{}: the losses of the last {} steps of one replicate. One dot is a loss that stands \
             still, two a cycle of two steps, a smear a loss that does not repeat.",
            compared.name,
            count(most as u64)
        ),
        plot: Plot::Scatter {
            groups: vec![Series {
                name: "last losses".into(),
                points: dots.collect(),
                hue: Hue::Distinct(0),
            }],
            x_label: "rate".into(),
            y_label: "loss".into(),
            log_x: false,
            log_y: false,
            diagonal: false,
        },
    })
}

/// Places of the members that are drawn: all, or of very many the reference, those that miss the
/// share, and the others as far as there is room, evenly.
fn shown(run: &Analysis, compared: &Compared) -> Vec<usize> {
    let all = 0..compared.members.len();
    if all.len() <= CURVES {
        return all.collect();
    }
    let matters =
        |at: &usize| *at == compared.base || summary(run, compared, *at).reaches == Reaches::No;
    let (mut shown, others): (Vec<usize>, Vec<usize>) = all.partition(matters);
    shown.truncate(CURVES);
    let room = CURVES - shown.len();
    shown.extend((0..room).filter_map(|i| others.get(i * others.len() / room.max(1))));
    shown.sort_unstable();
    shown
}

fn survival(run: &Analysis, compared: &Compared) -> Figure {
    let shown = shown(run, compared);
    let left_out = compared.members.len() - shown.len();
    let left_out = if left_out == 0 {
        String::new()
    } else {
        format!(
            " {} of {} are drawn: the reference, those that miss the share, and others evenly.",
            count(shown.len() as u64),
            count(compared.members.len() as u64)
        )
    };
    let names = names(run, compared).into_iter().enumerate();
    let curves = names
        .filter(|(at, _)| shown.contains(at))
        .map(|(at, name)| Series {
            name,
            points: summary(run, compared, at).survival.clone(),
            hue: hue::member(run, compared, at),
        });
    Figure {
        name: format!("{}-survival", slug(&compared.name)),
        caption: format!(
            "{}: share of runs still above the loss (Kaplan–Meier).{left_out}",
            compared.name
        ),
        plot: Plot::Survival {
            curves: curves.collect(),
            x_label: "step".into(),
            marks: Vec::new(),
        },
    }
}

/// Why replicates ended as they did, a bar for each cell; none if no failure was looked at.
pub(super) fn causes(run: &Analysis, cells: &[usize], labels: &[String]) -> Option<Plot> {
    use thalweg::analysis::cause::CauseKind;
    // Of the replicates looked at alone: those that reached the loss were counted without a look.
    let counts = |cell: usize| {
        let s = &run.cells[cell];
        if s.causes_looked_at.is_empty() {
            &s.causes
        } else {
            &s.causes_looked_at
        }
    };
    let seen = |kind: &CauseKind| {
        let mut all = cells.iter().flat_map(|c| &run.cells[*c].causes);
        all.any(|count| count.cause == *kind)
    };
    // The same order, and so the same colours, whatever is frequent.
    let kinds: Vec<CauseKind> = CauseKind::ALL.into_iter().filter(seen).collect();
    if kinds.iter().all(|kind| kind.reached()) {
        return None;
    }
    let rows = cells.iter().zip(labels).map(|(&cell, label)| ShareRow {
        label: label.clone(),
        counts: (kinds.iter())
            .map(|kind| {
                let of = counts(cell).iter().filter(|count| count.cause == *kind);
                of.map(|count| count.replicates).sum()
            })
            .collect(),
    });
    Some(Plot::Shares {
        rows: rows.collect(),
        names: kinds.iter().map(|kind| kind.name().to_string()).collect(),
        colours: (kinds.iter())
            .filter_map(|kind| CauseKind::ALL.iter().position(|k| k == kind))
            .collect(),
        x_label: "share of the replicates looked at".into(),
    })
}
