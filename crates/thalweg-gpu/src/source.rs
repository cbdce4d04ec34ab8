//! The kernel's text for a problem: its sizes and constants, where each matrix lies, and the
//! products of a step, before `kernel/train.c`.

use std::fmt::Write;

use thalweg_engine::cpu::{Constants, constants};
use thalweg_engine::{Activation, Clip, Criterion, Method, Output, Precision, Problem};

use crate::layout::{Layout, Matrix, Space, Tile, keeps_slope, memories, terms_are_deltas};

/// Steps whose losses a trace holds, and snapshots.
pub(crate) const TRACE_STEPS: usize = 8192;
pub(crate) const MARKS: usize = 16;

/// Integers of a network at its beginning and altogether, and numbers of its end before the
/// weights: as in the kernel.
pub(crate) const BEGINNING: usize = 4;
pub(crate) const WHOLE: usize = 10;
pub(crate) const HEAD: usize = 7;
/// Integers of a trace before the steps of its snapshots.
pub(crate) const TRACE_HEAD: usize = 6;

/// The language of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenCL C 1.2.
    OpenCl,
    /// CUDA C++, for NVRTC.
    Cuda,
    /// C++20 on a processor: a group is so many threads of it. For tests.
    Host,
}

impl Dialect {
    fn words(self) -> &'static str {
        match self {
            Dialect::OpenCl => include_str!("../kernel/opencl.h"),
            Dialect::Cuda => include_str!("../kernel/cuda.h"),
            Dialect::Host => include_str!("../kernel/host.h"),
        }
    }
}

/// A number of the kernel's arithmetic as it is written there: the shortest digits that give it
/// back.
fn literal(precision: Precision, v: f64) -> String {
    match precision {
        Precision::F32 if (v as f32).is_finite() => format!("{:e}f", v as f32),
        Precision::F32 if v.is_nan() => "FROM_BITS(0x7fc00000u)".into(),
        Precision::F32 if v > 0.0 => "FROM_BITS(0x7f800000u)".into(),
        Precision::F32 => "FROM_BITS(0xff800000u)".into(),
        Precision::F64 if v.is_finite() => format!("{v:e}"),
        Precision::F64 if v.is_nan() => "FROM_BITS(0x7ff8000000000000UL)".into(),
        Precision::F64 if v > 0.0 => "FROM_BITS(0x7ff0000000000000UL)".into(),
        Precision::F64 => "FROM_BITS(0xfff0000000000000UL)".into(),
    }
}

struct Text {
    precision: Precision,
    text: String,
}

impl Text {
    fn define(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.text, "#define {name} {value}");
    }

    fn number(&mut self, name: &str, v: f64) {
        // Digits such as `3e0` are a number in C as well.
        let value = literal(self.precision, v);
        self.define(name, format_args!("((real){value})"));
    }

    fn polynomial(&mut self, name: &str, coefficients: &[f64]) {
        let precision = self.precision;
        let each = coefficients.iter().map(|c| literal(precision, *c));
        let list: Vec<String> = each.collect();
        self.define(name, list.join(", "));
        self.define(&format!("{name}_TERMS"), coefficients.len());
    }
}

/// The whole source of a kernel.
pub(crate) fn source(dialect: Dialect, problem: &Problem, layout: &Layout) -> String {
    let mut text = Text {
        precision: problem.precision,
        text: String::new(),
    };
    sizes(&mut text, problem, layout);
    arithmetic(&mut text, problem.precision);
    choices(&mut text, problem);
    rule(&mut text, problem);
    matrices(&mut text, layout);
    step(&mut text, problem, layout);
    format!(
        "{}{}{}",
        text.text,
        dialect.words(),
        include_str!("../kernel/train.c")
    )
}

