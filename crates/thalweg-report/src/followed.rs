//! Single runs that were followed: the edge of stability, the kernel and the motion against the
//! step.

use thalweg::analysis::Analysis;
use thalweg::analysis::followed::{Followed, Look};
use thalweg::analysis::summary::Summary;

use super::page::{Block, Figure, Hue, Line, Part, Plot};
use super::words;

/// Cells whose runs are drawn.
const CELLS: usize = 3;

/// The base cell and those that are told along the leading number, the first cells without one, if
/// replicates of them were followed; nothing without any. The first figure of each is seen, the
/// others are a part.
pub(super) fn blocks(run: &Analysis) -> Vec<Block> {
    let told = |cell: usize| {
        let mut told = run.along.iter().flat_map(|along| &along.told);
        cell == 0 || run.along.is_none() || told.any(|told| told.cell == cell)
    };
    let cells = (run.cells.iter()).filter(|s| !s.followed.is_empty() && told(s.cell));
    let all = cells.take(CELLS).flat_map(|s| of_cell(run, s));
    // Words first: the figures of the cells stand side by side.
    let (mut texts, others): (Vec<Block>, Vec<Block>) =
        all.partition(|block| matches!(block, Block::Text(_)));
    texts.extend(others);
    texts
}

fn of_cell(run: &Analysis, s: &Summary) -> Vec<Block> {
    let said = words::followed::runs(run, s);
    let mut blocks: Vec<Block> = (!said.is_empty())
        .then(|| Block::Text(said.join(" ")))
        .into_iter()
        .collect();
    let cell = words::setting::cell(run, s.cell);
    let figure = |what: &str, says: &str, plot: Option<Plot>| {
        plot.map(|plot| Figure {
            name: format!("followed-{}-{what}", s.cell),
            caption: format!("{cell}: {says}"),
            plot,
        })
    };
    let figures = [
        figure(
            "edge",
            "the rate over the largest that is stable at the sharpness of the moment (for \
             gradient descent η·sharpness/2), against the step; the line is the edge of \
             stability. Each line is a replicate.",
            plot(s, &[("", |l| l.edge)], "η over the edge", false, Some(1.0)),
        ),
        figure(
            "kernel",
            "the largest eigenvalue of the tangent kernel, and dashed the smallest, against the \
             step.",
            plot(
                s,
                &[(" λmax", |l| l.largest), (" λmin", |l| l.smallest)],
                "eigenvalue of Θ",
                true,
                None,
            ),
        ),
        figure(
            "gradient",
            "the constant μ of ‖∇L‖² = 2 μ L along the way (Polyak–Łojasiewicz; the loss falls by \
             2ημ a step), against the step.",
            plot(s, &[("", |l| l.polyak_lojasiewicz)], "μ", true, None),
        ),
        figure(
            "motion",
            "how far the tangent kernel has moved, as a share of its norm at the start, against \
             the step.",
            plot(s, &[("", |l| l.kernel_moved)], "‖Θ − Θ₀‖/‖Θ₀‖", true, None),
        ),
    ];
    let mut drawn = figures.into_iter().flatten().map(Block::Figure);
    blocks.extend(drawn.next());
    let others: Vec<Block> = drawn.collect();
    if !others.is_empty() {
        blocks.push(Block::Part(Part {
            title: cell,
            lead: "The kernel, the Polyak–Łojasiewicz constant and the motion of the kernel \
                   against the step."
                .into(),
            blocks: others,
        }));
    }
    blocks
}

/// A name and what it is of a look.
type Quantity<'a> = (&'a str, fn(&Look) -> f64);

/// A line for each replicate and quantity; of several quantities the second is dashed. None if no
/// line has two points.
fn plot(
    s: &Summary,
    quantities: &[Quantity<'_>],
    y_label: &str,
    log_y: bool,
    reference_y: Option<f64>,
) -> Option<Plot> {
    let line = |hue: usize, f: &Followed, (at, (name, of)): (usize, &Quantity<'_>)| Line {
        name: format!("replicate {}{name}", f.replicate),
        points: (f.looks.iter())
            .map(|look| (look.step as f64, of(look)))
            .filter(|(step, value)| *step > 0.0 && value.is_finite())
            .collect(),
        band: Vec::new(),
        dashed: at > 0,
        hue: Hue::Distinct(hue),
    };
    let lines: Vec<Line> = (s.followed.iter().enumerate())
        .flat_map(|(i, f)| quantities.iter().enumerate().map(move |q| line(i, f, q)))
        .filter(|line| !line.points.is_empty())
        .collect();
    let drawn = lines.iter().any(|line| line.points.len() > 1);
    drawn.then(|| Plot::Curves {
        lines,
        x_label: "step".into(),
        y_label: y_label.into(),
        log_x: true,
        log_y,
        reference_y,
        x_ticks: Vec::new(),
    })
}
