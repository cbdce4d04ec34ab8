//! Does it reach the loss on at least a share of random training sets? A sequential test decides, and a
//! certificate says so in a form that anyone can re-check.
//!
//! A certificate is TOML. Its first line is the blake3 hash of everything after it, so that a change by
//! accident or by hand is seen; the rest holds the setting as resolved, the decision, and for every
//! replicate how it ended, after how many steps, and the bits of its final loss. [`verify`] checks the
//! hash, draws the decision again from the outcomes, and trains a random few of the replicates again.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::data::Draw;
use crate::engine::{Engine, Trained};
use crate::error::Error;
use crate::inputs::Inputs;
use crate::lab::{Control, Hooks, Judge, Numbers, Wanted, row, train_wanted};
use crate::plan::{Cell, Plan};
use crate::record::Row;
use crate::stats::{Interval, SequentialTest, Side, anytime_bounds, clopper_pearson, wilson};
use crate::study::{Setting, Study};

/// What the first line of a certificate begins with.
const CONTENT: &str = "content = \"blake3:";

/// The format, in every certificate.
const FORMAT: &str = "thalweg certificate 1";

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
    fn of(side: Option<Side>) -> Decision {
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
    /// The seed of the draws.
    pub seed: u64,
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
    /// Bounds that hold although the number of replicates depended on the outcomes, each at `level`:
    /// what lies outside is what the test decides.
    pub anytime: Interval,
    /// Replicate r at place r: how it ended, steps made, bits of the final loss in hexadecimal.
    pub outcomes: Vec<String>,
    /// The setting as resolved: a whole study without comparisons.
    pub study: Study,
}

/// How far a sequential test goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Of the decision, both ways.
    pub level: f64,
    /// Give up here.
    pub at_most: u64,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            level: 0.95,
            at_most: 10_000,
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

// ---- Some replicates of a cell -----------------------------------------------------------------

/// The rows of replicates, by number.
struct Rows(BTreeMap<u64, Row>);

impl Judge for Rows {
    type Ended = Row;

    fn judge(&mut self, row: Row) -> bool {
        self.0.insert(row.replicate, row);
        true
    }
}

/// Trains these replicates; their rows in the order of the numbers, and `look` is shown each of them.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; [`Error::Engine`].
pub(crate) fn train_some(
    cell: &Cell,
    engine: &dyn Engine,
    threads: usize,
    numbers: Numbers<'_>,
    control: &Control<'_>,
    look: impl Fn(&Trained) + Sync,
) -> Result<Vec<Row>, Error> {
    let wanted = Wanted {
        cell,
        numbers,
        in_order: false,
        followed: false,
    };
    let take = |_: &Cell, trained: Trained| {
        look(&trained);
        row(&trained)
    };
    let rows = of_one(
        wanted,
        Rows(BTreeMap::new()),
        engine,
        threads,
        &take,
        control,
    )?;
    Ok(rows.0.into_values().collect())
}

/// Trains what is wanted of one cell until its judge has seen enough.
fn of_one<J: Judge>(
    wanted: Wanted<'_>,
    judge: J,
    engine: &dyn Engine,
    threads: usize,
    take: &(dyn Fn(&Cell, Trained) -> J::Ended + Sync),
    control: &Control<'_>,
) -> Result<J, Error> {
    let complete = Mutex::new(None);
    let hooks = Hooks {
        take,
        complete: &|_, judge, _| {
            *complete.lock().unwrap_or_else(|e| e.into_inner()) = Some(judge);
            Ok(())
        },
    };
    let problem = wanted.cell.problem();
    let (with, parts) = ((engine, threads), vec![(wanted, judge)]);
    train_wanted(&problem, with, parts, &hooks, control)?;
    let judge = complete.into_inner().unwrap_or_else(|e| e.into_inner());
    judge.ok_or(Error::Stopped { done: 0, cells: 1 })
}

/// What a certificate says of one replicate.
fn seal(row: &Row) -> String {
    format!(
        "{} {} {:016x}",
        row.outcome.name(),
        row.steps,
        row.final_loss.to_bits()
    )
}

