//! The order of the report: what was fitted, what the leading number does and why, what helps
//! elsewhere, the choice, surprises, theory, single runs; then the appendix.

use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::{Compared, Topic};
use thalweg::analysis::split::Split;
use thalweg::analysis::summary::Summary;

use thalweg::decide::Choice;

use super::compare::{causes, part};
use super::hue;
use super::method::method;
use super::page::{Block, Figure, Hue, Line, Part, Plot, Section, Table};
use super::tables::spectra;
use super::words::along::changes;
use super::words::comparison::{helped, lost, names};
use super::words::numbers::{capital, percent};
use super::words::why as reasons;
use super::words::{self, cell, setting, theory};
use super::{column, decision, followed, pictures, predictions, smallest, tested};

/// Members up to which all are drawn in one figure.
const DRAWN: usize = 4;

/// The story and the appendix, each in reading order. The story has words and figures; a table, and
/// a part that is closed at first, stands in the appendix.
pub(super) fn sections(run: &Analysis, decided: &[Choice]) -> (Vec<Section>, Vec<Section>) {
    let of = |wanted: &Topic| -> Vec<&Compared> {
        run.comparisons
            .iter()
            .filter(|c| c.topic == *wanted)
            .collect()
    };
    let (leading_all, choices) = (of(&Topic::Leading), of(&Topic::Choice));
    let mut told = Told::default();
    told.add("See it", "", pictures::fits(run));
    let (title, detail) = match &run.along {
        Some(along) => {
            let noun = setting::noun(&along.key);
            let detail = format!("{}, in detail", capital(&noun));
            (format!("Why {noun} matters"), detail)
        }
        None => ("Why".into(), "Why, in detail".into()),
    };
    let mut blocks = leading(run, &leading_all);
    blocks.extend(why(run, &of(&Topic::Intervention)));
    told.add(&title, &detail, blocks);
    let mut elsewhere: Vec<&Topic> = Vec::new();
    for compared in &run.comparisons {
        if let Topic::Elsewhere(_) = compared.topic
            && !elsewhere.contains(&&compared.topic)
        {
            elsewhere.push(&compared.topic);
        }
    }
    for topic in elsewhere {
        let Topic::Elsewhere(held) = topic else {
            continue;
        };
        let here = of(topic);
        let cell = here[0].members.first().map_or(0, |m| m.cell);
        let place = setting::held(held, &run.cells[cell].setting);
        let mut blocks = texts(helped(run, &place, &here));
        blocks.extend(pictures::overview_at(run, &place, &here).map(Block::Figure));
        blocks.extend(here.iter().map(|c| Block::Part(part(run, c))));
        told.add(
            &format!("What changes it at {place}"),
            &format!("At {place}, in detail"),
            blocks,
        );
    }
    told.add(
        "The choice, and why",
        "The candidates",
        choice(run, decided),
    );
    told.add(
        "What surprised us",
        "Surprises, in detail",
        texts(theory::surprises(run)),
    );
    told.add(
        "How far theory carries",
        "Theory, in detail",
        predictions::blocks(run),
    );
    told.add(
        "At other inputs",
        "At other inputs, in detail",
        tested::blocks(run),
    );
    told.add(
        "How single runs go",
        "Single runs, in detail",
        followed::blocks(run),
    );
    if !choices.is_empty() {
        let mut blocks = texts(lost(run, &choices));
        blocks.extend(choices.iter().map(|c| Block::Part(part(run, c))));
        let title = "What other choices do".into();
        told.appendix.insert(0, Section { title, blocks });
    }
    told.appendix.push(method(run));
    (told.story, told.appendix)
}

fn texts(all: Vec<String>) -> Vec<Block> {
    all.into_iter().map(Block::Text).collect()
}

/// Blocks as a part of the appendix; none of nothing.
pub(super) fn closed(title: &str, blocks: Vec<Block>) -> Option<Block> {
    (!blocks.is_empty()).then(|| {
        Block::Part(Part {
            title: title.into(),
            lead: String::new(),
            blocks,
        })
    })
}

/// What was told so far.
#[derive(Default)]
struct Told {
    story: Vec<Section>,
    appendix: Vec<Section>,
}

