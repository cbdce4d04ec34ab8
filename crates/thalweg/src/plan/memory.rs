//! How much memory a cell takes: bytes that follow from its sizes, before anything is allocated.

use serde::Serialize;

use super::cell::{look_steps, looks_at};
use crate::data::Targets;
use crate::descent::{Method, Rate};
use crate::net;
use crate::study::{Losses, Mistake, Observable, Setting, Weights};

/// Bytes that no one part of a cell may take: beyond, the study is refused.
const MOST: f64 = 64e9;

/// Bytes of a number.
const NUMBER: f64 = 8.0;

/// Matrices of the size of the kernel that a look has at one time: the kernel, that of the start,
/// what the eigensolver copies, works in and returns, the eigenvectors, and at the last look the
/// kernel without a point with all that belongs to it.
const KERNELS: f64 = 8.0;

/// Vectors of all parameters that a look at the Hessian has at one time: the basis of Lanczos.
const DIRECTIONS: f64 = 100.0;

/// Bytes that a cell takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Memory {
    /// A replicate while it is trained, with the weights that looks on its way need.
    pub training: f64,
    /// A look at one replicate.
    pub look: f64,
    /// The losses, weights and outputs that are kept of the first replicates, at most.
    pub kept: f64,
    /// What looks leave behind until the cell is complete.
    pub looks: f64,
}

/// Bytes that the cell of a setting with resolved sizes takes.
pub(super) fn memory(setting: &Setting) -> Memory {
    let data = &setting.data;
    let looks = looks_at(setting, 0);
    let (n, k) = (data.points as f64, data.outputs as f64);
    let units: f64 = net::sizes(&setting.net, data.dim, data.outputs)
        .iter()
        .map(|units| *units as f64)
        .sum();
    let parameters = net::parameters(&setting.net, data.dim, data.outputs) as f64;
    let states = match setting.descent.method {
        Method::Gd => 3.0,
        Method::Momentum { .. } | Method::Nesterov { .. } => 4.0,
        Method::Adam { .. } | Method::AdamW { .. } => 5.0,
    };
    let keep = setting.keep;
    let losses = match keep.losses {
        Losses::All if keep.replicates > 0 => setting.descent.steps as f64,
        Losses::All | Losses::Log => 0.0,
    };
    let times = look_steps(setting, 0).len() as f64 + 2.0;
    let looked = setting.look.replicates.min(setting.replicates.at_most()) as f64;
    let snapshots = if looks { times } else { 1.0 };
    let activations = n * (3.0 * units + data.dim as f64 + k);
    let training = (states + snapshots) * parameters + activations + teacher(setting);

    let wanted = &setting.look.observables;
    let has = |one: Observable| wanted.contains(&one);
    let kernels = if looks && has(Observable::Ntk) {
        KERNELS
    } else if matches!(setting.descent.rate, Rate::OfLimit(_))
        || (looks && has(Observable::GradientNorm))
    {
        // A share of the limit and a norm need a kernel, and no eigenvectors.
        1.0
    } else {
        0.0
    };
    let directions = if looks && has(Observable::Hessian) {
        DIRECTIONS.min(parameters)
    } else {
        0.0
    };
    let tangent = if looks || kernels > 0.0 {
        n * units * (3.0 + k) + n * k * k
    } else {
        0.0
    };
    let look = kernels * (n * k).powi(2) + directions * parameters + tangent;

    let kept_replicates = keep.replicates.min(setting.replicates.at_most()) as f64;
    let weights = match keep.weights {
        Weights::None => 0.0,
        Weights::Best | Weights::Final => parameters,
    };
    let observations = if looks {
        looked * times * 5.0 * n * k
    } else {
        0.0
    };
    let test = setting.test.as_ref();
    let tested = test.map_or(0, |test| test.count(data.dim, None)) as f64;
    let kept = kept_replicates * (losses + weights + tested * k);
    Memory {
        training: NUMBER * training,
        look: NUMBER * look,
        kept: NUMBER * kept,
        looks: NUMBER * observations,
    }
}

/// Weights of a teacher, which are drawn for each training set.
fn teacher(setting: &Setting) -> f64 {
    let Targets::Teacher { hidden, .. } = &setting.data.targets else {
        return 0.0;
    };
    let ends = [setting.data.dim, setting.data.outputs];
    let sizes: Vec<f64> = ([ends[0]].iter().chain(hidden).chain(&[ends[1]]))
        .map(|units| *units as f64)
        .collect();
    sizes.windows(2).map(|pair| pair[0] * pair[1]).sum()
}

/// That no part of it is beyond all bounds: what is legal number by number may not be together.
pub(super) fn check_memory(setting: &Setting) -> Result<(), Mistake> {
    let Memory {
        training,
        look,
        kept,
        looks,
    } = memory(setting);
    let data = &setting.data;
    let points = if data.file.is_some() {
        "file"
    } else {
        "points"
    };
    let wrong = |path: [&str; 2], what: String, bytes: f64, hint: &str| {
        Err(Mistake {
            path: path.map(String::from).to_vec(),
            message: format!("{what} take {:.0} GB, more than 64", bytes / 1e9),
            hint: Some(hint.into()),
        })
    };
    let parameters = net::parameters(&setting.net, data.dim, data.outputs);
    if look > MOST {
        let targets = data.targets_in_all() as f64;
        let what = "a look's kernel and Hessian".to_string();
        return if KERNELS * NUMBER * targets * targets > MOST / 2.0 {
            wrong(
                ["data", points],
                format!("the tangent kernel of {targets} targets, and what finds its spectrum,"),
                look,
                "fewer points; or `look.replicates = 0` and a rate of its own, and no kernel \
                     is needed",
            )
        } else {
            wrong(
                ["net", "hidden"],
                format!("{what} with {parameters} parameters"),
                look,
                "smaller layers, or `look.observables` without `\"hessian\"`",
            )
        };
    }
    if NUMBER * teacher(setting) > MOST / 64.0 {
        return Err(Mistake {
            path: vec!["data".into(), "targets".into()],
            message: format!(
                "the weights of a teacher take {:.1} GB for each training set, more than 1",
                NUMBER * teacher(setting) / 1e9
            ),
            hint: Some("a smaller teacher, for instance `hidden = [4]`".into()),
        });
    }
    if training > MOST {
        return wrong(
            ["net", "hidden"],
            format!("{parameters} parameters while they are trained and looked at"),
            training,
            "smaller layers, fewer points, or fewer looks on the way",
        );
    }
    if kept > MOST {
        return wrong(
            ["keep", "replicates"],
            "the losses and weights that are kept".into(),
            kept,
            "fewer replicates there, or `losses = \"log\"`",
        );
    }
    if looks > MOST {
        return wrong(
            ["look", "replicates"],
            "what looks leave behind".into(),
            looks,
            "fewer replicates there, or fewer looks on the way",
        );
    }
    Ok(())
}