fn sizes(text: &mut Text, problem: &Problem, layout: &Layout) {
    text.define("THREADS", layout.threads);
    let groups = layout.groups_a_unit(problem.precision);
    text.define("GROUPS_A_UNIT", groups);
    text.define("TERMS_UNROLLED", layout.unrolled());
    text.define("ROOM_SIZE", layout.near.max(4));
    text.define("FAR_SIZE", layout.far);
    text.define("DOUBLE", u8::from(problem.precision == Precision::F64));
    text.define("N", problem.points);
    text.define("D", problem.sizes[0]);
    text.define("K", problem.outputs());
    text.define("P", problem.parameters());
    text.define("TENSORS", problem.tensors.len());
    text.define(
        "RATES_SIZE",
        (problem.schedule.len() + 1) * 2 * problem.tensors.len(),
    );
    text.define("MEMORIES", memories(problem.method));
    text.define("TRACE_STEPS", TRACE_STEPS);
    text.define("MARKS", MARKS);
}

fn arithmetic(text: &mut Text, precision: Precision) {
    use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_2_SQRT_PI, LOG2_E, SQRT_2};
    let Constants {
        mantissa,
        bias,
        magic,
        ln_2,
        exp_range,
        exp,
        tanh_end,
        tanh,
        ln_1p,
        erf,
        erfcx,
        erfcx_shift,
        erfc_end,
        half_pi,
        sin_range,
        sin,
        cos,
    } = constants(precision);
    text.define("MANTISSA", mantissa);
    let (bits, largest) = match precision {
        Precision::F32 => (32, f64::from(f32::MAX)),
        Precision::F64 => (64, f64::MAX),
    };
    text.define("WORD_BITS", bits);
    text.define("SIGN_BIT", format_args!("((word)1 << {})", bits - 1));
    for (name, v) in [
        ("ZERO", 0.0),
        ("ONE", 1.0),
        ("TWO", 2.0),
        ("HALF", 0.5),
        ("INFINITE", f64::INFINITY),
        ("NOT_A_NUMBER", f64::NAN),
        ("LARGEST", largest),
        ("LEAK", 0.01),
        ("MAGIC", magic),
        ("BIAS", bias),
        ("TWO_BIAS", 2.0 * bias),
        ("LOG2_E", LOG2_E),
        ("TWO_LOG2_E", 2.0 * LOG2_E),
        ("LN_2_HIGH", ln_2[0]),
        ("LN_2_LOW", ln_2[1]),
        ("HALF_LN_2_HIGH", 0.5 * ln_2[0]),
        ("EXP_LOW", exp_range[0]),
        ("EXP_HIGH", exp_range[1]),
        ("TANH_END", tanh_end),
        ("ERFCX_SHIFT", erfcx_shift),
        ("TWO_ERFCX_SHIFT", 2.0 * erfcx_shift),
        ("ERFC_END", erfc_end),
        ("GELU_END", erfc_end * SQRT_2),
        ("TWO_OVER_ROOT_PI", FRAC_2_SQRT_PI),
        ("ROOT_HALF", FRAC_1_SQRT_2),
        ("DENSITY", 0.3989422804014327),
        ("TWO_OVER_PI", FRAC_2_PI),
        ("HALF_PI_0", half_pi[0]),
        ("HALF_PI_1", half_pi[1]),
        ("HALF_PI_2", half_pi[2]),
        ("SIN_RANGE", sin_range),
    ] {
        text.number(name, v);
    }
    for (name, coefficients) in [
        ("EXP", exp),
        ("TANH", tanh),
        ("LN_1P", ln_1p),
        ("ERF", erf),
        ("ERFCX", erfcx),
        ("SIN", sin),
        ("COS", cos),
    ] {
        text.polynomial(name, coefficients);
    }
}

