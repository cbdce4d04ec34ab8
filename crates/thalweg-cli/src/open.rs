//! Shows a page in the system's browser.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::screen::address;
use crate::terminal::complain;

/// What opens a file here, and what comes before the file.
const OPENER: (&str, &[&str]) = if cfg!(target_os = "macos") {
    ("open", &[])
} else if cfg!(windows) {
    ("cmd", &["/C", "start", ""])
} else {
    ("xdg-open", &[])
};

/// Opens a file in the browser; where that cannot be done it says so, and the command is none the
/// worse for it.
pub(crate) fn open(path: &Path) {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let (program, before) = OPENER;
    let mut command = Command::new(program);
    command.args(before).arg(&path).stdin(Stdio::null());
    let started = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let why = match started {
        Ok(status) if status.success() => return,
        Ok(status) => format!("`{program}` ended with {status}"),
        Err(_) => format!("there is no `{program}` here"),
    };
    complain(&format!(
        "note: {why}; open {} in a browser",
        address(&path)
    ));
}
