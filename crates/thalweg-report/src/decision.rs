//! What `thalweg choose` decided, as part of a report: the winner and its certificate, the front,
//! why each other candidate lost.

use super::page::{Block, Figure, FrontPoint, IntervalRow, Part, Plot, Table};
use thalweg::decide::{Candidate, Choice};

use super::words::decision::{certified, fate, name, names, place, success, unit, work};
use super::words::numbers::{count, number};
use super::{column, slug};

/// Candidates in the table of losers, the cheapest first.
const TOLD: usize = 25;

/// One choice in sentences, then what it rests on, to be opened.
pub(super) fn blocks(choices: &[Choice]) -> Vec<Block> {
    choices
        .iter()
        .flat_map(|choice| {
            let mut all = vec![Block::Text(certified(choice))];
            all.push(Block::Part(Part {
                title: if choice.condition.is_empty() {
                    "The candidates".into()
                } else {
                    format!("The candidates at {}", place(choice))
                },
                lead: work(choice),
                blocks: evidence(choice),
            }));
            all
        })
        .collect()
}

/// Success against cost of every candidate, and the front that nothing beats in both.
pub fn front_figure(choice: &Choice) -> Figure {
    let named = names(choice).into_iter();
    let points = choice.candidates.iter().zip(named).enumerate();
    let points = points.map(|(at, (c, name))| {
        let front = choice.front.contains(&at);
        FrontPoint {
            name,
            cost: c.median_cost,
            success: share(c),
            low: c.success.low,
            high: c.success.high,
            chosen: choice.winner == Some(at),
            front,
        }
    });
    Figure {
        name: format!("{}-front", slug(&format!("choice {}", choice.condition))),
        caption: format!(
            "The front: no other candidate is cheaper and succeeds more often. Share of draws that \
             reach the loss, with its interval, against the median cost in {}.",
            unit(choice.cost)
        ),
        plot: Plot::Front {
            points: points.collect(),
            share: choice.success.share,
            x_label: format!(
                "{} of a training, median over training sets",
                unit(choice.cost)
            ),
        },
    }
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
        blocks.push(Block::Figure(front_figure(choice)));
    }
    blocks.push(Block::Figure(Figure {
        name: format!("{stem}-success"),
        caption: "How often the candidates on the front reach the loss, named by their median \
                  cost; the race stops a candidate as soon as it is decided."
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
            target: choice.success.share,
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
            "Why each candidate won or lost, the cheapest first{}. Shares and costs are those of \
             the race, whose length depended on them: only the certificate is to be quoted.",
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
                    name(choice, c),
                    count(c.parameters as u64),
                    c.predicted.map_or("–".into(), number),
                    number(c.median_cost),
                    success(c),
                    fate(choice, c),
                ]
            })
            .collect(),
        base: order.iter().position(|c| Some(*c) == chosen),
        numbers: Vec::new(),
        cells: Vec::new(),
    }));
    blocks
}

fn share(c: &Candidate) -> f64 {
    c.successes as f64 / c.replicates.max(1) as f64
}
