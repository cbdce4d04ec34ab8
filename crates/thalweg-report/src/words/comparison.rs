//! What is said of one comparison, and of several on the same data.

use thalweg::analysis::Analysis;
use thalweg::analysis::comparison::{Compared, Member};
use thalweg::analysis::crossing::Found;
use thalweg::analysis::summary::{Reaches, Summary};
use thalweg::stats::Interval;

use super::numbers::{
    agree, capital, count, does, factor, few, in_steps, interval, list, many, number, percent,
};
use super::setting::{self, member};

/// Members of a group up to which all are named.
const NAMED: usize = 4;

/// The names of all members.
pub fn names(run: &Analysis, compared: &Compared) -> Vec<String> {
    let members = compared.members.iter();
    members.map(|m| member(run, compared, m)).collect()
}

fn quoted(run: &Analysis, compared: &Compared, places: &[usize]) -> Vec<String> {
    let name = |&i: &usize| setting::quoted(&member(run, compared, &compared.members[i]));
    places.iter().map(name).collect()
}

/// What a comparison shows, a sentence each.
pub fn sentences(run: &Analysis, compared: &Compared) -> Vec<String> {
    let mut all = vec![reached(run, compared)];
    all.extend(fastest_and_slowest(run, compared));
    all.extend(significant(run, compared));
    all.extend(main_causes(run, compared));
    all.extend(conditioned(run, compared));
    all.extend(born_dead(run, compared));
    all
}

/// Whether the members' initial kernels tell them apart.
fn conditioned(run: &Analysis, compared: &Compared) -> Option<String> {
    let of = compared.conditions.as_ref()?;
    let named: Vec<String> = (of.members.iter())
        .map(|(place, smallest, condition)| {
            format!(
                "{} and {} for {}",
                number(*smallest),
                number(*condition),
                member(run, compared, &compared.members[*place])
            )
        })
        .collect();
    let told = match (of.apart, of.agree) {
        (0, _) => "No two members' success is far enough apart to be compared with that.".into(),
        (1, 1) => {
            "Of the one pair whose success is apart, the better one has the smaller κ.".into()
        }
        (1, _) => "Of the one pair whose success is apart, the better one has the larger κ.".into(),
        (n, k) => format!(
            "Of {n} pairs whose success is apart, the better one has the smaller κ in {}.",
            if k == n {
                "all".into()
            } else {
                count(k as u64)
            }
        ),
    };
    Some(format!(
        "The initial kernel has λmin and κ = λmax/λmin of {}. At a rate that is a share of the \
         limit the linearised network takes κ times a constant, in steps. {told}",
        list(&named)
    ))
}

/// What the chance of a dead layer says beside the failures of ReLU networks of several sizes.
fn born_dead(run: &Analysis, compared: &Compared) -> Option<String> {
    if compared.keys != ["net.hidden"] {
        return None;
    }
    let of = |m: &Member| {
        let s = &run.cells[m.cell];
        let dead = s.bounds.dead.filter(|_| !m.values.is_empty())?;
        Some(format!(
            "{} {} ({} fail)",
            member(run, compared, m),
            percent(dead),
            percent(1.0 - s.share)
        ))
    };
    let named: Vec<String> = compared.members.iter().filter_map(of).collect();
    (!named.is_empty()).then(|| {
        format!(
            "Some layer of ReLU is 0 at a given input from the start with probability \
             1 − Π (1 − 2^−n) over layers of n units, which bounds how many are born constant \
             (Lu et \
             al. 2020, arXiv:1903.06733): {}.",
            list(&named)
        )
    })
}

fn reached(run: &Analysis, compared: &Compared) -> String {
    let share = percent(run.cells[compared.reference].setting.success.share);
    let n = compared.members.len();
    let of = |wanted: Reaches| -> Vec<usize> {
        let reaches = |i: &usize| run.cells[compared.members[*i].cell].reaches == wanted;
        (0..n).filter(reaches).collect()
    };
    let [reached, missed, open] = [Reaches::Yes, Reaches::No, Reaches::Undecided].map(of);
    // A few are named; of many, the others are.
    let some = |group: &[usize]| {
        if group.len() <= NAMED {
            list(&quoted(run, compared, group))
        } else {
            format!("{} of the {n}", group.len())
        }
    };
    let mut text = match (reached.len(), missed.len()) {
        (1, _) if n == 1 => format!("It reaches {share} with its whole interval."),
        (_, 1) if n == 1 => format!("It does not reach {share}."),
        (2, _) if n == 2 => format!("Both reach {share} with their whole interval."),
        (_, 2) if n == 2 => format!("Neither reaches {share}."),
        (k, _) if k == n => format!("All {n} reach {share} with their whole interval."),
        (_, k) if k == n => format!("None of the {n} reaches {share}."),
        (0, 0) => format!(
            "Whether any of the {n} reaches {share} is undecided at this number of replicates."
        ),
        (0, k) => format!(
            "{} {} {share}.",
            some(&missed),
            agree(k as u64, "misses", "miss")
        ),
        (k, 0) => format!(
            "{} {} {share} with the whole interval, and none misses it.",
            some(&reached),
            agree(k as u64, "reaches", "reach")
        ),
        (k, l) => format!(
            "{} {} {share} with the whole interval; {} {}.",
            some(&reached),
            agree(k as u64, "reaches", "reach"),
            some(&missed),
            agree(l as u64, "does not", "do not")
        ),
    };
    if !open.is_empty() && open.len() < n {
        text.push_str(&format!(
            " Undecided at this number of replicates: {}.",
            some(&open)
        ));
    }
    text
}

