//! `thalweg choose`: the cheapest setting that can be certified, and why the others lost.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use thalweg::choose::{Candidate, Choice, Fate};
use thalweg::engine::by_name;
use thalweg::lab::Event;
use thalweg::report::front::{Point, svg_file};
use thalweg::study::Cost;

use crate::progress::{Spinner, si};
use crate::{args, certify, control, folder, open, print, short, threads, wrap};

/// Losers told of on the terminal.
const TOLD: usize = 20;

pub(crate) fn choose(args: args::Choose) -> Result<ExitCode> {
    let source = open(&args.study)?;
    let engine = by_name(&args.engine.engine)?;
    let spinner = Spinner::new("choosing");
    let tell = |event: Event<'_>| spinner.tell(event);
    let control = control(&tell);
    let found = thalweg::choose::choose(&source, engine.as_ref(), threads(&args.engine), &control);
    spinner.finish();
    let choices = found?;
    let out = args.out.clone().unwrap_or_else(|| folder(&source));
    for (i, choice) in choices.iter().enumerate() {
        write(&out, i, choice)?;
    }
    thalweg::choose::write(&out, &choices)?;
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

fn cost_name(cost: Cost) -> &'static str {
    match cost {
        Cost::Steps => "steps",
        Cost::ParameterSteps => "parameter-steps",
        Cost::Seconds => "seconds",
    }
}

/// The certificate and the picture of one condition.
fn write(out: &Path, i: usize, choice: &Choice) -> Result<()> {
    if let (Some(_), Some(last)) = (choice.winner, choice.attempts.last()) {
        last.certificate.write(&out.join(certificate_name(i)))?;
    }
    let point = |(at, c): (usize, &Candidate)| Point {
        name: format!("{}: {}", c.label, c.why),
        cost: c.median_cost,
        success: c.successes as f64 / c.replicates.max(1) as f64,
        interval: (c.success.low, c.success.high),
        chosen: choice.winner == Some(at),
        front: choice.front.contains(&at),
    };
    let points: Vec<Point> = choice.candidates.iter().enumerate().map(point).collect();
    let axis = format!(
        "{} of a training, median over training sets",
        cost_name(choice.cost)
    );
    let svg = svg_file(&points, choice.share, &axis);
    let path = out.join("figures").join(format!("choice-{i}.svg"));
    Ok(thalweg::store::write(&path, svg.as_bytes())?)
}

fn tell_one(out: &Path, i: usize, choice: &Choice) -> Result<()> {
    if i > 0 {
        print("")?;
    }
    if !choice.condition.is_empty() {
        print(&format!("== {}\n", choice.condition))?;
    }
    let unit = cost_name(choice.cost);
    match choice.winner.map(|w| &choice.candidates[w]) {
        Some(best) => print(&wrap(
            &format!(
                "Chosen: {}, {} {unit} in the median, {} parameters.",
                best.label,
                short(best.median_cost),
                best.parameters
            ),
            100,
        ))?,
        None => print("Nothing in the space could be certified.")?,
    }
    for attempt in &choice.attempts {
        print(&format!(
            "\nOn fresh training sets, {}:",
            choice.candidates[attempt.candidate].label
        ))?;
        for line in certify::told(&attempt.certificate) {
            print(if line.is_empty() { "" } else { &line })?;
        }
    }
    print(&format!(
        "\nThe front: nothing is cheaper and surer at once ({unit}, share that reaches the loss)"
    ))?;
    for &at in &choice.front {
        let c = &choice.candidates[at];
        print(&format!(
            "  {:>9}  {:>5.1} % ({:.1} to {:.1}, {} of {})  {}",
            short(c.median_cost),
            100.0 * c.successes as f64 / c.replicates.max(1) as f64,
            100.0 * c.success.low,
            100.0 * c.success.high,
            c.successes,
            c.replicates,
            c.label
        ))?;
    }
    print("\nWhy each lost, in the order in which theory let them start")?;
    let losers = choice.candidates.iter().enumerate();
    let losers: Vec<&Candidate> = losers
        .filter(|(at, _)| choice.winner != Some(*at))
        .map(|(_, c)| c)
        .collect();
    for c in losers.iter().take(TOLD) {
        print(&wrap(&format!("- {}: {}", c.label, c.why), 100))?;
    }
    if losers.len() > TOLD {
        let rest = &losers[TOLD..];
        let seldom = rest.iter().filter(|c| c.fate == Fate::TooSeldom).count();
        let dearer = rest
            .iter()
            .filter(|c| matches!(c.fate, Fate::Dearer { .. }));
        print(&format!(
            "- {} more in choice.json: {seldom} reach the loss too seldom, {} cost more, {} else",
            rest.len(),
            dearer.clone().count(),
            rest.len() - seldom - dearer.count()
        ))?;
    }
    let w = &choice.work;
    print(&wrap(
        &format!(
            "\nThe race took {}multiply-adds ({}steps), {:.0} times less than running all {} candidates at full \
             size; certifying took {}.{}",
            si(w.race),
            si(w.steps as f64),
            w.saved,
            choice.candidates.len(),
            si(w.certificates).trim_end(),
            choice.theory.map_or(String::new(), |r| format!(
                " Theory's order and the measured one correlate with {r:.2} (Spearman)."
            ))
        ),
        100,
    ))?;
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
