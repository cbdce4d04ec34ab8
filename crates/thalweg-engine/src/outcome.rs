//! How a replicate ended, as data.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a replicate ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The loss got below ε, first at this step (and, with `stop = "never"`, ended below).
    Below {
        /// First step whose loss was below.
        step: u64,
    },
    /// The budget was over: the hitting time is censored.
    Spent,
    /// The loss was not finite, or above 1e12 × max(initial loss, 1).
    Diverged {
        /// The step whose loss was.
        step: u64,
    },
    /// Gradient descent that will never move again: the loss was that of the step before and the
    /// step changed no bit of the weights.
    Fixed {
        /// That step.
        step: u64,
    },
}

/// In a few words: `below at step 175`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Below { step } => write!(f, "below at step {step}"),
            Outcome::Spent => f.write_str("not below within the budget"),
            Outcome::Diverged { step } => write!(f, "diverged at step {step}"),
            Outcome::Fixed { step } => write!(f, "stopped moving at step {step}"),
        }
    }
}

impl Outcome {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Below { .. } => "below",
            Outcome::Spent => "spent",
            Outcome::Diverged { .. } => "diverged",
            Outcome::Fixed { .. } => "fixed",
        }
    }
}
