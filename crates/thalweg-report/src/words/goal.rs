//! What a study asks of a run, in the forms that sentences need.

use thalweg::study::{Criterion, Success};

use super::numbers::{number, percent};

/// What a run is with that has it, and whether that is of the loss.
fn with(of: &Success) -> (bool, String) {
    // The boundary between two classes is not said.
    match of.criterion(0.0) {
        Criterion::Loss { below } => (true, format!("below {}", number(below))),
        Criterion::Error { below } => (false, format!("with every error below {}", number(below))),
        Criterion::Accuracy { least, .. } if least < 1.0 => (
            false,
            format!("with {} of the points right", percent(least)),
        ),
        Criterion::Accuracy { .. } => (false, "with all points right".into()),
    }
}

/// What runs do that have it, with a form of `get` and of `end`: "get below 1e-8", "end with all
/// points right".
pub fn arrive(of: &Success, [get, end]: [&str; 2]) -> String {
    match with(of) {
        (true, state) => format!("{get} {state}"),
        (false, state) => format!("{end} {state}"),
    }
}

/// The same of a number of runs, the loss not named: "get below the loss".
pub fn arrive_there(of: &Success, [get, end]: [&str; 2]) -> String {
    match with(of) {
        (true, _) => format!("{get} below the loss"),
        (false, state) => format!("{end} {state}"),
    }
}

/// How runs are that have it: "below the loss", "with all points right".
pub fn there(of: &Success) -> String {
    match with(of) {
        (true, _) => "below the loss".into(),
        (false, state) => state,
    }
}

/// What training does: "bring the loss below 1e-8", "end with all points right".
pub fn bring(of: &Success) -> String {
    match with(of) {
        (true, state) => format!("bring the loss {state}"),
        (false, state) => format!("end {state}"),
    }
}

/// How a run is that has it: "below 1e-8", "with all points right".
pub fn state(of: &Success) -> String {
    with(of).1
}

/// The criterion with its limit, as a setting: "loss below 1e-8".
pub fn asked(of: &Success) -> String {
    match with(of) {
        (true, state) => format!("loss {state}"),
        (false, state) => state.trim_start_matches("with ").to_string(),
    }
}
