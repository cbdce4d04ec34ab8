//! `thalweg certify` and `thalweg verify`: a decision that others can check.

use std::hash::{BuildHasher, Hasher};
use std::process::ExitCode;

use anyhow::Result;
use thalweg::Plan;
use thalweg::certify::{Certificate, Decision, Terms};
use thalweg::engine::by_name;
use thalweg::lab::Event;
use thalweg::study::Replicates;

use crate::progress::Spinner;
use crate::{args, control, folder, open, print, threads};

pub(crate) fn certify(args: args::Certify) -> Result<ExitCode> {
    let source = open(&args.study)?;
    let engine = by_name(&args.engine.engine)?;
    let plan = Plan::new(&source)?;
    let cell = &plan.cells[0];
    let asked = match cell.setting.replicates {
        Replicates::Fixed(_) => Terms::default(),
        Replicates::UntilDecided { at_most, level } => Terms { level, at_most },
    };
    let terms = Terms {
        level: args.level.unwrap_or(asked.level),
        at_most: args.at_most.unwrap_or(asked.at_most),
    };
    let spinner = Spinner::new("certifying");
    let tell = |event: Event<'_>| spinner.tell(event);
    let control = control(&tell);
    let found = thalweg::certify::certify(
        cell,
        engine.as_ref(),
        threads(&args.engine),
        terms,
        &control,
    );
    spinner.finish();
    let certificate = found?;
    let path = args
        .out
        .unwrap_or_else(|| folder(&source).join("certificate.toml"));
    certificate.write(&path)?;
    if args.json {
        print(&serde_json::to_string_pretty(&certificate)?)?;
    } else {
        for line in told(&certificate) {
            print(&line)?;
        }
        print(&format!(
            "\ncertificate     {0}\nre-check it     thalweg verify {0}",
            path.display()
        ))?;
    }
    Ok(ExitCode::from(certificate.decision.exit_code()))
}

/// A certificate in lines.
pub(crate) fn told(c: &Certificate) -> Vec<String> {
    let share = percent(c.share);
    let level = percent(c.level);
    let decision = match c.decision {
        Decision::Yes => format!("yes: at least {share} of training sets reach the loss"),
        Decision::No => format!("no: less than {share} of training sets reach the loss"),
        Decision::Undecided => format!(
            "undecided after {} replicates: the share may lie on either side of {share}",
            c.at_most
        ),
    };
    let interval =
        |i: thalweg::stats::Interval| format!("{:.1} to {:.1} %", 100.0 * i.low, 100.0 * i.high);
    vec![
        format!("{decision} ({level})"),
        String::new(),
        format!(
            "below {:e}      {} of {}, {}",
            c.loss_below,
            c.successes,
            c.replicates,
            percent(c.successes as f64 / c.replicates.max(1) as f64)
        ),
        format!(
            "exact           {} (Clopper-Pearson, {level})",
            interval(c.exact)
        ),
        format!("Wilson          {} ({level})", interval(c.wilson)),
        format!(
            "anytime         {} (each end {level}, whatever made it stop)",
            interval(c.anytime)
        ),
        format!(
            "seed            {}, replicates 0 to {}, engine {}, cell {}",
            c.seed,
            c.replicates.saturating_sub(1),
            c.engine,
            c.cell
        ),
    ]
}

fn percent(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

pub(crate) fn verify(args: args::Verify) -> Result<ExitCode> {
    let certificate = Certificate::read(&args.file)?;
    let engine = by_name(&certificate.engine)?;
    let home = args.file.parent().unwrap_or(std::path::Path::new("."));
    let home = args.folder.as_deref().unwrap_or(home);
    // From the system's randomness: nobody can know which replicates will be looked at.
    let unknown = || std::hash::RandomState::new().build_hasher().finish() >> 1;
    let choice = args.choice.unwrap_or_else(unknown);
    let count = if args.all { u64::MAX } else { args.count };
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    let spinner = Spinner::new("verifying");
    let tell = |event: Event<'_>| spinner.tell(event);
    let control = control(&tell);
    let found = thalweg::certify::verify(
        &args.file,
        home,
        engine.as_ref(),
        args.threads.map_or_else(all, usize::from),
        (count, choice),
        &control,
    );
    spinner.finish();
    let verified = found?;
    if args.json {
        print(&serde_json::to_string_pretty(&verified)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in told(&verified.certificate) {
        print(&line)?;
    }
    let n = verified.again.len();
    print(&format!(
        "\nverified        content and decision hold; {n} of {} replicates trained again, all to the same bits",
        verified.certificate.replicates
    ))?;
    if verified.would_find > 0.0 {
        print(&format!(
            "                had {:.0} % of the outcomes or more been false, this would have shown it with 95 %",
            (100.0 * verified.would_find).ceil()
        ))?;
    }
    print(&format!("choice          --choice {choice}"))?;
    Ok(ExitCode::SUCCESS)
}