fn fastest_and_slowest(run: &Analysis, compared: &Compared) -> Option<String> {
    let timed = || {
        let members = compared.members.iter();
        members.filter_map(|m| Some((m, run.cells[m.cell].steps.median.step?)))
    };
    let fastest = timed().min_by_key(|(_, step)| *step)?;
    let slowest = timed().max_by_key(|(_, step)| *step)?;
    // The larger of two budgets has the same median.
    (fastest.1 < slowest.1).then(|| {
        format!(
            "Fastest in the median is `{}` with {}; slowest of those that have one `{}` with {} \
             ({} times).",
            member(run, compared, fastest.0),
            in_steps(Some(fastest.1), 0),
            member(run, compared, slowest.0),
            count(slowest.1),
            factor(slowest.1 as f64 / (fastest.1 as f64).max(1.0))
        )
    })
}

fn significant(run: &Analysis, compared: &Compared) -> Option<String> {
    let mut parts = Vec::new();
    if !compared.worse.is_empty() {
        let worse = list(&quoted(run, compared, &compared.worse));
        parts.push(format!("less often successful: {worse}"));
    }
    if !compared.better.is_empty() {
        let better = list(&quoted(run, compared, &compared.better));
        parts.push(format!("more often: {better}"));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "{} on the same draws (Holm-corrected p < .05), {}.",
            capital(&against(run, compared)),
            parts.join("; ")
        )
    })
}

/// What members are held against.
pub fn against(run: &Analysis, compared: &Compared) -> String {
    if compared.within.is_empty() {
        return format!("against {}", reference(run, compared));
    }
    let keys = compared.within.iter().map(|key| setting::noun(key));
    let keys: Vec<String> = keys.collect();
    format!("each against the first with the same {}", list(&keys))
}

/// What the members are compared with.
pub fn reference(run: &Analysis, compared: &Compared) -> String {
    let base = &compared.members[compared.base];
    if base.values.is_empty() {
        "the base cell".into()
    } else {
        setting::quoted(&member(run, compared, base))
    }
}

/// Why those that fail do.
fn main_causes(run: &Analysis, compared: &Compared) -> Option<String> {
    let of = |i: usize| {
        let s = &run.cells[compared.members[i].cell];
        let (main, all) = s.main_failure().filter(|_| s.reaches == Reaches::No)?;
        Some(format!(
            "{} {} ({} of {all})",
            member(run, compared, &compared.members[i]),
            main.cause.name(),
            main.replicates
        ))
    };
    let mut why: Vec<String> = (0..compared.members.len()).filter_map(of).collect();
    // Of many the figure of verdicts says the rest.
    let more = why.len().saturating_sub(2 * NAMED);
    if more > 1 {
        why.truncate(2 * NAMED);
        why.push(format!("and {more} more"));
    }
    (!why.is_empty()).then(|| {
        format!(
            "Main cause among the failures looked at: {}.",
            why.join("; ")
        )
    })
}

/// Where the probability of success crosses the asked share, along a key whose values are numbers.
pub fn threshold(run: &Analysis, compared: &Compared) -> Option<String> {
    let found = compared.crossing?;
    let key = setting::noun(compared.keys.first()?);
    let direction = if found.rises { "rises" } else { "falls" };
    let share = percent(run.base().setting.success.share);
    let Interval { low, high } = found.interval;
    let band = match (low.is_finite(), high.is_finite()) {
        (true, true) if low.to_bits() == high.to_bits() => format!("at {}", number(low)),
        (true, true) => format!("between {} and {}", number(low), number(high)),
        (true, false) => format!("above {}", number(low)),
        (false, true) => format!("below {}", number(high)),
        (false, false) => "anywhere".into(),
    };
    let (from, to) = (number(found.at.low), number(found.at.high));
    Some(match found.found {
        Found::Quantile => format!(
            "Budgets share their replicates, so where success crosses {share} is the quantile of \
             the hitting time: step {from} (95 % interval: {band})."
        ),
        Found::Fit(cells) => format!(
            "Success {direction} with {key}: by a logistic fit to the {cells} cells nearest to \
             it, with replicates as clusters, it crosses {share} at {from} (95 % interval: {band})."
        ),
        Found::Bracket => format!(
            "Success {direction} with {key}: the observed share crosses {share} between {from} \
             and {to}; by the cells whose whole intervals lie on one side, the probability does \
             so {band}."
        ),
    })
}

