//! The two pictures of the story: what every other choice costs, and what was fitted.

use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::{Compared, Member, Topic};
use thalweg::analysis::fitted::Fitted;
use thalweg::analysis::summary::Summary;

use super::page::{Block, Figure, FitPoint, OverviewDot, OverviewRow, Plot};
use super::slug;
use super::story::pick;
use super::words::numbers::{capital, count, number, percent};
use super::words::{goal, setting, tested};

/// What every other choice on the same data costs; none without comparisons of it.
pub(super) fn overview(run: &Analysis) -> Option<Figure> {
    let (base, standing) = (run.base(), run.standing.as_ref()?);
    let rows = (run.comparisons.iter()).filter(|c| c.topic == Topic::Choice);
    let rows: Vec<OverviewRow> = rows
        .map(|compared| row(run, compared, &|cell| standing.peers.contains(&cell)))
        .collect();
    let label = match base.steps.median.step {
        Some(t) => format!("the choice: {} steps", count(t)),
        None => "the choice".into(),
    };
    costs(
        "overview".into(),
        "every other choice costs",
        rows,
        base,
        label,
    )
}

/// What all that was tried at another place costs; none without anything to compare.
pub(super) fn overview_at(run: &Analysis, place: &str, here: &[&Compared]) -> Option<Figure> {
    let rows = here.iter().map(|compared| {
        let mut row = row(run, compared, &|_| true);
        // The title says where.
        let what = row
            .label
            .strip_prefix(place)
            .map(|rest| rest.trim_start_matches(": "));
        if let Some(what) = what.filter(|rest| !rest.is_empty() && *rest != row.label) {
            row.label = capital(what);
        }
        row
    });
    let reference = &run.cells[here.first()?.reference];
    let label = match reference.steps.median.step {
        Some(t) => format!("the base cell there: {} steps", count(t)),
        None => "the base cell there: not by half".into(),
    };
    costs(
        format!("overview-{}", slug(place)),
        &format!("each setting costs at {place}"),
        rows.collect(),
        reference,
        label,
    )
}

/// The members of a comparison that are wanted, by their cells.
fn row(run: &Analysis, compared: &Compared, wanted: &dyn Fn(usize) -> bool) -> OverviewRow {
    let dot = |m: &Member| {
        let s = &run.cells[m.cell];
        OverviewDot {
            label: setting::member(run, compared, m),
            steps: s.steps.median.step.map(|t| t as f64),
            reaches: s.reaches,
        }
    };
    let members = compared.members.iter().filter(|m| wanted(m.cell));
    OverviewRow {
        label: compared.name.clone(),
        dots: members.map(dot).collect(),
    }
}

/// The figure of some rows beside a reference; none if there is nothing to compare.
fn costs(
    name: String,
    what: &str,
    mut rows: Vec<OverviewRow>,
    reference: &Summary,
    base_label: String,
) -> Option<Figure> {
    // One dot is compared with nothing.
    rows.retain(|row| row.dots.len() > 1);
    // Beyond all budgets there is no place for a dot.
    let placed = rows
        .iter()
        .flat_map(|row| &row.dots)
        .any(|d| d.steps.is_some());
    placed.then(|| Figure {
        name,
        caption: format!(
            "What {what}: a row for each comparison, a dot for each setting at the steps after \
             which half of its runs are {}; a triangle where half are not there \
             within the budget. Colour: whether at least {} of the runs get there, by the whole \
             95 % interval. The line is the base cell.",
            goal::there(&reference.setting.success),
            percent(reference.setting.success.share)
        ),
        plot: Plot::Overview {
            rows,
            base: reference.steps.median.step.map(|t| t as f64),
            base_label,
            x_label: format!(
                "steps until half of the runs are {} (log)",
                goal::there(&reference.setting.success)
            ),
        },
    })
}

/// What networks of one or two inputs have fitted, of the cells that are told.
pub(super) fn fits(run: &Analysis) -> Vec<Block> {
    let told = pick(run).into_iter();
    let drawn = told.filter_map(|(cell, name)| {
        let (s, fitted) = (&run.cells[cell], run.cells[cell].fitted.as_ref()?);
        let pair = fitted.nearest.map_or(String::new(), |p| {
            format!(
                " The nearest two, ringed, are {} apart; their targets are {} and {}.",
                number(p.distance),
                number(fitted.targets[p.first]),
                number(fitted.targets[p.second])
            )
        });
        Some(Block::Figure(Figure {
            name: format!("fit-{}", s.cell),
            caption: format!(
                "{name}: what the network of replicate {} computes with its weights of step {}, \
                 and its training points.{pair}{}",
                fitted.replicate,
                count(fitted.step),
                tested::beside(fitted)
            ),
            plot: Plot::Fit {
                first: fitted.first.clone(),
                second: fitted.second.clone(),
                outputs: fitted.outputs.clone(),
                points: fit_points(fitted),
                wide: line(fitted),
            },
        }))
    });
    drawn.collect()
}

/// The points of a fitted function, to be drawn.
fn fit_points(fitted: &Fitted) -> Vec<FitPoint> {
    let near = |i: usize| {
        fitted
            .nearest
            .is_some_and(|p| p.first == i || p.second == i)
    };
    let points = fitted.points.iter().zip(&fitted.targets).enumerate();
    let point = |(i, (x, target)): (usize, (&[f64; 2], &f64))| FitPoint {
        x: *x,
        target: *target,
        near: near(i),
    };
    points.map(point).collect()
}

/// What infinitely wide networks do along a line; nothing over a plane.
fn line(fitted: &Fitted) -> Vec<(f64, f64)> {
    let wide = fitted.wide.iter().filter(|_| fitted.second.is_empty());
    wide.flat_map(|wide| {
        wide.mean
            .iter()
            .copied()
            .zip(wide.deviation.iter().copied())
    })
    .collect()
}

/// Mean and standard deviation of infinitely wide networks over the plane, of the cells that are
/// told.
pub(super) fn wide_fits(run: &Analysis) -> Vec<Block> {
    let told = pick(run).into_iter();
    let drawn = told.filter_map(|(cell, name)| {
        let fitted = run.cells[cell].fitted.as_ref()?;
        let wide = fitted.wide.as_ref().filter(|_| !fitted.second.is_empty())?;
        let figure = |what: &str, caption: String, outputs: &[f64], points: Vec<FitPoint>| {
            Block::Figure(Figure {
                name: format!("fit-{cell}-{what}"),
                caption,
                plot: Plot::Fit {
                    first: fitted.first.clone(),
                    second: fitted.second.clone(),
                    outputs: outputs.to_vec(),
                    points,
                    wide: Vec::new(),
                },
            })
        };
        let by = tested::limit(wide.limit);
        Some([
            figure(
                "mean",
                format!(
                    "{name}: the mean of infinitely wide networks on the training set of replicate \
                     {}, {by}, over their initial weights.",
                    fitted.replicate
                ),
                &wide.mean,
                fit_points(fitted),
            ),
            figure(
                "deviation",
                format!("{name}: their standard deviation."),
                &wide.deviation,
                Vec::new(),
            ),
        ])
    });
    drawn.flatten().collect()
}
