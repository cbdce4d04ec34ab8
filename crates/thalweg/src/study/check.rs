//! Mistakes in a study: the keys that lead to one, what is wrong, what to write instead.

use std::fmt;

use crate::error::Error;

/// Something in a study that its types cannot forbid and that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The keys that lead to it: `["data", "points"]`; an item of a list by its number.
    pub path: Vec<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path.join("."), self.message)
    }
}

impl std::error::Error for Mistake {}

impl From<Mistake> for Error {
    /// The error of a study that has no text to point at.
    fn from(mistake: Mistake) -> Error {
        Error::Study {
            message: mistake.to_string(),
            hint: mistake.hint,
            place: None,
        }
    }
}

/// The most parts of a dotted key.
pub(crate) const DEEPEST: usize = 8;

/// The mistake at a dotted path; an empty hint is none.
pub(crate) fn mistake<T>(path: &str, message: String, hint: &str) -> Result<T, Mistake> {
    Err(Mistake {
        path: path.split('.').map(str::to_string).collect(),
        message,
        hint: (!hint.is_empty()).then(|| hint.to_string()),
    })
}

/// Whether a number is above zero and finite.
pub(crate) fn positive(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}
