//! A page that links the reports of several runs: each with its picture and its answer.

use std::path::{Path, PathBuf};

use askama::Template;

use super::html::{self, prose};
use super::page::Page;
use super::plot;
use crate::error::Error;
use crate::store;

/// A run in the gallery.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The file of its report, beside the gallery's `index.html`.
    pub file: String,
    /// Its report.
    pub page: Page,
}

#[derive(Template)]
#[template(path = "gallery.html")]
struct Index<'a> {
    entries: &'a [Entry],
    css: &'a str,
}

/// The gallery as HTML.
pub fn render(entries: &[Entry]) -> String {
    let css = html::CSS;
    Index { entries, css }.render().unwrap_or_default()
}

/// Writes `index.html` and a copy of each report into a folder; its path.
///
/// Names are those of the run folders; equal ones are numbered.
///
/// # Errors
///
/// [`Error::Io`].
pub fn write(folder: &Path, runs: Vec<(PathBuf, Page)>) -> Result<PathBuf, Error> {
    let mut entries: Vec<Entry> = Vec::new();
    for (run, page) in runs {
        let name = super::slug(
            &run.file_name()
                .map_or("run".into(), |n| n.to_string_lossy()),
        );
        let name = if name.is_empty() { "run".into() } else { name };
        let taken = |file: &str| file == "index.html" || entries.iter().any(|e| e.file == file);
        let mut file = format!("{name}.html");
        let mut i = 2;
        while taken(&file) {
            file = format!("{name}-{i}.html");
            i += 1;
        }
        store::write(&folder.join(&file), html::render(&page).as_bytes())?;
        entries.push(Entry { file, page });
    }
    let index = folder.join("index.html");
    store::write(&index, render(&entries).as_bytes())?;
    Ok(index)
}
