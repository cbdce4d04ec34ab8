//! What is said where there is a line for each thing, and its opposite.

use thalweg::analysis::effect::Effect;
use thalweg::study::{Compare, Replicates};
use thalweg::{Analysis, Control, Cpu, InMemory, Inputs, Plan, Setting, Study, data, lab};
use thalweg_report::words::brief::{found, others, partial, single};
use thalweg_report::{Part, brief};

fn study(replicates: u64, below: f64, compare: Vec<Compare>) -> Study {
    let mut setting = Setting {
        replicates: Replicates::Fixed(replicates),
        data: data::Data {
            points: 4,
            dim: 3,
            ..data::Data::default()
        },
        ..Setting::default()
    };
    setting.success.loss_below = below;
    setting.descent.steps = 200;
    Study {
        title: "In brief".into(),
        compare,
        ..Study::of(setting)
    }
}

fn analysis(study: &Study) -> Analysis {
    let plan = Plan::new(study, &Inputs::default()).expect("a study");
    let records = lab::run(&plan, &Cpu::detect(), 1, &InMemory, &Control::default());
    Analysis::of(&plan, &records.expect("it trains"), 1)
}

/// "1 of 1 replicates get below the loss: undecided" was the headline of a single run.
#[test]
fn a_single_run_is_told_as_one_and_its_like_only_if_there_are() {
    let many = || vec![Compare::new("many").vary("replicates", [30])];
    let reached = single(&analysis(&study(1, 1e3, many()))).expect("one run");
    assert!(
        reached.starts_with("This run got below 1000 at step 0."),
        "{reached}"
    );
    assert!(reached.contains("Of 30 such runs 100 % do"), "{reached}");
    let missed = single(&analysis(&study(1, 1e-30, many()))).expect("one run");
    assert!(
        missed.starts_with("This run did not get below 1e-30 within 200"),
        "{missed}"
    );
    assert!(missed.contains("Of 30 such runs 0 % do"), "{missed}");
    // Another rate is not the same run many times.
    let other = Compare::new("rate").vary("descent.rate", [0.002]);
    let other = vec![other.vary("replicates", [30])];
    let alone = single(&analysis(&study(1, 1e3, other))).expect("one run");
    assert!(
        alone.contains("one run cannot say") && !alone.contains("such runs 1"),
        "{alone}"
    );
    assert_eq!(single(&analysis(&study(2, 1e3, Vec::new()))), None);
}

/// A line for each comparison: success that differs, steps that do, nothing that does.
#[test]
fn a_comparison_is_told_by_the_most_that_it_shows() {
    let run = analysis(&study(
        30,
        1e-1,
        vec![
            Compare::new("same").vary("descent.precision", ["f64", "f32"]),
            Compare::new("too large").vary("descent.rate", [0.01, 10.0]),
        ],
    ));
    let [same, large] = [0, 1].map(|i| &run.comparisons[i]);
    assert_eq!(same.effect, Effect::Nothing);
    assert_eq!(found(&run, same), "no difference is shown");
    assert!(
        matches!(large.effect, Effect::Success { .. }),
        "{:?}",
        large.effect
    );
    let said = found(&run, large);
    assert!(said.contains("rate 10 0 of 30 (p < .001)"), "{said}");
    // What shows most comes first, and what is left out is counted.
    assert_eq!(run.strongest, [1, 0]);
    assert!(
        others(&run, &[1]).starts_with("1 more comparison, "),
        "{}",
        others(&run, &[1])
    );
}

/// The table is that of the comparison that the study leads with, else of its base cell.
#[test]
fn the_table_is_that_of_the_leading_comparison() {
    let dims = || Compare::new("d").vary("data.dim", [3, 2]);
    let other = || Compare::new("activation").vary("net.activation", ["relu"]);
    let led = brief(&analysis(&study(5, 1e-1, vec![other(), dims()])));
    let names: Vec<&str> = led.rows.iter().map(|r| r.texts[0].as_str()).collect();
    assert_eq!(names, ["d = 3", "d = 2"]);
    let answers: Vec<&str> = led.answer.iter().map(|a| a.lead.as_str()).collect();
    assert!(answers[0].starts_with("d = 3: ") && answers[1].starts_with("d = 2: "));
    assert_eq!(led.found.len(), 1);
    let alone = brief(&analysis(&study(5, 1e-1, Vec::new())));
    assert_eq!((alone.rows.len(), alone.found.len()), (1, 0));
    // Many members: the base cell and the first others.
    let many = Compare::new("d").vary("data.dim", [14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    let many = brief(&analysis(&study(5, 1e-1, vec![many])));
    assert_eq!((many.rows.len(), many.left_out), (10, 2));
    assert!(many.rows.iter().any(|r| r.texts[0] == "d = 3"));
}

#[test]
fn a_part_says_how_large_it_is() {
    let part = Part {
        finished: 2,
        cells: 12,
    };
    assert!(partial(part).starts_with("in part: 2 of 12 cells are finished"));
}