/// Activation, output, loss, success.
fn choices(text: &mut Text, problem: &Problem) {
    let (phi, sloped) = match problem.activation {
        Activation::Identity => ("(z)", "(sum)"),
        Activation::Relu => ("((z) <= ZERO ? ZERO : (z))", "((a) > ZERO ? (sum) : ZERO)"),
        Activation::LeakyRelu => (
            "((z) > ZERO ? (z) : (z) * LEAK)",
            "((sum) * ((a) > ZERO ? ONE : LEAK))",
        ),
        Activation::Tanh => ("tangent(z)", "((sum) * FMA(-(a), a, ONE))"),
        Activation::Abs => ("absolute_value(z)", "((sum) * (d))"),
        Activation::Sigmoid => ("sigmoid(z)", "((sum) * (d))"),
        Activation::Erf => ("error_function(z)", "((sum) * (d))"),
        Activation::Gelu => ("gelu(z)", "((sum) * (d))"),
        Activation::Silu => ("silu(z)", "((sum) * (d))"),
        Activation::Softplus => ("softplus(z)", "((sum) * (d))"),
        Activation::Sin => ("sine(z)", "((sum) * (d))"),
        Activation::Cos => ("cosine(z)", "((sum) * (d))"),
    };
    text.define("PHI(z)", phi);
    text.define("SLOPED(sum, a, d)", sloped);
    let sine = matches!(problem.activation, Activation::Sin | Activation::Cos);
    text.define("ACTIVATION_IS_SINE", u8::from(sine));
    text.define("SLOPE_IS_KEPT", u8::from(keeps_slope(problem.activation)));
    let output = match problem.output {
        Output::Identity => None,
        Output::Sigmoid => Some("sigmoid(z)"),
        Output::Tanh => Some("tangent_and_slope(z)"),
    };
    text.define("OUTPUT_IS_IDENTITY", u8::from(output.is_none()));
    text.define("OUTPUT_OF(z)", output.unwrap_or_default());
    let squared = problem.loss.is_squared();
    text.define("LOSS_IS_LOGISTIC", u8::from(!squared));
    text.define("TERMS_ARE_DELTAS", u8::from(terms_are_deltas(problem)));
    let (error, boundary) = match problem.success {
        Criterion::Loss { .. } => (0, None),
        Criterion::Error { .. } => (1, None),
        Criterion::Accuracy { boundary, .. } => (0, Some(boundary)),
    };
    text.define("SUCCESS_IS_ERROR", error);
    text.define("SUCCESS_IS_ACCURACY", u8::from(boundary.is_some()));
    text.number("BOUNDARY", boundary.unwrap_or(0.0));
    text.define("HAS_BATCH", u8::from(problem.batch.is_some()));
    if let Some(batch) = problem.batch {
        let n = problem.points;
        let weight = |size: usize| match problem.loss.averages() {
            true => n as f64 / size as f64,
            false => 1.0,
        };
        text.define("BATCHES", format_args!("{}UL", batch.per_epoch(n)));
        text.define("BATCH_SIZE", batch.size);
        text.number("BATCH_WEIGHT", weight(batch.size));
        let rest = if n.is_multiple_of(batch.size) {
            batch.size
        } else {
            n % batch.size
        };
        text.number("LAST_BATCH_WEIGHT", weight(rest));
    }
}

