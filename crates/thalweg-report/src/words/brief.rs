//! What is said where there is room for a line each: the end of a run on the terminal.

use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::Compared;
use thalweg::analysis::effect::Effect;
use thalweg::analysis::standing::Surprise;
use thalweg::analysis::summary::{Reaches, Summary};
use thalweg::descent::Stop;

use super::along;
use super::goal;
use super::numbers::{count, does, interval, list, many, number, p_value, percent, times};
use super::setting::{self, at, member, noun};
use crate::Part;

/// A sentence, what it begins with, and on which side the share lies that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The side.
    pub reaches: Reaches,
    /// What stands out.
    pub lead: String,
    /// The rest.
    pub text: String,
}

/// The answer: a single run and what is known of its like, or the base cell and those that are told
/// along the leading number.
pub fn answer(run: &Analysis) -> Vec<Said> {
    let base = run.base();
    if let Some(text) = single(run) {
        return vec![Said {
            reaches: if base.successes == 1 {
                Reaches::Yes
            } else {
                Reaches::No
            },
            lead: String::new(),
            text,
        }];
    }
    let Some(along) = &run.along else {
        return vec![said(base, None, true)];
    };
    let first = at(run, along, along.base);
    let told = along.told.iter();
    let told = told.map(|t| said(&run.cells[t.cell], Some(at(run, along, t.number)), false));
    [said(base, Some(first), true)]
        .into_iter()
        .chain(told)
        .collect()
}

/// How a cell does, the share asked for with it if `whole`.
fn said(s: &Summary, place: Option<String>, whole: bool) -> Said {
    let verdict = verdict(s.reaches);
    let lead = match place {
        Some(place) => format!("{place}: {verdict}."),
        None => format!("{}{}.", verdict[..1].to_uppercase(), &verdict[1..]),
    };
    let get = match s.setting.descent.stop {
        Stop::Below => "get",
        Stop::Never => "end",
    };
    let success = &s.setting.success;
    let (get, asked) = if whole {
        (
            format!(" {}", goal::arrive(success, [get, "end"])),
            format!("; {} asked", percent(success.share)),
        )
    } else {
        (String::new(), String::new())
    };
    let half = match s.steps.median.step {
        Some(step) => format!("half by step {}", count(step)),
        None => format!("fewer than half by step {}", count(s.budget())),
    };
    Said {
        reaches: s.reaches,
        lead,
        text: format!(
            "{} of {}{get} ({}{asked}), {half}.",
            count(s.successes),
            count(s.replicates),
            interval(s.success)
        ),
    }
}

/// On which side of the asked share the interval lies, in a word.
pub fn verdict(reaches: Reaches) -> &'static str {
    match reaches {
        Reaches::Yes => "yes",
        Reaches::No => "no",
        Reaches::Undecided => "undecided",
    }
}

/// What a single run did, and what is known of its like; none if the base cell has more replicates.
pub fn single(run: &Analysis) -> Option<String> {
    let (of, base) = (run.single?, run.base());
    let success = &base.setting.success;
    let got = goal::arrive(success, ["got", "was"]);
    let budget = count(base.budget());
    let own = match (of.first_below, of.reached) {
        (Some(step), true) => format!("This run {got} at step {}.", count(step)),
        (Some(step), false) => format!(
            "This run {got} at step {} and was not any more at the end.",
            count(step)
        ),
        (None, _) => format!(
            "This run did not {} within {budget} steps; its loss ended at {}.",
            goal::arrive(success, ["get", "end"]),
            number(base.final_loss)
        ),
    };
    let Some(all) = of.many.map(|cell| &run.cells[cell]) else {
        return Some(format!("{own} How often such runs do, one run cannot say."));
    };
    let runs = match all.replicates {
        1000 => "a thousand such runs".to_string(),
        n => format!("{} such runs", count(n)),
    };
    let half = match all.steps.median.step {
        Some(step) => format!("half by step {}", count(step)),
        None => format!("fewer than half by step {}", count(all.budget())),
    };
    Some(format!(
        "{own} Of {runs} {} do ({}), {half}.",
        percent(all.share),
        interval(all.success)
    ))
}

/// That cells are missing which the study has.
pub fn partial(part: Part) -> String {
    format!(
        "in part: {} of {} cells are finished, and what is said is said of these alone.",
        count(part.finished as u64),
        count(part.cells as u64)
    )
}

