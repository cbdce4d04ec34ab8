//! What can go wrong, as facts; how it is told to a person.

use std::fmt;
use std::path::PathBuf;

use crate::engine::Error as EngineError;

/// Characters of a long line that are shown before what a message points at, of it, and after it.
const AROUND: usize = 100;

/// The line and column, counted from one, that a message points at, and the text of that line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, or the name of a built-in study.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters to underline.
    pub width: usize,
    /// The line itself.
    pub text: String,
}

impl Place {
    /// The place of a span of bytes in `source`.
    pub(crate) fn new(file: &str, source: &str, span: std::ops::Range<usize>) -> Place {
        let mut at = span.start.min(source.len());
        while !source.is_char_boundary(at) {
            at -= 1;
        }
        let start = source[..at].rfind('\n').map_or(0, |i| i + 1);
        let end = source[at..].find('\n').map_or(source.len(), |i| at + i);
        let mut stop = span.end.clamp(at, end);
        while !source.is_char_boundary(stop) {
            stop -= 1;
        }
        Place {
            file: file.to_string(),
            line: source[..at].matches('\n').count() + 1,
            column: source[start..at].chars().count() + 1,
            width: source[at..stop].chars().count().max(1),
            text: source[start..end].trim_end_matches('\r').to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let margin = " ".repeat(self.line.to_string().len());
        // Of a long line only what is around the place.
        let left_out = (self.column - 1).saturating_sub(AROUND);
        let here = left_out..(self.column - 1 + self.width.min(AROUND) + AROUND);
        let window = self.text.chars().skip(here.start).take(here.len());
        let (mut before, mut after) = ("", "");
        if left_out > 0 {
            before = "…";
        }
        if self.text.chars().count() > here.end {
            after = "…";
        }
        // A tab keeps its width above the caret, whatever the terminal makes of it.
        let indent: String = (before.chars())
            .chain(window.clone().take(self.column - 1 - left_out))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let text: String = window.collect();
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{} | {before}{text}{after}", self.line)?;
        write!(
            f,
            "{margin} | {indent}{}",
            "^".repeat(self.width.min(AROUND))
        )
    }
}

/// What has no theory here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTheory {
    /// Weights from a file, or all the same: they have no law, of which an infinitely wide network
    /// would be the limit.
    #[error("weights that are given have no law, hence no infinitely wide network")]
    GivenWeights,
    /// Weights or biases whose mean is not 0: sums over a layer then grow with its width.
    #[error("weights and biases whose mean is not 0 have no infinitely wide network here")]
    NotCentred,
    /// Signal propagation in a network without hidden layers.
    #[error("a network without hidden layers has no phase")]
    NoHiddenLayer,
    /// Outputs that go through a function: the limit is a Gaussian process before it alone.
    #[error("outputs behind a sigmoid or tanh have no Gaussian limit here")]
    NonlinearOutput,
    /// Inputs whose kernel is beyond the range of f64.
    #[error("a kernel of these inputs is not a finite number: they or the weights are too large")]
    TooLarge,
    /// Success that is not judged by the loss, of which alone theory knows the steps.
    #[error("theory knows the steps to a loss, not to a largest error or an accuracy")]
    NotByLoss,
    /// A descent whose steps are not linear in the residual alone: Adam, mini-batches, weight
    /// decay, clipping, the logistic loss.
    #[error(
        "Adam, mini-batches, weight decay, clipping and the logistic loss have no linear theory of \
         their steps"
    )]
    NoLinearRule,
}

impl NoTheory {
    fn hint(self) -> &'static str {
        match self {
            NoTheory::GivenWeights => {
                "choose a law: `--set net.init=kaiming_normal`, or what the file was drawn from"
            }
            NoTheory::NotCentred => {
                "an interval around 0: `--set \"net.init={ uniform = [-1.0, 1.0] }\"`"
            }
            NoTheory::NoHiddenLayer => "for instance `--set net.hidden=[64,64]`",
            NoTheory::TooLarge => {
                "scale the inputs: their squares, times the variances of the layers, have to stay \
                 below 1e308"
            }
            NoTheory::NotByLoss => "ask for a loss, as `success.loss_below = 1e-8`",
            NoTheory::NonlinearOutput => "`--set net.output=identity` asks before the function",
            NoTheory::NoLinearRule => {
                "`method = \"gd\"` on squares, without `batch`, `weight_decay` and `clip`, says \
                 what plain descent would do"
            }
        }
    }
}

