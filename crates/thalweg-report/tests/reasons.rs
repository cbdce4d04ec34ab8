//! What the report says of reasons follows from the numbers: a made-up run and its opposite.

use thalweg::analysis::Analysis;
use thalweg::data::Nearest;
use thalweg::descent::Schedule;
use thalweg::plan::{Cell, Plan};
use thalweg::record::{Observation, Outcome, Record, Row, Tally};
use thalweg::{Inputs, Source};
use thalweg_report::page::{Block, Page};
use thalweg_report::{figures, tables};

const STUDY: &str = r#"
title = "Made up"
replicates = 100
data = { points = 6, dim = 15 }
net = { hidden = [4] }
descent = { rate = 0.01, steps = 10_000 }

[[compare]]
name = "Input dimension"
"data.dim" = [15, 5, 2]
"#;

const INTERVENTIONS: &str = r#"
[[compare]]
name = "one near pair"
"data.nearest" = ["as_drawn", { moved_pair = 0.2 }]

[[compare]]
name = "no near pairs"
"data.dim" = [2]
"data.nearest" = ["as_drawn", { at_least = 0.6 }]
"#;

const RATES: &str = r#"
[[compare]]
name = "d = 2: rate"
"data.dim" = [2]
"descent.rate" = [0.01, 0.02, 0.04]
"#;

const FALLS: &str = r#"
[[compare]]
name = "d = 2: a rate that falls"
"data.dim" = [2]
"descent.schedule" = ["constant", { multi_step = { milestones = [5000], gamma = 0.5 } }]
"#;

fn plan(text: &str) -> Plan {
    let source = Source {
        name: "test.toml".into(),
        text: text.into(),
        folder: ".".into(),
    };
    let plan = source.plan(&Inputs::default());
    plan.unwrap_or_else(|e| panic!("{e}"))
}

/// How many of a hundred get below, the step of the first, and λmin; λmax is 1.
#[derive(Clone, Copy)]
struct Does(u64, u64, f64);

fn record(Does(reach, step, lambda): Does, cell: &Cell) -> Record {
    let row = |r: u64| {
        let hit = (r < reach).then_some(step + r);
        Row {
            replicate: r,
            outcome: hit.map_or(Outcome::Spent, |step| Outcome::Below { step }),
            steps: hit.unwrap_or(10_000),
            first_below: hit,
            rate: 0.01,
            initial_loss: 4.0,
            best_loss: 1e-9,
            final_loss: 1e-9,
            judged: None,
            test_loss: None,
            test_accuracy: None,
        }
    };
    let look = |r: u64, step: u64| Observation {
        replicate: r,
        step,
        loss: 4.0,
        eigenvalues: Some(vec![lambda, 0.2, 0.3, 0.4, 0.6, 1.0]),
        two_point_bound: Some(0.2),
        coefficients: Some(vec![1.0; 6]),
        start_coefficients: Some(vec![1.0; 6]),
        kernel_moved: Some(if step == 0 { 0.0 } else { 0.2 }),
        sharpness: Some(2.0),
        ..Observation::default()
    };
    let rows: Vec<Row> = (0..100).map(row).collect();
    let mut tally = Tally::default();
    rows.iter().for_each(|row| tally.count(row));
    Record {
        hash: cell.hash.clone(),
        engine: "made up".into(),
        seconds: 1.0,
        tally,
        rows,
        looks: (0..100).flat_map(|r| [look(r, 0), look(r, 99)]).collect(),
        grid: vec![0, 10],
        quantiles: vec![[4.0; 3], [1.0; 3]],
        curves: Vec::new(),
        kept: Vec::new(),
    }
}

fn page(text: &str, does: &dyn Fn(&Cell) -> Does) -> Page {
    let plan = plan(text);
    let records: Vec<Record> = (plan.cells.iter()).map(|c| record(does(c), c)).collect();
    let run = Analysis::of(&plan, &records, 1);
    thalweg_report::page("runs/made-up", &run, &[], &[])
}

/// All paragraphs of a section of the story, and of the part of the appendix that goes on with
/// why.
fn section(page: &Page, title: &str) -> String {
    fn texts(blocks: &[Block], to: &mut Vec<String>) {
        for block in blocks {
            match block {
                Block::Text(text) => to.push(text.clone()),
                Block::List(items) => to.extend(items.iter().cloned()),
                Block::Part(part) if part.title.starts_with("Limits, larger rates") => {
                    texts(&part.blocks, to);
                }
                Block::Part(_) | Block::Table(_) | Block::Figure(_) | Block::Code(_) => {}
            }
        }
    }
    let found = page.sections.iter().find(|s| s.title.starts_with(title));
    let story = found.unwrap_or_else(|| panic!("no section {title}"));
    let mut all = Vec::new();
    texts(&story.blocks, &mut all);
    if title == "Why" {
        let detail = page
            .appendix
            .iter()
            .filter(|s| s.title.ends_with("in detail"));
        detail.for_each(|s| texts(&s.blocks, &mut all));
    }
    all.join("\n")
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[track_caller]
fn never(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(!text.contains(part), "{part:?} is in\n{text}");
    }
}

