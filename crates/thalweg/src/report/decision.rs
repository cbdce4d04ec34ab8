//! What `thalweg choose` decided, as part of a report: the winner and its certificate, the front, why each
//! other candidate lost.

use super::page::{Block, Figure, IntervalRow, Line, Part, Plot, Table};
use super::words::{count, factor, interval, number, percent};
use super::{column, slug};
use crate::choose::{Candidate, Choice};
use crate::study::Cost;

/// Candidates in the table of losers, the cheapest first.
const TOLD: usize = 25;

fn unit(cost: Cost) -> &'static str {
    match cost {
        Cost::Steps => "steps",
        Cost::ParameterSteps => "parameter-steps",
        Cost::Seconds => "seconds",
    }
}

/// One choice in sentences, then what it rests on, to be opened.
pub(super) fn blocks(choices: &[Choice]) -> Vec<Block> {
    choices
        .iter()
        .flat_map(|choice| {
            let mut all = vec![Block::Text(winner(choice))];
            all.push(Block::Part(Part {
                title: if choice.condition.is_empty() {
                    "The candidates".into()
                } else {
                    format!("The candidates at {}", choice.condition)
                },
                lead: work(choice),
                blocks: evidence(choice),
            }));
            all
        })
        .collect()
}

/// The winner with its certificate, or that there is none.
fn winner(choice: &Choice) -> String {
    let at = if choice.condition.is_empty() {
        String::new()
    } else {
        format!(" at `{}`", choice.condition)
    };
    let many = count(choice.candidates.len() as u64);
    let Some(best) = choice.winner.and_then(|w| choice.candidates.get(w)) else {
        return format!(
            "`thalweg choose` found none of {many} candidates{at} that could be certified to bring the loss below {} on {} of \
             the draws.",
            number(choice.loss_below),
            percent(choice.share)
        );
    };
    let certificate = choice.attempts.last().map_or(String::new(), |attempt| {
        let c = &attempt.certificate;
        format!(
            " On fresh draws it got there on {} of {}, which certifies {} or more at level {} (exact interval {}).",
            c.successes,
            c.replicates,
            percent(choice.share),
            percent(c.level),
            interval(c.exact)
        )
    });
    format!(
        "`thalweg choose` took `{}`{at}, the cheapest of {many} candidates that could be certified: {} {} in the median, {} \
         parameters.{certificate}",
        best.label,
        number(best.median_cost),
        unit(choice.cost),
        count(best.parameters as u64)
    )
}

/// What the race saved and whether theory ordered the candidates rightly.
fn work(choice: &Choice) -> String {
    let theory = choice.theory.map_or(String::new(), |r| {
        format!("; the order that theory predicted and the measured one correlate with {r:.2}")
    });
    format!(
        "Racing took {} times less work than every candidate at full size{theory}.",
        factor(choice.work.saved)
    )
}

fn success(c: &Candidate) -> String {
    format!(
        "{} of {} ({})",
        c.successes,
        c.replicates,
        interval(c.success)
    )
}

fn evidence(choice: &Choice) -> Vec<Block> {
    let mut blocks = Vec::new();
    let stem = slug(&format!("choice {}", choice.condition));
    let front: Vec<&Candidate> = choice
        .front
        .iter()
        .filter_map(|i| choice.candidates.get(*i))
        .collect();
    if front.len() > 1 {
        blocks.push(Block::Figure(Figure {
            name: format!("{stem}-front"),
            caption: format!(
                "The front: no other candidate is cheaper and succeeds more often. Share of draws that reach the loss, with its interval, against the \
                 median cost in {}.",
                unit(choice.cost)
            ),
            plot: Plot::Curves {
                lines: vec![Line {
                    name: "front".into(),
                    points: front.iter().map(|c| (c.median_cost, share(c))).collect(),
                    band: front
                        .iter()
                        .map(|c| (c.median_cost, c.success.low, c.success.high))
                        .collect(),
                    dashed: false,
                }],
                x_label: format!("median cost, {}", unit(choice.cost)),
                y_label: "share that reaches the loss".into(),
                log_x: true,
                log_y: false,
                reference_y: Some(choice.share),
            },
        }));
    }
    blocks.push(Block::Figure(Figure {
        name: format!("{stem}-success"),
        caption: "How often the candidates on the front reach the loss, named by their median cost; the race stops a candidate as soon as it is decided."
            .into(),
        plot: Plot::Intervals {
            rows: front
                .iter()
                .map(|c| IntervalRow {
                    label: format!("{} {}", number(c.median_cost), unit(choice.cost)),
                    value: share(c),
                    low: c.success.low,
                    high: c.success.high,
                    predicted: None,
                    base: choice.winner.and_then(|w| choice.candidates.get(w)) == Some(c),
                })
                .collect(),
            target: choice.share,
            x_label: "share that reaches the loss".into(),
        },
    }));
    let mut order: Vec<&Candidate> = choice.candidates.iter().collect();
    order.sort_by(|a, b| a.median_cost.total_cmp(&b.median_cost));
    let rest = order.len().saturating_sub(TOLD);
    order.truncate(TOLD);
    let chosen = choice.winner.and_then(|w| choice.candidates.get(w));
    blocks.push(Block::Table(Table {
        name: format!("{stem}-candidates"),
        caption: format!(
            "Why each candidate won or lost, the cheapest first{}. Shares and costs are those of the race, whose length depended on them: only \
             the certificate is to be quoted.",
            if rest > 0 {
                format!("; {} dearer ones are in choice.json", count(rest as u64))
            } else {
                String::new()
            }
        ),
        columns: vec![
            column("candidate", false),
            column("parameters", true),
            column("predicted cost", true),
            column("median cost", true),
            column("success in the race", true),
            column("what became of it", false),
        ],
        rows: order
            .iter()
            .map(|c| {
                vec![
                    c.label.clone(),
                    count(c.parameters as u64),
                    c.predicted.map_or("–".into(), number),
                    number(c.median_cost),
                    success(c),
                    c.why.clone(),
                ]
            })
            .collect(),
        base: order.iter().position(|c| Some(*c) == chosen),
        cells: Vec::new(),
    }));
    blocks
}

fn share(c: &Candidate) -> f64 {
    c.successes as f64 / c.replicates.max(1) as f64
}
