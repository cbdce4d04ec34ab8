//! A page that links the reports of several runs: each with its picture and its answer.

use askama::Template;

use super::html::{self, prose};
use super::page::Page;
use super::{File, plot};

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

/// `index.html` and a copy of each report, for one folder; runs come as (name, report).
///
/// Names are those of the run folders; equal ones are numbered.
pub fn files(runs: Vec<(String, Page)>) -> Vec<File> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut files: Vec<File> = Vec::new();
    for (run, page) in runs {
        let name = super::slug(&run);
        let name = if name.is_empty() { "run".into() } else { name };
        let taken = |file: &str| file == "index.html" || entries.iter().any(|e| e.file == file);
        let mut file = format!("{name}.html");
        let mut i = 2;
        while taken(&file) {
            file = format!("{name}-{i}.html");
            i += 1;
        }
        files.push(File {
            path: file.clone().into(),
            bytes: html::render(&page).into_bytes(),
        });
        entries.push(Entry { file, page });
    }
    files.push(File {
        path: "index.html".into(),
        bytes: render(&entries).into_bytes(),
    });
    files
}