impl Told {
    /// Words and figures under a title in the story, tables and parts under another in the
    /// appendix; of nothing, nothing.
    fn add(&mut self, title: &str, detail: &str, blocks: Vec<Block>) {
        let story = |block: &Block| match block {
            Block::Text(_) | Block::List(_) | Block::Figure(_) | Block::Code(_) => true,
            Block::Table(_) | Block::Part(_) => false,
        };
        let (shown, looked_up): (Vec<Block>, Vec<Block>) = blocks.into_iter().partition(story);
        let places = [
            (title, shown, &mut self.story),
            (detail, looked_up, &mut self.appendix),
        ];
        for (title, blocks, to) in places {
            if !blocks.is_empty() {
                let title = title.into();
                to.push(Section { title, blocks });
            }
        }
    }
}

/// The base cell: how it does, and where it stands among the others on the same data.
fn choice(run: &Analysis, decided: &[Choice]) -> Vec<Block> {
    let base = run.base();
    let mut blocks = author(run);
    let standing = cell::standing(run);
    // One run has its step on the card.
    if standing.is_empty() && base.replicates > 1 {
        blocks.push(Block::Text(cell::times(base)));
    }
    blocks.extend(texts(standing));
    blocks.extend(pictures::overview(run).map(Block::Figure));
    blocks.extend(cell::restarts(run, base).map(Block::Text));
    blocks.extend(decision::blocks(decided));
    blocks
}

/// The author's own words: paragraphs, and lines that begin with a dash as lists.
fn author(run: &Analysis) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for text in words::author(run) {
        match (text.strip_prefix("- "), blocks.last_mut()) {
            (Some(item), Some(Block::List(items))) => items.push(item.into()),
            (Some(item), _) => blocks.push(Block::List(vec![item.into()])),
            (None, _) => blocks.push(Block::Text(text)),
        }
    }
    blocks
}

/// Figures of the leading comparison that are part of the story.
const LEADING: usize = 2;

/// What the leading number does; nothing without one.
fn leading(run: &Analysis, all: &[&Compared]) -> Vec<Block> {
    let Some((first, rest)) = all.split_first().filter(|_| run.along.is_some()) else {
        return Vec::new();
    };
    let Part {
        title,
        lead,
        blocks,
    } = part(run, first);
    let figure = |block: &Block| matches!(block, Block::Figure(_));
    let seen: Vec<Block> = blocks
        .iter()
        .filter(|b| figure(b))
        .take(LEADING)
        .cloned()
        .collect();
    let (texts, others): (Vec<Block>, Vec<Block>) = (blocks.into_iter())
        .filter(|block| !seen.contains(block))
        .partition(|block| matches!(block, Block::Text(_)));
    let part_of = |blocks: Vec<Block>| {
        Block::Part(Part {
            title,
            lead: String::new(),
            blocks,
        })
    };
    let changes = run.along.iter().flat_map(|along| changes(run, along));
    let mut all: Vec<Block> = changes.map(Block::Text).collect();
    all.push(Block::Text(lead));
    all.extend(texts);
    all.extend(seen);
    all.push(part_of(others));
    all.extend(rest.iter().map(|c| Block::Part(part(run, c))));
    all
}

/// Observed quantiles of the loss, each up to where it first gets below the threshold, beside the
/// median of the initial kernels' predictions.
fn losses(s: &Summary, hue: Hue, observed: String, predicted: String) -> Vec<Line> {
    // Without a loss that is asked for the course goes on to the end.
    let below = s.setting.success.by_loss().unwrap_or(0.0);
    // A run that ended keeps its last loss, which is no course of it.
    let end = |values: &[f64]| {
        let crossing = values.iter().position(|loss| *loss < below);
        crossing.map_or(values.len(), |at| at + 1)
    };
    let (middle, high) = (end(&s.loss.median), end(&s.loss.q90));
    let length = middle.max(high);
    let steps = || s.loss.steps.iter().take(length).map(|step| *step as f64);
    let median = (s.loss.median.iter().enumerate())
        .map(|(at, loss)| if at < middle { *loss } else { f64::NAN });
    let band = s.loss.q10.iter().zip(&s.loss.q90);
    let mut lines = vec![Line {
        name: observed,
        points: steps().zip(median).collect(),
        band: steps()
            .zip(band)
            .map(|(t, (low, high))| (t, low.max(below).min(*high), *high))
            .collect(),
        dashed: false,
        hue,
    }];
    lines.extend(s.loss.predicted.as_ref().map(|values| Line {
        name: predicted,
        points: values.iter().map(|(t, loss)| (*t as f64, *loss)).collect(),
        band: Vec::new(),
        dashed: true,
        hue,
    }));
    lines
}

