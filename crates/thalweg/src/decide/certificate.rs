//! The certificate as a value and as a file: a decision with everything that is needed to check it.
//!
//! A certificate is TOML. Its first line is the blake3 hash of everything after it, so that a
//! change by accident or by hand is seen; the rest holds the setting as resolved, the decision, and
//! for every replicate how it ended, after how many steps, and the bits of its final loss.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::record::{Outcome, Row};
use crate::stats::{Interval, Side};
use crate::study::Study;

/// What the first line of a certificate begins with.
const FINGERPRINT: &str = "content = \"blake3:";

/// The format, in every certificate.
pub(super) const FORMAT: &str = "thalweg certificate 2";

/// The format before, which does not say what its draws are: replicates 0, 1, … of its seed.
pub(super) const FORMAT_1: &str = "thalweg certificate 1";

/// The first of the replicates that no study has: they have at most 1e9.
pub const FRESH_REPLICATES: u64 = 1 << 32;

/// Which draws a certificate rests on. A setting that was chosen after a look at some replicates is
/// flattered by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Draws {
    /// Replicates from [`FRESH_REPLICATES`] on of the study's seed, which no run of a study trains.
    #[default]
    Fresh,
    /// Replicates 0, 1, … of the study's seed: those of its own run.
    Own,
    /// Replicates 0, 1, … of a seed derived from the study's ([`super::fresh_seed`]), as a choice
    /// takes them.
    Reseeded,
}

impl Draws {
    /// All of them.
    pub const ALL: [Draws; 3] = [Draws::Fresh, Draws::Own, Draws::Reseeded];

    /// The number of the first replicate.
    pub fn first(self) -> u64 {
        match self {
            Draws::Fresh => FRESH_REPLICATES,
            Draws::Own | Draws::Reseeded => 0,
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The success probability is at least the share.
    Yes,
    /// It is below.
    No,
    /// The replicates allowed were not enough to tell.
    Undecided,
}

impl Decision {
    pub(super) fn of(side: Option<Side>) -> Decision {
        match side {
            Some(Side::Above) => Decision::Yes,
            Some(Side::Below) => Decision::No,
            None => Decision::Undecided,
        }
    }

    /// The exit code of the program: 0 yes, 3 no, 4 undecided.
    pub fn exit_code(self) -> u8 {
        match self {
            Decision::Yes => 0,
            Decision::No => 3,
            Decision::Undecided => 4,
        }
    }
}

/// How a replicate ended, without the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// Below the loss asked for.
    Below,
    /// Made all its steps.
    Spent,
    /// The loss was not finite, or far above the first one.
    Diverged,
    /// At rest: a step changed no bit of the weights.
    Fixed,
}

impl OutcomeKind {
    /// All of them.
    pub const ALL: [OutcomeKind; 4] = [
        OutcomeKind::Below,
        OutcomeKind::Spent,
        OutcomeKind::Diverged,
        OutcomeKind::Fixed,
    ];

    /// The kind of an outcome.
    pub fn of(outcome: Outcome) -> OutcomeKind {
        match outcome {
            Outcome::Below { .. } => OutcomeKind::Below,
            Outcome::Spent => OutcomeKind::Spent,
            Outcome::Diverged { .. } => OutcomeKind::Diverged,
            Outcome::Fixed { .. } => OutcomeKind::Fixed,
        }
    }

    /// The name that [`Outcome::name`] gives it.
    pub fn name(self) -> &'static str {
        let step = 0;
        match self {
            OutcomeKind::Below => Outcome::Below { step },
            OutcomeKind::Spent => Outcome::Spent,
            OutcomeKind::Diverged => Outcome::Diverged { step },
            OutcomeKind::Fixed => Outcome::Fixed { step },
        }
        .name()
    }
}

/// How one replicate ended, to the bit. Its text is the kind, the steps made, and the bits of the
/// final loss in hexadecimal: `below 7 3e44ab45395da2c5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ending {
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Steps made.
    pub step: u64,
    /// The bits of the final loss, a double.
    pub loss_bits: u64,
}

impl Ending {
    /// The ending of a replicate.
    pub fn of(row: &Row) -> Ending {
        Ending {
            outcome: OutcomeKind::of(row.outcome),
            step: row.steps,
            loss_bits: row.final_loss.to_bits(),
        }
    }

    /// Whether the loss asked for was reached.
    pub fn reached(self) -> bool {
        self.outcome == OutcomeKind::Below
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, step, bits) = (self.outcome.name(), self.step, self.loss_bits);
        write!(f, "{name} {step} {bits:016x}")
    }
}

impl FromStr for Ending {
    type Err = String;

    /// Reads only what is written: other spellings of the same ending are refused.
    fn from_str(text: &str) -> Result<Ending, String> {
        let read = || {
            let mut parts = text.split(' ');
            let (name, step, bits) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Ending {
                outcome: OutcomeKind::ALL.into_iter().find(|k| k.name() == name)?,
                step: step.parse().ok()?,
                loss_bits: u64::from_str_radix(bits, 16).ok()?,
            })
        };
        read()
            .filter(|ending| ending.to_string() == text)
            .ok_or_else(|| {
                format!(
                    "the outcome `{text}` is not a kind, steps and 16 hexadecimal digits, like \
                     `below 7 3e44ab45395da2c5`"
                )
            })
    }
}

