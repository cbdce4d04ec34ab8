//! The built-in studies at reduced size show what they were written to show.

use thalweg::Inputs;
use thalweg::analysis::Analysis;
use thalweg::analysis::along::{Crowding, Pace};
use thalweg::analysis::comparison::Topic;
use thalweg::analysis::crossing::crossing as crosses;
use thalweg::analysis::findings::{Finding, Verdict};
use thalweg::analysis::intervention::Nearness;
use thalweg::data::Draw;
use thalweg::engine::cpu::Cpu;
use thalweg::lab::train;
use thalweg::plan::{Cell, Plan};
use thalweg::record::Record;
use thalweg::study::{Replicates, Source};

/// Trains every cell of a plan.
fn trained(plan: &Plan) -> Vec<Record> {
    let records = plan
        .cells
        .iter()
        .map(|cell| train(cell, &Cpu::detect(), 2, &crate::control()).expect("nothing stops it"));
    records.collect()
}

/// A built-in study with so many replicates a cell.
fn reduced(name: &str, replicates: u64) -> (Plan, Vec<Record>) {
    changed(name, replicates, &|_| {})
}

fn changed(name: &str, replicates: u64, change: &dyn Fn(&mut Cell)) -> (Plan, Vec<Record>) {
    let mut plan = Source::built_in(name)
        .expect("it is built in")
        .plan(&Inputs::default())
        .expect("it is right");
    for cell in &mut plan.cells {
        cell.setting.replicates = Replicates::Fixed(replicates);
        cell.setting.look.replicates = replicates;
        change(cell);
    }
    let records = trained(&plan);
    (plan, records)
}

/// What the assignment asks about the dimension, with 48 replicates, 6 × 6 crossed, and 6000 steps.
fn dimension_of_the_assignment() -> (Plan, Vec<Record>) {
    let source = Source::built_in("assignment").expect("it is built in");
    let mut study = source.study().expect("it is right");
    study.setting.replicates = Replicates::Fixed(48);
    study.setting.descent.steps = 6000;
    let kept = [
        "Input dimension",
        "d = 15 with one near pair",
        "d = 2 without near pairs",
        "Training sets crossed with initial weights",
        "d = 2: rate",
        "d = 2: rate decay",
    ];
    study.compare.retain(|c| kept.contains(&c.name.as_str()));
    assert_eq!(study.compare.len(), kept.len());
    for (key, values) in study.compare.iter_mut().flat_map(|c| &mut c.grid) {
        match key.as_str() {
            "replicates" => *values = vec![48.into()],
            "data.dim" => values.retain(|v| matches!(v.as_integer(), Some(20 | 15 | 5 | 2))),
            "data.draw" => {
                let crossed: toml::Table =
                    toml::from_str("sets = 6\nweights = 6").expect("it is TOML");
                *values = vec![crossed.into()];
            }
            "descent.schedule" => {
                let falls = "multi_step = { milestones = [4000], gamma = 0.5 }";
                let falls: toml::Table = toml::from_str(falls).expect("it is TOML");
                *values = vec!["constant".into(), falls.into()];
            }
            _ => {}
        }
    }
    let plan = Plan::new(&study, &Inputs::default()).expect("it is right");
    let records = trained(&plan);
    (plan, records)
}

