//! What a run found, worded and drawn: a page, figures and tables made from an
//! [`Analysis`], of which nothing is computed here.
//!
//! Nothing is written either: everything comes back as [`File`]s, for whoever asks to write.
//!
//! ```
//! use thalweg::study::Replicates;
//! use thalweg::{Analysis, Control, Cpu, InMemory, Inputs, Plan, Setting, Study, data, lab, net};
//! use thalweg_report::{Only, files, page, words};
//!
//! let study = Study {
//!     title: "Is one hidden layer enough?".into(),
//!     ..Study::of(Setting {
//!         replicates: Replicates::Fixed(16),
//!         data: data::Data { points: 4, dim: 3, ..data::Data::default() },
//!         net: net::Net { hidden: vec![16], ..net::Net::default() },
//!         ..Setting::default()
//!     })
//! };
//! let plan = Plan::new(&study, &Inputs::default())?;
//! let records = lab::run(&plan, &Cpu::detect(), 1, &InMemory, &Control::default())?;
//! let analysis = Analysis::of(&plan, &records, 1);
//!
//! for sentence in words::answer(&analysis) {
//!     println!("{sentence}");
//! }
//! let page = page("runs/mine", &analysis, &[], &["made by hand".into()]);
//! let files = files(&page, Only::All);
//! // Figures, tables and, last, the page itself: one file that needs no network.
//! assert_eq!(files.last().unwrap().path.to_str(), Some("report.html"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`words`] has the sentences, [`mod@page`] the page as data, [`explore`] the cells and replicates
//! to look into, [`plot`] its figures, [`png`] figures as pixels, [`phase`] the order/chaos map,
//! [`gallery`] links to several pages.

mod axis;
mod brief;
mod compare;
mod decision;
pub mod explore;
mod followed;
pub mod gallery;
mod html;
mod hue;
mod latex;
pub mod map;
mod method;
mod outline;
pub mod page;
pub mod phase;
mod pictures;
pub mod plot;
pub mod png;
mod predictions;
mod readout;
mod smallest;
mod story;
mod svg;
mod tables;
mod tested;
pub mod words;

use std::path::PathBuf;

use thalweg::analysis::Analysis;
use thalweg::analysis::summary::Summary;
use thalweg::decide::Choice;
use thalweg::study::stem;

use page::{Block, Figure, Heading, Page, Table};
use words::cell;
use words::numbers::{interval, steps};

pub use brief::{Brief, Found, Row, brief};
pub use decision::front_figure;

/// A file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path within the run folder.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The whole report of a run that commands name `run`; `choices` is what `thalweg choose` decided
/// for its study, if it was asked, and `provenance` the footer.
pub fn page(run: &str, analysis: &Analysis, choices: &[Choice], provenance: &[String]) -> Page {
    let base = analysis.base();
    let (sections, appendix) = story::sections(analysis, choices);
    let chosen = words::decision::chosen(&base.setting, choices);
    let mut card = words::answer::card(analysis).into_iter().chain(chosen);
    Page {
        title: analysis.title.clone(),
        run: run.to_string(),
        question: words::answer::question(analysis),
        answer: card.next().unwrap_or_default(),
        lines: card.collect(),
        choice: words::setting::setting(&base.setting),
        more: words::more(analysis),
        picture: Some(story::picture(analysis)),
        sections,
        appendix,
        cells: explore::cells(analysis),
        study: String::new(),
        footer: provenance.to_vec(),
    }
}

/// How much of a study is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Finished cells.
    pub finished: usize,
    /// Cells of the study.
    pub cells: usize,
}

/// The same page, marked as that of a part of the study.
pub fn partial(page: Page, part: Part) -> Page {
    let said = words::brief::partial(part);
    Page {
        title: format!("{} (in part)", page.title),
        question: format!("This page is {said} {}", page.question),
        ..page
    }
}

fn column(name: &str, numeric: bool) -> Heading {
    Heading {
        name: name.into(),
        numeric,
    }
}

/// Letters of a name that its files have.
const STEM: usize = 60;

/// A file stem from a name: its letters and digits. Where that leaves something out, as letters of
/// other alphabets, or the end of a long name, eight digits tell it from others.
pub fn slug(name: &str) -> String {
    let stem = stem(name);
    let other = name.chars().any(|c| !c.is_ascii() && c.is_alphanumeric());
    if !other && !stem.is_empty() && stem.len() <= STEM {
        return stem;
    }
    let digits = &blake3::hash(name.as_bytes()).to_hex()[..8];
    let short = stem.get(..STEM).unwrap_or(&stem).trim_end_matches('-');
    match short {
        "" => digits.to_string(),
        short => format!("{short}-{digits}"),
    }
}

/// What of a report is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Everything.
    All,
    /// `report.html`.
    Page,
    /// `figures/*.svg`.
    Figures,
    /// `tables/*.csv` and `tables/*.tex`.
    Tables,
}