/// By dimension, and otherwise by what was done to the distances.
fn crowding(cell: &Cell, moved: Does, apart: Does) -> Does {
    let data = &cell.setting.data;
    match (data.nearest, data.dim) {
        (Nearest::MovedPair(_), _) => moved,
        (Nearest::AtLeast(_), _) => apart,
        (Nearest::AsDrawn, 15) => Does(100, 100, 0.1),
        (Nearest::AsDrawn, 5) => Does(100, 300, 0.01),
        (Nearest::AsDrawn, _) => Does(60, 5000, 1e-4),
    }
}

#[test]
fn crowding_is_called_a_cause_only_where_interventions_show_it() {
    let text = format!("{STUDY}{INTERVENTIONS}");
    // A near pair spoils d = 15, and d = 2 without near pairs is well.
    let shown = page(&text, &|c| {
        crowding(c, Does(30, 5000, 1e-3), Does(100, 1000, 1e-3))
    });
    let why = section(&shown, "Why");
    says(
        &why,
        &[
            "Why: the points crowd",
            "the tangent kernel tells near points apart as well",
            "Intervention at d = 15: the nearest two points are moved to 0.2 apart",
            "30 of 100 instead of 100 of 100 get there (p < .001)",
            "near points alone do harm. On a logarithmic scale that is 66.7 % of the change of \
             λmin",
            "Intervention at d = 2: points are drawn again until no two are nearer than 0.6",
            "it is near points that did harm. On a logarithmic scale that is 33.3 % of the change \
             of λmin",
            "So the nearness of points is a cause: from d = 15 to 2 it gets worse as they crowd.",
            "It is not all of it: without near points λmin is 100 times smaller than at d = 15, \
             and the median takes 7.04 times the steps.",
            // The same λmin, another fate.
            "λmin of the start does not decide on its own",
        ],
    );
    says(
        &section(&shown, "Why"),
        &["Why: the points crowd", "is a cause"],
    );

    // Neither changes anything.
    let not = page(&text, &|c| {
        crowding(c, Does(100, 100, 1e-3), Does(60, 5000, 1e-3))
    });
    let why = section(&not, "Why");
    says(
        &why,
        &[
            "What goes with it: the points crowd",
            "that near points do harm is not shown by it",
            "So the nearness of points is not shown to be why from d = 15 to 2 it gets worse.",
        ],
    );
    never(
        &why,
        &["is a cause", "Why: the", "did harm", "alone do harm"],
    );

    // One of them does.
    let one = page(&text, &|c| {
        crowding(c, Does(30, 5000, 1e-3), Does(60, 5000, 1e-3))
    });
    let why = section(&one, "Why");
    says(
        &why,
        &["What goes with it", "a cause of it in some of these cells"],
    );

    // The other way round: near points help.
    let help = page(&text, &|c| {
        crowding(c, Does(100, 20, 1e-3), Does(20, 5000, 1e-3))
    });
    let why = section(&help, "Why");
    says(&why, &["near points do no harm here, they help"]);
    never(&why, &["is a cause", "Why: the"]);

    // Nobody asked.
    let unasked = page(STUDY, &|c| crowding(c, Does(0, 0, 0.1), Does(0, 0, 0.1)));
    let why = section(&unasked, "Why");
    says(&why, &["What goes with it: the points crowd"]);
    never(&why, &["is a cause", "Why: the", "ntervention"]);
}

/// An intervention is no choice: it is not counted among what else was tried.
#[test]
fn interventions_are_not_counted_among_the_choices() {
    let text = format!("{STUDY}{INTERVENTIONS}");
    let page = page(&text, &|c| {
        crowding(c, Does(30, 5000, 1e-3), Does(100, 1000, 1e-3))
    });
    assert!(
        page.appendix
            .iter()
            .all(|s| s.title != "What other choices do")
    );
    let parts = page
        .appendix
        .iter()
        .flat_map(|s| &s.blocks)
        .filter_map(|b| match b {
            Block::Part(part) => Some(part.title.as_str()),
            Block::Text(_)
            | Block::List(_)
            | Block::Table(_)
            | Block::Figure(_)
            | Block::Code(_) => None,
        });
    let near = parts.filter(|title| title.contains("near pair"));
    assert_eq!(near.collect::<Vec<_>>(), ["one near pair", "no near pairs"]);
}

#[test]
fn the_smallest_eigenvalue_sets_the_pace_only_where_the_steps_follow_it() {
    let at = |far: Does| {
        let page = page(STUDY, &|c| match c.dim() {
            15 => Does(100, 100, 0.1),
            5 => Does(100, 300, 0.01),
            _ => far,
        });
        section(&page, "Why")
    };
    // Both medians are half a hundred above the first step.
    let set = at(Does(100, 5000, 0.003));
    says(
        &set,
        &["λmin sets the pace: the median takes 33.9 times the steps."],
    );
    let slow = at(Does(100, 5000, 2e-6));
    says(
        &slow,
        &["λmin does not set the pace: the median takes 33.9 times the steps, not 50000."],
    );
    never(&slow, &["λmin sets"]);
    // A median beyond the budget may be as late as one likes.
    never(
        &at(Does(10, 5000, 1e-6)),
        &["set the pace", "sets the pace"],
    );
}