/// Near points alone make training fail at d = 15, and their absence helps it at d = 2; λmin of the
/// start falls by far more than the steps grow; at d = 2 a larger rate is not worse, and one that
/// falls finishes runs that bounce.
#[test]
fn the_assignment_finds_by_interventions_that_near_points_do_harm() {
    let (plan, records) = dimension_of_the_assignment();
    let run = Analysis::of(&plan, &records, 2);
    let found = &run.interventions;
    assert_eq!(
        found.iter().map(|i| i.number).collect::<Vec<_>>(),
        [Some(15.0), Some(2.0)]
    );
    assert!(
        found.iter().all(|i| i.nearness == Nearness::Harms),
        "{found:#?}"
    );
    assert!((found[0].nearest[1] - 0.129).abs() < 1e-9);
    assert!(found[1].nearest[1] >= 0.45 && found[1].nearest[0] < 0.2);
    let topics = run
        .comparisons
        .iter()
        .filter(|c| c.topic == Topic::Intervention);
    assert_eq!(topics.count(), 2);
    let along = run.along.as_ref().expect("it leads with the dimension");
    assert_eq!(along.crowding, Crowding::Causes);
    assert_ne!(along.kernels.expect("it is looked at").pace, Pace::Set);
    assert_eq!(along.smallest.linear, [20.0]);
    let rates = along.larger_rates.as_ref().expect("they are tried");
    assert_eq!(rates.rates, [0.01, 0.02, 0.025]);
    let [reference, best] = [rates.reference, rates.best].map(|c| &run.cells[c]);
    assert!(best.share >= reference.share, "{rates:?}");
    // Half the rate for the last third finishes some of the runs that bounce at the edge.
    let [falls] = &along.scheduled[..] else {
        panic!("one schedule is tried: {:?}", along.scheduled);
    };
    let [reference, best] = [falls.reference, falls.best].map(|c| &run.cells[c]);
    assert!(best.successes > reference.successes, "{falls:?}");
    assert!(
        0 < falls.finished && falls.finished < falls.bouncing,
        "{falls:?}"
    );
    assert!(
        run.why
            .as_ref()
            .is_some_and(|why| why.contains("Of which seed"))
    );
}

/// No kernel has a smaller eigenvalue than its two points allow: ½ min Θii + Θjj − 2 Θij ≥ λmin,
/// measured in every look.
#[test]
fn two_points_bound_the_smallest_eigenvalue() {
    let (_, records) = dimension_of_the_assignment();
    let looks = records.iter().flat_map(|r| &r.looks);
    let mut seen = 0;
    for look in looks {
        let values = look.eigenvalues.as_ref().expect("it is looked at");
        let bound = look.two_point_bound.expect("it is looked at");
        let noise = values.last().expect("there are points") * 1e-13;
        assert!(bound >= values[0] - noise, "{bound} below {}", values[0]);
        seen += 1;
    }
    assert!(seen > 500);
}

/// Replicates of a crossed design are not independent: they are not paired as if they were.
#[test]
fn a_crossed_cell_has_no_paired_test() {
    let (plan, records) = dimension_of_the_assignment();
    let run = Analysis::of(&plan, &records, 2);
    let crossed = run.comparisons.iter().find(|c| c.name.contains("crossed"));
    let crossed = crossed.expect("it is compared");
    assert!(crossed.members.iter().all(|m| m.paired.is_none()));
    assert!(crossed.better.is_empty() && crossed.worse.is_empty());
    for member in &crossed.members {
        let split = run.cells[member.cell]
            .split
            .as_ref()
            .expect("it is crossed");
        let share = run.cells[member.cell].share;
        for [low, high] in [split.by_set, split.by_weights] {
            assert!(low <= share && share <= high, "{split:?}");
        }
    }
}

fn findings(plan: &Plan, records: &[Record]) -> Vec<Finding> {
    Analysis::of(plan, records, 2).findings
}

fn named<'a>(all: &'a [Finding], name: &str) -> Vec<&'a Finding> {
    let of_theory = all.iter().filter(|f| !f.published());
    of_theory.filter(|f| f.name.contains(name)).collect()
}

/// Whether a measurement lies in its tolerance. A few replicates leave its interval wider than
/// that, and the verdict open.
fn inside(f: &Finding) -> bool {
    f.accepted.low <= f.measured && f.measured <= f.accepted.high
}

/// Nothing that was published is contradicted; so many at least are found again, with the interval
/// that so few replicates have.
#[track_caller]
fn published(all: &[Finding], at_least: usize) {
    let claims: Vec<&Finding> = all.iter().filter(|f| f.published()).collect();
    for f in &claims {
        assert_ne!(f.verdict, Verdict::Fails, "{f:?}");
    }
    let again = claims.iter().filter(|f| inside(f));
    assert!(again.count() >= at_least, "{claims:#?}");
}

fn edges(plan: &Plan, records: &[Record]) -> Vec<Finding> {
    let edge = |f: &Finding| f.source.contains("edge of stability");
    findings(plan, records).into_iter().filter(edge).collect()
}

