//! What is said of a certificate, and of a choice.

use thalweg::data::Draw;
use thalweg::decide::{Candidate, Certificate, Choice, Decision, Draws, Fate};
use thalweg::study::{Cost, Setting};

use super::goal;
use super::key::Key;
use super::numbers::{count, factor, interval, list, many, number, percent};
use super::setting::{apart, setting};

/// What a cost is counted in.
pub fn unit(cost: Cost) -> &'static str {
    match cost {
        Cost::Steps => "steps",
        Cost::ParameterSteps => "parameter-steps",
        Cost::Seconds => "seconds",
    }
}

/// A certificate in lines, the decision first.
pub fn certificate(c: &Certificate) -> Vec<String> {
    let (share, level) = (percent(c.share), percent(c.level));
    let success = c.study.setting.success;
    let decision = match c.decision {
        Decision::Yes => format!(
            "yes: at least {share} of {} {}",
            drawn(c),
            goal::arrive_there(&success, ["get", "end"])
        ),
        Decision::No => format!(
            "no: less than {share} of {} {}",
            drawn(c),
            goal::arrive_there(&success, ["get", "end"])
        ),
        Decision::Undecided => format!(
            "undecided after {}: the share may lie on either side of {share}",
            many(c.at_most as usize, "replicate", "replicates")
        ),
    };
    vec![
        format!("{decision} ({level})"),
        String::new(),
        format!("study           {}", c.study.title),
        format!("setting         {}", setting(&c.study.setting)),
        format!(
            "{:<16}{} of {}, {}",
            goal::asked(&success).trim_start_matches("loss "),
            count(c.successes),
            count(c.replicates),
            percent(c.successes as f64 / c.replicates.max(1) as f64)
        ),
        format!(
            "interval        {} (each end {level}, whatever made it stop)",
            interval(c.anytime)
        ),
        format!(
            "draws           seed {}, replicates {} to {}{}",
            c.seed,
            c.first(),
            c.first() + c.replicates.saturating_sub(1),
            draws(c)
        ),
        format!("trained by      engine {}, cell {}", c.engine, c.cell),
    ]
}

/// What is drawn at random.
fn drawn(c: &Certificate) -> &'static str {
    let data = &c.study.setting.data;
    match (data.draw, &data.file) {
        (Draw::Each | Draw::Crossed(_), None) => "training sets",
        (Draw::Once, _) | (_, Some(_)) => "trainings on this training set",
    }
}

/// Whether anyone can have chosen the setting by them.
fn draws(c: &Certificate) -> &'static str {
    match c.draws {
        Some(Draws::Fresh) => {
            ": fresh, no run of a study has these, so the setting was not chosen by them"
        }
        Some(Draws::Own) => {
            ": the study's own; if the setting was chosen by them, they flatter it (without \
             `--own-draws` fresh ones are taken)"
        }
        Some(Draws::Reseeded) => ": of a seed derived from the study's, which the race never saw",
        None => "",
    }
}

/// How many of its replicates in the race succeeded.
pub fn success(c: &Candidate) -> String {
    format!(
        "{} of {} ({})",
        count(c.successes),
        count(c.replicates),
        interval(c.success)
    )
}

/// What candidates are: what differs among them, as it is in each.
pub fn names(choice: &Choice) -> Vec<String> {
    let keys = varying(choice);
    choice.candidates.iter().map(|c| named(&keys, c)).collect()
}

/// The same of one candidate.
pub fn name(choice: &Choice, c: &Candidate) -> String {
    named(&varying(choice), c)
}

/// The keys that differ among the candidates.
fn varying(choice: &Choice) -> Vec<Key> {
    let mut all = choice
        .candidates
        .iter()
        .filter_map(|c| c.setting.as_deref());
    let Some(first) = all.next() else {
        return Vec::new();
    };
    let others: Vec<&Setting> = all.collect();
    let differs = |key: &Key| {
        let value = key.value(first);
        !matches!(key, Key::Replicates) && others.iter().any(|other| key.value(other) != value)
    };
    Key::ALL.into_iter().filter(differs).collect()
}

fn named(keys: &[Key], c: &Candidate) -> String {
    match &c.setting {
        Some(this) if !keys.is_empty() => values(keys, this),
        Some(_) | None => c.label.clone(),
    }
}

fn values(keys: &[Key], of: &Setting) -> String {
    let all: Vec<String> = keys.iter().map(|key| key.value(of)).collect();
    all.join(", ")
}

/// Where a choice was made: its condition, `d = 15`; empty without one.
pub fn place(choice: &Choice) -> String {
    let here = choice.candidates.iter().find_map(|c| c.setting.as_deref());
    let keys = choice
        .keys
        .iter()
        .map(|key| Key::of(key))
        .collect::<Option<Vec<Key>>>();
    match (here, keys) {
        (Some(here), Some(keys)) if !keys.is_empty() => values(&keys, here),
        _ => choice.condition.clone(),
    }
}

/// What won, in a line.
pub fn winner(choice: &Choice) -> String {
    match choice.winner.and_then(|w| choice.candidates.get(w)) {
        Some(best) => format!(
            "Chosen: {}, {} {} in the median, {}.",
            name(choice, best),
            number(best.median_cost),
            unit(choice.cost),
            many(best.parameters, "parameter", "parameters")
        ),
        None => "Nothing in the space could be certified.".into(),
    }
}