/// The update rule, clipping, weight decay.
fn rule(text: &mut Text, problem: &Problem) {
    let method = problem.method;
    let is_adam = matches!(method, Method::Adam { .. } | Method::AdamW { .. });
    let is_momentum = matches!(method, Method::Momentum { .. } | Method::Nesterov { .. });
    text.define("METHOD_IS_GD", u8::from(method == Method::Gd));
    text.define("METHOD_IS_MOMENTUM", u8::from(is_momentum));
    text.define("METHOD_IS_ADAM", u8::from(is_adam));
    match method {
        Method::Gd => {}
        Method::Momentum { beta } => {
            text.number("BETA", beta);
            text.define("MOMENTUM_STEP(mean, g)", "(mean)");
        }
        Method::Nesterov { beta } => {
            text.number("BETA", beta);
            text.define("MOMENTUM_STEP(mean, g)", "FMA(BETA, mean, g)");
        }
        Method::Adam { betas, eps } | Method::AdamW { betas, eps } => {
            text.number("BETA_1", betas[0]);
            text.number("BETA_2", betas[1]);
            text.number("REST_1", 1.0 - betas[0]);
            text.number("REST_2", 1.0 - betas[1]);
            text.number("EPSILON", eps);
        }
    }
    let is_decoupled = matches!(method, Method::AdamW { .. });
    let decoupled = is_decoupled && problem.weight_decay > 0.0;
    let decouple = if decoupled {
        "w = FMA(shrink, w, w);"
    } else {
        ""
    };
    text.define("DECOUPLE(w)", decouple);
    let two_s = 2.0 * problem.loss_factor();
    let each = |f: &dyn Fn(f64) -> f64| -> String {
        let of = |m: &f64| format!("((real){})", literal(problem.precision, f(*m)));
        // A choice between constants, of a tensor that is known where it is made.
        let last = problem.multipliers.len() - 1;
        let mut all = String::new();
        for (i, m) in problem.multipliers.iter().enumerate() {
            let _ = match i == last {
                false => write!(all, "(T) == {i} ? {} : ", of(m)),
                true => write!(all, "{}", of(m)),
            };
        }
        format!("({all})")
    };
    text.define("SCALE_OF(T)", each(&|m| two_s * m));
    let decay = if is_decoupled {
        0.0
    } else {
        problem.weight_decay
    };
    text.define("DECAYS", u8::from(decay > 0.0));
    text.define("DECAY_OF(T)", each(&|m| decay / (two_s * m * m)));
    let (value, norm) = match problem.clip {
        None => (None, None),
        Some(Clip::Value(bound)) => (Some(bound), None),
        Some(Clip::Norm(bound)) => (None, Some(bound)),
    };
    text.define("CLIPS_VALUES", u8::from(value.is_some()));
    text.define("CLIPS_NORM", u8::from(norm.is_some()));
    text.define("CLIP_OF(T)", each(&|m| value.unwrap_or(0.0) / (two_s * m)));
    text.number("CLIP_NORM", norm.unwrap_or(0.0));
    text.number("CLIP_SMALL", 1e-6);
    text.define("SQUARED_SCALE_OF(T)", each(&|m| (two_s * m) * (two_s * m)));
    let starts: Vec<usize> = problem.tensors.iter().map(|t| t.start).collect();
    let start = |i: usize| starts.get(i).copied().unwrap_or(problem.parameters());
    let mut all = String::new();
    for i in 0..problem.tensors.len() {
        let _ = write!(all, "(T) == {i} ? {} : ", start(i));
    }
    text.define(
        "START_OF(T)",
        format_args!("({all}{})", problem.parameters()),
    );
}

fn matrices(text: &mut Text, layout: &Layout) {
    for matrix in &layout.matrices {
        let room = match matrix.space {
            Space::Near => "room",
            Space::Far => "far",
        };
        let at = format!("({room} + {})", matrix.start);
        match matrix.name.as_str() {
            // Places of points, in the room of as many numbers.
            "ORDER_ROOM" => {
                let space = match matrix.space {
                    Space::Near => "LOCAL",
                    Space::Far => "GLOBAL",
                };
                text.define("ORDER", format_args!("(({space} uint *){at})"));
            }
            "MEMORY" => {
                text.define("MEMORY", &at);
                text.define("FIRST_MEAN", "MEMORY");
                text.define("SECOND_MEAN", "(MEMORY + P)");
            }
            "R" | "X" => {
                text.define(&matrix.name, &at);
                text.define(&format!("{}_STRIDE", matrix.name), matrix.stride);
            }
            name => text.define(name, at),
        }
    }
    if layout.matrix("MEMORY").is_none() {
        text.define("MEMORY", "room");
    }
}

/// Hidden layers alike from which on they are one text in a loop, not a text each: few are faster
/// without, and many would take compilers a second each.
const REPEATED: usize = 6;

/// Weights of hidden layers alike that follow each other, of layer `first` and `count - 1` more.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Repeat {
    first: usize,
    count: usize,
}

/// The longest stretches of layers that lie in memory at equal distances and are cut alike.
fn repeats(problem: &Problem, layout: &Layout) -> Vec<Repeat> {
    // What two layers alike have in common, and where what belongs to each of them lies.
    let of = |l: usize| {
        let names = ["A", "D", "W", "B"].map(|kind| format!("{kind}{l}"));
        let above = ["A", "D"].map(|kind| format!("{kind}{}", l + 1));
        let all: Vec<&Matrix> = names
            .iter()
            .chain(&above)
            .filter_map(|name| layout.matrix(name))
            .collect();
        let common: Vec<(Space, usize)> = all.iter().map(|m| (m.space, m.stride)).collect();
        let starts: Vec<usize> = all.iter().map(|m| m.start).collect();
        ((problem.sizes[l], problem.sizes[l + 1], common), starts)
    };
    let follows = |first: usize, l: usize| {
        let [(a, at), (b, next), (c, here)] = [first, first + 1, l].map(of);
        let there = |i: usize| at[i] + (next[i].wrapping_sub(at[i])).wrapping_mul(l - first);
        a == b && a == c && here.iter().enumerate().all(|(i, start)| *start == there(i))
    };
    let last = problem.sizes.len() - 2;
    let mut all = Vec::new();
    let mut first = 1;
    while first + REPEATED <= last {
        let count = 1 + (first + 1..last).take_while(|l| follows(first, *l)).count();
        if count >= REPEATED {
            all.push(Repeat { first, count });
        }
        first += count;
    }
    all
}

