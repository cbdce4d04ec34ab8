//! What the command line's own reader says: help in lines that fit, and arguments that are keys of
//! a study.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use console::{measure_text_width, strip_ansi_codes};

use crate::ExitCode;
use crate::layout::wrap;
use crate::screen::Screen;
use crate::terminal::{complain, send};

/// Commands that take `--set`.
const CHANGEABLE: [&str; 5] = ["run", "plan", "certify", "choose", "theory"];

/// Says what clap found, and how the program ends with it.
pub(crate) fn tell(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp => {
            let screen = Screen::here();
            let rendered = error.render();
            let text = if screen.colour {
                rendered.ansi().to_string()
            } else {
                rendered.to_string()
            };
            for line in text.trim_end().lines() {
                // What cannot be printed there is nobody to be told of.
                let _ = send(&wrap(line, screen.width, hang(line)));
            }
            ExitCode::SUCCESS
        }
        ErrorKind::UnknownArgument => {
            let given = arguments.iter().skip(1);
            let given: Vec<String> = given
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect();
            match wrong(error).and_then(|argument| instead(&argument, &given)) {
                Some((argument, instead)) => {
                    complain(&format!("error: there is no argument `{argument}`"));
                    complain(&format!("\nhint: `{instead}`"));
                    ExitCode::from(2)
                }
                None => error.exit(),
            }
        }
        _ => error.exit(),
    }
}

/// Where a description begins, below which it goes on.
fn hang(line: &str) -> usize {
    let plain = strip_ansi_codes(line);
    let indent = plain.len() - plain.trim_start().len();
    let described = plain.trim_start().find("  ").map(|gap| {
        let rest = &plain[indent + gap..];
        let spaces = rest.len() - rest.trim_start().len();
        measure_text_width(&plain[..indent + gap]) + spaces
    });
    described.unwrap_or(indent).min(40)
}

/// The argument that clap does not know.
fn wrong(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(argument) => Some(argument.clone()),
        _ => None,
    }
}

/// What to write for an argument that names a key of a study, which `--set` changes.
fn instead(argument: &str, given: &[String]) -> Option<(String, String)> {
    let command = given.first()?;
    if !CHANGEABLE.contains(&command.as_str()) {
        return None;
    }
    let name = argument.split(['=', ' ']).next()?;
    let key = thalweg::study::key_meant(name)?;
    let at = given.iter().position(|g| g.split('=').next() == Some(name));
    let value = at.and_then(|at| match given[at].split_once('=') {
        Some((_, value)) => Some(value),
        None => given.get(at + 1).map(String::as_str),
    });
    let value = value.unwrap_or("VALUE");
    Some((name.to_string(), format!("--set {key}={value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `run --dim 5` was answered with `-- --dim`.
    #[test]
    fn an_argument_that_is_a_key_is_told_how_to_be_one() {
        let given = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
        let hint = |argument: &str, text: &str| instead(argument, &given(text)).map(|(_, h)| h);
        let dim = Some("--set data.dim=5".to_string());
        assert_eq!(hint("--dim", "run hw.toml --dim 5"), dim);
        assert_eq!(hint("--dim", "run hw.toml --dim=5"), dim);
        let rate = Some("--set descent.rate=0.1".to_string());
        assert_eq!(hint("--lr", "plan --lr 0.1"), rate);
        assert_eq!(hint("--nonsense", "run --nonsense 1"), None);
        assert_eq!(hint("--dim", "report --dim 5"), None);
    }

    #[test]
    fn a_description_goes_on_below_itself() {
        assert_eq!(hang("      --set <KEY=VALUE>  Change a key"), 25);
        assert_eq!(hang("Usage: thalweg"), 0);
    }
}
