//! The answer to the study's question: the few lines of the card.

use thalweg::analysis::Analysis;
use thalweg::analysis::answer::{Answer, Lines, Repair, Share};
use thalweg::analysis::findings::{Finding, Verdict};
use thalweg::analysis::summary::{Reaches, Summary};
use thalweg::data::Draw;
use thalweg::descent::Stop;

use super::numbers::{
    agree, capital, count, in_steps, interval, number, paired, percent, range, steps,
};
use super::setting::{self, at, member};
use super::{cell, goal, theory};

/// Published numbers up to which each is told.
const CLAIMS: usize = 4;

/// What the study asks, in a sentence.
pub fn question(run: &Analysis) -> String {
    let base = run.base();
    let (bring, budget) = (goal::bring(&base.setting.success), count(base.budget()));
    match &run.answer {
        Answer::Claims => "Are the numbers that others published found again?".into(),
        Answer::Comparison(lines) => format!(
            "{}: how often, and when, does training {bring} within {budget} steps?",
            run.comparisons[lines.comparison].name
        ),
        Answer::Share(_) => format!(
            "Does training {bring} on at least {} of {}, within {budget} steps?",
            percent(base.setting.success.share),
            drawn(base, 2)
        ),
    }
}

/// The lines of the card, the first one first.
pub fn card(run: &Analysis) -> Vec<String> {
    match &run.answer {
        Answer::Claims => claims(run),
        Answer::Comparison(lines) => comparison(run, lines),
        Answer::Share(of) => share(run, of),
    }
}

/// What a replicate is a draw of.
fn drawn(s: &Summary, n: u64) -> &'static str {
    let given = s.setting.data.file.is_some();
    match s.setting.data.draw {
        Draw::Each if given => agree(n, "given training set", "given training sets"),
        Draw::Each => agree(n, "random training set", "random training sets"),
        Draw::Once => agree(
            n,
            "draw of the initial weights",
            "draws of the initial weights",
        ),
        Draw::Crossed(_) => agree(
            n,
            "pair of a training set and initial weights",
            "pairs of a training set and initial weights",
        ),
    }
}

fn claims(run: &Analysis) -> Vec<String> {
    let mut all: Vec<String> = theory::published(run).into_iter().collect();
    let published: Vec<&Finding> = run.findings.iter().filter(|f| f.published()).collect();
    let told = |f: &&Finding| {
        let verdict = match f.verdict {
            Verdict::Holds => "found again",
            Verdict::Fails => "not found",
            Verdict::Open => "open",
            Verdict::OutOfDomain => "out of the theory's domain",
            Verdict::Underpowered => "too few measurements",
        };
        format!(
            "{}: {verdict}. Here {} (95 % interval {}), published {}.",
            f.name,
            number(f.measured),
            range(f.band),
            number(f.predicted)
        )
    };
    if published.len() <= CLAIMS {
        all.extend(published.iter().map(told));
    }
    all
}

fn comparison(run: &Analysis, lines: &Lines) -> Vec<String> {
    let compared = &run.comparisons[lines.comparison];
    let name = |place: usize| member(run, compared, &compared.members[place]);
    let cell = |place: usize| &run.cells[compared.members[place].cell];
    let mut all = vec![match lines.fastest {
        Some(place) => format!(
            "Fewest steps: {}, {} in the median.",
            name(place),
            steps(cell(place).steps.median.step, cell(place).budget())
        ),
        None => format!(
            "Nowhere do half of the runs {}.",
            goal::arrive_there(&run.base().setting.success, ["get", "end"])
        ),
    }];
    for &place in &lines.places {
        let s = cell(place);
        let against = compared.members[place].paired.as_ref();
        let against = against.and_then(|p| p.ratio).map_or(String::new(), |r| {
            let side = if r.interval.low > 1.0 {
                "slower"
            } else if r.interval.high < 1.0 {
                "faster"
            } else {
                "not shown to be faster or slower"
            };
            let than = name(compared.members[place].against);
            // Too few of both get there to say more.
            if r.interval.low <= 0.0 && !r.interval.high.is_finite() {
                return format!("; {side} than {than} on the same draws");
            }
            format!(
                "; {side} than {than} on the same draws, {} the steps",
                paired(&r)
            )
        });
        all.push(format!(
            "{}: {} of {} below ({}), median {}{}.",
            capital(&name(place)),
            count(s.successes),
            count(s.replicates),
            interval(s.success),
            in_steps(s.steps.median.step, s.budget()),
            against
        ));
    }
    all
}

