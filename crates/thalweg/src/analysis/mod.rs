//! Everything that a person will see of a run, computed once, as plain data: per replicate, per
//! cell, per comparison, over all cells. What shows it only words and draws.

pub mod along;
pub mod answer;
pub mod bounds;
pub mod cause;
mod chain;
pub mod claims;
pub mod columns;
pub mod comparison;
pub mod conditions;
pub mod crossing;
pub mod effect;
pub mod families;
pub mod findings;
pub mod fitted;
pub mod followed;
pub mod forecast;
pub mod hitting_times;
pub mod impossible;
pub mod intervention;
pub mod late;
pub mod looked;
pub mod losses;
pub mod points;
pub mod replicate;
pub mod restarts;
pub mod single;
pub mod smallest;
pub mod split;
pub mod standing;
pub mod summary;
pub mod tested;
pub mod trajectory;
mod unfinished;

use serde::Serialize;

use crate::plan::Plan;
use crate::record::Record;
use crate::threads;
use along::Along;
use answer::Answer;
use comparison::Compared;
use families::Families;
use findings::Finding;
use intervention::Intervention;
use single::Single;
use standing::{Carried, Standing, Surprise};
use summary::Summary;

/// The confidence level of every interval.
pub const LEVEL: f64 = 0.95;

/// A run, analysed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// The study's title.
    pub title: String,
    /// Why the study is as it is, in the author's words.
    pub why: Option<String>,
    /// Whose words these are.
    pub author: Option<String>,
    /// What the study asks first.
    pub answer: Answer,
    /// Each cell in numbers; the base cell is number 0.
    pub cells: Vec<Summary>,
    /// Each comparison of the study.
    pub comparisons: Vec<Compared>,
    /// Places of the comparisons, those that show most first.
    pub strongest: Vec<usize>,
    /// What the study says of its base cell, if that is a single run.
    pub single: Option<Single>,
    /// The number that the study leads with; none if it varies none.
    pub along: Option<Along>,
    /// What follows where only the nearness of the inputs is changed.
    pub interventions: Vec<Intervention>,
    /// Where the base cell stands.
    pub standing: Option<Standing>,
    /// What one would not have expected.
    pub surprises: Vec<Surprise>,
    /// How far theory carried.
    pub carried: Carried,
    /// Every prediction, and every published number, against its measurement.
    pub findings: Vec<Finding>,
    /// How many questions were asked, and what was corrected for their number.
    pub families: Families,
}

impl Analysis {
    /// Analyses the records of a plan, one for each cell in the same order, on so many threads.
    ///
    /// ```
    /// use thalweg::study::{Compare, Replicates};
    /// use thalweg::{Analysis, Control, Cpu, InMemory, Inputs, Plan, Setting, Study, data, lab};
    ///
    /// let study = Study {
    ///     compare: vec![Compare::new("rate").vary("descent.rate", [0.01, 10.0])],
    ///     ..Study::of(Setting {
    ///         replicates: Replicates::Fixed(20),
    ///         data: data::Data { points: 4, dim: 3, ..data::Data::default() },
    ///         ..Setting::default()
    ///     })
    /// };
    /// let plan = Plan::new(&study, &Inputs::default())?;
    /// let records = lab::run(&plan, &Cpu::detect(), 1, &InMemory, &Control::default())?;
    /// let analysis = Analysis::of(&plan, &records, 1);
    /// // The same draws with a rate far too large succeed significantly less often.
    /// assert_eq!(analysis.comparisons[0].worse, [1]);
    /// let (failure, _) = analysis.cells[1].main_failure().unwrap();
    /// assert_eq!(failure.cause.to_string(), "diverged");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(plan: &Plan, records: &[Record], threads: usize) -> Analysis {
        let at = |i: usize| (&plan.cells[i], &records[i]);
        let count = plan.cells.len().min(records.len());
        // Cells side by side if there are enough of them, else the threads go into each.
        let (outer, inner) = if count >= threads {
            (threads, 1)
        } else {
            (1, threads)
        };
        let mut cells = threads::map(outer, count, |i| {
            summary::summarize(at(i).0, at(i).1, inner)
        });
        restarts::adjust(&mut cells);
        let mut findings: Vec<Finding> = (0..count)
            .flat_map(|i| findings::findings(at(i).0, at(i).1, &cells[i]))
            .collect();
        findings.extend(claims::findings(plan, records, &cells));
        let leading = along::leading(plan).map(|at| plan.comparisons[at].keys[0].as_str());
        let comparisons: Vec<Compared> = (plan.comparisons.iter())
            .map(|c| comparison::compared(plan, records, &cells, c, leading))
            .collect();
        let mut along = along::along(plan, records, &cells, &comparisons);
        let interventions =
            intervention::interventions(&cells, records, &comparisons, along.as_ref());
        if let Some(along) = &mut along {
            along.compare(&cells, records, &comparisons, &interventions);
        }
        Analysis {
            title: plan.title.clone(),
            why: plan.why.clone(),
            author: plan.author.clone(),
            answer: answer::answer(plan, &cells, &comparisons, along.as_ref(), &findings),
            families: families::families(&cells, &comparisons, along.as_ref(), &findings),
            strongest: effect::strongest(&comparisons),
            single: single::single(&cells),
            comparisons,
            interventions,
            standing: standing::standing(&cells),
            surprises: standing::surprises(&cells, along.as_ref()),
            carried: standing::carried(&cells, &findings, along.as_ref()),
            along,
            findings,
            cells,
        }
    }

    /// The base cell.
    pub fn base(&self) -> &Summary {
        &self.cells[0]
    }
}