/// N = 6: a linear fit is exact at d = 15 and 5, and two dimensions need degree 2.
#[test]
fn theory_of_the_smallest_eigenvalue_stands_in_one_figure_and_one_table() {
    let page = page(STUDY, &|c| match c.dim() {
        15 => Does(100, 100, 0.1),
        5 => Does(100, 300, 0.01),
        _ => Does(100, 900, 0.002),
    });
    says(
        &section(&page, "Why"),
        &[
            "That bound over λmin is 2.00 at d = 15, 20 at d = 5 and 100 at d = 2",
            "need a degree of 1 at d = 15, 1 at d = 5 and 2 at d = 2",
            "At d = 5 and d = 15 a linear fit is exact: there are no more points than the d + 1",
            "times that of the infinitely wide network on the same training sets",
        ],
    );
    let all = figures(&page);
    let figure = all.iter().find(|f| f.name == "smallest-eigenvalue");
    let plot = thalweg_report::plot::describe(&figure.expect("it is drawn").plot);
    for line in [
        "λmin, measured",
        "λmin at infinite width",
        "bound by two points",
        "nearest pair",
        "its law, as N^(−2/d)",
        "degree needed",
    ] {
        says(&plot, &[line]);
    }
    let all = tables(&page);
    let table = all.iter().find(|t| t.name == "smallest-eigenvalue");
    let rows = &table.expect("it is there").rows;
    assert_eq!(rows.len(), 3);
    assert_eq!((rows[0][0].as_str(), rows[0][1].as_str()), ("2", "0.002"));
    assert_eq!(rows[0][7], "2");
}

#[test]
fn larger_rates_are_told_as_they_were_tried() {
    let text = format!("{STUDY}{RATES}");
    let at = |larger: Does| {
        let page = page(&text, &|c| {
            let rate = serde_json::to_value(c.setting.descent.rate).expect("a number");
            match (c.dim(), rate.as_f64()) {
                (2, Some(rate)) if rate > 0.01 => larger,
                _ => crowding(c, Does(0, 0, 0.1), Does(0, 0, 0.1)),
            }
        });
        section(&page, "Why")
    };
    let better = at(Does(90, 1000, 1e-4));
    says(
        &better,
        &[
            "A larger constant rate does better at d = 2 (tried: 0.02 and 0.04)",
            "has 90 of 100, median 1049 against 60 of 100, median 5049 at 0.01",
        ],
    );
    says(
        &at(Does(10, 9000, 1e-4)),
        &["Larger constant rates at d = 2 (0.02 and 0.04) do worse"],
    );
    says(
        &at(Does(60, 5000, 1e-4)),
        &["are not shown to do better or worse"],
    );
    let page = page(STUDY, &|c| crowding(c, Does(0, 0, 0.1), Does(0, 0, 0.1)));
    never(
        &section(&page, "Why"),
        &["constant rate", "not available", "slow part"],
    );
}

#[test]
fn a_rate_that_falls_is_told_as_it_was_tried() {
    let text = format!("{STUDY}{FALLS}");
    let with = |falling: Does| {
        let page = page(&text, &|c| match c.setting.descent.schedule {
            Schedule::Constant => crowding(c, Does(0, 0, 0.1), Does(0, 0, 0.1)),
            Schedule::MultiStep { .. } | Schedule::Step { .. } => falling,
        });
        section(&page, "Why")
    };
    says(
        &with(Does(95, 5000, 1e-4)),
        &[
            "that changes on the way does better at d = 2 (1 schedule tried): it, × 0.5 from \
             step 5000 on, brings 95 of 100 below instead of 60 of 100.",
        ],
    );
    says(&with(Does(20, 9000, 1e-4)), &["does worse at d = 2"]);
    says(
        &with(Does(60, 5000, 1e-4)),
        &["is not shown to do better or worse at d = 2"],
    );
    let page = page(STUDY, &|c| crowding(c, Does(0, 0, 0.1), Does(0, 0, 0.1)));
    never(&section(&page, "Why"), &["changes on the way"]);
}

#[test]
fn the_authors_own_words_stand_on_the_page() {
    let with = |words: &str| {
        let page = page(&format!("{words}{STUDY}"), &|_| Does(100, 100, 0.1));
        section(&page, "The choice, and why")
    };
    let why =
        "why = \"\"\"\nA sine, because\nit is `cheap`.\n- one\n  thing\n- another\n\nEnd.\"\"\"\n";
    says(
        &with(&format!("{why}author = \"N. N.\"\n")),
        &["In the words of N. N.:\nA sine, because it is `cheap`.\none thing\nanother\nEnd.\n"],
    );
    says(&with(why), &["In the author's words:\nA sine"]);
    never(&with(""), &["words"]);
}
