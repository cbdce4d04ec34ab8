//! What reaches the terminal: text without control characters, but for those of the program itself.

use std::io::{ErrorKind, Write};

use anyhow::Result;

use crate::layout::{Align, Table, wrap};
use crate::screen::{Screen, Style};

/// A text whose control characters, but for line ends and tabs, are written as JSON would: a title
/// must not be able to move the cursor or to recolour the screen.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Prints a line to standard output; a closed pipe ends the program quietly.
pub(crate) fn print(text: &str) -> Result<()> {
    send(&plain(text))
}

/// Prints a text in lines that fit the screen, those after the first set in by `hang`.
pub(crate) fn say(text: &str, hang: usize) -> Result<()> {
    print(&wrap(text, Screen::here().width, hang))
}

/// A table with the names on the left; `optional` columns at the end go where there is no room.
pub(crate) fn table(heads: &[&str], rows: Vec<Vec<String>>, optional: usize) -> Result<()> {
    let screen = Screen::here();
    let side = |i: usize| if i == 0 { Align::Left } else { Align::Right };
    let heads = heads.iter().enumerate();
    let table = Table {
        heads: heads
            .map(|(i, h)| (screen.style(Style::Dim, h), side(i)))
            .collect(),
        rows,
        optional,
    };
    for line in table.lines(screen.width) {
        send(&line)?;
    }
    Ok(())
}

/// Prints over what was printed last: `lines` above the cursor are taken back.
pub(crate) fn print_over(lines: usize, text: &str) -> Result<()> {
    match lines {
        0 => print(text),
        // Up to the first line, and clear what is below.
        _ => send(&format!("\x1b[{lines}A\x1b[J{}", plain(text))),
    }
}

/// Prints what is plain already, and styled by a [`Screen`](crate::screen::Screen).
pub(crate) fn send(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// Prints a line to standard error. Where that cannot be written there is nobody to be told.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(text));
}

/// A text as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Escape sequences of a title become visible, and JSON stays the same JSON.
    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let hostile = "a\x1b[31mred\x07\u{9b}2J\r\u{7f}\tµ\n";
        let shown = plain(hostile);
        assert_eq!(shown, "a\\u001b[31mred\\u0007\\u009b2J\\u000d\\u007f\tµ\n");
        let json = serde_json::to_string(hostile).expect("a string");
        let back: String = serde_json::from_str(&plain(&json)).expect("still JSON");
        assert_eq!(back, hostile);
    }
}
