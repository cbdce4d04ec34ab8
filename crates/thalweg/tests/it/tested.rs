//! What is measured at inputs that networks were not trained on, and what theory says there.

use thalweg::analysis::Analysis;
use thalweg::analysis::tested::{Limit, Tested};
use thalweg::data::Set;
use thalweg::engine::cpu::Cpu;
use thalweg::engine::reference::outputs;
use thalweg::lab;
use thalweg::plan::Cell;
use thalweg::record::{Outcome, Record};
use thalweg::{Error, Inputs};

use crate::{control, plan, source};

fn train(cell: &Cell) -> Record {
    lab::train(cell, &Cpu::detect(), 2, &control()).expect("nothing stops it")
}

fn analysed(text: &str) -> (Cell, Record, Tested) {
    let mut plan = plan(text);
    let record = train(&plan.cells[0]);
    let run = Analysis::of(&plan, std::slice::from_ref(&record), 2);
    let tested = run.cells[0].tested.clone().expect("there are test points");
    (plan.cells.remove(0), record, tested)
}

/// The training set as test set has the training loss, whatever the loss, the outputs and the
/// scale; twice of it too, since it counts as one.
#[test]
fn a_training_set_that_is_tested_has_its_own_loss() {
    for (loss, k) in [
        ("sum", 1),
        ("mean", 2),
        ("half_mean", 1),
        ("mean_logistic", 1),
    ] {
        for standardise in ["", "standardise = \"inputs\"\n"] {
            let (n, d) = (6, 2);
            let x: Vec<f64> = (0..n * d).map(|i| libm::sin(3.0 * i as f64)).collect();
            let y: Vec<f64> = (0..n * k)
                .map(|i| f64::from(u8::from(i % 3 == 0)))
                .collect();
            let set = |times: usize| Set {
                points: times * n,
                x: x.repeat(times),
                y: y.repeat(times),
            };
            let inputs = Inputs::default()
                .with_data("train", set(1))
                .and_then(|inputs| inputs.with_data("test", set(2)))
                .expect("both are finite");
            let text = format!(
                "replicates = 5\n[data]\nfile = \"train\"\n{standardise}[test]\nfile = \"test\"\n\
                 [net]\nhidden = [5]\n[descent]\nloss = \"{loss}\"\nrate = 0.05\nsteps = 40\n\
                 precision = \"f64\"\n"
            );
            let plan = source(&text).plan(&inputs).expect("it is right");
            let record = train(&plan.cells[0]);
            for row in &record.rows {
                let test = row.test_loss.expect("there are targets");
                let apart = (test / row.final_loss - 1.0).abs();
                assert!(apart < 1e-9, "{text} {test} {}", row.final_loss);
            }
            for look in &record.looks {
                let test = look.test_loss.expect("there are targets");
                assert!((test / look.loss - 1.0).abs() < 1e-12);
            }
            // Targets 0 and 1 are two classes.
            assert!(record.rows.iter().all(|row| row.test_accuracy.is_some()));
        }
    }
}

/// Outputs that are kept are those of the kept weights at the points that the cell says, by an
/// implementation of its own; a diverged network has an infinite loss there.
#[test]
fn outputs_at_test_points_are_those_of_the_weights() {
    let text = "replicates = 4\n[data]\npoints = 5\ndim = 2\ntargets = { cosine = 2 }\n\
                [net]\nhidden = [6, 4]\nactivation = \"tanh\"\n[descent]\nrate = 0.01\nsteps = 30\n\
                [keep]\nreplicates = 2\nweights = \"final\"\n[test]\npoints = 11\n";
    let (cell, record, tested) = analysed(text);
    assert_eq!((tested.points, tested.replicates), (11, 4));
    for kept in &record.kept {
        let set = cell
            .test_set(kept.replicate)
            .expect("there are test points");
        let ours = outputs(&cell.problem(), &kept.weights, &set.x);
        let found = kept.test_outputs.as_ref().expect("they are kept");
        assert_eq!(found.len(), 11);
        for (a, b) in ours.iter().zip(found) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        let y = set.y.expect("a cosine has targets everywhere");
        let square: f64 = ours.iter().zip(&y).map(|(f, y)| (f - y).powi(2)).sum();
        let row = &record.rows[kept.replicate as usize];
        let by_hand = cell.loss_factor() * square * 5.0 / 11.0;
        let test = row.test_loss.expect("there are targets");
        assert!((test / by_hand - 1.0).abs() < 1e-6, "{test} {by_hand}");
    }
    let (_, record, tested) = analysed(&text.replace("rate = 0.01", "rate = 100.0"));
    let diverged = |row: &&thalweg::record::Row| matches!(row.outcome, Outcome::Diverged { .. });
    assert_eq!(record.rows.iter().filter(diverged).count(), 4);
    assert!(
        record
            .rows
            .iter()
            .all(|row| row.test_loss == Some(f64::INFINITY))
    );
    assert!(tested.limits.is_empty());
}

