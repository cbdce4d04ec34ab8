//! The sentences: each says what the analysis says, and the opposite when it does. Nothing is
//! computed here but the form of a number.

pub mod along;
pub mod answer;
pub mod brief;
pub mod cell;
pub mod comparison;
pub mod decision;
pub mod families;
pub mod followed;
pub mod goal;
pub mod impossible;
pub mod key;
pub mod numbers;
pub mod price;
pub mod replicate;
pub mod setting;
pub mod tested;
pub mod theory;
pub mod why;

use thalweg::analysis::Analysis;
use thalweg::analysis::answer::Answer;

/// Why the study is as it is, in the author's words: a paragraph each. Lines are joined; an empty
/// line or a dash at the beginning of a line begins a new one.
pub fn author(run: &Analysis) -> Vec<String> {
    let Some(why) = &run.why else {
        return Vec::new();
    };
    let lead = match &run.author {
        Some(author) => format!("In the words of {author}:"),
        None => "In the author's words:".into(),
    };
    let mut all = vec![lead];
    let mut open = false;
    for line in why.lines().map(str::trim) {
        if line.is_empty() {
            open = false;
        } else if let (true, false, Some(last)) = (open, line.starts_with("- "), all.last_mut()) {
            last.push(' ');
            last.push_str(line);
        } else {
            all.push(line.to_string());
            open = true;
        }
    }
    all
}

/// The answer to the study's question, one sentence each.
pub fn answer(run: &Analysis) -> Vec<String> {
    let mut all = answer::card(run);
    all.push(setting::setting(&run.base().setting));
    all.extend(more(run));
    all
}

/// What else was found: the evidence of the card, one paragraph each.
pub fn more(run: &Analysis) -> Vec<String> {
    let mut all: Vec<String> = match &run.answer {
        Answer::Claims => vec![cell::verdict(run.base())],
        Answer::Comparison(_) | Answer::Share(_) => Vec::new(),
    };
    if run.base().replicates > 1 {
        all.push(cell::times(run.base()));
    }
    all
}
