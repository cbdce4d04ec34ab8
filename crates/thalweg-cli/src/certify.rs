//! `thalweg certify` and `thalweg verify`: a decision that others can check.

use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

use anyhow::Result;
use thalweg::Error;
use thalweg::decide::{Certificate, Draws, Terms};
use thalweg::lab::Event;
use thalweg::study::Replicates;

use thalweg_report::words::decision as words;
use thalweg_report::words::numbers::percent;

use crate::ExitCode;
use crate::args;
use crate::interrupt::control;
use crate::progress::Spinner;
use crate::source::{folder, planned};
use crate::terminal::{complain, print, quoted, say};

pub(crate) fn certify(args: args::Certify) -> Result<ExitCode> {
    let (source, plan) = planned(&args.study)?;
    let engine = args.engine.engine()?;
    let cell = &plan.cells[0];
    let asked = match cell.setting.replicates {
        Replicates::Fixed(_) => Terms::default(),
        Replicates::UntilDecided { at_most, level } => Terms {
            level,
            at_most,
            ..Terms::default()
        },
    };
    let terms = Terms {
        level: args.level.unwrap_or(asked.level),
        at_most: args.at_most.unwrap_or(asked.at_most),
        draws: if args.own_draws {
            Draws::Own
        } else {
            Draws::Fresh
        },
    };
    if let Some(path) = args.out.as_ref().filter(|path| path.exists())
        && thalweg_store::read_certificate(path).is_err()
    {
        return Err(Error::Unknown {
            message: format!("`{}` is there, and is no certificate", path.display()),
            hint: "another name: `--out certificate.toml`".into(),
        }
        .into());
    }
    let spinner = Spinner::new("certifying");
    let tell = |event: Event<'_>| spinner.tell(event);
    let control = control(&tell);
    let found = thalweg::decide::certify(
        cell,
        &plan.title,
        engine.as_ref(),
        args.engine.threads.count(),
        terms,
        &control,
    );
    spinner.finish();
    let certificate = found?;
    let path = match args.out {
        Some(path) => {
            if of_another(&path, &certificate) {
                complain(&format!(
                    "note: the certificate of another setting that was in `{}` is replaced",
                    path.display()
                ));
            }
            path
        }
        None => own_path(&folder(&source), &args.study.set, &certificate),
    };
    thalweg_store::keep_inputs(home(&path), &source)?;
    thalweg_store::write_certificate(&path, &certificate)?;
    if args.json {
        print(&serde_json::to_string_pretty(&certificate)?)?;
    } else {
        for line in words::certificate(&certificate) {
            say(&line, 16)?;
        }
        print(&format!(
            "\ncertificate     {}\nre-check it     thalweg verify {}",
            path.display(),
            quoted(&path.display().to_string())
        ))?;
    }
    Ok(ExitCode::from(certificate.decision.exit_code()))
}

/// The folder of a certificate, which keeps the files that its study names.
fn home(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Whether a file holds the certificate of another setting.
fn of_another(path: &Path, certificate: &Certificate) -> bool {
    thalweg_store::read_certificate(path).is_ok_and(|there| there.cell != certificate.cell)
}

/// A file of the run folder named by what was set, and by the cell too where one of another setting
/// has that name: no certificate takes the place of another's.
fn own_path(folder: &Path, set: &[String], certificate: &Certificate) -> PathBuf {
    let mut stem = String::from("certificate");
    for assignment in set {
        let named = assignment
            .rsplit_once('.')
            .map_or(&assignment[..], |(_, last)| last);
        let named = if named.contains('=') {
            named
        } else {
            assignment
        };
        let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let slug: String = named.chars().map(letter).collect();
        let parts: Vec<&str> = slug.split('-').filter(|p| !p.is_empty()).collect();
        stem.push('-');
        stem.push_str(&parts.join("-"));
    }
    let path = folder.join(format!("{stem}.toml"));
    if of_another(&path, certificate) {
        let cell: String = certificate.cell.chars().take(8).collect();
        return folder.join(format!("{stem}-{cell}.toml"));
    }
    path
}

pub(crate) fn verify(args: args::Verify) -> Result<ExitCode> {
    let certificate = thalweg_store::read_certificate(&args.file)?;
    // What a card certified is checked without one: the bits are the same.
    let engine = thalweg_gpu::without_device(&certificate.engine).map_err(Error::from)?;
    let home = args.folder.as_deref().unwrap_or(home(&args.file));
    let inputs = thalweg_store::read_inputs(&certificate.study, home)?;
    // From the system's randomness: nobody can know which replicates will be looked at.
    let unknown = || std::hash::RandomState::new().build_hasher().finish() >> 1;
    let choice = args.choice.unwrap_or_else(unknown);
    let count = if args.all { u64::MAX } else { args.count };
    let spinner = Spinner::new("verifying");
    let tell = |event: Event<'_>| spinner.tell(event);
    let control = control(&tell);
    let found = thalweg::decide::verify(
        certificate,
        &inputs,
        engine.as_ref(),
        args.threads.count(),
        (count, choice),
        &control,
    );
    spinner.finish();
    let verified = found?;
    if args.json {
        print(&serde_json::to_string_pretty(&verified)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in words::certificate(&verified.certificate) {
        say(&line, 16)?;
    }
    let n = verified.again.len();
    print(&format!(
        "\nverified        content and decision hold; {n} of {} replicates trained again, \
         all to the same bits",
        verified.certificate.replicates
    ))?;
    if verified.would_find > 0.0 {
        print(&format!(
            "                had {} of the outcomes or more been false, this would have shown it \
             with 95 %",
            percent((100.0 * verified.would_find).ceil() / 100.0)
        ))?;
    }
    print(&format!("choice          --choice {choice}"))?;
    Ok(ExitCode::SUCCESS)
}