/// The products of a step: UP, DOWN, and what is done to every tensor.
fn step(text: &mut Text, problem: &Problem, layout: &Layout) {
    let (sizes, one) = (&problem.sizes, problem.outputs() == 1);
    let layers = sizes.len() - 1;
    let repeats = repeats(problem, layout);
    let stride = |name: &str| layout.matrix(name).map_or(0, |m| m.stride);
    let input = |l: usize| {
        if l == 0 {
            "X".to_string()
        } else {
            format!("A{l}")
        }
    };
    let delta = |l: usize| {
        if l == layers {
            "R".to_string()
        } else {
            format!("D{l}")
        }
    };
    let tensor = |l: usize| if problem.bias { 2 * l } else { l };
    // In a loop what is said of a layer is said of the one that many layers above it too.
    let more = |step: usize| format!("l_ * {step}");
    let matrix = |name: &str, within: Option<Repeat>| {
        let distance = |Repeat { first, .. }: Repeat| {
            let [here, next] = [first, first + 1].map(|l| format!("{}{l}", &name[..1]));
            let start = |name: &str| layout.matrix(name).map_or(0, |m| m.start);
            start(&next) - start(&here)
        };
        match within {
            None => name.to_string(),
            Some(repeat) => format!("({name} + {})", more(distance(repeat))),
        }
    };
    let bias = |l: usize, within, at: &str| match problem.bias {
        true => format!("{}[{at}]", matrix(&format!("B{l}"), within)),
        false => "ZERO".into(),
    };
    // A tensor's place in the flat parameters and its number.
    let place = |t: usize, within: Option<Repeat>| {
        let start = problem.tensors[t].start;
        match within {
            None => format!("{start}, {t}"),
            Some(repeat) => {
                let [here, next] = [repeat.first, repeat.first + 1].map(tensor);
                let apart = problem.tensors[next].start - problem.tensors[here].start;
                format!("{start} + {}, {t} + {}", more(apart), more(next - here))
            }
        }
    };

    // The texts of all layers, from the lowest on.
    let upwards = |body: &dyn Fn(usize, Option<Repeat>) -> String| {
        let mut all = String::new();
        let mut l = 0;
        while l < layers {
            match repeats.iter().find(|r| r.first == l) {
                None => {
                    all += &body(l, None);
                    l += 1;
                }
                Some(repeat) => {
                    let (count, body) = (repeat.count, body(l, Some(*repeat)));
                    let _ = write!(all, "for (int l_ = 0; l_ < {count}; l_++) {{ {body}}} ");
                    l += count;
                }
            }
        }
        all
    };
    let rise = |l: usize, within: Option<Repeat>| {
        let (i, w, o) = (input(l), format!("W{l}"), input(l + 1));
        let (is, ws, os) = (stride(&i), stride(&w), stride(&o));
        let [i, w, o] = [i, w, o].map(|name| matrix(&name, within));
        let (fan_in, fan_out) = (sizes[l], sizes[l + 1]);
        let Tile { rows, columns } = layout.tiles[l][0];
        if l + 1 < layers {
            let d = matrix(&delta(l + 1), within);
            let b = bias(l, within, "c");
            format!(
                "RISE({rows}, {columns}, {fan_in}, {fan_out}, {i}, {is}, {w}, {ws}, {b}, {o}, \
                 {os}, {d}) BARRIER(); "
            )
        } else if one {
            let b = bias(l, within, "0");
            format!("RISE_TO_OUTPUT({fan_in}, {i}, {is}, {w}, {b}) ")
        } else {
            let b = bias(l, within, "c");
            format!(
                "RISE_TO_OUTPUTS({rows}, {columns}, {fan_in}, {fan_out}, {i}, {is}, {w}, {ws}, \
                 {b}) "
            )
        }
    };
    text.define("UP", upwards(&rise));

    // Of layer l the layer below's derivative, and gradient and step.
    let fall = |l: usize, within: Option<Repeat>| {
        let (w, o, d, above) = (format!("W{l}"), input(l), delta(l), delta(l + 1));
        let (ws, os, ds) = (stride(&w), stride(&o), stride(&above));
        let [w, o, d, above] = [w, o, d, above].map(|name| matrix(&name, within));
        let (fan_in, fan_out) = (sizes[l], sizes[l + 1]);
        let Tile { rows, columns } = layout.tiles[l][1];
        if l + 1 == layers && one {
            format!("FALL_FROM_OUTPUT({fan_in}, {w}, {o}, {os}, {d}) ")
        } else {
            format!(
                "FALL({rows}, {columns}, {fan_in}, {fan_out}, {above}, {ds}, {w}, {ws}, {o}, \
                 {os}, {d}) "
            )
        }
    };
    let descend = |l: usize, within: Option<Repeat>| {
        let (i, w, above) = (input(l), format!("W{l}"), delta(l + 1));
        let (is, ws, ds) = (stride(&i), stride(&w), stride(&above));
        let [i, w, above] = [i, w, above].map(|name| matrix(&name, within));
        let (fan_in, fan_out, t) = (sizes[l], sizes[l + 1], tensor(l));
        let Tile { rows, columns } = layout.tiles[l][2];
        let at = place(t, within);
        let mut all = if l + 1 == layers && one {
            format!("DESCEND_OUTPUT({fan_in}, {i}, {is}, {w}, {at}) ")
        } else {
            format!(
                "DESCEND({rows}, {columns}, {fan_in}, {fan_out}, {above}, {ds}, {i}, {is}, {w}, \
                 {ws}, {at}) "
            )
        };
        if problem.bias {
            let ds = if l + 1 == layers && one { 1 } else { ds };
            let (b, at) = (matrix(&format!("B{l}"), within), place(t + 1, within));
            let _ = write!(all, "DESCEND_BIAS({fan_out}, {above}, {ds}, {b}, {at}) ");
        }
        all
    };
    let mut down = String::new();
    if layers > 1 {
        down += &fall(layers - 1, None);
    }
    // Without a hidden layer too: all have copied the weights of a trace before one steps them.
    down += "BARRIER(); ";
    let mut l = layers - 1;
    while l > 0 {
        let repeat = repeats.iter().find(|r| r.first + r.count == l + 1);
        let below = |within| format!("{}BARRIER(); ", fall(l - 1, within));
        match repeat {
            None => {
                down += &descend(l, None);
                if l > 1 {
                    down += &below(None);
                }
                l -= 1;
            }
            // Below the lowest of them lies a layer of another kind.
            Some(repeat) => {
                let (count, all) = (repeat.count - 1, Some(*repeat));
                let body = descend(l, all) + &below(all);
                let _ = write!(down, "for (int l_ = 0; l_ > -{count}; l_--) {{ {body}}} ");
                l -= count;
            }
        }
    }
    down += &descend(0, None);
    text.define("DOWN", down);

    let copy = |l: usize, within: Option<Repeat>| {
        let mut all = String::new();
        for (t, tensor) in problem.tensors.iter().enumerate() {
            if tensor.layer != l {
                continue;
            }
            let (name, rows, columns) = match tensor.shape[..] {
                [out, input] => (format!("W{l}"), out, input),
                _ => (format!("B{l}"), 1, tensor.len()),
            };
            let (stride, at) = (stride(&name), place(t, within));
            let name = matrix(&name, within);
            let _ = write!(all, "OP({name}, {stride}, {rows}, {columns}, {at}) ");
        }
        all
    };
    text.define("COPY_WEIGHTS(OP)", upwards(&copy));
}
