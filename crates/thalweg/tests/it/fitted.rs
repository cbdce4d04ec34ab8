//! What is drawn of a network of one or two inputs is the network that was trained.

use thalweg::engine::reference;
use thalweg::study::{Replicates, Setting, Study};
use thalweg::{Analysis, Control, Cpu, InMemory, Inputs, Plan, data, lab};

fn ran(dim: usize, bias: bool) -> (Plan, Vec<thalweg::record::Record>) {
    let mut setting = Setting {
        replicates: Replicates::Fixed(2),
        data: data::Data {
            points: 5,
            dim,
            ..data::Data::default()
        },
        ..Setting::default()
    };
    setting.net.hidden = vec![6, 4];
    setting.net.bias = bias;
    setting.descent.steps = 50;
    setting.keep.replicates = 1;
    let plan = Plan::new(&Study::of(setting), &Inputs::default()).expect("it is right");
    let engine = Cpu::detect();
    let records = lab::run(&plan, &engine, 1, &InMemory, &Control::default());
    (plan, records.expect("nothing stops it"))
}

/// The analysis has a forward pass of its own; the reference engine says the same everywhere, and
/// every training point lies inside.
#[test]
fn the_function_that_is_drawn_is_the_one_that_was_trained() {
    for (dim, bias) in [(1, true), (1, false), (2, true), (2, false)] {
        let (plan, records) = ran(dim, bias);
        let analysis = Analysis::of(&plan, &records, 1);
        let of = analysis.cells[0].fitted.as_ref().expect("it is kept");
        let places: Vec<f64> = if dim == 1 {
            of.first.clone()
        } else {
            let rows = of.second.iter();
            rows.flat_map(|y| of.first.iter().flat_map(move |x| [*x, *y]))
                .collect()
        };
        let weights = &records[0].kept[0].weights;
        let trained = reference::outputs(&plan.cells[0].problem(), weights, &places);
        assert_eq!(trained.len(), of.outputs.len());
        for (a, b) in of.outputs.iter().zip(&trained) {
            assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{a} {b}");
        }
        let sides = [&of.first, &of.second];
        for point in &of.points {
            for (v, places) in point.iter().zip(sides).take(dim) {
                assert!(places[0] < *v && *v < places[places.len() - 1]);
            }
        }
    }
}

/// Three dimensions are no picture.
#[test]
fn above_two_dimensions_nothing_is_drawn() {
    let (plan, records) = ran(3, true);
    assert_eq!(Analysis::of(&plan, &records, 1).cells[0].fitted, None);
}
