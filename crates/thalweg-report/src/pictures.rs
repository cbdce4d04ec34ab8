//! The two pictures of the story: what every other choice costs, and what was fitted.

use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::Topic;

use super::page::{Block, Figure, FitPoint, OverviewDot, OverviewRow, Plot};
use super::story::pick;
use super::words::numbers::{count, number, percent};
use super::words::setting;

/// What every other choice on the same data costs; none without comparisons of it.
pub(super) fn overview(run: &Analysis) -> Option<Figure> {
    let (base, standing) = (run.base(), run.standing.as_ref()?);
    let rows = (run.comparisons.iter()).filter(|c| c.topic == Topic::Choice);
    let rows = rows.map(|compared| {
        let members = compared.members.iter();
        let dots = members
            .filter(|m| standing.peers.contains(&m.cell))
            .map(|m| {
                let s = &run.cells[m.cell];
                OverviewDot {
                    label: setting::member(run, compared, m),
                    steps: s.steps.median.step.map(|t| t as f64),
                    reaches: s.reaches,
                }
            });
        OverviewRow {
            label: compared.name.clone(),
            dots: dots.collect(),
        }
    });
    // One dot is compared with nothing.
    let rows: Vec<OverviewRow> = rows.filter(|row| row.dots.len() > 1).collect();
    (!rows.is_empty()).then(|| Figure {
        name: "overview".into(),
        caption: format!(
            "What every other choice costs: a row for each comparison, a dot for each setting at \
             the steps after which half of its runs are below the loss; a triangle where half are \
             not there within the budget. Colour: whether at least {} of the runs get below, by \
             the whole 95 % interval. The line is the base cell.",
            percent(base.setting.success.share)
        ),
        plot: Plot::Overview {
            rows,
            base: base.steps.median.step.map(|t| t as f64),
            base_label: match base.steps.median.step {
                Some(t) => format!("the choice: {} steps", count(t)),
                None => "the choice".into(),
            },
            x_label: "steps until half of the runs are below the loss (log)".into(),
        },
    })
}

/// What networks of one or two inputs have fitted, of the cells that are told.
pub(super) fn fits(run: &Analysis) -> Vec<Block> {
    let told = pick(run).into_iter();
    let drawn = told.filter_map(|(cell, name)| {
        let (s, fitted) = (&run.cells[cell], run.cells[cell].fitted.as_ref()?);
        let near = |i: usize| {
            fitted
                .nearest
                .is_some_and(|p| p.first == i || p.second == i)
        };
        let points = fitted.points.iter().zip(&fitted.targets).enumerate();
        let points = points.map(|(i, (x, target))| FitPoint {
            x: *x,
            target: *target,
            near: near(i),
        });
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
                 and its training points.{pair}",
                fitted.replicate,
                count(fitted.step)
            ),
            plot: Plot::Fit {
                first: fitted.first.clone(),
                second: fitted.second.clone(),
                outputs: fitted.outputs.clone(),
                points: points.collect(),
            },
        }))
    });
    drawn.collect()
}