/// At rates 0.2 and 0.1 the sharpness ends at 2/η; at 0.01 it never gets there and nothing is
/// claimed.
#[test]
fn the_sharpness_settles_at_the_edge_and_nowhere_else() {
    let (plan, mut records) = reduced("edge-of-stability", 3);
    let found = edges(&plan, &records);
    let base = found
        .iter()
        .find(|f| f.cell == 0)
        .expect("the base cell meets the edge");
    assert_eq!(base.verdict, Verdict::Holds, "{base:?}");
    assert!(base.band.low <= base.measured && base.measured <= base.band.high);
    let slow = plan
        .cells
        .iter()
        .find(|c| c.describe() == "rate = 0.01")
        .expect("it is compared");
    assert!(found.iter().all(|f| f.cell != slow.number), "{found:?}");
    assert!(found.len() >= 3, "{found:?}");
    // A sharpness that settles elsewhere is not called the edge.
    for look in &mut records[0].looks {
        look.sharpness = look.sharpness.map(|s| 1.1 * s);
    }
    let found = edges(&plan, &records);
    assert_eq!(
        found.iter().find(|f| f.cell == 0).map(|f| f.verdict),
        Some(Verdict::Fails)
    );
}

/// Descent follows Saxe's time courses, and its distance from flow is of first order.
#[test]
fn deep_linear_chains_follow_their_flow() {
    let (plan, mut records) = reduced("deep-linear", 1);
    let all = findings(&plan, &records);
    published(&all, 5);
    for name in ["as gradient flow takes", "of first order in the rate"] {
        let found = named(&all, name);
        assert_eq!(found.len(), plan.cells.len());
        assert!(
            found.iter().all(|f| f.verdict == Verdict::Holds),
            "{found:?}"
        );
    }
    // A path that is ten per cent late does not.
    for curve in &mut records[0].curves {
        curve.losses = (0..curve.losses.len())
            .map(|t| curve.losses[t * 10 / 11])
            .collect();
    }
    let all = findings(&plan, &records);
    let first = named(&all, "of first order in the rate");
    assert_eq!(first[0].verdict, Verdict::Fails, "{:?}", first[0]);
}

/// Periods double, chaos has a positive exponent, and everything escapes above 2.
#[test]
fn a_scalar_chain_goes_from_order_to_chaos_to_escape() {
    let (plan, records) = reduced("scalar-chaos", 1);
    let all = findings(&plan, &records);
    published(&all, 9);
    let periods = named(&all, "period of the loss at the end");
    assert!(periods.len() >= 28);
    assert!(
        periods.iter().all(|f| f.verdict == Verdict::Holds),
        "{periods:?}"
    );
    let exponents = named(&all, "Lyapunov exponent");
    for (period, exponent) in periods.iter().zip(&exponents) {
        assert_eq!(period.cell, exponent.cell);
        // What never repeats is chaos, and what repeats is not.
        assert_eq!(
            period.measured.is_infinite(),
            exponent.measured > 0.0,
            "{exponent:?}"
        );
    }
    let chaotic = exponents.iter().filter(|f| f.measured > 0.0).count();
    assert!(chaotic >= 10, "{chaotic}");
    let escaped: Vec<bool> = (named(&all, "share that escapes").iter())
        .map(|f| f.measured > 0.5)
        .collect();
    assert_eq!(escaped.iter().filter(|e| **e).count(), 1);
}

/// The inner layer moves by 1/n, the outer ones and the kernel more slowly.
#[test]
fn wide_networks_get_lazy_at_the_known_rates() {
    let (plan, records) = changed("lazy", 8, &|cell| {
        // The widest costs most and adds little.
        if cell.setting.net.hidden[0] > 256 {
            cell.setting.descent.steps = 600;
        }
    });
    let all = findings(&plan, &records);
    published(&all, 4);
}

/// Narrow networks fail, and at d = 2 more units are needed than at d = 15.
#[test]
fn success_rises_with_width_where_it_was_seen_to() {
    let (plan, records) = changed("capacity", 40, &|cell| {
        cell.setting.look.replicates = 4;
    });
    published(&findings(&plan, &records), 15);
    let run = Analysis::of(&plan, &records, 2);
    let crossing = |k: usize| {
        let at = plan.comparisons[k].numbers().expect("widths are numbers");
        crosses(&at, "net.hidden", &plan, (&records, &run.cells), 0.5).expect("it crosses")
    };
    let (at_15, at_2) = (crossing(0), crossing(2));
    // Widths are whole: between the largest with fewer successes and the next.
    assert!(at_15.at.high <= at_2.at.low, "{at_15:?} {at_2:?}");
}

