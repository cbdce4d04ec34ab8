//! What of a run fits on a screen, as data: whoever shows it knows how wide and how tall that is.

use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::Compared;
use thalweg::analysis::summary::{Reaches, Summary};

use super::words::brief::{self as words, Said};
use super::words::numbers::{count, interval, steps};
use super::words::{setting, theory};

/// Rows of a table up to which all are shown.
const ROWS: usize = 10;

/// A run in brief, what matters most first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// The title.
    pub title: String,
    /// How the numbers fare that others published.
    pub published: Option<String>,
    /// The answer.
    pub answer: Vec<Said>,
    /// Headings of the table.
    pub heads: Vec<String>,
    /// The cells of the comparison that the study leads with, or has alone; else the base cell.
    pub rows: Vec<Row>,
    /// How many of its cells have no row.
    pub left_out: usize,
    /// The other comparisons, those that show most first.
    pub found: Vec<Found>,
    /// What one would not have expected.
    pub surprises: Vec<String>,
}

/// A cell in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// On which side of the asked share it lies.
    pub reaches: Reaches,
    /// What it is, and its numbers.
    pub texts: Vec<String>,
}

/// A comparison in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its place among the comparisons.
    pub place: usize,
    /// Its name.
    pub name: String,
    /// What it found.
    pub text: String,
}

/// A run in brief.
pub fn brief(run: &Analysis) -> Brief {
    let tabled = match (&run.along, run.comparisons.len()) {
        (Some(along), _) => Some(along.comparison),
        (None, 1) => Some(0),
        (None, _) => None,
    };
    let compared = tabled.map(|place| &run.comparisons[place]);
    let name = compared.map_or("cell".into(), |c| words::heading(run, c));
    let (rows, left_out) = match compared {
        Some(compared) => rows(run, compared),
        None => (
            vec![row(run.base(), run.base().describe().into(), String::new())],
            0,
        ),
    };
    let others = run.strongest.iter().copied();
    Brief {
        title: run.title.clone(),
        published: theory::published(run),
        answer: words::answer(run),
        heads: [
            &name,
            "success",
            "95 % interval",
            "median steps",
            "paired",
            "asked",
        ]
        .map(String::from)
        .to_vec(),
        rows,
        left_out,
        found: others
            .filter(|place| Some(*place) != tabled)
            .map(|place| Found {
                place,
                name: run.comparisons[place].name.clone(),
                text: words::found(run, &run.comparisons[place]),
            })
            .collect(),
        surprises: words::surprises(run),
    }
}

fn row(s: &Summary, name: String, ratio: String) -> Row {
    Row {
        reaches: s.reaches,
        texts: vec![
            name,
            format!("{} of {}", count(s.successes), count(s.replicates)),
            interval(s.success),
            steps(s.steps.median.step, s.budget()),
            ratio,
            words::verdict(s.reaches).into(),
        ],
    }
}

/// The members of a comparison: all if they are few, else those that are told and the first others.
fn rows(run: &Analysis, compared: &Compared) -> (Vec<Row>, usize) {
    let told = |cell: usize| {
        let along = run.along.iter();
        cell == compared.reference || along.flat_map(|a| &a.told).any(|t| t.cell == cell)
    };
    let members = || compared.members.iter().enumerate();
    let must = members().filter(|(_, m)| told(m.cell)).count();
    let mut free = ROWS.saturating_sub(must);
    let mut all = Vec::new();
    for (place, member) in members() {
        if !told(member.cell) {
            if free == 0 {
                continue;
            }
            free -= 1;
        }
        let name = setting::member(run, compared, member);
        all.push(row(
            &run.cells[member.cell],
            name,
            words::ratio(compared, place),
        ));
    }
    let left_out = compared.members.len() - all.len();
    (all, left_out)
}
