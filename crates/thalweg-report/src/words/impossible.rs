//! Why no weights can do it, where that is known exactly.

use thalweg::analysis::impossible::{Impossible, Symmetry};

use super::numbers::{many, number};

/// An exact reason why no weights get there.
pub fn impossible(why: &Impossible) -> String {
    match why {
        Impossible::Linear { floor } => format!(
            "The network is linear in its input and least squares leaves {}: no weights do better.",
            number(*floor)
        ),
        Impossible::TwoRays { floor } => format!(
            "Without biases the network is two rays from the origin, and the best two leave {}: no \
             weights do better.",
            number(*floor)
        ),
        Impossible::EqualInputs { floor, points } => format!(
            "Among {} that share their input with another the targets differ, and the means of \
             equal inputs leave {}: no weights do better.",
            many(*points, "point", "points"),
            number(*floor)
        ),
        Impossible::Symmetry { symmetry, floor } => format!(
            "Without biases {}; on these points that leaves {}: no weights do better.",
            kept(*symmetry),
            number(*floor)
        ),
        Impossible::FixedFeatures { floor } => format!(
            "Only the last layer learns, and least squares on the features below it leaves {}: no \
             training of that layer does better.",
            number(*floor)
        ),
        Impossible::DeadAtStart { layer, floor } => format!(
            "Every unit of hidden layer {layer} is dead on every training point from the start on, \
             no step revives it, and the best constant leaves {}.",
            number(*floor)
        ),
        Impossible::FewParameters { parameters } => format!(
            "With {}, fewer than training points, almost no targets can be met.",
            many(
                *parameters,
                "parameter that learns",
                "parameters that learn"
            )
        ),
    }
}

/// What a symmetry says of a network.
fn kept(symmetry: Symmetry) -> &'static str {
    match symmetry {
        Symmetry::Odd => "the network is odd, f(−x) = −f(x)",
        Symmetry::Even => "the network is even, f(−x) = f(x)",
        Symmetry::OddPartLinear => {
            "one hidden layer of this activation has a linear odd part, f(x) − f(−x) = v·x"
        }
        Symmetry::EvenPartConstant => {
            "one hidden layer of this activation has a constant even part, f(x) + f(−x) = c"
        }
        Symmetry::Homogeneous => "the network is homogeneous, f(c x) = c f(x) for c > 0",
    }
}
