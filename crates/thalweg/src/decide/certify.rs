//! Does it reach the loss on at least a share of random training sets? A sequential test decides,
//! and a certificate says so in a form that anyone can re-check.
//!
//! [`verify`] draws the decision of a certificate again from its outcomes, and trains a random few
//! of the replicates again.

use serde::Serialize;

use super::certificate::{Certificate, Decision, Ending, FORMAT, FORMAT_1, Terms};
use super::replicates::{train_cell, train_replicates};
use crate::data::Draw;
use crate::engine::{Engine, Trained, with_same_bits};
use crate::error::Error;
use crate::inputs::Inputs;
use crate::lab::{Control, Judge, Numbers, Wanted, row};
use crate::plan::{Cell, Plan};
use crate::record::Row;
use crate::stats::{SequentialTest, anytime_bounds, clopper_pearson, wilson};
use crate::study::{Setting, Study};

/// A sequential test on its way, and what the certificate will say of every replicate.
struct Sequential {
    test: SequentialTest,
    outcomes: Vec<Ending>,
}

impl Judge for Sequential {
    type Ended = Row;

    fn judge(&mut self, row: Row) -> bool {
        self.test.push(row.reached());
        self.outcomes.push(Ending::of(&row));
        self.test.decision().is_none()
    }
}

// ---- Certifying --------------------------------------------------------------------------------

/// Trains the replicates of a cell that the terms name until the sequential test decides, or
/// `at_most`; `title` is that of the study.
///
/// # Errors
///
/// [`Error::Stopped`] if it was stopped; what [`Terms::check`] finds; [`Error::Study`] for a
/// crossed design.
pub fn certify(
    cell: &Cell,
    title: &str,
    engine: &dyn Engine,
    threads: usize,
    terms: Terms,
    control: &Control<'_>,
) -> Result<Certificate, Error> {
    terms.check()?;
    cell.check_endless("a certificate")?;
    if matches!(cell.setting.data.draw, Draw::Crossed(_)) {
        return Err(Error::Study {
            message: "a certificate needs independent replicates, and those of a crossed design \
                      share training sets and weights"
                .into(),
            hint: Some("`--set data.draw=each`".into()),
            place: None,
        });
    }
    let Setting { success, seed, .. } = &cell.setting;
    let first = terms.draws.first();
    let wanted = Wanted {
        cell,
        numbers: Numbers::Range(first, first + terms.at_most),
        in_order: true,
        followed: false,
    };
    let test = Sequential {
        test: SequentialTest::new(success.share, terms.level),
        outcomes: Vec::new(),
    };
    let take = |_: &Cell, trained: Trained| row(&trained);
    let Sequential { test, outcomes } = train_cell(wanted, test, engine, threads, &take, control)?;
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
        error_below: success.error_below,
        accuracy: success.accuracy,
        seed: *seed,
        draws: Some(terms.draws),
        at_most: terms.at_most,
        successes,
        replicates,
        exact: clopper_pearson(successes, replicates, terms.level),
        wilson: wilson(successes, replicates, terms.level),
        anytime: anytime_bounds(successes, replicates, terms.level),
        outcomes,
        // This setting alone.
        study: Study {
            title: title.into(),
            ..Study::of(cell.setting.clone())
        },
    })
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

/// Checks a certificate: its cell, its decision, and `count` replicates, chosen by `choice`, bit by
/// bit; `inputs` are the data sets and weights that its study names.
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
    let refuted = |message: String| Error::Certificate {
        message,
        hint: "the certificate does not hold; `thalweg certify` on its study says what does".into(),
    };
    let c = &certificate;
    let known = match c.draws {
        Some(_) => c.format == FORMAT,
        None => c.format == FORMAT_1,
    };
    if !known {
        return Err(Error::Certificate {
            message: format!("has the format `{}`, not `{FORMAT}`", c.format),
            hint: "use the version of the program that wrote it".into(),
        });
    }
    if !with_same_bits(&c.engine).contains(&engine.name()) {
        return Err(Error::Unknown {
            message: format!("it was trained by the engine `{}`", c.engine),
            hint: format!("`--engine {}`", c.engine),
        });
    }
    (Terms {
        level: c.level,
        at_most: c.at_most,
        draws: c.draws.unwrap_or_default(),
    })
    .check()?;
    let cell = cell(c, inputs)?;
    let stated = crate::study::Success {
        loss_below: c.loss_below,
        error_below: c.error_below,
        accuracy: c.accuracy,
        share: c.share,
    };
    if cell.setting.success != stated || cell.setting.seed != c.seed {
        return Err(refuted(
            "states a share, loss or seed that is not its study's".into(),
        ));
    }
    check_decision(c).map_err(refuted)?;
    // Which replicates are drawn must not be known to whoever wrote the file.
    let mut numbers = crate::seed::stream(choice, 0, crate::seed::Purpose::Noise, 0)
        .permutation(c.outcomes.len());
    numbers.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    numbers.sort_unstable();
    let numbers: Vec<u64> = numbers.into_iter().map(|n| c.first() + n as u64).collect();
    let these = Numbers::These(&numbers);
    let rows = train_replicates(&cell, engine, threads, these, control, |_| {})?;
    for row in &rows {
        let place = (row.replicate - c.first()) as usize;
        let (stated, seen) = (&c.outcomes[place], Ending::of(row));
        if *stated != seen {
            return Err(refuted(format!(
                "says of replicate {} `{stated}`, but trained again it ends `{seen}`",
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
fn check_decision(c: &Certificate) -> Result<(), String> {
    let mut test = SequentialTest::new(c.share, c.level);
    for (i, outcome) in c.outcomes.iter().enumerate() {
        if test.decision().is_some() {
            return Err(format!(
                "goes on to replicate {i} although it was decided before"
            ));
        }
        test.push(outcome.reached());
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
    if intervals.iter().any(|(stated, right)| stated != right) {
        return Err("states an interval that does not follow from its outcomes".into());
    }
    Ok(())
}

/// A seed for draws that are independent of those of `seed`: for the `attempt`-th certification of
/// what was chosen on the draws of `seed`. The first 63 bits, little-endian, of blake3("thalweg
/// fresh" ‖ seed ‖ attempt), both as eight little-endian bytes.
pub fn fresh_seed(seed: u64, attempt: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"thalweg fresh");
    hasher.update(&seed.to_le_bytes());
    hasher.update(&attempt.to_le_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(bytes) >> 1
}
