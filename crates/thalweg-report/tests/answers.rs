//! The card answers what the study asks: each kind of study has its own, and none has another's.

mod made_up;

use thalweg::analysis::Analysis;
use thalweg::plan::{Cell, Plan};
use thalweg::record::Record;
use thalweg::{Inputs, Source};
use thalweg_report::page::Page;

const WIDTH: &str = r#"
title = "Is a wider network faster?"
replicates = 100
data = { points = 4, dim = 3 }
net = { hidden = [8] }
descent = { rate = 0.01, steps = 1000 }

[[compare]]
name = "width"
"net.hidden" = [[4], [8], [16]]
"#;

const DIMENSION: &str = r#"
title = "Any title"
replicates = 100
data = { points = 4, dim = 15 }
net = { hidden = [4] }
descent = { rate = 0.01, steps = 1000 }
success = { share = 0.8 }

[[compare]]
name = "Input dimension"
"data.dim" = [15, 5, 2]
highlight = [5, 2]

[[compare]]
name = "elsewhere"
"data.dim" = [2]
"net.hidden" = [[4], [8], [32]]
"#;

const ONE: &str = r#"
title = "One run"
replicates = 1
data = { points = 4, dim = 3 }
net = { hidden = [4] }
descent = { rate = 0.01, steps = 1000 }

[[compare]]
name = "many draws"
replicates = [100]
"#;

const CLAIM: &str = r#"
[[claim]]
what = "success"
value = 1.0
between = [0.9, 1.0]
source = "somebody"
at = {}
"#;

/// The page where so many of a cell get below, the first at that step.
fn page(text: &str, does: &dyn Fn(&Cell) -> (u64, u64)) -> Page {
    let source = Source {
        name: "test.toml".into(),
        text: text.into(),
        folder: ".".into(),
    };
    let plan: Plan = (source.plan(&Inputs::default())).unwrap_or_else(|e| panic!("{e}"));
    let record = |cell: &Cell| {
        let (reach, step) = does(cell);
        let hit = |r: u64| (r < reach).then_some(step + r);
        let rows = (0..cell.setting.replicates.at_most()).map(|r| made_up::row(r, hit(r)));
        made_up::record(&cell.hash, rows.collect(), Vec::new())
    };
    let records: Vec<Record> = plan.cells.iter().map(record).collect();
    let run = Analysis::of(&plan, &records, 1);
    thalweg_report::page("runs/made-up", &run, &[], &[])
}

fn card(page: &Page) -> String {
    let mut all = vec![page.answer.clone()];
    all.extend(page.lines.clone());
    all.join("\n")
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[track_caller]
fn never(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(!text.contains(part), "`{part}` in\n{text}");
    }
}

/// "Is a wider network faster?" was answered by "Yes: 200 of 200".
#[test]
fn a_study_that_compares_is_answered_by_its_comparison() {
    let slower = page(WIDTH, &|cell| match cell.setting.net.hidden[0] {
        4 => (60, 400),
        8 => (100, 100),
        _ => (100, 300),
    });
    let text = card(&slower);
    says(
        &text,
        &[
            "Fewest steps: one layer of 8, 149 in the median.",
            "One layer of 8: 100 of 100 below",
            "One layer of 16: 100 of 100 below (96.3–100 %), median 349 steps; slower than one \
             layer of 8",
            "One layer of 4: 60 of 100 below",
        ],
    );
    never(&text, &["Yes", "yes", "No:", "no.", "asked for"]);
    let faster = page(WIDTH, &|cell| match cell.setting.net.hidden[0] {
        16 => (100, 20),
        _ => (100, 100),
    });
    let text = card(&faster);
    says(
        &text,
        &[
            "Fewest steps: one layer of 16",
            "median 69 steps; faster than one layer of 8",
            "not shown to be faster or slower than one layer of 8",
        ],
    );
    never(&text, &["; slower than"]);
}

/// The same study with the share asked for in so many words.
#[test]
fn a_share_that_is_written_is_answered() {
    let asked = format!(
        "{}\n",
        WIDTH.replace("[[compare]]", "[success]\nshare = 0.5\n\n[[compare]]")
    );
    let text = card(&page(&asked, &|_| (100, 100)));
    says(
        &text,
        &[
            "One layer of 8: yes. On 100 of 100 random training sets",
            "50 % asked for",
        ],
    );
    never(&text, &["Fewest steps"]);
}

/// Every value that is told has its line, and the last one what repairs it.
#[test]
fn every_dimension_that_is_told_has_its_line() {
    let does = |cell: &Cell| match (cell.dim(), cell.setting.net.hidden[0]) {
        (15, _) => (100, 100),
        (5, _) => (100, 300),
        (_, 4) => (30, 800),
        (_, 8) => (100, 500),
        _ => (100, 50),
    };
    let text = card(&page(DIMENSION, &does));
    says(
        &text,
        &[
            "d = 15: yes. On 100 of 100 random training sets the loss gets below 1e-8",
            "d = 5: yes. 100 of 100",
            "d = 2: no. 30 of 100",
            "What repairs it: d = 2, one layer of 32: 100 of 100 (96.3–100 %), median 99 steps; 2 \
             of 2 tried on these data reach 80 %.",
        ],
    );
    let none = |cell: &Cell| {
        if cell.dim() == 2 {
            (30, 800)
        } else {
            (100, 100)
        }
    };
    never(&card(&page(DIMENSION, &none)), &["repairs"]);
    let fine = card(&page(DIMENSION, &|_| (100, 100)));
    says(&fine, &["d = 2: yes. 100 of 100"]);
    never(&fine, &["repairs", "no."]);
    let worse = |cell: &Cell| {
        if cell.dim() == 15 {
            (10, 100)
        } else {
            (100, 100)
        }
    };
    says(
        &card(&page(DIMENSION, &worse)),
        &["d = 15: no. On 10 of 100"],
    );
}

/// One run is told as one run, and many like it beside it: "Undecided: 1 of 1" answered nothing.
#[test]
fn one_run_is_told_with_the_many_like_it() {
    let text = card(&page(ONE, &|cell| (cell.setting.replicates.at_most(), 200)));
    says(
        &text,
        &[
            "This run gets below 1e-8 at step 200.",
            "Yes. On 100 of 100 random training sets",
        ],
    );
    never(&text, &["ndecided", "1 of 1"]);
    let text = card(&page(ONE, &|_| (0, 200)));
    says(
        &text,
        &[
            "This run does not get below 1e-8 within 1000 steps",
            "No. On 0 of 100",
        ],
    );
}

/// What others published comes before all else, and says when it is not found.
#[test]
fn a_study_with_claims_is_answered_by_them() {
    let claimed = format!("{DIMENSION}{CLAIM}");
    let text = card(&page(&claimed, &|_| (100, 100)));
    says(
        &text,
        &[
            "Of 1 published number, 1 is found again here",
            "found again. Here 1",
        ],
    );
    never(&text, &["Fewest", "d = 15: yes"]);
    let text = card(&page(&claimed, &|_| (10, 100)));
    says(
        &text,
        &["0 are found again here; 1 is not", "not found. Here 0.1"],
    );
}
