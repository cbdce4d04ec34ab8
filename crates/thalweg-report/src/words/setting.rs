//! How a setting, and a change of a setting, is named for people.

use thalweg::analysis::Analysis;
use thalweg::analysis::along::Along;
use thalweg::analysis::comparison::{Compared, Member};
use thalweg::data::{ColumnName, Columns, Data, Draw, InputLaw, Nearest, Standardise, Targets};
use thalweg::descent::{Clip, Descent, Method, Rate, Schedule};
use thalweg::net::{Activation, Init, Net, Output, Parameterization, Uniform};
use thalweg::study::Setting;

use super::key::Key;
use super::numbers::{count, list, many, number};

/// A key as the subject of a sentence.
pub fn noun(key: &str) -> String {
    Key::of(key).map_or_else(|| format!("`{key}`"), |key| key.noun().into())
}

/// A key on an axis.
pub fn axis(key: &str) -> String {
    Key::of(key).map_or_else(|| key.to_string(), |key| key.axis().into())
}

/// A key as the heading of a column.
pub fn heading(key: &str) -> String {
    Key::of(key).map_or_else(|| key.to_string(), |key| key.heading().into())
}

/// What a key is in a setting: `d = 2`, `two layers of 8`, `rate 0.4 of the limit`. A key that is
/// no part of what is trained is told as it is `written`.
pub fn value(key: &str, of: &Setting, written: &str) -> String {
    match Key::of(key) {
        Some(key) => key.value(of),
        None => format!("{key} {written}"),
    }
}

/// What a cell is, by what tells it from the base cell; `base` for the base cell. Cells that differ
/// in their number of replicates alone are told with it.
pub fn cell(run: &Analysis, cell: usize) -> String {
    let (base, this) = (&run.base().setting, &run.cells[cell].setting);
    if cell == 0 {
        return "base".into();
    }
    let replicates_apart = |other: &Setting| {
        other.replicates != this.replicates && {
            let mut other = other.clone();
            other.replicates = this.replicates;
            other == *this
        }
    };
    let mut parts = differences(base, this);
    if run.cells.iter().any(|s| replicates_apart(&s.setting)) || parts.is_empty() {
        parts.push(Key::Replicates.value(this));
    }
    parts.join(", ")
}

/// What a setting of a plan is beside the base cell's, in short: two that differ in their
/// replicates alone have one name.
pub fn short(base: &Setting, this: &Setting) -> String {
    let parts = differences(base, this);
    match parts.is_empty() {
        false => parts.join(", "),
        true if base.replicates == this.replicates => "base".into(),
        true => Key::Replicates.value(this),
    }
}

/// What tells a setting from another, a part for each key.
pub fn differences(from: &Setting, this: &Setting) -> Vec<String> {
    apart(from, this, &[])
}

/// The same but for some keys.
pub(super) fn apart(from: &Setting, this: &Setting, without: &[Key]) -> Vec<String> {
    let named = |key: &Key| match key {
        // Those of one are those of another key, or told by it.
        Key::Replicates | Key::Epochs => None,
        key if without.contains(key) => None,
        _ => Some(key.value(this)).filter(|value| *value != key.value(from)),
    };
    Key::ALL.iter().filter_map(named).collect()
}

/// Where a cell stands along the number that a study leads with: `d = 5`.
pub fn at(run: &Analysis, along: &Along, number_there: f64) -> String {
    let there = |(v, _): &&(f64, usize)| v.to_bits() == number_there.to_bits();
    match along.members.iter().find(there) {
        Some((_, cell)) => value(&along.key, &run.cells[*cell].setting, &number(number_there)),
        None => format!("{} {}", heading(&along.key), number(number_there)),
    }
}

/// The same after another of its kind: the number alone where that says it.
pub fn to(run: &Analysis, along: &Along, number_there: f64) -> String {
    match Key::of(&along.key) {
        Some(Key::Dim | Key::Points) => number(number_there),
        _ => at(run, along, number_there),
    }
}

/// What several keys are in a setting: `d = 2, N = 10`.
pub fn held(pairs: &[(String, String)], of: &Setting) -> String {
    let all = pairs.iter().map(|(key, written)| value(key, of, written));
    let mut all: Vec<String> = all.collect();
    all.dedup();
    all.join(", ")
}