/// The rates that people report are found again, and more hidden units never fail more often.
#[test]
fn xor_is_not_learned_as_often_as_people_report() {
    let (plan, records) = changed("xor", 300, &|cell| {
        cell.setting.look.replicates = 4;
        // Those that succeed do long before.
        cell.setting.descent.steps = cell.setting.descent.steps.min(50_000);
    });
    published(&findings(&plan, &records), 7);
    let run = Analysis::of(&plan, &records, 2);
    let share = |cell: usize| run.cells[cell].share;
    let by_units = plan.comparisons[0].members.iter().map(|m| share(m.cell));
    assert!(
        by_units.clone().is_sorted(),
        "{:?}",
        by_units.collect::<Vec<_>>()
    );
}

/// Kernel theory holds for ReLU at d = 15 and 5 and fails at d = 2, where the kernel has moved
/// most.
#[test]
fn kernel_theory_holds_in_high_dimension_and_stops_in_low() {
    let (plan, records) = changed("dimension", 16, &|cell| {
        cell.setting.descent.steps = 30_000;
    });
    let all = findings(&plan, &records);
    let of = |cell: usize| {
        let theory = named(&all, "hitting time over the linearised");
        (*theory
            .iter()
            .find(|f| f.cell == cell)
            .expect("it is predicted"))
        .clone()
    };
    let agrees = |f: &Finding| inside(f) && f.verdict != Verdict::Fails;
    let at = |label: &str| plan.cells.iter().find(|c| c.describe() == label);
    let number = |label: &str| at(label).expect("it is compared").number;
    assert!(agrees(&of(0)), "{:?}", of(0));
    assert!(
        agrees(&of(number("dim = 5"))),
        "{:?}",
        of(number("dim = 5"))
    );
    assert_ne!(of(number("dim = 2")).verdict, Verdict::Holds);
    // Before any weight is drawn: the mean kernel is that of infinite width, and at width 256 so
    // are the steps.
    let traces = named(&all, "mean trace of the initial kernel");
    assert_eq!(traces.len(), plan.cells.len());
    assert!(
        traces.iter().all(|f| f.verdict != Verdict::Fails),
        "{traces:?}"
    );
    let wide = number("hidden = [256, 256]");
    let infinite = named(&all, "the infinitely wide network's, within 25 %");
    let of_wide = infinite.iter().find(|f| f.cell == wide);
    assert!(of_wide.is_some_and(|f| agrees(f)), "{of_wide:?}");
    let run = Analysis::of(&plan, &records, 2);
    let moved = |label: &str| {
        let looked = run.cells[number(label)].looked.as_ref();
        looked.expect("it is looked at").kernel_moved
    };
    assert!(moved("dim = 2") > moved("dim = 5"));
}

/// A first layer of high frequency makes d = 2 fast, and low frequencies are learned first.
#[test]
fn high_frequencies_are_what_two_dimensions_lack() {
    let (plan, records) = reduced("frequency", 16);
    let all = findings(&plan, &records);
    published(&all, 2);
    let run = Analysis::of(&plan, &records, 2);
    let median = |c: usize| run.cells[c].steps.median.step.unwrap_or(u64::MAX);
    let gains = &plan.comparisons[0].members;
    assert!(20 * median(gains[0].cell) < median(gains[5].cell));
    let circle: Vec<u64> = (plan.comparisons[2].members.iter())
        .map(|m| median(m.cell))
        .collect();
    assert!(circle.is_sorted(), "{circle:?}");
}

/// Deep networks train at the border of order and chaos, and not far on either side.
#[test]
fn depth_is_limited_off_the_border() {
    let (plan, records) = changed("signal-propagation", 6, &|cell| {
        cell.setting.look.replicates = 0;
        cell.setting.descent.steps = 700;
    });
    published(&findings(&plan, &records), 1);
    let success = |k: usize| {
        let deepest = plan.comparisons[k]
            .members
            .last()
            .expect("depths are compared");
        records[deepest.cell].successes()
    };
    assert_eq!([success(0), success(1), success(2)], [6, 0, 0]);
}

