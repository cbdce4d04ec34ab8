//! Where the output goes: how wide it is, and whether it takes colours and links.

use std::io::IsTerminal;
use std::path::Path;

use console::Term;

use crate::terminal::plain;

/// Columns and rows where there is no window: a pipe, a file.
const NOWHERE: (usize, usize) = (80, 24);

/// Fewest columns that text is wrapped to.
const NARROWEST: usize = 20;

/// How a text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A heading.
    Bold,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// Neither is known.
    Open,
    /// What one may skip.
    Dim,
}

/// Standard output as a place for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Columns.
    pub(crate) width: usize,
    /// Rows.
    pub(crate) rows: usize,
    /// Whether it takes colours.
    pub(crate) colour: bool,
    /// Whether it makes links of what OSC 8 marks.
    pub(crate) links: bool,
}

impl Screen {
    /// Standard output as it is.
    pub(crate) fn here() -> Screen {
        let terminal = std::io::stdout().is_terminal();
        Screen::of(terminal, size(terminal, &Term::stdout()), &|name| {
            std::env::var(name).ok()
        })
    }

    /// What the environment says of an output that is a terminal, or is none.
    fn of(terminal: bool, size: (usize, usize), env: &dyn Fn(&str) -> Option<String>) -> Screen {
        let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
        let dumb = env("TERM").is_some_and(|term| term == "dumb");
        let forced = set("CLICOLOR_FORCE") && env("CLICOLOR_FORCE").is_some_and(|v| v != "0");
        let colour = !set("NO_COLOR") && (forced || (terminal && !dumb));
        Screen {
            width: size.0,
            rows: size.1,
            colour,
            links: terminal && !dumb && links(env),
        }
    }

    /// Where nothing is known: no colours, the usual width.
    #[cfg(test)]
    pub(crate) fn plain(width: usize) -> Screen {
        Screen {
            width,
            rows: NOWHERE.1,
            colour: false,
            links: false,
        }
    }

    /// A text that stands out, without control characters of its own.
    pub(crate) fn style(&self, style: Style, text: &str) -> String {
        let text = plain(text);
        if !self.colour {
            return text;
        }
        let code = match style {
            Style::Bold => "1",
            Style::Good => "1;32",
            Style::Bad => "1;31",
            Style::Open => "1;33",
            Style::Dim => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The path of a file, as a link where the terminal has them.
    pub(crate) fn path(&self, path: &Path) -> String {
        let text = plain(&path.display().to_string());
        match std::fs::canonicalize(path) {
            Ok(whole) if self.links => {
                format!("\x1b]8;;{}\x1b\\{text}\x1b]8;;\x1b\\", address(&whole))
            }
            Ok(_) | Err(_) => text,
        }
    }
}

/// The columns and rows of a terminal; those of nowhere where there is none.
pub(crate) fn size(terminal: bool, of: &Term) -> (usize, usize) {
    match of.size_checked().filter(|_| terminal) {
        Some((rows, columns)) => (usize::from(columns).max(NARROWEST), usize::from(rows)),
        None => NOWHERE,
    }
}

/// Whether a terminal is known to make links; those that do not know OSC 8 mostly ignore it, but
/// some print it.
fn links(env: &dyn Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, known: &[&str]| env(name).is_some_and(|v| known.contains(&v.as_str()));
    let vte = env("VTE_VERSION").and_then(|v| v.parse::<u32>().ok());
    vte.is_some_and(|v| v >= 5000)
        || ["KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION"]
            .iter()
            .any(|name| env(name).is_some())
        || is(
            "TERM_PROGRAM",
            &["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper"],
        )
        || is(
            "TERM",
            &["xterm-kitty", "foot", "alacritty", "xterm-ghostty"],
        )
}

/// The address of a file for a browser.
pub(crate) fn address(path: &Path) -> String {
    let mut out = String::from("file://");
    let text = path.display().to_string().replace('\\', "/");
    if !text.starts_with('/') {
        out.push('/');
    }
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(terminal: bool, env: &[(&str, &str)]) -> Screen {
        let find = |name: &str| {
            let found = env.iter().find(|(n, _)| *n == name);
            found.map(|(_, v)| v.to_string())
        };
        Screen::of(terminal, NOWHERE, &find)
    }

    /// Colours: on a terminal, unless NO_COLOR says no or it is dumb; in a pipe if forced.
    #[test]
    fn colours_follow_the_usual_rules() {
        assert!(of(true, &[]).colour);
        assert!(!of(true, &[("NO_COLOR", "1")]).colour);
        assert!(of(true, &[("NO_COLOR", "")]).colour);
        assert!(!of(true, &[("TERM", "dumb")]).colour);
        assert!(!of(false, &[]).colour);
        assert!(of(false, &[("CLICOLOR_FORCE", "1")]).colour);
        assert!(!of(false, &[("CLICOLOR_FORCE", "0")]).colour);
        assert!(!of(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).colour);
    }

    /// A pipe never gets a link, a terminal only where it is known to understand it.
    #[test]
    fn links_are_for_terminals_that_have_them() {
        assert!(of(true, &[("VTE_VERSION", "7006")]).links);
        assert!(!of(true, &[("VTE_VERSION", "3405")]).links);
        assert!(!of(true, &[("TERM", "xterm")]).links);
        assert!(!of(false, &[("VTE_VERSION", "7006")]).links);
        assert_eq!(address(Path::new("/a b/µ")), "file:///a%20b/%C2%B5");
    }

    /// A title cannot bring colours of its own, and without colours nothing is added.
    #[test]
    fn only_the_program_colours() {
        let mut screen = Screen::plain(80);
        assert_eq!(screen.style(Style::Bad, "a\x1b[31m"), "a\\u001b[31m");
        screen.colour = true;
        assert_eq!(screen.style(Style::Bold, "a\x1b"), "\x1b[1ma\\u001b\x1b[0m");
    }
}
