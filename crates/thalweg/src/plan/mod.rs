//! The plan: the study resolved into cells, each fully specified and hashed.

mod builder;
mod cell;
mod label;
mod memory;
mod numbers;
mod part;
mod sheet;

use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::inputs::Inputs;
use crate::study::{Mistake, Setting, Study, Value, hint_for};
use builder::{Builder, MOST_CELLS, Product, product, table};
use label::label;

pub(crate) use builder::put;
pub use cell::{Cell, log_steps};
pub use memory::Memory;
pub use sheet::{Axis, Sheet};

/// What will be run. Nothing in it is validated again.
///
/// It is written and never read back: what it holds of the inputs is no part of its text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The study's title.
    pub title: String,
    /// Why the study is as it is, in the author's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whose words these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Whether the study asks for `success.share` in so many words.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asks_share: bool,
    /// Every distinct cell; the base cell is number 0.
    pub cells: Vec<Cell>,
    /// Which cells each comparison sets side by side.
    pub comparisons: Vec<Comparison>,
    /// What others found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Placed>,
}

/// A claim, and what of this study it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Placed {
    /// The claim.
    pub claim: Claim,
    /// What it is about.
    pub place: ClaimTarget,
}

/// What of a study a claim is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimTarget {
    /// The cell of this number.
    Cell(usize),
    /// The comparison at this place in [`Plan::comparisons`].
    Along(usize),
}

/// A comparison of the study.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Its name.
    pub name: String,
    /// The keys that vary.
    pub keys: Vec<String>,
    /// Its cells, in the order written.
    pub members: Vec<Member>,
    /// The cells that the answer tells one by one; empty if the study does not say.
    pub highlight: Vec<usize>,
}

/// A cell in a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// The value of each key, as it is shown.
    pub values: Vec<String>,
    /// The value of each key, as it is written.
    pub written: Vec<Value>,
    /// The cell's number.
    pub cell: usize,
}

impl Plan {
    /// Resolves a study with the data sets and weights that it names.
    ///
    /// ```
    /// use thalweg::study::Compare;
    /// use thalweg::{Inputs, Plan, Study};
    ///
    /// let study = Study {
    ///     compare: vec![Compare::new("dimension").vary("data.dim", [15, 5, 2])],
    ///     ..Study::default()
    /// };
    /// let plan = Plan::new(&study, &Inputs::default())?;
    /// // The base cell has 15 dimensions: it is the first member of the comparison.
    /// let labels: Vec<&str> = plan.cells.iter().map(|cell| cell.label.as_str()).collect();
    /// assert_eq!(labels, ["", "dim = 5", "dim = 2"]);
    ///
    /// let wrong = Study { compare: vec![Compare::new("depth").vary("data.depth", [1])], ..study };
    /// let mistake = Plan::new(&wrong, &Inputs::default()).unwrap_err();
    /// assert_eq!(mistake.path[..2], ["compare", "0"]);
    /// # Ok::<(), thalweg::Mistake>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`Mistake`] if the study says something impossible, in its own setting, in a comparison,
    /// in a claim, or about an input; [`Source::plan`](crate::study::Source::plan) points at it in
    /// the text.
    pub fn new(study: &Study, inputs: &Inputs) -> Result<Plan, Mistake> {
        study.check()?;
        let mut builder = Builder::new(study.title.clone(), &study.setting, inputs)?;
        builder.plan.why.clone_from(&study.why);
        builder.plan.author.clone_from(&study.author);
        builder.plan.asks_share = study.asks_share.unwrap_or(false);
        for (index, compare) in study.compare.iter().enumerate() {
            let product = Product {
                what: format!("comparison `{}`", compare.name),
                path: vec!["compare".into(), index.to_string()],
                grid: &compare.grid,
                highlight: &compare.highlight,
            };
            builder.compare(compare.name.clone(), &product)?;
        }
        for (index, claim) in study.claim.iter().enumerate() {
            let place = builder.place(index, claim)?;
            builder.plan.claims.push(Placed {
                claim: claim.clone(),
                place,
            });
        }
        Sheet::of(study, inputs)?;
        Ok(builder.plan)
    }

    /// The candidates of the study's `[space]`: for each of its conditions, in words (empty without
    /// any), a plan whose cell 0 is the study's own setting and whose one comparison is the space.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`]; a [`Mistake`] if the study has no space.
    pub fn choices(study: &Study, inputs: &Inputs) -> Result<Vec<(String, Plan)>, Mistake> {
        study.check()?;
        let space = study.space.as_ref().ok_or_else(|| Mistake {
            path: Vec::new(),
            message: "the study has no `[space]` to choose from".into(),
            hint: Some("for instance `[space]` with `\"net.hidden\" = [[8], [8, 8]]`".into()),
        })?;
        let conditions: f64 = space.each.iter().map(|(_, v)| v.len() as f64).product();
        if conditions > 1000.0 {
            return Err(Mistake {
                path: vec!["space".into(), "each".into()],
                message: format!("{conditions} conditions are more than 1000"),
                hint: Some("shorten its lists".into()),
            });
        }
        let table = table(&study.setting)?;
        let (mut all, mut candidates) = (Vec::new(), 0);
        for (choice, table) in product(&space.each, &table) {
            let condition = label(&space.each, &choice);
            let blame = |at: String, message: String, hint: Option<String>| Mistake {
                path: vec!["space".into(), "each".into()],
                message: format!("for {condition}: {at}: {message}"),
                hint,
            };
            let setting = Setting::deserialize(table).map_err(|e| {
                let message = e.message().replace('\n', ", ");
                blame("space".into(), message, hint_for(e.message()))
            })?;
            setting
                .check()
                .map_err(|m| blame(m.path.join("."), m.message, m.hint))?;
            let mut builder = Builder::new(study.title.clone(), &setting, inputs)?;
            let product = Product {
                what: "space".into(),
                path: vec!["space".into()],
                grid: &space.grid,
                highlight: &[],
            };
            builder.compare("space".into(), &product)?;
            candidates += builder.plan.cells.len();
            if candidates > MOST_CELLS {
                return Err(Mistake {
                    path: vec!["space".into()],
                    message: format!(
                        "the candidates of all conditions are more than {MOST_CELLS} cells"
                    ),
                    hint: Some("shorten its lists, or those of `each`".into()),
                });
            }
            all.push((condition, builder.plan));
        }
        Ok(all)
    }
}