/// The threshold of the number of points is where the authors of the study found it.
#[test]
fn narrow_networks_fit_as_many_points_as_was_published() {
    let (plan, records) = changed("convergence-high-dimension", 24, &|cell| {
        cell.setting.look.replicates = 0;
    });
    published(&findings(&plan, &records), 3);
}

/// A published number that is not ours is shown as failed, one that is ours as held, and one that
/// our interval does not tell from ours as open. A value in the range with an interval across its
/// end was said to hold.
#[test]
fn a_claim_that_does_not_hold_fails() {
    let study = |[value, high]: [f64; 2]| Source {
        name: "test.toml".into(),
        text: format!(
            "replicates = 40\n[data]\ndim = 15\n[net]\nhidden = [8]\n[descent]\nrate = 0.01\n\
             steps = 2000\n\
             [[claim]]\nwhat = \"steps\"\nvalue = {value}\nbetween = [{value}, {high}]\n\
             source = \"none\"\n"
        ),
        folder: ".".into(),
    };
    let judged = |between: [f64; 2]| {
        let plan = study(between)
            .plan(&Inputs::default())
            .expect("it is right");
        let records = trained(&plan);
        let all = findings(&plan, &records);
        let found = all.iter().find(|f| f.published()).expect("it is claimed");
        (found.verdict, found.measured)
    };
    let (verdict, measured) = judged([7.0, 7.0]);
    assert_eq!(verdict, Verdict::Fails);
    assert_eq!(judged([measured / 3.0, measured * 3.0]).0, Verdict::Holds);
    assert_eq!(judged([measured, measured]).0, Verdict::Open);
    assert_eq!(judged([measured * 1.001, 1e9]).0, Verdict::Open);
    assert_eq!(judged([measured / 2.0, measured * 1.001]).0, Verdict::Open);
}

/// Where every training set is the same, all of the variance is due to the weights; where every
/// start is, to the data.
#[test]
fn a_crossed_design_finds_the_source_of_the_variance() {
    let run = |text: &str| {
        let plan = crate::plan(text);
        let records = trained(&plan);
        let confronted = Analysis::of(&plan, &records, 2);
        (confronted.cells[0].clone(), plan.cells[0].clone())
    };
    let design = "draw = { sets = 6, weights = 5 }";
    let rest = "[descent]\nrate = { of_limit = 0.5 }\nsteps = 3000\n[net]\nhidden = [8]\n";
    let (weights, cell) = run(&format!(
        "[data]\n{design}\ndim = 1\ninputs = \"chebyshev\"\ntargets = {{ chebyshev = 2 }}\n\
         [success]\nloss_below = 1.0\n{rest}"
    ));
    assert!(matches!(cell.setting.data.draw, Draw::Crossed(_)));
    assert_eq!(weights.replicates, 30);
    let split = weights.split.expect("it is crossed");
    let steps = split.steps.expect("steps differ");
    assert!(steps.shares[1].0 > 0.999, "{steps:?}");
    let (data, _) = run(&format!(
        "[data]\n{design}\npoints = 4\ndim = 8\n[success]\nloss_below = 1e-2\n\
         {rest}init = {{ constant = 0.3 }}\n"
    ));
    let steps = data
        .split
        .expect("it is crossed")
        .steps
        .expect("steps differ");
    assert!(steps.shares[0].0 > 0.999, "{steps:?}");
    // Replicate r has set r mod 6 and weights r / 6 of the plain design.
    let cell = |draw: &str| {
        let source = Source {
            name: "test.toml".into(),
            text: format!("[data]\npoints = 4\n{draw}\n[net]\nhidden = [8]\n"),
            folder: ".".into(),
        };
        source.plan(&Inputs::default()).expect("it is right").cells[0].clone()
    };
    let (crossed, plain) = (cell(design), cell(""));
    assert_eq!(crossed.set(17), plain.set(5));
    assert_eq!(crossed.weights(17), plain.weights(2));
}