/// The files of a page: `figures/*.svg`, `tables/*.csv`, `tables/*.tex` and, last, `report.html`.
pub fn files(page: &Page, only: Only) -> Vec<File> {
    let mut all = Vec::new();
    let mut add = |path: String, bytes: Vec<u8>| {
        all.push(File {
            path: path.into(),
            bytes,
        });
    };
    if matches!(only, Only::All | Only::Figures) {
        for figure in figures(page) {
            let svg = plot::svg_file(&figure.plot);
            add(format!("figures/{}.svg", figure.name), svg.into_bytes());
        }
    }
    if matches!(only, Only::All | Only::Tables) {
        for table in tables(page).into_iter().filter(|t| !t.name.is_empty()) {
            add(format!("tables/{}.csv", table.name), latex::csv(table));
            let tex = latex::tex(table).into_bytes();
            add(format!("tables/{}.tex", table.name), tex);
        }
    }
    if matches!(only, Only::All | Only::Page) {
        add("report.html".into(), html::render(page).into_bytes());
    }
    all
}

/// Every block of a page in reading order, those within parts too.
fn blocks(page: &Page) -> Vec<&Block> {
    fn walk<'a>(all: &'a [Block], to: &mut Vec<&'a Block>) {
        for block in all {
            to.push(block);
            if let Block::Part(part) = block {
                walk(&part.blocks, to);
            }
        }
    }
    let mut all = Vec::new();
    for section in page.sections.iter().chain(&page.appendix) {
        walk(&section.blocks, &mut all);
    }
    all
}

/// The figures as one list, for files and tests.
pub fn figures(page: &Page) -> Vec<&Figure> {
    let inside = blocks(page).into_iter().filter_map(|b| match b {
        Block::Figure(figure) => Some(figure),
        Block::Text(_) | Block::List(_) | Block::Table(_) | Block::Code(_) | Block::Part(_) => None,
    });
    page.picture.iter().chain(inside).collect()
}

/// The tables as one list, for files and tests.
pub fn tables(page: &Page) -> Vec<&Table> {
    let inside = blocks(page).into_iter().filter_map(|b| match b {
        Block::Table(table) => Some(table),
        Block::Text(_) | Block::List(_) | Block::Figure(_) | Block::Code(_) | Block::Part(_) => {
            None
        }
    });
    inside.collect()
}

/// A cell in a line, for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverviewRow {
    /// What it is.
    pub name: String,
    /// Successes of replicates.
    pub success: String,
    /// The interval of the probability of success.
    pub interval: String,
    /// The median of the steps.
    pub steps: String,
    /// The median loss as a [`sparkline`].
    pub loss: String,
    /// The main cause of failure.
    pub failures: String,
}

/// All cells in a line each.
pub fn overview(run: &Analysis) -> Vec<OverviewRow> {
    let row = |s: &Summary| OverviewRow {
        name: words::setting::cell(run, s.cell),
        success: format!("{}/{}", s.successes, s.replicates),
        interval: interval(s.success),
        steps: steps(s.steps.median.step, s.budget()),
        loss: sparkline(&s.loss.median, s.setting.success.by_loss()),
        failures: cell::failures(s),
    };
    run.cells.iter().map(row).collect()
}

/// Median losses over (logarithmic) steps in a dozen bars, from the loss to reach up to the initial
/// one (from the smallest where none is to be reached); a cross where one is not finite.
pub fn sparkline(losses: &[f64], loss_below: Option<f64>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(first) = losses.first().filter(|l| l.is_finite()) else {
        return String::new();
    };
    let smallest = losses.iter().copied().fold(*first, f64::min);
    let (low, high) = (loss_below.unwrap_or(smallest).log10(), first.log10());
    let width = losses.len().min(12);
    let bar = |i: usize| {
        let loss = losses[i * (losses.len() - 1) / (width - 1).max(1)];
        let height = (loss.log10() - low) / (high - low);
        if !loss.is_finite() {
            '×'
        } else if height <= 0.0 {
            BARS[0]
        } else {
            // Above the loss to reach it is never the lowest bar.
            BARS[1 + (height * 6.999).clamp(0.0, 6.0) as usize]
        }
    };
    (0..width).map(bar).collect()
}

#[cfg(test)]
mod names {
    use super::slug;

    /// Names of other alphabets had no letter, and so one file; long ones no file at all.
    #[test]
    fn files_of_different_comparisons_have_different_names() {
        assert_eq!(slug("Input dimension"), "input-dimension");
        assert_eq!(slug("d = 2: rate"), "d-2-rate");
        let names = ["ширина", "глубина", "", "—", "größe", "grosse", "gr e"];
        let long = ["x".repeat(300), "x".repeat(301)];
        let names = names.into_iter().chain(long.iter().map(String::as_str));
        let all: Vec<String> = names.map(slug).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(!a.is_empty() && a.len() < 80 && a.is_ascii(), "{a}");
            assert!(!all[..i].contains(a), "{all:?}");
        }
    }
}
