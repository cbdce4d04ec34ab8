//! How a setting, and a change of a setting, is named for people.

use thalweg::analysis::comparison::{Compared, Member};
use thalweg::data::{Data, Draw, InputLaw, Nearest, Targets};
use thalweg::descent::{Method, Rate, Schedule};
use thalweg::net::{Init, Net, Parameterization};
use thalweg::study::Setting;

use super::numbers::{count, list, many, number};

/// The name of a reference that is no member of its comparison.
pub const REFERENCE: &str = "(base)";

/// A key as it stands before a value: `d` for `data.dim`, else its last part.
pub fn symbol(key: &str) -> &str {
    match key {
        "data.dim" => "d",
        "data.points" => "N",
        other => other.rsplit('.').next().unwrap_or(other),
    }
}

/// A key as the subject of a sentence.
pub fn noun(key: &str) -> String {
    match key {
        "data.dim" => "the input dimension".into(),
        "data.points" => "the number of points".into(),
        "descent.rate" => "the learning rate".into(),
        "descent.steps" => "the number of steps".into(),
        other => format!("`{other}`"),
    }
}

/// A key on an axis.
pub fn axis(key: &str) -> String {
    match key {
        "data.dim" => "input dimension d".into(),
        other => other.to_string(),
    }
}

/// A key with the number it takes: `d = 5`.
pub fn at(key: &str, value: f64) -> String {
    format!("{} = {}", symbol(key), number(value))
}

/// Keys and values, as they were written: `d = 2, points = 10`.
pub fn held(pairs: &[(String, String)]) -> String {
    let all = pairs.iter();
    let all: Vec<String> = all.map(|(k, v)| format!("{} = {v}", symbol(k))).collect();
    all.join(", ")
}

/// A member of a comparison: the values of its varying keys.
pub fn member(compared: &Compared, member: &Member) -> String {
    if member.values.is_empty() {
        return REFERENCE.into();
    }
    let named = member.values.iter().zip(&compared.keys).map(|(v, key)| {
        // A bare number says nothing of a dimension.
        match key.as_str() {
            "data.dim" => format!("d = {v}"),
            _ => v.clone(),
        }
    });
    named.collect::<Vec<_>>().join(", ")
}

/// A whole setting in a sentence.
pub fn setting(setting: &Setting) -> String {
    let descent = &setting.descent;
    format!(
        "{}, {} at rate {}{}, at most {} steps, on {}.",
        net(&setting.net),
        method(descent.method),
        rate(descent.rate),
        schedule(&descent.schedule),
        count(descent.steps),
        data(&setting.data)
    )
}

fn net(net: &Net) -> String {
    let layers = if net.hidden.is_empty() {
        "Linear regression".to_string()
    } else {
        let widths: Vec<String> = net.hidden.iter().map(usize::to_string).collect();
        let name = net.activation.name();
        let vowel = name.starts_with(['a', 'e', 'i', 'o', 'u']);
        let article = if vowel { "An" } else { "A" };
        let one = net.hidden.iter().all(|n| *n == net.hidden[0]);
        let layers = match (net.hidden.len(), one) {
            (1, _) => format!("a hidden layer of {}", widths[0]),
            (n, true) if n > 4 => format!("{n} hidden layers of {}", widths[0]),
            _ => format!("hidden layers {}", widths.join("-")),
        };
        format!("{article} {name} network with {layers}")
    };
    let bias = if net.bias { "" } else { ", no biases" };
    let gains = net.gains.as_ref();
    let gains = gains.map_or(String::new(), |g| format!(" (times {g:?} by layer)"));
    let ntk = match net.parameterization {
        Parameterization::Standard => "",
        Parameterization::Ntk => ", NTK parameterization",
    };
    format!("{layers}, {}{gains}{bias}{ntk}", init(&net.init))
}

fn init(init: &Init) -> String {
    match init {
        Init::File(file) => format!("weights from `{file}`"),
        Init::Constant(value) => format!("all weights {}", number(*value)),
        Init::Normal { variance } => {
            format!("normal weights of variance {}/fan_in", number(*variance))
        }
        Init::WeightStd(all) => format!("normal weights of standard deviation {all:?}/√fan_in"),
        Init::Pytorch => "PyTorch's default initial weights".into(),
        Init::XavierUniform => "xavier uniform initial weights".into(),
        Init::XavierNormal => "xavier normal initial weights".into(),
        Init::KaimingUniform => "kaiming uniform initial weights".into(),
        Init::KaimingNormal => "kaiming normal initial weights".into(),
        Init::LecunNormal => "lecun normal initial weights".into(),
        Init::Orthogonal => "orthogonal initial weights".into(),
    }
}

fn method(method: Method) -> String {
    match method {
        Method::Gd => "gradient descent".to_string(),
        Method::Momentum { beta } => format!("momentum {beta}"),
        Method::Nesterov { beta } => format!("Nesterov's momentum {beta}"),
        Method::Adam { .. } => "Adam".into(),
        Method::Sgd { batch } => format!("mini-batches of {batch}"),
    }
}

fn rate(rate: Rate) -> String {
    match rate {
        Rate::Absolute(rate) => number(rate),
        Rate::OfLimit(c) => format!("{} of each network's own limit of stability", number(c)),
    }
}

/// A schedule after the rate it begins with: `, times 0.5 from step 5000 on`.
pub fn schedule(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Constant => String::new(),
        Schedule::MultiStep { milestones, gamma } => {
            let at: Vec<String> = milestones.iter().map(|m| count(*m)).collect();
            let steps = if at.len() == 1 {
                "step"
            } else {
                "each of the steps"
            };
            format!(", times {} from {steps} {} on", number(*gamma), list(&at))
        }
        Schedule::Step { every, gamma } => {
            format!(", times {} every {} steps", number(*gamma), count(*every))
        }
    }
}

fn data(data: &Data) -> String {
    let inputs = match data.inputs {
        InputLaw::Gaussian => "standard normal",
        InputLaw::Sphere | InputLaw::Shell(_) => "spherical",
        InputLaw::Grid(_) => "equally spaced",
        InputLaw::Chebyshev => "Chebyshev",
        InputLaw::Circle => "circular",
    };
    let targets = match data.targets {
        Targets::Gaussian => "standard normal targets",
        Targets::Signs(_) => "targets of random sign",
        Targets::Teacher { .. } => "targets of a random teacher",
        Targets::Polynomial(_) | Targets::Chebyshev(_) => "polynomial targets",
        Targets::Cosine(_) => "cosine targets",
    };
    let near = nearest(data.nearest);
    let points = many(
        data.points,
        &format!("{inputs} point"),
        &format!("{inputs} points"),
    );
    if let Some(file) = &data.file {
        return format!("the {} points of `{file}`{near}", data.points);
    }
    match data.draw {
        Draw::Each => format!(
            "{points} in dimension {}{near} with {targets}, drawn anew each time",
            data.dim
        ),
        Draw::Crossed(of) => format!(
            "{} sets of {points} in dimension {}{near} with {targets}, each with {} initial \
             weights",
            of.sets, data.dim, of.weights
        ),
        Draw::Once => format!(
            "one set of {points} in dimension {}{near} with {targets}",
            data.dim
        ),
    }
}

/// What is done to the distances of the points; empty where nothing is.
fn nearest(nearest: Nearest) -> String {
    match nearest {
        Nearest::AsDrawn => String::new(),
        Nearest::AtLeast(least) => format!(", no two nearer than {},", number(least)),
        Nearest::MovedPair(to) => format!(", the nearest two moved to {} apart,", number(to)),
    }
}
