//! Numbers and their nouns and verbs agree in everything that is said, whatever was run: none, one,
//! two or many of anything.

mod made_up;
mod paragraphs;

use thalweg::analysis::Analysis;
use thalweg::plan::Plan;
use thalweg::record::{Observation, Record};
use thalweg::{Inputs, Source};
use thalweg_report::page::Page;
use thalweg_report::{figures, tables};

use paragraphs::paragraphs;

/// What follows a number, of one and of more.
const NOUNS: [(&str, &str); 22] = [
    ("replicate", "replicates"),
    ("cell", "cells"),
    ("setting", "settings"),
    ("comparison", "comparisons"),
    ("other", "others"),
    ("run", "runs"),
    ("point", "points"),
    ("pair", "pairs"),
    ("failure", "failures"),
    ("step", "steps"),
    ("look", "looks"),
    ("layer", "layers"),
    ("unit", "units"),
    ("test", "tests"),
    ("prediction", "predictions"),
    ("set", "sets"),
    ("member", "members"),
    ("candidate", "candidates"),
    ("eigenvalue", "eigenvalues"),
    ("number", "numbers"),
    ("parameter", "parameters"),
    ("measurement", "measurements"),
];

/// Verbs of one and of more.
const VERBS: [(&str, &str); 10] = [
    ("is", "are"),
    ("was", "were"),
    ("does", "do"),
    ("has", "have"),
    ("reaches", "reach"),
    ("misses", "miss"),
    ("gets", "get"),
    ("fails", "fail"),
    ("holds", "hold"),
    ("succeeds", "succeed"),
];

/// Words after which a number is a name and no count: `d = 1`, `step 1`, `replicate 1`.
const NAMES: [&str; 12] = [
    "=",
    "step",
    "replicate",
    "cell",
    "number",
    "rate",
    "than",
    "by",
    "at",
    "of",
    "to",
    "and",
];

/// Where a number and the word after it do not agree.
fn disagreements(text: &str) -> Vec<String> {
    let text = text.replace(['\u{a0}', '\u{202f}', '`', '“', '”', '(', ')'], " ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    for (i, pair) in words.windows(2).enumerate() {
        let Ok(n) = pair[0].parse::<u64>() else {
            continue;
        };
        let before = i.checked_sub(1).map_or("", |at| words[at]);
        let word = pair[1].trim_matches(|c: char| !c.is_alphanumeric());
        // `d = 1 runs` is of a name; so is `at step 1 loss`.
        if before.ends_with('=') || ["step", "replicate", "cell", "number"].contains(&before) {
            continue;
        }
        let wrong = |(one, more): &(&str, &str)| if n == 1 { *more == word } else { *one == word };
        // `2 other settings`: the noun comes after.
        let next = words.get(i + 2).map_or("", |w| w);
        let adjective = word == "other" && NOUNS.iter().any(|(_, more)| next.starts_with(more));
        let noun = !adjective && NOUNS.iter().any(wrong);
        // A verb agrees with what is counted, if nothing else stands before the number.
        let verb = !NAMES.contains(&before) && before != "the" && VERBS.iter().any(wrong);
        if noun || verb {
            let from = i.saturating_sub(6);
            found.push(words[from..(i + 6).min(words.len())].join(" "));
        }
    }
    found
}

fn texts(page: &Page) -> Vec<String> {
    let mut all = vec![
        page.question.clone(),
        page.answer.clone(),
        page.choice.clone(),
    ];
    all.extend(page.lines.iter().chain(&page.more).cloned());
    let sections = page.sections.iter().chain(&page.appendix);
    all.extend(sections.flat_map(|section| paragraphs(&section.blocks)));
    all.extend(figures(page).into_iter().map(|f| f.caption.clone()));
    all.extend(tables(page).into_iter().map(|t| t.caption.clone()));
    all
}