/// What a comparison found, in a line.
pub fn found(run: &Analysis, compared: &Compared) -> String {
    let of = |place: usize| &run.cells[compared.members[place].cell];
    let name = |place: usize| member(run, compared, &compared.members[place]);
    let share = |place: usize| {
        let s = of(place);
        format!(
            "{} {} of {}",
            name(place),
            count(s.successes),
            count(s.replicates)
        )
    };
    match compared.effect {
        Effect::Success { most, least, .. } => {
            // The test of these two, if they were held against each other.
            let test = |this: usize, other: usize| {
                let this = &compared.members[this];
                this.paired.as_ref().filter(|_| this.against == other)
            };
            let p = test(least, most).or_else(|| test(most, least));
            let p = p.map_or(String::new(), |p| format!(" ({})", p_value(p.p_adjusted)));
            format!("{}, {}{p}", share(most), share(least))
        }
        Effect::Steps {
            fastest, slowest, ..
        } => {
            let step = |place: usize| {
                let s = of(place);
                let step = s.steps.median.step.unwrap_or(s.budget());
                format!("{} {}", name(place), count(step))
            };
            format!(
                "{} steps, {}; success is not shown to differ",
                step(fastest),
                step(slowest)
            )
        }
        Effect::Nothing => "no difference is shown".into(),
        Effect::NotTested => {
            let all: Vec<String> = (0..compared.members.len()).map(share).collect();
            let said = if all.len() > 4 {
                format!("{} and {} more", all[..3].join(", "), all.len() - 3)
            } else {
                list(&all)
            };
            format!("{said} (no test)")
        }
    }
}

/// What the comparisons are about that there was no line for.
pub fn others(run: &Analysis, left: &[usize]) -> String {
    let mut cells: Vec<usize> = (left.iter())
        .flat_map(|c| run.comparisons[*c].members.iter().map(|m| m.cell))
        .filter(|cell| *cell != 0)
        .collect();
    cells.sort_unstable();
    cells.dedup();
    let of = |wanted: Reaches| {
        let here = cells.iter().filter(|c| run.cells[**c].reaches == wanted);
        here.count() as u64
    };
    format!(
        "{}, {}: {} {}, {} it, {} open",
        many(left.len(), "more comparison", "more comparisons"),
        many(cells.len(), "setting", "settings"),
        does(of(Reaches::Yes), "reaches", "reach"),
        percent(run.base().setting.success.share),
        does(of(Reaches::No), "misses", "miss"),
        count(of(Reaches::Undecided))
    )
}

/// How a number that varies is headed in a table; the comparison's name if it is none.
pub fn heading(run: &Analysis, compared: &Compared) -> String {
    match &run.along {
        Some(along) if run.comparisons[along.comparison].name == compared.name => noun(&along.key),
        Some(_) | None => compared.name.clone(),
    }
}

/// How a member's steps compare with the reference's, `× 3.05`; empty for the reference.
pub fn ratio(compared: &Compared, place: usize) -> String {
    let paired = compared.members[place].paired.as_ref();
    paired
        .and_then(|p| p.ratio.as_ref())
        .map_or(String::new(), times)
}

/// What one would not have expected, a line each.
pub fn surprises(run: &Analysis) -> Vec<String> {
    let mut all = Vec::new();
    for surprise in &run.surprises {
        let said = match surprise {
            Surprise::ReliableAboveLimit(cells) => {
                format!(
                    "Reliable above the limit at the start: {}",
                    some(run, cells)
                )
            }
            Surprise::BetterThanPredicted(cells) => {
                format!(
                    "Better than their initial kernels predict: {}",
                    some(run, cells)
                )
            }
            Surprise::WorseThanPredicted(cells) => {
                format!(
                    "Worse than their initial kernels predict: {}",
                    some(run, cells)
                )
            }
            Surprise::Restart(cells) => {
                format!("Cheaper to begin again than to go on: {}", some(run, cells))
            }
            Surprise::Reversals(which) => {
                let leading = run.along.iter();
                all.extend(leading.flat_map(|a| along::reversals(run, a, which)));
                continue;
            }
        };
        all.push(said);
    }
    all
}

/// The first of some cells, and how many more.
fn some(run: &Analysis, cells: &[usize]) -> String {
    let Some((first, rest)) = cells.split_first() else {
        return "none".into();
    };
    let first = setting::cell(run, *first);
    match rest.len() {
        0 => first,
        n => format!("{first} and {}", many(n, "more", "more")),
    }
}