fn curves(base: &Summary, lines: Vec<Line>) -> Plot {
    Plot::Curves {
        lines,
        x_label: "step".into(),
        y_label: "loss".into(),
        log_x: true,
        log_y: true,
        reference_y: base.setting.success.by_loss(),
        x_ticks: Vec::new(),
    }
}

/// The cells of the leading comparison with their names; the base cell alone without one.
fn members(run: &Analysis) -> (Vec<usize>, Vec<String>) {
    match &run.along {
        Some(along) => {
            let compared = &run.comparisons[along.comparison];
            let cells = compared.members.iter().map(|m| m.cell).collect();
            (cells, names(run, compared))
        }
        None => (vec![0], vec!["base".into()]),
    }
}

/// Cells to draw where all would be too many: the base cell and those that are told.
pub(super) fn pick(run: &Analysis) -> Vec<(usize, String)> {
    let (cells, names) = members(run);
    let told = |cell: usize| {
        let along = run.along.iter();
        cell == 0 || along.flat_map(|a| &a.told).any(|t| t.cell == cell)
    };
    let few = cells.len() <= DRAWN;
    let all = cells.into_iter().zip(names);
    all.filter(|(cell, _)| few || told(*cell)).collect()
}

/// Kernels, causes and the motion of the kernel, along the leading number if there is one, and the
/// interventions on the inputs.
fn why(run: &Analysis, interventions: &[&Compared]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (cells, names) = members(run);
    if let Some(leading) = &run.along {
        blocks.extend(texts(reasons::why(run, leading)));
        blocks.extend(smallest::blocks(run, leading));
        let more = texts(reasons::more(run, leading));
        blocks.extend(closed("Limits, larger rates and rates that change", more));
    } else {
        let all = run.interventions.iter();
        blocks.extend(all.map(|i| Block::Text(reasons::intervention(run, i))));
    }
    blocks.extend(interventions.iter().map(|c| Block::Part(part(run, c))));
    let looked = run.base().looked.iter();
    let mut spread: Vec<Block> = looked
        .map(|looked| Block::Text(format!("The base cell: {}", cell::kernel(looked))))
        .collect();
    spread.extend(splits(run));
    blocks.extend(closed(
        "The kernel of the base cell, and what its spread comes from",
        spread,
    ));
    blocks.extend(spectrum(run).map(Block::Figure));
    if let Some(plot) = causes(run, &cells, &names) {
        blocks.push(Block::Figure(Figure {
            name: "causes".into(),
            caption: "Why the replicates that were looked at ended as they did.".into(),
            plot,
        }));
    }
    if run.cells.iter().any(|s| s.looked.is_some()) && cells.len() > 1 {
        blocks.push(Block::Table(spectra(run, &cells, &names)));
    }
    blocks
}