/// What was chosen, beside the base cell of the study, in lines of its answer: one for all
/// conditions of which the same is to be said, none where nothing could be certified.
pub fn chosen(base: &Setting, choices: &[Choice]) -> Vec<String> {
    let mut lines: Vec<(Vec<String>, String, String)> = Vec::new();
    for choice in choices {
        let Some((at, head, what)) = one(base, choice) else {
            continue;
        };
        match lines.iter_mut().find(|l| (&l.1, &l.2) == (&head, &what)) {
            Some(line) => line.0.push(at),
            None => lines.push((vec![at], head, what)),
        }
    }
    let line = |(at, head, what): (Vec<String>, String, String)| {
        let at: Vec<String> = at.into_iter().filter(|at| !at.is_empty()).collect();
        if at.is_empty() {
            format!("{head}: {what}")
        } else {
            format!("{head} at {}: {what}", list(&at))
        }
    };
    lines.into_iter().map(line).collect()
}

/// Where it was chosen, of how many, and what.
fn one(base: &Setting, choice: &Choice) -> Option<(String, String, String)> {
    choice.winner?;
    let certificate = &choice.attempts.last()?.certificate;
    let here = &certificate.study.setting;
    // The condition is told of its own.
    let conditions: Vec<Key> = choice.keys.iter().filter_map(|k| Key::of(k)).collect();
    let apart = apart(base, here, &conditions);
    let what = if apart.is_empty() {
        "the setting of the base cell".into()
    } else {
        format!("{}, else as the base cell", list(&apart))
    };
    Some((
        values(&conditions, here),
        format!(
            "Cheapest of {}",
            many(choice.candidates.len(), "setting", "settings")
        ),
        format!(
            "{what}; certified: on {} or more of fresh training sets runs {} ({} of {}).",
            percent(choice.success.share),
            goal::arrive(&choice.success, ["get", "end"]),
            count(certificate.successes),
            count(certificate.replicates),
        ),
    ))
}

/// The winner with its certificate, or that there is none.
pub fn certified(choice: &Choice) -> String {
    let at = if choice.condition.is_empty() {
        String::new()
    } else {
        format!(" at {}", place(choice))
    };
    let candidates = count(choice.candidates.len() as u64);
    let share = percent(choice.success.share);
    let Some(best) = choice.winner.and_then(|w| choice.candidates.get(w)) else {
        return format!(
            "`thalweg choose` found none of {candidates} candidates{at} that could be certified to \
             {} on {share} of the draws.",
            goal::bring(&choice.success)
        );
    };
    let certificate = choice.attempts.last().map_or(String::new(), |attempt| {
        let c = &attempt.certificate;
        format!(
            " On fresh draws it got there on {} of {}, which certifies {share} or more at level {} \
             ({}, each end at that level whatever made it stop).",
            count(c.successes),
            count(c.replicates),
            percent(c.level),
            interval(c.anytime)
        )
    });
    format!(
        "`thalweg choose` took “{}”{at}, the cheapest of {candidates} candidates that could be \
         certified: {} {} in the median, {}.{certificate}",
        name(choice, best),
        number(best.median_cost),
        unit(choice.cost),
        many(best.parameters, "parameter", "parameters")
    )
}

/// What the race saved and whether theory ordered the candidates rightly.
pub fn work(choice: &Choice) -> String {
    let theory = choice.theory.map_or(String::new(), |r| {
        format!(
            "; the order that theory predicted and the measured one correlate with {r:.2} \
             (Spearman)"
        )
    });
    format!(
        "Racing took {} times less work than every candidate at full size{theory}.",
        factor(choice.work.saved)
    )
}

/// Why a candidate won or lost, and why its failures failed.
pub fn fate(choice: &Choice, c: &Candidate) -> String {
    let of = format!("{} of {}", count(c.successes), count(c.replicates));
    let why = match &c.fate {
        Fate::Chosen => "chosen: the cheapest that was certified".to_string(),
        Fate::TooSeldom => format!("reaches the loss too seldom, {of}"),
        Fate::Costlier {
            than,
            cheaper_here,
            cheaper_there,
            ratio,
        } => {
            let times = ratio.map_or(String::new(), |(r, band)| {
                format!(
                    ", {} times as much ({} to {})",
                    factor(r),
                    factor(band.low),
                    factor(band.high)
                )
            });
            let rival = if choice.winner == Some(*than) {
                "the chosen one".to_string()
            } else {
                let rival = choice.candidates.get(*than);
                rival.map_or("another".into(), |c| format!("“{}”", name(choice, c)))
            };
            format!(
                "costs more than {rival} on {cheaper_there} of {} training sets that differ{times}",
                cheaper_here + cheaper_there
            )
        }
        Fate::NotToldApart => "as cheap as the chosen one, for all the race could tell".into(),
        Fate::Open => format!("whether it succeeds often enough stayed open, {of}"),
        Fate::NotCertified => "survived the race but was not certified".into(),
    };
    format!("{why}{}", failures(c))
}

fn failures(c: &Candidate) -> String {
    if c.causes.is_empty() {
        return String::new();
    }
    let looked: u64 = c.causes.iter().map(|cause| cause.replicates).sum();
    let causes = c.causes.iter();
    let causes: Vec<String> = causes
        .map(|cause| format!("{} {}", cause.replicates, cause.cause.name()))
        .collect();
    format!("; of {looked} failures looked at: {}", causes.join(", "))
}