/// Why something could not be done. A run that diverges is an outcome, not an error.
///
/// Its text says what is wrong and where; [`Error::hint`] what to write instead. Programs tell
/// cases apart by variant:
///
/// ```
/// use thalweg::{Error, Source};
///
/// let misspelt = Source { text: "[data]\npionts = 5".into(), ..Source::built_in("assignment")? };
/// let Err(Error::Study { place: Some(place), .. }) = misspelt.study() else { panic!() };
/// assert_eq!((place.line, place.column), (2, 1));
///
/// let unknown = Source::built_in("asignment");
/// assert!(matches!(unknown, Err(Error::Unknown { hint, .. }) if hint.contains("assignment")));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A study that says something impossible or unknown. Without a text to point at,
    /// [`Plan::new`](crate::Plan::new) says the keys that lead to it, in a
    /// [`Mistake`](crate::Mistake).
    #[error("{message}{}", .place.as_ref().map(|p| format!("\n{p}")).unwrap_or_default())]
    Study {
        /// What is wrong, in one sentence.
        message: String,
        /// What to write instead.
        hint: Option<String>,
        /// Where, if it can be pointed at.
        place: Option<Box<Place>>,
    },
    /// A file that could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that was read and makes no sense.
    #[error("`{}` {message}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// A cell that the plan does not have.
    #[error("there is no cell {cell}")]
    NoSuchCell {
        /// What was asked for.
        cell: usize,
        /// Cells of the plan.
        cells: usize,
    },
    /// A replicate that the cell does not have.
    #[error("there is no replicate {replicate}")]
    NoSuchReplicate {
        /// The cell.
        cell: usize,
        /// What was asked for.
        replicate: u64,
        /// Replicates of the cell, at most.
        replicates: u64,
    },
    /// A prediction that no theory here makes.
    #[error(transparent)]
    NoTheory(#[from] NoTheory),
    /// Something else that was asked for by a name and does not exist.
    #[error("{message}")]
    Unknown {
        /// What was asked for.
        message: String,
        /// What there is.
        hint: String,
    },
    /// A certificate that does not hold, or is none.
    #[error("the certificate {message}")]
    Certificate {
        /// What is wrong with it.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// An engine that does not train.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The run was stopped from outside; every finished cell was handed over to be kept.
    #[error("stopped: {done} of {cells} cells are finished and kept")]
    Stopped {
        /// Finished cells.
        done: usize,
        /// Cells of the plan.
        cells: usize,
    },
}

impl Error {
    /// One sentence about what to do, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Study { hint, .. } => hint.clone(),
            Error::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => Some(
                    "free some space and run the same command again: finished cells are kept"
                        .into(),
                ),
                std::io::ErrorKind::FileTooLarge => Some(
                    "the shell limits the size of files (`ulimit -f`): raise it, and the same \
                     command goes on"
                        .into(),
                ),
                std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                    Some("a file is there: choose another folder with `--out`".into())
                }
                std::io::ErrorKind::NotFound => Some("check the path".into()),
                std::io::ErrorKind::PermissionDenied => {
                    Some("choose another folder with `--out`".into())
                }
                _ => None,
            },
            Error::NoSuchCell { cells, .. } => Some(format!(
                "the run has cells 0 to {}; `cells.parquet` lists them",
                cells.saturating_sub(1)
            )),
            Error::NoSuchReplicate {
                cell, replicates, ..
            } => Some(format!(
                "cell {cell} has replicates 0 to {}",
                replicates.saturating_sub(1)
            )),
            Error::NoTheory(of) => Some(of.hint().into()),
            Error::Damaged { hint, .. }
            | Error::Unknown { hint, .. }
            | Error::Certificate { hint, .. } => Some(hint.clone()),
            Error::Engine(error) => Some(match error {
                // Of a device's name every part counts.
                EngineError::NoSuchEngine(name) if !name.contains(':') => {
                    nearest(name, ["cpu", "gpu", "auto", "reference"])
                        .map_or(error.hint().into(), |near| {
                            format!("did you mean `{near}`?")
                        })
                }
                EngineError::NoSuchEngine(_)
                | EngineError::Refused(_)
                | EngineError::Device { .. } => error.hint().into(),
            }),
            Error::Stopped { .. } => Some("the same command goes on from here".into()),
        }
    }
}

/// The name in `known` nearest to `wrong`, if any is near.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&wrong.to_lowercase(), k), k))
        .filter(|(score, _)| *score > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}
