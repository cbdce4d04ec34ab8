//! `thalweg choose`: the cheapest setting that can be certified, and why the others lost.

use std::path::Path;

use anyhow::Result;
use thalweg::Error;
use thalweg::decide::{Candidate, Choice, Fate};
use thalweg::engine::Engine;
use thalweg::lab::{Control, Event};
use thalweg_report::words::decision as words;
use thalweg_report::words::numbers::{duration, number};
use thalweg_report::{front_figure, plot};

use crate::ExitCode;
use crate::args;
use crate::interrupt::{clock, control};
use crate::progress::Spinner;
use crate::source::{base, folder, open, spaces};
use crate::terminal::{complain, print, say};
use thalweg::Source;
use thalweg_report::words::numbers::si;

/// Losers told of on the terminal.
const TOLD: usize = 20;

/// Of the seconds that the cells of a study took to be trained, the share for which `thalweg run`
/// chooses besides, and the seconds that it has in any case.
const BESIDES: (f64, f64) = (0.25, 5.0);

/// Chooses in the course of a run, one condition of the space after the other, as long as that is
/// cheap beside the training of the study's cells, which took so many seconds. Keeps what is
/// chosen in the run folder; a note on what was left out.
///
/// # Errors
///
/// That it was interrupted; what an engine or a file says.
pub(crate) fn choose_besides(
    source: &Source,
    out: &Path,
    (engine, threads): (&dyn Engine, usize),
    trained: f64,
) -> Result<Option<String>> {
    let (space, plans) = spaces(source)?;
    let (share, least) = BESIDES;
    let allowed = (share * trained).max(least);
    let until = clock() + allowed;
    let spinner = Spinner::new("choosing");
    let tell = |event: Event<'_>| spinner.tell(event);
    let whole = control(&tell);
    let over = || (whole.stopped)() || clock() > until;
    let bounded = Control {
        stopped: &over,
        ..whole
    };
    let mut choices = Vec::new();
    let mut left_out = None;
    for (i, one) in plans.iter().enumerate() {
        match thalweg::decide::choose(&space, std::slice::from_ref(one), engine, threads, &bounded)
        {
            Ok(choice) => choices.extend(choice),
            Err(Error::Stopped { .. }) if !(whole.stopped)() => {
                left_out = Some(&plans[i..]);
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    spinner.finish();
    for (i, choice) in choices.iter().enumerate() {
        write(out, i, choice)?;
    }
    thalweg_store::write_choices(out, &choices)?;
    Ok(left_out.map(|left| {
        let at: Vec<&str> = left
            .iter()
            .map(|(condition, _)| condition.as_str())
            .collect();
        let at = if at.concat().is_empty() {
            String::new()
        } else {
            format!(" at {}", at.join(", "))
        };
        format!(
            "note: choosing{at} would have gone on for more than {} and was left out; `thalweg \
             choose` does it",
            duration(allowed)
        )
    }))
}

pub(crate) fn choose(args: args::Choose) -> Result<ExitCode> {
    let source = open(&args.study)?;
    let (space, plans) = spaces(&source)?;
    let engine = args.engine.engine()?;
    let spinner = Spinner::new("choosing");
    let tell = |event: Event<'_>| spinner.tell(event);
    let control = control(&tell);
    let found = thalweg::decide::choose(
        &space,
        &plans,
        engine.as_ref(),
        args.engine.threads.count(),
        &control,
    );
    spinner.finish();
    let choices = found?;
    let out = args.out.clone().unwrap_or_else(|| folder(&source));
    let there = out.join("choice.json").exists();
    if there && thalweg_store::read_choices(&out, &base(&source)?)?.is_empty() {
        complain(&format!(
            "note: `{}` holds the choice of another setting, which is replaced; `--out DIR` keeps \
             both",
            out.display()
        ));
    }
    for (i, choice) in choices.iter().enumerate() {
        write(&out, i, choice)?;
    }
    thalweg_store::write_choices(&out, &choices)?;
    if args.json {
        print(&serde_json::to_string_pretty(&choices)?)?;
    } else {
        for (i, choice) in choices.iter().enumerate() {
            tell_one(&out, i, choice)?;
        }
        print(&format!(
            "\nAll of it: {}",
            out.join("choice.json").display()
        ))?;
    }
    let all = choices.iter().all(|c| c.winner.is_some());
    Ok(ExitCode::from(if all { 0 } else { 3 }))
}

fn certificate_name(i: usize) -> String {
    format!("choice-{i}.certificate.toml")
}

/// The certificate and the picture of one condition.
fn write(out: &Path, i: usize, choice: &Choice) -> Result<()> {
    if let (Some(_), Some(last)) = (choice.winner, choice.attempts.last()) {
        let path = out.join(certificate_name(i));
        thalweg_store::write_certificate(&path, &last.certificate)?;
    }
    let svg = plot::svg_file(&front_figure(choice).plot);
    let path = out.join("figures").join(format!("choice-{i}.svg"));
    Ok(thalweg_store::write(&path, svg.as_bytes())?)
}

fn tell_one(out: &Path, i: usize, choice: &Choice) -> Result<()> {
    if i > 0 {
        print("")?;
    }
    if !choice.condition.is_empty() {
        print(&format!("== {}\n", words::place(choice)))?;
    }
    say(&words::winner(choice), 0)?;
    for attempt in &choice.attempts {
        print(&format!(
            "\nOn fresh training sets, {}:",
            words::name(choice, &choice.candidates[attempt.candidate])
        ))?;
        for line in words::certificate(&attempt.certificate) {
            say(&line, 16)?;
        }
    }
    print(&format!(
        "\nThe front: nothing is cheaper and surer at once ({}, share that reaches the loss)",
        words::unit(choice.cost)
    ))?;
    for &at in &choice.front {
        let c = &choice.candidates[at];
        print(&format!(
            "  {:>9}  {:>26}  {}",
            number(c.median_cost),
            words::success(c),
            words::name(choice, c)
        ))?;
    }
    print("\nWhy each lost, in the order in which theory let them start")?;
    let losers = choice.candidates.iter().enumerate();
    let losers: Vec<&Candidate> = losers
        .filter(|(at, _)| choice.winner != Some(*at))
        .map(|(_, c)| c)
        .collect();
    for c in losers.iter().take(TOLD) {
        say(
            &format!("- {}: {}", words::name(choice, c), words::fate(choice, c)),
            2,
        )?;
    }
    if losers.len() > TOLD {
        let rest = &losers[TOLD..];
        let seldom = rest.iter().filter(|c| c.fate == Fate::TooSeldom).count();
        let costlier = rest
            .iter()
            .filter(|c| matches!(c.fate, Fate::Costlier { .. }));
        print(&format!(
            "- {} more in choice.json: {seldom} reach the loss too seldom, {} cost more, {} else",
            rest.len(),
            costlier.clone().count(),
            rest.len() - seldom - costlier.count()
        ))?;
    }
    let w = &choice.work;
    say(
        &format!(
            "\n{} The race took {} multiply-adds ({} steps); certifying took {}.",
            words::work(choice),
            si(w.race),
            si(w.steps as f64),
            si(w.certificates),
        ),
        0,
    )?;
    print(&format!(
        "Picture: {}",
        out.join("figures")
            .join(format!("choice-{i}.svg"))
            .display()
    ))?;
    if choice.winner.is_some() {
        print(&format!(
            "Re-check: thalweg verify {}",
            out.join(certificate_name(i)).display()
        ))?;
    }
    Ok(())
}
