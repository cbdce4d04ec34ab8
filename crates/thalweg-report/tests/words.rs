//! What the report says follows from the numbers: a made-up run and its opposite.

mod made_up;
mod paragraphs;

use thalweg::analysis::Analysis;
use thalweg::decide::{Choice, choose};
use thalweg::engine::cpu::Cpu;
use thalweg::lab::{Control, train};
use thalweg::plan::Plan;
use thalweg::record::{Observation, Outcome, Record};
use thalweg::{Inputs, Source};
use thalweg_report::page::{Block, Page};

use paragraphs::paragraphs;

fn source(text: &str) -> Source {
    Source {
        name: "test.toml".into(),
        text: text.into(),
        folder: ".".into(),
    }
}

fn plan(text: &str) -> Plan {
    source(text)
        .plan(&Inputs::default())
        .expect("the study of a test is right")
}

const STUDY: &str = r#"
title = "Made up"
replicates = 100

[data]
points = 4
dim = 15

[net]
hidden = [4]
activation = "tanh"

[descent]
rate = 0.01
steps = 1000

[success]
share = 0.8

[[compare]]
name = "Input dimension"
"data.dim" = [15, 5, 2]

[[compare]]
name = "Activation"
"net.activation" = ["tanh", "relu"]

[[compare]]
name = "d = 2: width"
"data.dim" = [2]
"net.hidden" = [[4], [8]]
"#;

/// What a cell is made to do: how many of a hundred get below, when, and the smallest eigenvalue of
/// their kernels; the largest is 1.
#[derive(Clone, Copy)]
struct Does {
    reach: u64,
    step: u64,
    lambda: f64,
}

fn record(does: Does, hash: &str) -> Record {
    let look = |r: u64, step: u64| Observation {
        replicate: r,
        step,
        loss: 4.0,
        eigenvalues: Some(vec![does.lambda, 0.3, 0.6, 1.0]),
        two_point_bound: Some(1.5 * does.lambda),
        coefficients: Some(vec![1.0; 4]),
        start_coefficients: Some(vec![1.0; 4]),
        kernel_moved: Some(if step == 0 { 0.0 } else { 0.2 }),
        sharpness: Some(2.0),
        dead_units: Some(0),
        gradient_norm: Some(0.1),
        ..Observation::default()
    };
    let hit = |r: u64| (r < does.reach).then_some(does.step + r);
    let rows = (0..100).map(|r| made_up::row(r, hit(r)));
    // The last ones, so that failures are among them.
    let looks = (0..100).flat_map(|r| [look(r, 0), look(r, 900)]);
    made_up::record(hash, rows.collect(), looks.collect())
}

/// The page of a run in which the cells at d = 15, 5, 2 do this, ReLU does that, and width 8 at d =
/// 2 that.
fn report(dims: [Does; 3], relu: Does, wide: Does) -> Page {
    let plan = plan(STUDY);
    let of = |cell: &thalweg::plan::Cell| {
        let tanh = cell.setting.net.activation.name() == "tanh";
        match (cell.dim(), tanh, cell.setting.net.hidden[0]) {
            (15, false, _) => relu,
            (15, true, _) => dims[0],
            (5, ..) => dims[1],
            (_, _, 4) => dims[2],
            _ => wide,
        }
    };
    let records: Vec<Record> = plan.cells.iter().map(|c| record(of(c), &c.hash)).collect();
    let run = Analysis::of(&plan, &records, 1);
    thalweg_report::page("runs/made-up", &run, &[], &["provenance".into()])
}

/// All paragraphs of a section, those of its parts too.
fn section(page: &Page, title: &str) -> String {
    let sections = page.sections.iter().chain(&page.appendix);
    let found: Vec<_> = sections.filter(|s| s.title.contains(title)).collect();
    assert!(!found.is_empty(), "no section {title}");
    let all: Vec<String> = found.iter().flat_map(|s| paragraphs(&s.blocks)).collect();
    all.join("\n")
}