/// The cells of several comparisons, each once.
fn cells<'a>(run: &'a Analysis, all: &[&Compared]) -> Vec<&'a Summary> {
    let mut cells: Vec<usize> = (all.iter())
        .flat_map(|c| c.members.iter().map(|m| m.cell))
        .collect();
    cells.sort_unstable();
    cells.dedup();
    cells.into_iter().map(|c| &run.cells[c]).collect()
}

/// What the alternatives to the choice lose or gain.
pub fn lost(run: &Analysis, all: &[&Compared]) -> Vec<String> {
    let share = percent(run.base().setting.success.share);
    let mut others = cells(run, all);
    others.retain(|s| s.cell != 0);
    let peers = run.standing.as_ref().map_or(&[][..], |s| &s.peers[..]);
    let here = |s: &&Summary| peers.contains(&s.cell);
    let (here, elsewhere): (Vec<&Summary>, Vec<&Summary>) = others.iter().copied().partition(here);
    let counted = |of: &[&Summary]| {
        let of = |wanted: Reaches| of.iter().filter(|s| s.reaches == wanted).count() as u64;
        format!(
            "{} {share} with the whole interval, {} it, {} undecided",
            does(of(Reaches::Yes), "reaches", "reach"),
            does(of(Reaches::No), "misses", "miss"),
            does(of(Reaches::Undecided), "is", "are"),
        )
    };
    let tried = format!(
        "{} in {} {} tried beside the base cell",
        many(others.len(), "other setting", "other settings"),
        many(all.len(), "comparison", "comparisons"),
        agree(others.len() as u64, "was", "were"),
    );
    let mut text = if here.is_empty() || elsewhere.is_empty() {
        vec![format!("{tried}: {}.", counted(&others))]
    } else {
        vec![format!(
            "{tried}. Of the {} with training sets of the same law and the same loss asked for, \
             {}; of {}, {}.",
            count(here.len() as u64),
            counted(&here),
            match elsewhere.len() {
                1 => "the other one".into(),
                n => format!("the {} others", count(n as u64)),
            },
            counted(&elsewhere)
        )]
    };
    // The settings that the base cell's standing counts, one by one.
    let apart = peers.len().saturating_sub(here.len() + 1);
    if !peers.is_empty() && apart > 0 {
        text.push(format!(
            "With the base cell and {} of other comparisons {} the {} among which the base cell \
             has its place above.",
            many(apart, "setting", "settings"),
            match here.len() {
                1 => "this one makes".into(),
                n => format!("these {} are", count(n as u64)),
            },
            count(peers.len() as u64)
        ));
    }
    let worse: usize = all.iter().map(|c| c.worse.len()).sum();
    let better: Vec<String> = (all.iter())
        .flat_map(|c| {
            let names = quoted(run, c, &c.better).into_iter();
            names.map(|name| format!("{name} ({})", c.name))
        })
        .collect();
    text.push(match (worse, better.len()) {
        (0, 0) => {
            "None of them succeeds significantly more or less often than its reference on the \
                   same draws."
                .into()
        }
        (w, 0) => format!(
            "On the same draws {} significantly less often than {} reference (p < .05, corrected \
             by Holm within each comparison), and none more often.",
            many(w, "of them succeeds", "of them succeed"),
            agree(w as u64, "its", "their")
        ),
        (w, _) => format!(
            "On the same draws {} significantly less often than the reference (p < .05, corrected \
             by Holm within each comparison); more often: {}.",
            if w == 0 {
                "none succeeds".into()
            } else {
                many(w, "succeeds", "succeed")
            },
            few(&better)
        ),
    });
    text
}

/// What helps, and what hurts, where the data are others: at `place`.
pub fn helped(run: &Analysis, place: &str, all: &[&Compared]) -> Vec<String> {
    let share = percent(run.base().setting.success.share);
    // The most successful first.
    let named = |of: fn(&Compared) -> &[usize]| -> Vec<String> {
        let mut found: Vec<(f64, String)> = (all.iter())
            .flat_map(|c| {
                of(c).iter().map(|&i| {
                    let m = &c.members[i];
                    let s = &run.cells[m.cell];
                    let name = member(run, c, m);
                    let text = format!("{name} ({}; {})", c.name, interval(s.success));
                    (s.share, text)
                })
            })
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.into_iter().map(|(_, name)| name).collect()
    };
    let (better, worse) = (named(|c| &c.better), named(|c| &c.worse));
    let mut text = vec![if better.is_empty() {
        format!(
            "At {place} nothing that was tried succeeds significantly more often than its \
             reference on the same draws."
        )
    } else {
        format!(
            "At {place} these succeed significantly more often than their reference on the same \
             draws: {}.",
            few(&better)
        )
    }];
    if !worse.is_empty() {
        text.push(format!("Significantly less often: {}.", few(&worse)));
    }
    let cells = cells(run, all);
    let reached = cells.iter().filter(|s| s.reaches == Reaches::Yes).count();
    text.push(format!(
        "{} of the {} {} {share} with the whole interval.",
        if reached == 0 {
            "None".into()
        } else {
            count(reached as u64)
        },
        many(cells.len(), "setting", "settings"),
        if reached < 2 { "reaches" } else { "reach" },
    ));
    text
}