/// A sequential test on its way, and what the certificate will say of every replicate.
struct Undecided {
    test: SequentialTest,
    outcomes: Vec<String>,
}

impl Judge for Undecided {
    type Ended = Row;

    fn judge(&mut self, row: Row) -> bool {
        self.test.push(row.reached());
        self.outcomes.push(seal(&row));
        self.test.decision().is_none()
    }
}

// ---- Certifying --------------------------------------------------------------------------------

/// Trains replicates 0, 1, … of a cell until the sequential test decides, or `at_most`.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; what [`Terms::check`] finds; [`Error::Study`] for a crossed design.
pub fn certify(
    cell: &Cell,
    engine: &dyn Engine,
    threads: usize,
    terms: Terms,
    control: &Control<'_>,
) -> Result<Certificate, Error> {
    terms.check()?;
    if matches!(cell.setting.data.draw, Draw::Crossed(_)) {
        return Err(Error::Study {
            message: "a certificate needs independent replicates, and those of a crossed design share training \
                      sets and weights"
                .into(),
            hint: Some("`--set data.draw=each`".into()),
            place: None,
        });
    }
    let Setting { success, seed, .. } = &cell.setting;
    let wanted = Wanted {
        cell,
        numbers: Numbers::Range(0, terms.at_most),
        in_order: true,
        followed: false,
    };
    let undecided = Undecided {
        test: SequentialTest::new(success.share, terms.level),
        outcomes: Vec::new(),
    };
    let take = |_: &Cell, trained: Trained| row(&trained);
    let Undecided { test, outcomes } = of_one(wanted, undecided, engine, threads, &take, control)?;
    let (successes, replicates) = test.counts();
    Ok(Certificate {
        format: FORMAT.into(),
        program: format!("thalweg {}", env!("CARGO_PKG_VERSION")),
        engine: engine.name().into(),
        cell: cell.hash.clone(),
        decision: Decision::of(test.decision()),
        level: terms.level,
        share: success.share,
        loss_below: success.loss_below,
        seed: *seed,
        at_most: terms.at_most,
        successes,
        replicates,
        exact: clopper_pearson(successes, replicates, terms.level),
        wilson: wilson(successes, replicates, terms.level),
        anytime: anytime_bounds(successes, replicates, terms.level),
        outcomes,
        study: resolved(&cell.setting),
    })
}

/// A study that is this setting alone.
pub(crate) fn resolved(setting: &Setting) -> Study {
    Study {
        title: "Certified setting".into(),
        ..Study::of(setting.clone())
    }
}