/// Median eigenvalues at the start and at the end; none where there are few, which are in the
/// table.
fn spectrum(run: &Analysis) -> Option<Figure> {
    let line = |cell: usize, name: String, dashed: bool, values: &[f64]| Line {
        name,
        points: (1..).map(f64::from).zip(values.iter().copied()).collect(),
        band: Vec::new(),
        dashed,
        hue: hue::cell(run, cell),
    };
    let ended = run.cells.iter().filter_map(|s| s.looked.as_ref());
    let ended = ended.map(|l| l.end_spectrum.len()).max().unwrap_or(0) > 0;
    let lines: Vec<Line> = pick(run)
        .into_iter()
        .filter_map(|(cell, name)| Some((cell, run.cells[cell].looked.as_ref()?, name)))
        .flat_map(|(cell, looked, name)| {
            [
                line(
                    cell,
                    if ended {
                        format!("{name}, start")
                    } else {
                        name.clone()
                    },
                    false,
                    &looked.start_spectrum,
                ),
                line(cell, format!("{name}, end"), true, &looked.end_spectrum),
            ]
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    lines.iter().any(|l| l.points.len() > 2).then(|| Figure {
        name: "spectra".into(),
        caption: "Eigenvalues of the tangent kernel, largest first, medians over the replicates \
                  looked at: at the start, and dashed at the end. In a linear network the last \
                  ones set the pace and the first one caps the rate."
            .into(),
        plot: Plot::Curves {
            lines,
            x_label: "number of the eigenvalue".into(),
            y_label: "eigenvalue".into(),
            log_x: false,
            log_y: true,
            reference_y: None,
            x_ticks: Vec::new(),
        },
    })
}

/// The loss of the base cell, and of the cells that are told along the leading number, beside what
/// their initial kernels predict.
pub(super) fn picture(run: &Analysis) -> Figure {
    let base = run.base();
    let mut lines: Vec<Line> = if run.along.is_some() {
        let of = |(cell, name): (usize, String)| {
            let predicted = format!("{name}, predicted");
            losses(&run.cells[cell], hue::cell(run, cell), name, predicted)
        };
        pick(run).into_iter().flat_map(of).collect()
    } else {
        losses(
            base,
            Hue::Distinct(0),
            "observed".into(),
            "initial kernel".into(),
        )
    };
    let dashed = lines.iter().any(|l| l.dashed);
    let ends = lines.iter().flat_map(|l| &l.points).map(|p| p.1);
    // What is far below the threshold is of no interest, and would flatten the rest.
    let floor = base.setting.success.by_loss().unwrap_or(0.0) * 1e-3;
    if ends.filter(|y| *y > 0.0).fold(f64::INFINITY, f64::min) < floor {
        for line in &mut lines {
            let below = line.points.iter().position(|p| p.1 < floor);
            let keep = below.unwrap_or(usize::MAX);
            line.points.truncate(keep);
            line.band.truncate(keep);
            for b in &mut line.band {
                b.1 = b.1.max(floor);
            }
        }
    }
    let predicted = if dashed {
        "; dashed, the median of what each network's own initial kernel predicts"
    } else {
        ""
    };
    Figure {
        name: "answer".into(),
        caption: format!(
            "The loss against the step: median and 10 to 90 % band over all replicates{predicted}."
        ),
        plot: curves(base, lines),
    }
}

/// Crossed cells up to which each has its sentence.
const CROSSED: usize = 3;

/// What the spread of the steps comes from: a sentence for each of the first crossed cells, and a
/// table of all.
fn splits(run: &Analysis) -> Vec<Block> {
    let crossed: Vec<(&Summary, &Split)> = (run.cells.iter())
        .filter_map(|s| Some((s, s.split.as_ref()?)))
        .collect();
    let said = crossed.iter().take(CROSSED);
    let said = said.map(|(s, split)| Block::Text(cell::split(&setting::cell(run, s.cell), split)));
    let mut blocks: Vec<Block> = said.collect();
    if crossed.len() > 1 {
        blocks.push(Block::Table(split_table(run, &crossed)));
    }
    blocks
}

fn split_table(run: &Analysis, crossed: &[(&Summary, &Split)]) -> Table {
    let rows = crossed.iter().map(|(s, split)| {
        let mut row = vec![
            setting::cell(run, s.cell),
            format!("{} × {}", split.sets, split.weights),
        ];
        match &split.steps {
            Some(steps) => row.extend(steps.shares.map(cell::part)),
            None => row.extend(["–", "–", "–"].map(String::from)),
        }
        row.push(percent(split.cut as f64 / s.replicates as f64));
        row
    });
    let heads = [
        ("cell", false),
        ("sets × weights", true),
        ("training set", true),
        ("initial weights", true),
        ("combination", true),
        ("cut", true),
    ];
    Table {
        name: "split".into(),
        caption: "Components of the variance of the logarithm of the steps, with jackknife 95 % \
                  intervals (steps cut at the budget where the loss was not reached)."
            .into(),
        columns: heads.map(|(n, numeric)| column(n, numeric)).to_vec(),
        rows: rows.collect(),
        base: None,
        numbers: Vec::new(),
        cells: crossed.iter().map(|(s, _)| s.cell).collect(),
    }
}