/// All paragraphs of the story.
fn story(page: &Page) -> String {
    let inside = page.sections.iter().flat_map(|s| &s.blocks);
    let texts = inside.filter_map(|block| match block {
        Block::Text(text) => Some(text),
        Block::Part(_) | Block::List(_) | Block::Table(_) | Block::Figure(_) | Block::Code(_) => {
            None
        }
    });
    let all: Vec<&str> = page.more.iter().chain(texts).map(String::as_str).collect();
    all.join("\n")
}

fn does(reach: u64, step: u64, lambda: f64) -> Does {
    Does {
        reach,
        step,
        lambda,
    }
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

#[test]
fn the_page_says_what_happened() {
    let page = report(
        [
            does(100, 100, 0.1),
            does(100, 400, 0.01),
            does(30, 900, 1e-4),
        ],
        does(60, 200, 0.1),
        does(100, 300, 0.1),
    );
    says(
        &page.answer,
        &["d = 15: yes. On 100 of 100", "96.3–100 %", "80 % asked for"],
    );
    let more = story(&page);
    says(
        &more,
        &[
            "From d = 15 down to 2 it gets worse.",
            "d = 5 instead of 15: success is not shown to differ, but it is slower",
            "d = 2 instead of 15: worse. 30 of 100",
            "What goes with it: the points crowd",
            "tells near points apart less well",
            "falls by a factor of 1000",
        ],
    );
    let others = section(&page, "What other choices do");
    says(
        &others,
        &[
            "1 of them succeeds significantly less often than its reference (p < .05, corrected by \
             Holm within each comparison), and none more often",
            "tanh reaches 80 % with the whole interval; ReLU does not.",
            "less often successful: ReLU",
        ],
    );
    let here = section(&page, "t d = 2");
    says(
        &here,
        &[
            "succeed significantly more often",
            "one layer of 8 (d = 2: width;",
            "1 of the 2 settings reaches 80 %",
        ],
    );
    never(
        &here,
        &["nothing that was tried", "Significantly less often"],
    );
    let surprises = section(&page, "What surprised us");
    never(&surprises, &["succeeds less often than d ="]);
}

/// The condition of the kernels tells members apart, or it does not; a theorem that asks for more
/// than there is is called vacuous.
#[test]
fn theorems_and_conditions_are_measured_against_the_run() {
    let base = [does(100, 100, 0.1), does(100, 400, 0.01)];
    let with =
        |small: Does, wide: Does| report([base[0], base[1], small], does(60, 200, 0.1), wide);
    let page = with(does(30, 900, 1e-4), does(100, 300, 0.1));
    says(
        &section(&page, "t d = 2"),
        &[
            "λmin and κ = λmax/λmin of 1e-4 and 10000 for one layer of 4 and 0.1 and 10 for \
             one layer of 8",
            "Of the one pair whose success is apart, the better one has the smaller κ.",
        ],
    );
    let page = with(does(30, 900, 0.1), does(100, 300, 1e-4));
    says(
        &section(&page, "t d = 2"),
        &["Of the one pair whose success is apart, the better one has the larger κ."],
    );
    let page = with(does(100, 900, 0.1), does(100, 300, 1e-4));
    let text = section(&page, "t d = 2");
    says(&text, &["No two members' success is far enough apart"]);
    // A choice among activations has no such sentence, and tanh no dead layers.
    never(&section(&page, "What other choices do"), &["λmin and κ"]);
    never(&text, &["Some layer of ReLU"]);
    // 4 points, 4 · 15 + 4 + 4 + 1 parameters.
    says(
        &section(&page, "heory"),
        &[
            "Capacity: 69 parameters for 4 points, 17.2 a point. Counting does not forbid a fit.",
            "converge with probability 80 % from a width of n⁶/(λ₀⁴ δ³)",
            "The narrowest layer here has 4: the theorem is vacuous for it",
        ],
    );
}

#[test]
fn of_the_opposite_it_says_the_opposite() {
    let page = report(
        [
            does(30, 900, 1e-4),
            does(100, 400, 0.01),
            does(100, 100, 0.1),
        ],
        does(100, 200, 0.1),
        does(40, 300, 1e-4),
    );
    says(
        &page.answer,
        &["d = 15: no. On 30 of 100", "21.9–39.6 %", "80 % asked for"],
    );
    let more = story(&page);
    says(
        &more,
        &[
            "From d = 15 down to 2 it gets better.",
            "d = 5 instead of 15: better. 100 of 100",
            "d = 2 instead of 15: better. 100 of 100",
            "tells near points apart better",
            "rises by a factor of 1000",
        ],
    );
    never(
        &more,
        &["worse", "less well", "eigenvalue falls", "falls by"],
    );
    let others = section(&page, "What other choices do");
    says(
        &others,
        &[
            "none succeeds significantly less often than the reference (p < .05, corrected by Holm \
             within each comparison); more often: ReLU (Activation)",
            "ReLU reaches 80 % with the whole interval; tanh does not.",
            "more often: ReLU",
        ],
    );
    let here = section(&page, "t d = 2");
    says(
        &here,
        &[
            "nothing that was tried succeeds significantly more often",
            "Significantly less often: one layer of 8",
        ],
    );
    let surprises = section(&page, "What surprised us");
    says(&surprises, &["d = 15 succeeds less often than d = 5"]);
}

#[test]
fn a_kernel_that_points_the_other_way_is_said_to() {
    let page = report(
        [
            does(100, 100, 1e-4),
            does(100, 400, 0.01),
            does(30, 900, 0.1),
        ],
        does(100, 100, 0.1),
        does(30, 900, 0.1),
    );
    let more = story(&page);
    says(
        &more,
        &[
            "it gets worse",
            "The initial kernel says the opposite of what happened",
            "rises by a factor of 1000",
        ],
    );
    never(&more, &["Why:"]);
    let others = section(&page, "What other choices do");
    says(
        &others,
        &["None of them succeeds significantly more or less often"],
    );
}

#[test]
fn no_difference_is_said_to_be_none() {
    let same = does(90, 100, 0.1);
    let page = report([same; 3], same, same);
    let more = story(&page);
    says(
        &more,
        &[
            "it is not shown to get better or worse",
            "d = 2 instead of 15: not shown to differ",
        ],
    );
    says(
        &section(&page, "t d = 2"),
        &["nothing that was tried succeeds significantly more often"],
    );
}

#[test]
fn references_are_those_of_what_was_used() {
    let same = does(90, 100, 0.1);
    let page = report([same; 3], same, same);
    let method = section(&page, "Method");
    says(
        &method,
        &[
            "arXiv:1806.07572",
            "arXiv:1902.06720",
            "Wilson 1927",
            "Kaplan",
            "McNemar",
        ],
    );
    // No catapult was seen.
    never(&method, &["arXiv:2003.02218"]);

    // Neither a comparison nor a kernel: nothing of either is cited.
    let text = STUDY.split("[[compare]]").next().expect("the base cell");
    let plan = plan(text);
    let records = [Record {
        looks: Vec::new(),
        ..record(same, &plan.cells[0].hash)
    }];
    let page = thalweg_report::page("r", &Analysis::of(&plan, &records, 1), &[], &[]);
    let method = section(&page, "Method");
    says(&method, &["Wilson 1927"]);
    never(
        &method,
        &["1806.07572", "Kaplan, Meier", "McNemar 1947", "2103.00065"],
    );
}

/// A few quick successes among many that never come: begin again. All alike: go on.
#[test]
fn restarting_is_advised_where_it_is_cheaper() {
    let lucky = report(
        [does(30, 20, 0.1), does(30, 900, 0.01), does(30, 900, 1e-4)],
        does(60, 200, 0.1),
        does(100, 300, 0.1),
    );
    // Whoever has one training set cannot draw another: it is said what is drawn anew.
    says(
        &section(&lucky, "The choice, and why"),
        &[
            "Restarting is cheaper than going on",
            "begun again with a new training set and new weights",
            "Every other replicate chose the cutoff",
            "Whether new weights on the same training set would do is another question",
            "corrected by Holm for the",
        ],
    );
    let alike = report(
        [
            does(100, 800, 0.1),
            does(30, 900, 0.01),
            does(30, 900, 1e-4),
        ],
        does(60, 200, 0.1),
        does(100, 300, 0.1),
    );
    never(
        &section(&alike, "The choice, and why"),
        &["Restarting is cheaper"],
    );
}

/// Success that rises with the dimension crosses the share on the way up, success that falls on the
/// way down, and success that does neither crosses nothing.
#[test]
fn a_threshold_is_told_with_its_direction() {
    let at = |far: u64, middle: u64, near: u64| {
        let dims = [
            does(far, 100, 0.1),
            does(middle, 400, 0.01),
            does(near, 900, 1e-4),
        ];
        let page = report(dims, does(60, 200, 0.1), does(100, 300, 0.1));
        section(&page, "Why the input dimension matters")
    };
    says(
        &at(97, 70, 10),
        &[
            "Success rises with the input dimension: the observed share crosses 80 % between 5 \
             and 15",
        ],
    );
    says(
        &at(10, 70, 97),
        &[
            "Success falls with the input dimension: the observed share crosses 80 % between 2 \
             and 5",
        ],
    );
    never(&at(97, 10, 97), &["share crosses"]);
    never(&at(100, 100, 100), &["share crosses"]);
    says(
        &at(100, 100, 0),
        &["the probability does so between 2 and 5"],
    );
}

/// Steps that follow the training set, the initial weights, or neither.
#[test]
fn the_page_says_what_the_spread_comes_from() {
    let plan = plan(
        "title = \"Crossed\"\n[data]\ndim = 15\npoints = 4\ndraw = { sets = 10, weights = 10 }\n\
         [descent]\nsteps = 1000\n",
    );
    let why = |of: &dyn Fn(u64, u64) -> u64| {
        let mut record = record(does(100, 100, 0.1), &plan.cells[0].hash);
        for row in &mut record.rows {
            let step = of(row.replicate % 10, row.replicate / 10);
            row.outcome = Outcome::Below { step };
        }
        let records = [record];
        let run = Analysis::of(&plan, &records, 1);
        section(&thalweg_report::page("runs/crossed", &run, &[], &[]), "Why")
    };
    let data = why(&|set, weights| 100 + 50 * set + weights);
    says(
        &data,
        &[
            "10 training sets were crossed with 10 initial weights",
            "Mostly the data decide",
        ],
    );
    let weights = why(&|set, weights| 100 + set + 50 * weights);
    says(&weights, &["Mostly the initial weights decide"]);
    // Each with a combination of about its own size.
    let mixed = |a: u64, b: u64| 100 + 50 * ((3 * a + b) % 10);
    let data_most = why(&|set, weights| 60 * set + mixed(set, weights));
    says(
        &data_most,
        &["The training set decides more than the initial weights;"],
    );
    let weights_most = why(&|set, weights| 60 * weights + mixed(set, weights));
    says(
        &weights_most,
        &["The initial weights decide more than the training set;"],
    );
    says(
        &data,
        &["success goes from 100 % to 100 % over the training sets"],
    );
    let both = why(&|set, weights| 100 + 50 * ((3 * set + weights) % 10));
    says(&both, &["it is the combination"]);
    for (text, others) in [(&data, "initial weights decide"), (&both, "Mostly")] {
        never(text, &[others]);
    }
}

/// A theory that expects what happens is calibrated; one that expects too little is said to.
#[test]
fn the_page_says_on_which_side_predictions_err() {
    let text = |reach: u64, lambda: f64| {
        let all = does(reach, 100, lambda);
        section(&report([all; 3], all, all), "heory")
    };
    // Rate 0.01, loss Σ r²: a smallest eigenvalue of 0.5 takes 1000 steps and more, one of 10 takes
    // few.
    says(
        &text(100, 1e-4),
        &[
            "own initial kernels expect within the budget is off by 100 %",
            "too low by 100 %",
        ],
    );
    says(&text(0, 0.9), &["on neither side"]);
}

const SPACE: &str = r#"
seed = 3
data = { points = 4, dim = 6 }
net = { hidden = [8], activation = "tanh", init = "xavier_normal" }
descent = { rate = { of_limit = 0.5 }, steps = 3000, precision = "f64" }
success = { loss_below = 1e-6, share = 0.8 }

[space]
cost = "parameter_steps"
race = 200
"net.hidden" = [[8], [24]]
"descent.rate" = [{ of_limit = 0.5 }, { of_limit = 0.02 }, { of_limit = 4.0 }]
"#;

/// The page says what was chosen, or the opposite.
#[test]
fn the_report_tells_what_was_chosen() {
    let control = Control::default();
    let asked = source(SPACE);
    let plans = asked.choices(&Inputs::default()).expect("it is right");
    let space = asked
        .study()
        .expect("it is right")
        .space
        .expect("it has one");
    let made = choose(&space, &plans, &Cpu::detect(), 2, &control);
    let mut made = made.expect("it is right");
    let plan = plan(SPACE);
    let records = [train(&plan.cells[0], &Cpu::detect(), 2, &control).expect("nothing stops it")];
    let told = |choices: Vec<Choice>| {
        let run = Analysis::of(&plan, &records, 2);
        let page = thalweg_report::page("r", &run, &choices, &[]);
        serde_json::to_string(&(page.sections, page.appendix)).expect("it is plain data")
    };
    let winner = made[0].winner.expect("something is certified");
    // Named by what differs among the candidates.
    let label = thalweg_report::words::decision::name(&made[0], &made[0].candidates[winner]);
    assert!(
        label.starts_with("one layer of ") && label.ends_with(" of the limit"),
        "{label}"
    );
    let text = told(made.clone());
    assert!(text.contains(&format!("took “{label}”")), "{text}");
    assert!(text.contains("the cheapest of 6 candidates that could be certified"));
    assert!(text.contains("Why each candidate won or lost"));
    // Every loser says why.
    for candidate in &made[0].candidates {
        let why = thalweg_report::words::decision::fate(&made[0], candidate);
        assert!(!why.is_empty() && text.contains(&why), "{why}");
    }
    made[0].winner = None;
    made[0].attempts.clear();
    let text = told(made);
    assert!(text.contains("found none of 6 candidates that could be certified"));
    assert!(!text.contains(&format!("took “{label}”")));
    assert!(!told(Vec::new()).contains("thalweg choose"));
}

/// Any list of dimensions, and any other number, gets the explanation that 15, 5 and 2 get.
#[test]
fn any_number_is_explained_as_the_dimension_is() {
    let change = |key: &str, values: &str| {
        let text = format!(
            "title = \"t\"\n[data]\npoints = 4\ndim = 12\n[net]\nhidden = [4]\n[descent]\n\
             rate = 0.01\nsteps = 1000\n[[compare]]\nname = \"x\"\n\"{key}\" = {values}\n"
        );
        let plan = plan(&text);
        let last = plan.cells.len() - 1;
        let records: Vec<Record> = (plan.cells.iter())
            .map(|c| {
                let worse = does(30, 900, 1e-4);
                let better = does(100, 100, 0.1);
                record(if c.number == last { worse } else { better }, &c.hash)
            })
            .collect();
        let page = thalweg_report::page("r", &Analysis::of(&plan, &records, 1), &[], &[]);
        story(&page)
    };
    says(
        &change("data.dim", "[12, 6, 3]"),
        &[
            "From d = 12 down to 3 it gets worse.",
            "d = 6 instead of 12",
            "d = 3 instead of 12: worse. 30 of 100",
            "What goes with it: the points crowd",
        ],
    );
    says(
        &change("net.hidden", "[[4], [8], [16]]"),
        &[
            "From one layer of 4 up to one layer of 16 it gets worse.",
            "One layer of 8 instead of one layer of 4",
            "What goes with it: from one layer of 4 to one layer of 16 the tangent kernel's \
             smallest eigenvalue",
        ],
    );
}

/// Two shares whose intervals overlap were "not less reliable": 100 against 94 of the same draws
/// are apart by McNemar's test, and of 100 against 96 no more is said than that they are not shown
/// to differ, with the difference and its p.
#[test]
fn overlapping_intervals_are_no_equality() {
    let against = |reach: u64| {
        let dims = [
            does(100, 100, 0.1),
            does(reach, 100, 0.1),
            does(0, 900, 1e-4),
        ];
        story(&report(dims, does(60, 200, 0.1), does(100, 300, 0.1)))
    };
    says(
        &against(94),
        &[
            "d = 5 instead of 15: worse. 94 of 100",
            "a difference of −6 %",
            "p = .031",
        ],
    );
    let close = against(96);
    says(
        &close,
        &[
            "d = 5 instead of 15: not shown to differ. 96 of 100",
            "a difference of −4 %",
            "p = .125",
        ],
    );
    never(&close, &["not less reliable", "neither better nor worse"]);
}

/// Replicates that do not get there were left out of the ratio, and so the slow ones were.
#[test]
fn the_ratio_of_steps_counts_those_that_do_not_get_there() {
    let of = |reach: u64| {
        let dims = [
            does(100, 100, 0.1),
            does(100, 100, 0.1),
            does(reach, 300, 0.1),
        ];
        story(&report(dims, does(60, 200, 0.1), does(100, 300, 0.1)))
    };
    says(
        &of(30),
        &[
            "the median is beyond 1000 steps, > ",
            "times as many in the median of all 100 pairs",
            "in 70 one side does not get there, in 0 neither",
        ],
    );
    says(
        &of(70),
        &["times as many in the median of all 100 pairs (95 % interval"],
    );
}

const COUNTED: &str = r#"
title = "Counted"
replicates = 100
data = { points = 4, dim = 15 }
net = { hidden = [4] }
descent = { rate = 0.01, steps = 1000 }
[[compare]]
name = "Input dimension"
"data.dim" = [15, 5, 2]
[[compare]]
name = "Activation"
"net.activation" = ["tanh", "relu", "sin", "erf"]
[[compare]]
name = "Bias"
"data.dim" = [15, 5]
"net.bias" = [true, false]
"#;

/// "82 settings" and "85 others" were two populations: the counts of the page add up.
#[test]
fn counts_of_settings_add_up() {
    let plan = plan(COUNTED);
    let records: Vec<Record> = (plan.cells.iter())
        .map(|c| {
            let reach = if c.setting.net.activation.name() == "relu" {
                30
            } else {
                100
            };
            record(does(reach, 100, 0.1), &c.hash)
        })
        .collect();
    let page = thalweg_report::page("r", &Analysis::of(&plan, &records, 1), &[], &[]);
    // Base, three activations, one without biases.
    says(
        &section(&page, "The choice, and why"),
        &[
            "Of the 5 settings",
            "the base cell among them, 4 are reliable",
            "1 is not, 0 are",
        ],
    );
    says(
        &section(&page, "What other choices do"),
        &[
            "6 other settings in 2 comparisons were tried beside the base cell",
            "Of the 4 with training sets of the same law and the same loss asked for, 3 reach",
            "1 misses it, 0 are undecided; of the 2 others, 2 reach",
        ],
    );
}

/// The interval for a number that was fixed beforehand is too narrow where the outcomes decided
/// when to stop.
#[test]
fn a_cell_that_stopped_when_it_was_decided_has_no_wilson_interval() {
    let fixed = plan("replicates = 100\ndata = { points = 4, dim = 15 }\nnet = { hidden = [4] }\n");
    let until = plan(
        "replicates = { until_decided = { at_most = 100 } }\n\
         data = { points = 4, dim = 15 }\nnet = { hidden = [4] }\n",
    );
    let page = |plan: &Plan| {
        let records = [record(does(97, 100, 0.1), &plan.cells[0].hash)];
        let page = thalweg_report::page("r", &Analysis::of(plan, &records, 1), &[], &[]);
        let method = section(&page, "Method");
        (page.answer, method)
    };
    let (answer, method) = page(&fixed);
    says(&answer, &["95 % interval 91.5–99 %"]);
    says(&method, &["Wilson 1927"]);
    let (answer, method) = page(&until);
    says(
        &answer,
        &["bounds that hold whatever made it stop, each at 95 %"],
    );
    never(&answer, &["91.5"]);
    says(
        &method,
        &["Robbins, Siegmund 1974", "1 cell went on until decided"],
    );
    never(&method, &["Wilson"]);
}

/// Every family of questions is named once.
#[test]
fn the_page_counts_its_questions() {
    let same = does(90, 100, 0.1);
    let method = section(&report([same; 3], same, same), "Method");
    says(
        &method,
        &[
            "How many questions were asked",
            "the 4 tests of equal success within each of 3 comparisons",
            "2 pairs of neighbours along the leading number",
            "cells that were asked whether to restart",
            "5 intervals of success",
            "not corrected",
        ],
    );
}
