//! `thalweg watch`: how far a running study is, from the status file in its folder.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use thalweg::Error;

use crate::ExitCode;
use crate::args;
use crate::status::{State, Status, now};
use crate::terminal::{print, print_over};

fn read(run: &Path) -> Result<Status> {
    let path = run.join(Status::FILE);
    let unknown = |message: String, hint: &str| Error::Unknown {
        message,
        hint: hint.into(),
    };
    let text = thalweg_store::read_text(&path).map_err(|e| {
        unknown(
            format!("cannot read {}: {e}", path.display()),
            "name the folder of a run; `thalweg run STUDY --out DIR` writes its status there",
        )
    })?;
    let status = serde_json::from_str(&text).map_err(|e| {
        unknown(
            format!("{} is no status: {e}", path.display()),
            "another version of the program may have written it",
        )
    })?;
    Ok(status)
}

pub(crate) fn watch(args: &args::Watch) -> Result<ExitCode> {
    let once = args.once || args.json || !std::io::stdout().is_terminal();
    let mut above = 0;
    loop {
        let status = read(&args.run)?;
        if args.json {
            print(&serde_json::to_string_pretty(&status)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let lines = status.lines(now().saturating_sub(status.updated));
        print_over(above, &lines.join("\n"))?;
        above = lines.len();
        if once || status.state != State::Running {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
