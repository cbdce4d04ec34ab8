//! The end of a run on the terminal: what it found, in as many lines as the window has.

use std::path::Path;

use anyhow::Result;
use thalweg::analysis::Analysis;
use thalweg::analysis::summary::Reaches;
use thalweg_report::words::brief::others;
use thalweg_report::words::numbers::count;
use thalweg_report::{Brief, brief, overview};

use crate::curve::curve;
use crate::layout::{Align, Table, wrap};
use crate::screen::{Screen, Style};
use crate::terminal::{plain, print, send};

/// Lines that any window has.
const LINES: usize = 24;

/// Most surprises that are told.
const SURPRISES: usize = 3;

fn style(reaches: Reaches) -> Style {
    match reaches {
        Reaches::Yes => Style::Good,
        Reaches::No => Style::Bad,
        Reaches::Undecided => Style::Open,
    }
}

/// Prints the answer, last of all, so that it stays on the screen; the table of all cells before it
/// if that was asked for.
/// `chosen` is what was chosen from the study's space.
pub(crate) fn answer(
    out: &Path,
    analysis: &Analysis,
    chosen: &[String],
    cells: bool,
) -> Result<()> {
    let screen = Screen::here();
    if cells {
        for line in all_cells(analysis, screen).lines(screen.width) {
            send(&line)?;
        }
        print("")?;
    }
    for line in lines(analysis, chosen, screen) {
        send(&line)?;
    }
    send(&format!(
        "Report: {}",
        screen.path(&out.join("report.html"))
    ))
}

/// Every cell of the study in a line.
fn all_cells(analysis: &Analysis, screen: Screen) -> Table {
    let right = Align::Right;
    let heads = [
        ("cell", Align::Left),
        ("success", right),
        ("95 % interval", right),
        ("median steps", right),
        ("loss", Align::Left),
    ];
    let rows = overview(analysis).into_iter().zip(&analysis.cells);
    Table {
        heads: heads
            .map(|(h, a)| (screen.style(Style::Dim, h), a))
            .to_vec(),
        rows: rows
            .map(|(row, cell)| {
                let success = screen.style(style(cell.reaches), &row.success);
                vec![plain(&row.name), success, row.interval, row.steps, row.loss]
            })
            .collect(),
        optional: 1,
    }
}

/// Title, answer and table, and what of the rest there is room for.
fn lines(analysis: &Analysis, chosen: &[String], screen: Screen) -> Vec<String> {
    let brief = brief(analysis);
    let fit = |text: &str, hang: usize| -> Vec<String> {
        let wrapped = wrap(text, screen.width, hang);
        wrapped.lines().map(str::to_string).collect()
    };
    // The title's own style would not survive a line end.
    let title = fit(&plain(&brief.title), 0);
    let mut all: Vec<String> = title.iter().map(|t| screen.style(Style::Bold, t)).collect();
    all.extend(brief.published.iter().flat_map(|text| fit(&plain(text), 0)));
    for said in &brief.answer {
        let text = plain(&said.text);
        all.extend(if said.lead.is_empty() {
            fit(&text, 0)
        } else {
            let lead = screen.style(style(said.reaches), &said.lead);
            fit(&format!("{lead} {text}"), 2)
        });
    }
    all.extend(chosen.iter().flat_map(|text| fit(&plain(text), 2)));
    all.push(String::new());
    all.extend(table(&brief, screen).lines(screen.width));
    if brief.left_out > 0 {
        let left = count(brief.left_out as u64);
        all.extend(fit(&format!("  and {left} more (`--cells`)"), 2));
    }
    all.push(String::new());
    // The path, and the line of whoever types next.
    let room = screen.rows.max(LINES).saturating_sub(all.len() + 2);
    let surprises = brief.surprises.iter().take(SURPRISES);
    let surprises: Vec<Vec<String>> = surprises.map(|text| fit(&plain(text), 2)).collect();
    let found: Vec<Vec<String>> = (brief.found.iter())
        .map(|f| fit(&plain(&format!("{}: {}", f.name, f.text)), 2))
        .collect();
    let half = if found.is_empty() { room } else { room / 2 };
    let surprises = surprises[..fitting(&surprises, half)].concat();
    let room = room - surprises.len();
    let mut shown = fitting(&found, room);
    let mut rest = Vec::new();
    while shown < found.len() {
        let left: Vec<usize> = brief.found[shown..].iter().map(|f| f.place).collect();
        rest = fit(&format!("{}.", others(analysis, &left)), 2);
        let size = found[..shown].iter().map(Vec::len).sum::<usize>() + rest.len();
        if size <= room || shown == 0 {
            break;
        }
        shown -= 1;
    }
    all.extend(found[..shown].concat());
    all.extend(rest);
    all.extend(surprises);
    all
}

/// How many of the first texts fit in so many lines.
fn fitting(texts: &[Vec<String>], room: usize) -> usize {
    let mut size = 0;
    let fits = |text: &&Vec<String>| {
        size += text.len();
        size <= room
    };
    texts.iter().take_while(fits).count()
}

fn table(brief: &Brief, screen: Screen) -> Table {
    let side = |column: usize| match column {
        0 => Align::Left,
        _ => Align::Right,
    };
    let heads = brief.heads.iter().enumerate();
    let rows = brief.rows.iter().map(|row| {
        let last = row.texts.len().saturating_sub(1);
        let texts = row.texts.iter().enumerate();
        let text = |(i, text): (usize, &String)| {
            if i == last {
                screen.style(style(row.reaches), text)
            } else {
                plain(text)
            }
        };
        texts.map(text).collect()
    });
    Table {
        heads: heads
            .map(|(i, h)| (screen.style(Style::Dim, h), side(i)))
            .collect(),
        rows: rows.collect(),
        optional: 2,
    }
}

/// The loss of a single run as a picture; nothing where it was not kept.
pub(crate) fn picture(analysis: &Analysis) -> Result<()> {
    let Some(first) = analysis.base().shown.first() else {
        return Ok(());
    };
    let lines = curve(first, Screen::here().width);
    for line in &lines {
        print(line)?;
    }
    if !lines.is_empty() {
        print("")?;
    }
    Ok(())
}
