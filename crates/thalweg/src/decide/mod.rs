//! Deciding in a form that others can check: whether a setting reaches the loss often enough, and
//! which setting is the cheapest that does.

mod certificate;
mod certify;
mod choice;
mod contender;
mod race;
mod replicates;

pub use certificate::{Certificate, Decision, Draws, Ending, FRESH_REPLICATES, OutcomeKind, Terms};
pub use certify::{Verified, certify, fresh_seed, verify};
pub use choice::{Attempt, Candidate, Choice, Fate, Work};
pub use race::choose;