/// A member of a comparison: what its varying keys are in it.
pub fn member(run: &Analysis, compared: &Compared, member: &Member) -> String {
    let values = member_values(run, compared, member);
    let mut named: Vec<String> = Vec::new();
    for value in values {
        if !named.contains(&value) {
            named.push(value);
        }
    }
    let name = named.join(", ");
    if member.values.is_empty() {
        format!("{name} (base)")
    } else {
        name
    }
}

/// The same, one by one.
pub fn member_values(run: &Analysis, compared: &Compared, member: &Member) -> Vec<String> {
    let of = &run.cells[member.cell].setting;
    let keys = compared.keys.iter().enumerate();
    let written = |k: usize| member.values.get(k).map_or("", String::as_str);
    keys.map(|(k, key)| value(key, of, written(k))).collect()
}

/// A name within a sentence: quoted where it holds a comma of its own.
pub fn quoted(name: &str) -> String {
    if name.contains(',') {
        format!("“{name}”")
    } else {
        name.to_string()
    }
}

/// A whole setting in a sentence.
pub fn setting(setting: &Setting) -> String {
    let descent = &setting.descent;
    format!(
        "{}{}, {}{} at {}{}, at most {}, on {}.",
        net(&setting.net),
        ends(setting),
        rule(descent),
        if descent.loss.is_squared() {
            ""
        } else {
            " on the logistic loss"
        },
        rate(descent.rate),
        schedule(&descent.schedule),
        many(descent.steps as usize, "step", "steps"),
        data(&setting.data)
    )
}

/// What is to be said of the outputs; nothing of a single linear one.
fn ends(setting: &Setting) -> String {
    let several = match setting.data.outputs {
        1 => String::new(),
        k => format!(", {} outputs", super::numbers::word(k as u64)),
    };
    let function = match setting.net.output {
        Output::Identity => String::new(),
        other => format!(", {}", output(other)),
    };
    several + &function
}

fn net(net: &Net) -> String {
    let layers = if net.hidden.is_empty() {
        "Linear regression".to_string()
    } else {
        format!("A network of {}", layers(&net.hidden, unit(net.activation)))
    };
    let bias = if net.bias { "" } else { ", no biases" };
    let gains = gains(net.gains.as_deref());
    let gains = gains.map_or(String::new(), |g| format!(" ({g})"));
    let ntk = match net.parameterization {
        Parameterization::Standard => "",
        Parameterization::Ntk => ", NTK parameterization",
    };
    format!("{layers}, {}{gains}{bias}{ntk}", init(&net.init))
}

/// `two layers of 8`; with a kind of unit `two hidden layers of 8 sine units`.
pub(super) fn layers(hidden: &[usize], units: &str) -> String {
    let (hidden_word, units) = if units.is_empty() {
        ("", String::new())
    } else {
        ("hidden ", format!(" {units} units"))
    };
    let Some(first) = hidden.first() else {
        return "no hidden layer".into();
    };
    let n = hidden.len();
    let layers = if n == 1 { "layer" } else { "layers" };
    let number = super::numbers::word(n as u64);
    if hidden.iter().all(|width| width == first) {
        format!("{number} {hidden_word}{layers} of {first}{units}")
    } else {
        let widths: Vec<String> = hidden.iter().map(usize::to_string).collect();
        format!("{hidden_word}{layers} of {}{units}", widths.join("-"))
    }
}

/// What factors on the initial weights do; none where they do nothing.
pub(super) fn gains(gains: Option<&[f64]>) -> Option<String> {
    let gains = gains?;
    let one = |g: f64| (g - 1.0).abs() <= 0.0;
    let other: Vec<usize> = (0..gains.len()).filter(|&l| !one(gains[l])).collect();
    let last = gains.len() - 1;
    let layer = |l: usize| match l {
        0 => "first layer".to_string(),
        l if l == last => "last layer".to_string(),
        l => format!("layer {}", l + 1),
    };
    let all_same = gains.windows(2).all(|p| p[0].to_bits() == p[1].to_bits());
    match other.as_slice() {
        [] => None,
        _ if all_same => Some(format!("all layers × {}", number(gains[0]))),
        several => {
            let all = several.iter();
            let all: Vec<String> = all
                .map(|&l| format!("{} × {}", layer(l), number(gains[l])))
                .collect();
            Some(all.join(", "))
        }
    }
}

/// What a unit with this activation is called.
pub(super) fn unit(activation: Activation) -> &'static str {
    match activation {
        Activation::Identity => "linear",
        Activation::Relu => "ReLU",
        Activation::LeakyRelu => "leaky ReLU",
        Activation::Abs => "absolute-value",
        Activation::Tanh => "tanh",
        Activation::Sigmoid => "sigmoid",
        Activation::Erf => "erf",
        Activation::Gelu => "GELU",
        Activation::Silu => "SiLU",
        Activation::Softplus => "softplus",
        Activation::Sin => "sine",
        Activation::Cos => "cosine",
    }
}

