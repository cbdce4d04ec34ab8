//! How a run was made, and what the page cites: the last section of the appendix.

use thalweg::analysis::Analysis;
use thalweg::analysis::summary::IntervalKind;

use super::page::{Block, Section};
use super::words::families::multiplicity;
use super::words::numbers::{count, number};

/// How it was done, and what is cited.
pub(super) fn method(run: &Analysis) -> Section {
    let seconds: f64 = run.cells.iter().map(|s| s.seconds).sum();
    let total: u64 = run.cells.iter().map(|s| s.tally.steps).sum();
    let replicates: u64 = run.cells.iter().map(|s| s.replicates).sum();
    let base = &run.base().setting;
    let text = |text: &str| Block::Text(text.into());
    let blocks = vec![
        Block::Text(format!(
            "{} cells, {} replicates, {} steps in {} s of training time (seed {}). Replicate r of \
             every cell uses the same random draws wherever shapes allow, so comparisons are \
             paired.",
            run.cells.len(),
            count(replicates),
            number(total as f64),
            number(seconds),
            base.seed
        )),
        text(
            "The loss is L = s Σ r² with r = f − y. Linearised at the start, gradient descent is \
         r ← (1 − 2sηΘ) r with the tangent kernel Θ = J Jᵀ; it is stable for η below 1/(s \
         λmax(Θ)), the limit. The predicted step is the first t with s Σ c² (1 − 2sηλ)^(2t) below \
         the threshold, exactly. Hitting times are censored at the budget; quantiles are over all \
         replicates. Causes are computed from the loss in the last half of the budget and the \
         kernel at the last step of each replicate looked at.",
        ),
        text(
            "Conventions: s is 1 for the loss `sum`, 1/N for `mean`, half of these for the halved \
         ones; λmax(Θ) bounds the rate through η < 1/(s λmax), which for gradient descent is η · \
         sharpness < 2 at an interpolating solution (2 (1 + β) for heavy ball, 2 (1 + β)/(1 + 2β) \
         for Nesterov): the edge of stability. Multiply-adds count the three matrix products of a \
         step.",
        ),
        Block::Text(multiplicity(run)),
        text("The base cell, whole:"),
        Block::Code(toml::to_string(base).unwrap_or_default().trim_end().into()),
        text("References of the theories and methods used here:"),
        Block::List(references(run)),
    ];
    Section {
        title: "Method".into(),
        blocks,
    }
}

/// What is cited, of the theories and the methods that this page uses.
fn references(run: &Analysis) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let looked = || run.cells.iter().filter_map(|s| s.looked.as_ref());
    if looked().next().is_some() {
        all.push("Tangent kernel: Jacot, Gabriel, Hongler 2018, arXiv:1806.07572.".into());
    }
    for f in &run.findings {
        // A derivation of our own has nothing to cite.
        let line = format!("{}.", f.source);
        if f.source.contains("arXiv") && !all.contains(&line) {
            all.push(line);
        }
    }
    if looked().any(|l| l.edge.is_finite()) {
        all.push("Edge of stability: Cohen et al. 2021, arXiv:2103.00065.".into());
    }
    let kinds = || run.cells.iter().map(|s| s.interval_kind);
    if kinds().any(|k| matches!(k, IntervalKind::Wilson | IntervalKind::Crossed)) {
        all.push("Interval of a probability: Wilson 1927, J. Am. Stat. Assoc. 22, 209.".into());
    }
    if kinds().any(|k| matches!(k, IntervalKind::Anytime(_))) {
        all.push(
            "Bounds of a probability at any time: Robbins, Siegmund 1974, Ann. Stat. 2, 415."
                .into(),
        );
    }
    if !run.comparisons.is_empty() {
        all.push(
            "Share not yet below, with censored times: Kaplan, Meier 1958, J. Am. Stat. Assoc. 53, \
             457."
                .into(),
        );
        all.push(
            "Paired success, exact: McNemar 1947, Psychometrika 12, 153; corrected for their \
             number: Holm 1979, Scand. J. Stat. 6, 65. Differences of paired shares: Newcombe \
             1998, Stat. Med. 17, 2635."
                .into(),
        );
    }
    all
}
