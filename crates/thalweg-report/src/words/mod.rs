//! The sentences: each says what the analysis says, and the opposite when it does. Nothing is
//! computed here but the form of a number.

pub mod along;
pub mod cell;
pub mod comparison;
pub mod decision;
pub mod impossible;
pub mod numbers;
pub mod replicate;
pub mod setting;
pub mod theory;

use thalweg::analysis::Analysis;

/// The answer to the study's question, one sentence each.
pub fn answer(run: &Analysis) -> Vec<String> {
    let base = run.base();
    let mut all = vec![cell::verdict(base), setting::setting(&base.setting)];
    all.extend(theory::published(run));
    all.push(cell::times(base));
    if let Some(leading) = &run.along {
        all.extend(along::changes(run, leading));
        all.extend(along::why(run, leading).into_iter().take(1));
    }
    all
}