impl Certificate {
    /// Replicate-steps made.
    pub fn steps(&self) -> u64 {
        let steps = |o: &String| o.split(' ').nth(1)?.parse::<u64>().ok();
        self.outcomes.iter().filter_map(steps).sum()
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
        Ok(format!("{CONTENT}{hash}\"\n{body}"))
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
            let hash = first.trim_end().strip_prefix(CONTENT)?.strip_suffix('"')?;
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

// ---- Verifying ---------------------------------------------------------------------------------

/// What a re-check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// What was checked.
    pub certificate: Certificate,
    /// The replicates that were trained again, all to the same bits.
    pub again: Vec<u64>,
    /// The smallest share of wrong outcomes that so many would have found with 95 %.
    pub would_find: f64,
}

/// Checks a certificate: its cell, its decision, and `count` replicates, chosen by `choice`, bit by bit;
/// `inputs` are the data sets and weights that its study names.
///
/// # Errors
///
/// [`Error::Certificate`] if anything does not hold, naming it; [`Error::Stopped`].
pub fn verify(
    certificate: Certificate,
    inputs: &Inputs,
    engine: &dyn Engine,
    threads: usize,
    (count, choice): (u64, u64),
    control: &Control<'_>,
) -> Result<Verified, Error> {
    let false_claim = |message: String| Error::Certificate {
        message,
        hint: "the certificate does not hold; `thalweg certify` on its study says what does".into(),
    };
    let c = &certificate;
    if c.format != FORMAT {
        return Err(Error::Certificate {
            message: format!("has the format `{}`, not `{FORMAT}`", c.format),
            hint: "use the version of the program that wrote it".into(),
        });
    }
    if c.engine != engine.name() {
        return Err(Error::Unknown {
            message: format!("it was trained by the engine `{}`", c.engine),
            hint: format!("`--engine {}`", c.engine),
        });
    }
    (Terms {
        level: c.level,
        at_most: c.at_most,
    })
    .check()?;
    let cell = cell(c, inputs)?;
    let (share, loss) = (cell.setting.success.share, cell.setting.success.loss_below);
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
    if !same(share, c.share) || !same(loss, c.loss_below) || cell.setting.seed != c.seed {
        return Err(false_claim(
            "states a share, loss or seed that is not its study's".into(),
        ));
    }
    redecide(c).map_err(false_claim)?;
    // Which replicates are drawn must not be known to whoever wrote the file.
    let mut numbers = crate::seed::stream(choice, 0, crate::seed::Purpose::Noise, 0)
        .permutation(c.outcomes.len());
    numbers.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    numbers.sort_unstable();
    let numbers: Vec<u64> = numbers.into_iter().map(|n| n as u64).collect();
    let these = Numbers::These(&numbers);
    let rows = train_some(&cell, engine, threads, these, control, |_| {})?;
    for row in &rows {
        let (said, seen) = (&c.outcomes[row.replicate as usize], seal(row));
        if *said != seen {
            return Err(false_claim(format!(
                "says of replicate {} `{said}`, but trained again it ends `{seen}`",
                row.replicate
            )));
        }
    }
    let would_find = if rows.len() == c.outcomes.len() {
        0.0
    } else {
        1.0 - libm::pow(0.05, 1.0 / rows.len().max(1) as f64)
    };
    Ok(Verified {
        again: numbers,
        would_find,
        certificate,
    })
}

/// The cell of a certificate.
fn cell(c: &Certificate, inputs: &Inputs) -> Result<Cell, Error> {
    let cell = Plan::new(&c.study, inputs)?.cells.swap_remove(0);
    if cell.hash != c.cell {
        return Err(Error::Certificate {
            message: format!(
                "was written for the cell {}, but its study is now the cell {}",
                c.cell, cell.hash
            ),
            hint:
                "a file that the study names has changed, or the program's meaning of a setting has"
                    .into(),
        });
    }
    Ok(cell)
}

/// Draws the decision again from the outcomes as stated.
fn redecide(c: &Certificate) -> Result<(), String> {
    let mut test = SequentialTest::new(c.share, c.level);
    for (i, outcome) in c.outcomes.iter().enumerate() {
        if test.decision().is_some() {
            return Err(format!(
                "goes on to replicate {i} although it was decided before"
            ));
        }
        test.push(outcome.starts_with("below "));
    }
    let (successes, replicates) = test.counts();
    if (successes, replicates) != (c.successes, c.replicates) {
        return Err(format!(
            "claims {} of {}, but its outcomes say {successes} of {replicates}",
            c.successes, c.replicates
        ));
    }
    if Decision::of(test.decision()) != c.decision
        || (c.decision == Decision::Undecided && replicates != c.at_most)
    {
        return Err(format!(
            "claims `{:?}`, but its outcomes do not decide so",
            c.decision
        )
        .to_lowercase());
    }
    let intervals = [
        (c.exact, clopper_pearson(successes, replicates, c.level)),
        (c.wilson, wilson(successes, replicates, c.level)),
        (c.anytime, anytime_bounds(successes, replicates, c.level)),
    ];
    if intervals.iter().any(|(said, is)| said != is) {
        return Err("states an interval that does not follow from its outcomes".into());
    }
    Ok(())
}

/// A seed for draws that are independent of those of `seed`: for the `attempt`-th certification of what
/// was chosen on the draws of `seed`. The first 63 bits, little-endian, of
/// blake3("thalweg fresh" ‖ seed ‖ attempt), both as eight little-endian bytes.
pub fn fresh_seed(seed: u64, attempt: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thalweg fresh");
    hasher.update(&seed.to_le_bytes());
    hasher.update(&attempt.to_le_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(bytes) >> 1
}