/// Wide networks in the NTK parameterization do at other inputs what the NTK says, loss for loss:
/// the median ratio of observed over expected is 1 within its interval, or nearly. The Gaussian
/// process, which trains the last layer alone, is told apart.
#[test]
fn wide_networks_do_at_other_inputs_what_the_ntk_says() {
    let text = "replicates = 24\n[data]\npoints = 8\ndim = 3\ntargets = { cosine = 1 }\n\
                [net]\nhidden = [2048]\nactivation = \"erf\"\ninit = \"lecun_normal\"\n\
                bias_init = { normal = { std = 0.1 } }\nparameterization = \"ntk\"\n\
                [descent]\nloss = \"half_sum\"\nrate = { of_limit = 0.5 }\nsteps = 300\n\
                precision = \"f64\"\nstop = \"never\"\n[look]\nreplicates = 0\n\
                [test]\npoints = 200\n";
    let (_, _, tested) = analysed(text);
    let of = |limit: Limit| {
        let mut found = tested.limits.iter().filter(|at| at.limit == limit);
        found.next().cloned().expect("it is asked")
    };
    let (ratio, interval) = of(Limit::Descent).ratio.expect("24 pairs");
    assert!((0.8..1.2).contains(&ratio), "{ratio} {interval:?}");
    let (process, _) = of(Limit::Process).ratio.expect("24 pairs");
    assert!(
        (process - 1.0).abs() > (ratio - 1.0).abs(),
        "{process} {ratio}"
    );
    // Means are what is expected, and each is of its own training set: one network differs from
    // the expectation by a quarter, training sets by a factor of seven.
    let pairs = &of(Limit::Descent).pairs;
    let sum = |f: fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
    let of_means = sum(|p| p.1) / sum(|p| p.0);
    assert!((0.85..1.15).contains(&of_means), "{of_means} {pairs:?}");
    let off = pairs.iter().map(|(e, o)| (o / e).ln().abs());
    assert!(off.fold(0.0, f64::max) < 0.75, "{pairs:?}");
}

/// What follows from the inputs is known at others, what does not is not: who fits noise is worse
/// there than the mean.
#[test]
fn a_function_is_known_elsewhere_and_noise_is_not() {
    let ratio = |targets: &str| {
        let text = format!(
            "replicates = 40\n[data]\npoints = 20\ndim = 3\ntargets = {targets}\n\
             [net]\nhidden = [48]\nactivation = \"tanh\"\ninit = \"lecun_normal\"\n\
             [descent]\nrate = {{ of_limit = 0.5 }}\nsteps = 3000\n\
             [look]\nreplicates = 0\n[test]\npoints = 200\n"
        );
        let (_, _, tested) = analysed(&text);
        tested.over_constant.expect("40 pairs").1
    };
    let (function, noise) = (ratio("{ polynomial = [1.0, 1.0] }"), ratio("\"gaussian\""));
    assert!(function.high < 1.0, "{function:?}");
    assert!(noise.low > 1.0, "{noise:?}");
}

/// A study without test points has the cells that it had, and one with them others.
#[test]
fn test_points_are_part_of_what_a_cell_is() {
    let hash = |text: &str| plan(text).cells[0].hash.clone();
    let plain = hash("replicates = 3\n");
    assert_ne!(plain, hash("replicates = 3\n[test]\npoints = 10\n"));
    // What is said and what is meant are the same.
    let said = hash("replicates = 3\n[test]\npoints = 1000\n");
    assert_eq!(said, hash("replicates = 3\n[test]\n"));
}

/// What makes no sense is told with what to write.
#[test]
fn test_points_that_there_cannot_be_are_refused() {
    let refused = |text: &str| -> (String, Option<String>, String) {
        match source(text).plan(&Inputs::default()) {
            Err(Error::Study {
                message,
                hint,
                place,
            }) => (message, hint, place.map_or(String::new(), |p| p.text)),
            other => panic!("{text} gives {other:?}"),
        }
    };
    for (text, key, words) in [
        ("[test]\npoints = 0", "points", "no test point"),
        ("[test]\nridge = -1.0", "ridge", "negative"),
        ("[test]\ngrid = [1.0, 1.0]", "grid", "not increasing"),
        ("[test]\ngrid = [0.0, 1.0]", "grid", "one input or two"),
        (
            "[data]\ndim = 2\n[test]\ngrid = [0.0, 1.0]\npoints = 1000",
            "points",
            "at most",
        ),
        (
            "[data]\ndim = 2\ninputs = \"circle\"\n[test]",
            "[test]",
            "drawn afresh",
        ),
        (
            "[test]\nfile = \"a\"\ngrid = [0.0, 1.0]",
            "grid",
            "file or of a grid",
        ),
        (
            "[test]\nfile = \"a\"\npoints = 3",
            "points",
            "as many points",
        ),
        ("[test]\nfile = \"a\"", "file", "no test set `a`"),
    ] {
        let (message, hint, line) = refused(text);
        assert!(message.contains(words), "{text}: {message}");
        assert!(line.contains(key), "{text}: points at {line}");
        assert!(hint.is_some(), "{text}");
    }
}