fn record(reach: u64, of: u64, step: u64, hash: &str) -> Record {
    let look = |r: u64, step: u64| Observation {
        replicate: r,
        step,
        loss: 4.0,
        eigenvalues: Some(vec![0.01, 0.3, 0.6, 1.0]),
        two_point_bound: Some(0.02),
        coefficients: Some(vec![1.0; 4]),
        start_coefficients: Some(vec![1.0; 4]),
        kernel_moved: Some(if step == 0 { 0.0 } else { 0.2 }),
        sharpness: Some(2.0),
        dead_units: Some(1),
        gradient_norm: Some(0.1),
        ..Observation::default()
    };
    let rows = (0..of).map(|r| made_up::row(r, (r < reach).then_some(step + r)));
    let looks = (0..of.min(3)).flat_map(|r| [look(r, 0), look(r, 1), look(r, 900)]);
    made_up::record(hash, rows.collect(), looks.collect())
}

fn study(replicates: u64, dims: usize, widths: usize, claims: usize) -> String {
    let dims = &["15", "5", "2", "1"][..dims];
    let widths = &["[4]", "[8]", "[1]", "[2, 2]"][..widths];
    let claim =
        "[[claim]]\nwhat = \"success\"\nvalue = 0.5\nbetween = [0.2, 0.9]\nsource = \"one\"\n";
    format!(
        "title = \"Made up\"\nreplicates = {replicates}\ndata = {{ points = 4, dim = 15 }}\n\
         net = {{ hidden = [4] }}\ndescent = {{ rate = 0.01, steps = 1000 }}\n\
         success = {{ share = 0.8 }}\n\
         [[compare]]\nname = \"Input dimension\"\n\"data.dim\" = [{}]\n\
         [[compare]]\nname = \"Width\"\n\"net.hidden\" = [{}]\n\
         [[compare]]\nname = \"d = 2: width\"\n\"data.dim\" = [2]\n\"net.hidden\" = [{}]\n{}",
        dims.join(", "),
        widths.join(", "),
        widths.join(", "),
        claim.repeat(claims)
    )
}

/// Over none, one, two and many replicates that get there, members of comparisons, and claims.
#[test]
fn numbers_agree_with_their_nouns_and_verbs() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (replicates, dims, widths, claims) in [
        (1, 1, 1, 0),
        (1, 2, 2, 1),
        (2, 3, 1, 2),
        (2, 4, 4, 0),
        (3, 2, 3, 1),
        (40, 3, 2, 0),
        (40, 4, 4, 2),
        (41, 1, 2, 1),
    ] {
        let source = Source {
            name: "test.toml".into(),
            text: study(replicates, dims, widths, claims),
            folder: ".".into(),
        };
        let plan: Plan = source
            .plan(&Inputs::default())
            .unwrap_or_else(|e| panic!("{e}"));
        for pattern in 0..6u64 {
            let does = |place: usize| match (pattern + place as u64 * pattern) % 6 {
                0 => replicates,
                1 => 0,
                2 => 1,
                3 => replicates - 1,
                4 => replicates / 2,
                _ => 2.min(replicates),
            };
            let records: Vec<Record> = (plan.cells.iter().enumerate())
                .map(|(i, c)| record(does(i), replicates, 1 + 40 * i as u64, &c.hash))
                .collect();
            let run = Analysis::of(&plan, &records, 1);
            for text in texts(&thalweg_report::page("runs/made-up", &run, &[], &[])) {
                seen += 1;
                wrong.extend(disagreements(&text));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 1000, "{seen}");
}

/// The test finds what it is for.
#[test]
fn a_wrong_number_is_found() {
    for wrong in [
        "In all 1 replicates failed.",
        "Here 2 cell is.",
        "Only 1 reach 80 %",
        "5 is open",
    ] {
        assert_eq!(disagreements(wrong).len(), 1, "{wrong}");
    }
    for right in [
        "d = 1 runs on",
        "at step 1 steps begin",
        "1 of 2 replicates",
        "1 is open",
    ] {
        assert!(disagreements(right).is_empty(), "{right}");
    }
}
