//! The built-in studies.

use super::Source;
use crate::error::{Error, nearest};

/// The built-in studies: name and text.
pub const BUILT_IN: [(&str, &str); 11] = [
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
];

impl Source {
    /// A built-in study, or a study file.
    ///
    /// # Errors
    ///
    /// [`Error::Unknown`] if there is no such file nor a built-in study of that name;
    /// [`Error::Io`] if the file cannot be read.
    pub fn open(name: &str) -> Result<Source, Error> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Ok(Source {
                name: (*name).into(),
                text: (*text).into(),
                folder: ".".into(),
            });
        }
        let path = std::path::Path::new(name);
        if !path.exists() {
            let near = nearest(name, BUILT_IN.iter().map(|(n, _)| *n));
            let names = BUILT_IN.map(|(n, _)| n).join(", ");
            return Err(Error::Unknown {
                message: format!("there is no file `{name}` and no built-in study of that name"),
                hint: near.map_or(format!("built-in studies: {names}"), |n| {
                    format!("did you mean `{n}`?")
                }),
            });
        }
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::Damaged {
            path: path.to_path_buf(),
            message: "is not text in UTF-8".into(),
            hint: "a study is a TOML file; `thalweg studies show assignment` prints one".into(),
        })?;
        let folder = path
            .parent()
            .unwrap_or(std::path::Path::new("."))
            .to_path_buf();
        Ok(Source {
            name: name.into(),
            text,
            folder,
        })
    }
}