/// A uniform law, before `weights`: `U(-1, 1)`.
pub(super) fn uniform(law: Uniform) -> String {
    match law {
        Uniform::Between([low, high]) => format!("U({}, {})", number(low), number(high)),
        Uniform::Std(std) => format!("uniform, of std {},", number(std)),
    }
}

/// The law of the initial weights.
pub(super) fn init(init: &Init) -> String {
    match init {
        Init::File(file) => format!("weights from `{file}`"),
        Init::Constant(value) => format!("all weights {}", number(*value)),
        Init::Normal { variance } => format!("N(0, {}/fan-in) weights", number(*variance)),
        Init::Uniform(law) => format!("{} weights", uniform(*law)),
        Init::WeightStd(all) => {
            let all: Vec<String> = all.iter().map(|v| number(*v)).collect();
            format!("normal weights of std {}/√fan-in by layer", all.join("-"))
        }
        Init::Pytorch => "PyTorch's default weights".into(),
        Init::XavierUniform => "Xavier-uniform weights".into(),
        Init::XavierNormal => "Xavier-normal weights".into(),
        Init::KaimingUniform => "Kaiming-uniform weights".into(),
        Init::KaimingNormal => "Kaiming-normal weights".into(),
        Init::LecunNormal => "LeCun-normal weights".into(),
        Init::Orthogonal => "orthogonal weights".into(),
    }
}

/// The update rule.
/// What the output layer makes of its sums.
pub(super) fn output(output: Output) -> &'static str {
    match output {
        Output::Identity => "linear output",
        Output::Sigmoid => "sigmoid output",
        Output::Tanh => "tanh output",
    }
}

/// The update rule.
pub(super) fn method(method: Method) -> String {
    match method {
        Method::Gd => "gradient descent".to_string(),
        Method::Momentum { beta } => format!("momentum {}", number(beta)),
        Method::Nesterov { beta } => format!("Nesterov {}", number(beta)),
        Method::Adam { betas, eps } => adam("Adam", method, betas, eps),
        Method::AdamW { betas, eps } => adam("AdamW", method, betas, eps),
    }
}

/// A rule of Adam's kind, with its constants if they are not the usual ones.
fn adam(name: &str, method: Method, betas: [f64; 2], eps: f64) -> String {
    if Method::ALL.contains(&method) {
        return name.into();
    }
    let [first, second] = betas.map(number);
    format!("{name} (β {first} and {second}, ε {})", number(eps))
}

/// The update rule and what goes with it.
fn rule(descent: &Descent) -> String {
    let rule = match (descent.method, descent.batch) {
        (method, None) => self::method(method),
        (Method::Gd, Some(_)) => batch(descent),
        (method, Some(_)) => format!("{} on {}", self::method(method), batch(descent)),
    };
    let decay = match descent.weight_decay > 0.0 {
        true => format!(" with {}", weight_decay(descent)),
        false => String::new(),
    };
    let clipped = match descent.clip {
        Some(of) => format!(", {}", clip(Some(of))),
        None => String::new(),
    };
    format!("{rule}{decay}{clipped}")
}

/// The weight decay.
pub(super) fn weight_decay(descent: &Descent) -> String {
    match descent.weight_decay > 0.0 {
        true => format!("weight decay {}", number(descent.weight_decay)),
        false => "no weight decay".into(),
    }
}

/// What gradients are clipped to.
pub(super) fn clip(clip: Option<Clip>) -> String {
    match clip {
        None => "gradients not clipped".into(),
        Some(Clip::Norm(bound)) => format!("gradients clipped to norm {}", number(bound)),
        Some(Clip::Value(bound)) => format!("gradients clipped to ±{}", number(bound)),
    }
}

/// The mini-batches of a descent.
fn batch(descent: &Descent) -> String {
    match descent.batch {
        None => "full batch".into(),
        Some(size) if descent.drop_last => {
            format!("whole mini-batches of {}", count(size as u64))
        }
        Some(size) => format!("mini-batches of {}", count(size as u64)),
    }
}

