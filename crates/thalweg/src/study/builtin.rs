//! The built-in studies.

use super::Source;
use crate::error::{Error, nearest};

/// The built-in studies: name and text.
pub const BUILT_IN: [(&str, &str); 15] = [
    ("assignment", include_str!("../../studies/assignment.toml")),
    ("notebook", include_str!("../../studies/notebook.toml")),
    (
        "edge-of-stability",
        include_str!("../../studies/edge-of-stability.toml"),
    ),
    ("dimension", include_str!("../../studies/dimension.toml")),
    ("lazy", include_str!("../../studies/lazy.toml")),
    (
        "deep-linear",
        include_str!("../../studies/deep-linear.toml"),
    ),
    (
        "scalar-chaos",
        include_str!("../../studies/scalar-chaos.toml"),
    ),
    (
        "signal-propagation",
        include_str!("../../studies/signal-propagation.toml"),
    ),
    ("capacity", include_str!("../../studies/capacity.toml")),
    ("frequency", include_str!("../../studies/frequency.toml")),
    (
        "convergence-high-dimension",
        include_str!("../../studies/convergence-high-dimension.toml"),
    ),
    ("xor", include_str!("../../studies/xor.toml")),
    (
        "trainability",
        include_str!("../../studies/trainability.toml"),
    ),
    ("fractal", include_str!("../../studies/fractal.toml")),
    (
        "dimension-width",
        include_str!("../../studies/dimension-width.toml"),
    ),
];

impl Source {
    /// A built-in study.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] if there is none of that name.
    pub fn built_in(name: &str) -> Result<Source, Error> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Ok(Source {
                name: (*name).into(),
                text: (*text).into(),
                folder: ".".into(),
            });
        }
        let near = nearest(name, BUILT_IN.iter().map(|(n, _)| *n));
        let names = BUILT_IN.map(|(n, _)| n).join(", ");
        Err(Error::Unknown {
            message: format!("there is no built-in study `{name}`"),
            hint: near.map_or(format!("built-in studies: {names}"), |n| {
                format!("did you mean `{n}`?")
            }),
        })
    }
}