fn share(run: &Analysis, of: &Share) -> Vec<String> {
    let base = &run.cells[of.base];
    let first = match (&run.along, of.base) {
        (Some(along), 0) => format!("{}: ", capital(&at(run, along, along.base))),
        _ => String::new(),
    };
    let mut all = vec![format!("{first}{}", verdict(base, !first.is_empty()))];
    if of.base != 0 {
        all.insert(0, cell::one_run(run.base()));
    }
    let Some(along) = &run.along else {
        return all;
    };
    for told in &along.told {
        let s = &run.cells[told.cell];
        let members = &run.comparisons[along.comparison].members;
        let pair = members[told.place].paired.as_ref();
        let ratio = pair
            .and_then(|p| p.ratio)
            .map_or(String::new(), |r| format!(", {} the steps", paired(&r)));
        all.push(format!(
            "{}: {}. {} of {} ({}){ratio}.",
            capital(&at(run, along, told.number)),
            word(s.reaches),
            count(s.successes),
            count(s.replicates),
            interval(s.success)
        ));
    }
    all.extend(of.repair.as_ref().map(|r| repair(run, r)));
    all
}

/// Whether the share is reached.
fn word(reaches: Reaches) -> &'static str {
    match reaches {
        Reaches::Yes => "yes",
        Reaches::No => "no",
        Reaches::Undecided => "undecided at this number of replicates",
    }
}

/// Whether a cell reaches the share asked for.
fn verdict(s: &Summary, inside: bool) -> String {
    let lead = word(s.reaches);
    let lead = if inside {
        lead.to_string()
    } else {
        capital(lead)
    };
    let only = if s.replicates == 1 { "the one " } else { "" };
    let of = if s.replicates == 1 {
        String::new()
    } else {
        format!("{} of {} ", count(s.successes), count(s.replicates))
    };
    let success = &s.setting.success;
    // A run that goes on may get there and leave again: its end is what counts.
    let (get, gets) = match s.setting.descent.stop {
        Stop::Below => ("get", "gets"),
        Stop::Never => ("end", "ends"),
    };
    let ends = match (s.replicates, s.successes, success.by_loss()) {
        (1, 0, Some(_)) => format!("the loss does not {}", goal::arrive(success, [get, "end"])),
        (1, 0, None) => format!("training does not {}", goal::bring(success)),
        (_, _, Some(_)) => format!("the loss {}", goal::arrive(success, [gets, "ends"])),
        (_, _, None) => format!("training {}", goal::arrive(success, ["gets", "ends"])),
    };
    format!(
        "{lead}. On {of}{only}{} {ends} ({} {}; {} asked for), median {}.{}",
        drawn(s, s.replicates),
        cell::interval_name(s.interval_kind),
        interval(s.success),
        percent(s.setting.success.share),
        in_steps(s.steps.median.step, s.budget()),
        cell::left(s)
    )
}

/// What repairs the last cell told.
fn repair(run: &Analysis, found: &Repair) -> String {
    let s = &run.cells[found.cell];
    format!(
        "What repairs it: {}: {} of {} ({}), median {}; {} of {} tried on these data {} {}.",
        setting::cell(run, found.cell),
        count(s.successes),
        count(s.replicates),
        interval(s.success),
        in_steps(s.steps.median.step, s.budget()),
        count(found.reaching as u64),
        count(found.tried as u64),
        agree(found.reaching as u64, "reaches", "reach"),
        percent(s.setting.success.share)
    )
}