/// The rate at the start.
pub(super) fn rate(rate: Rate) -> String {
    match rate {
        Rate::Absolute(rate) => format!("rate {}", number(rate)),
        Rate::OfLimit(c) => format!("rate {} of the limit", number(c)),
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
            format!(", × {} from {steps} {} on", number(*gamma), list(&at))
        }
        Schedule::Step { every, gamma } => {
            let steps = many(*every as usize, "step", "steps");
            format!(", × {} every {steps}", number(*gamma))
        }
    }
}

/// The law of the inputs, before `points`.
pub(super) fn inputs(law: &InputLaw) -> String {
    match law {
        InputLaw::Gaussian => "standard normal".into(),
        InputLaw::Sphere => "spherical".into(),
        InputLaw::Shell([low, high]) => {
            format!("spherical (norms {} to {})", number(*low), number(*high))
        }
        InputLaw::Grid([low, high]) => {
            format!("equally spaced ({} to {})", number(*low), number(*high))
        }
        InputLaw::Chebyshev => "Chebyshev".into(),
        InputLaw::Circle => "circular".into(),
        InputLaw::Hypercube => "random ±1".into(),
        InputLaw::Corners => "corner".into(),
        InputLaw::Bits => "0/1".into(),
        InputLaw::TwoSpirals => "two-spiral".into(),
    }
}

/// The law of the targets.
pub(super) fn targets(law: &Targets) -> String {
    match law {
        Targets::Gaussian => "standard normal targets".into(),
        Targets::Signs([low, high]) => format!(
            "targets of random sign (sizes {} to {})",
            number(*low),
            number(*high)
        ),
        Targets::Teacher { hidden, activation } => format!(
            "targets of a random teacher ({}, {})",
            layers(hidden, ""),
            unit(*activation)
        ),
        Targets::Polynomial(c) => {
            let c: Vec<String> = c.iter().map(|v| number(*v)).collect();
            format!("polynomial targets ({})", c.join("; "))
        }
        Targets::Chebyshev(k) => format!("Chebyshev targets T{k}"),
        Targets::Cosine(k) => format!("cosine targets, k = {k}"),
        Targets::Sine(k) => format!("sine targets, k = {k}"),
        Targets::Abs => "absolute-value targets".into(),
        Targets::Parity => "parity targets".into(),
        Targets::Xor => "exclusive-or targets".into(),
        Targets::TwoSpirals => "two-spiral targets".into(),
    }
}

fn data(data: &Data) -> String {
    let (inputs, mut targets) = (inputs(&data.inputs), targets(&data.targets));
    if data.noise > 0.0 {
        targets += &format!(" and noise of std {}", number(data.noise));
    }
    let near = nearest(data.nearest);
    let points = many(
        data.points,
        &format!("{inputs} point"),
        &format!("{inputs} points"),
    );
    if let Some(file) = &data.file {
        let points = many(data.points, "point", "points");
        let columns = match &data.columns {
            None => String::new(),
            Some(of) => format!(" ({})", columns(of)),
        };
        let each = match data.draw {
            Draw::Each => "each training set of ",
            Draw::Once | Draw::Crossed(_) => "",
        };
        return format!(
            "the {points} of {each}`{file}`{columns}{near}{}",
            standardised(data)
        );
    }
    let drawn = match data.draw {
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
    };
    drawn + standardised(data)
}

/// The columns of a file that are trained on.
pub(super) fn columns(columns: &Columns) -> String {
    let name = |column: &ColumnName| match column {
        ColumnName::Name(name) => format!("`{name}`"),
        ColumnName::Place(place) => format!("number {place}"),
    };
    let all = |names: &[ColumnName]| names.iter().map(name).collect::<Vec<_>>().join(", ");
    let targets = all(&columns.y);
    match &columns.x {
        Some(x) => format!("{targets} from {}", all(x)),
        None => format!("{targets} from the other columns"),
    }
}

/// What was scaled, as the end of a phrase; nothing where nothing was.
fn standardised(data: &Data) -> &'static str {
    match data.standardise {
        None => "",
        Some(Standardise::Inputs) => ", inputs standardised",
        Some(Standardise::Both) => {
            ", inputs and targets standardised (losses are those of the standardised targets)"
        }
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

/// How the rate changes, where nothing stands before it: `rate × 0.5 from step 5000 on`.
pub(super) fn schedule_alone(of: &Schedule) -> String {
    match of {
        Schedule::Constant => "constant rate".into(),
        Schedule::MultiStep { .. } | Schedule::Step { .. } => {
            format!("rate {}", schedule(of).trim_start_matches(", "))
        }
    }
}