impl TryFrom<String> for Ending {
    type Error = String;

    fn try_from(text: String) -> Result<Ending, String> {
        text.parse()
    }
}

impl From<Ending> for String {
    fn from(ending: Ending) -> String {
        ending.to_string()
    }
}

/// How far a sequential test goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Of the decision, both ways.
    pub level: f64,
    /// Give up here.
    pub at_most: u64,
    /// Which replicates.
    pub draws: Draws,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            level: 0.95,
            at_most: 10_000,
            draws: Draws::Fresh,
        }
    }
}

impl Terms {
    /// # Errors
    ///
    /// [`Error::Study`] for a level that is not in [0.5, 1) or no replicates at all.
    pub fn check(self) -> Result<(), Error> {
        let bad = |message: String, hint: &str| Error::Study {
            message,
            hint: Some(hint.into()),
            place: None,
        };
        if !(0.5..1.0).contains(&self.level) {
            return Err(bad(
                format!("the level {} is not between 0.5 and 1", self.level),
                "0.95 is customary",
            ));
        }
        if self.at_most == 0 || self.at_most > 100_000_000 {
            return Err(bad(
                format!("{} replicates at most: between 1 and 1e8", self.at_most),
                "for instance `--at-most 10000`",
            ));
        }
        Ok(())
    }
}

/// A decision with everything that is needed to check it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The format of the file.
    pub format: String,
    /// The program that wrote it.
    pub program: String,
    /// The engine that trained.
    pub engine: String,
    /// Content hash of the cell: the setting, and the content of the files it names.
    pub cell: String,
    /// The decision.
    pub decision: Decision,
    /// Of the decision: at every true probability the wrong one has at most 1 − level.
    pub level: f64,
    /// The share of training sets asked for.
    pub share: f64,
    /// The loss that is to be reached.
    pub loss_below: f64,
    /// Instead of the loss, the error that is to be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_below: Option<f64>,
    /// Instead of the loss, the accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// The seed of the draws.
    pub seed: u64,
    /// Which of its replicates they are; none in a certificate of the format before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<Draws>,
    /// Where the sequential test would have given up.
    pub at_most: u64,
    /// k.
    pub successes: u64,
    /// n.
    pub replicates: u64,
    /// Clopper and Pearson's interval for k of n, at `level`.
    pub exact: Interval,
    /// Wilson's interval.
    pub wilson: Interval,
    /// Bounds that hold although the number of replicates depended on the outcomes, each at
    /// `level`: what lies outside is what the test decides.
    pub anytime: Interval,
    /// In the order of the replicates' numbers, from [`Certificate::first`] on.
    pub outcomes: Vec<Ending>,
    /// The setting as resolved: a whole study without comparisons, with the title of the study that
    /// was certified.
    pub study: Study,
}

impl Certificate {
    /// The number of its first replicate.
    pub fn first(&self) -> u64 {
        self.draws.map_or(0, Draws::first)
    }

    /// Replicate-steps made.
    pub fn steps(&self) -> u64 {
        self.outcomes.iter().map(|ending| ending.step).sum()
    }

    /// The file, as text.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] if it cannot be encoded.
    pub fn text(&self) -> Result<String, Error> {
        let body = toml::to_string(self).map_err(|e| Error::Certificate {
            message: format!("could not be encoded: {e}"),
            hint: "this is a mistake of the program: please report it".into(),
        })?;
        let hash = blake3::hash(body.as_bytes()).to_hex();
        Ok(format!("{FINGERPRINT}{hash}\"\n{body}"))
    }

    /// A certificate from its text, if its content is what its first line says.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] if it was changed or is no certificate.
    pub fn parse(text: &str) -> Result<Certificate, Error> {
        let damaged = |message: &str, hint: &str| Error::Certificate {
            message: message.into(),
            hint: hint.into(),
        };
        let none = "`thalweg certify STUDY` writes one";
        let split = text.split_once('\n').and_then(|(first, body)| {
            let hash = first
                .trim_end()
                .strip_prefix(FINGERPRINT)?
                .strip_suffix('"')?;
            Some((hash, body))
        });
        let (hash, body) = split
            .ok_or_else(|| damaged("is no certificate: its first line is no content hash", none))?;
        if blake3::hash(body.as_bytes()).to_hex().as_str() != hash {
            return Err(damaged(
                "was changed after it was written: its content does not match its first line",
                "ask for the original, or run `thalweg certify` again",
            ));
        }
        toml::from_str(body).map_err(|e: toml::de::Error| {
            damaged(
                &format!("cannot be read: {}", e.message().replace('\n', ", ")),
                "it was written by another version of the program",
            )
        })
    }
}
