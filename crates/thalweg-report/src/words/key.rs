//! The keys of a study that decide how a network trains, and how each is named for people.

use thalweg::data::{Draw, Nearest, Standardise};
use thalweg::descent::{Loss, Precision, Stop};
use thalweg::net::{BiasInit, Parameterization};
use thalweg::study::{Replicates, Setting};

use super::numbers::{count, many, number, percent};
use super::{goal, setting};

/// A key of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `data.dim`.
    Dim,
    /// `data.points`.
    Points,
    /// `data.outputs`.
    Outputs,
    /// `data.inputs`.
    Inputs,
    /// `data.nearest`.
    Nearest,
    /// `data.targets`.
    Targets,
    /// `data.noise`.
    Noise,
    /// `data.draw`.
    Draw,
    /// `data.file`.
    File,
    /// `data.columns`.
    Columns,
    /// `data.standardise`.
    Standardise,
    /// `net.activation`.
    Activation,
    /// `net.output`.
    Output,
    /// `net.hidden`.
    Hidden,
    /// `net.init`.
    Init,
    /// `net.bias_init`.
    BiasInit,
    /// `net.gains`.
    Gains,
    /// `net.bias`.
    Bias,
    /// `net.parameterization`.
    Parameterization,
    /// `descent.method`.
    Method,
    /// `descent.batch`.
    Batch,
    /// `descent.drop_last`.
    DropLast,
    /// `descent.weight_decay`.
    WeightDecay,
    /// `descent.clip`.
    Clip,
    /// `descent.loss`.
    Loss,
    /// `descent.rate`.
    Rate,
    /// `descent.schedule`.
    Schedule,
    /// `descent.layer_rates`.
    LayerRates,
    /// `descent.steps`.
    Steps,
    /// `descent.epochs`, which a plan makes steps of.
    Epochs,
    /// `descent.precision`.
    Precision,
    /// `descent.stop`.
    Stop,
    /// `success.loss_below`.
    LossBelow,
    /// `success.error_below`.
    ErrorBelow,
    /// `success.accuracy`.
    Accuracy,
    /// `success.share`.
    Share,
    /// `replicates`.
    Replicates,
}

impl Key {
    /// Every one of them, in the order in which they are named.
    pub const ALL: [Key; 37] = [
        Key::Dim,
        Key::Points,
        Key::Outputs,
        Key::Inputs,
        Key::Nearest,
        Key::Targets,
        Key::Noise,
        Key::Draw,
        Key::File,
        Key::Columns,
        Key::Standardise,
        Key::Activation,
        Key::Output,
        Key::Hidden,
        Key::Init,
        Key::BiasInit,
        Key::Gains,
        Key::Bias,
        Key::Parameterization,
        Key::Method,
        Key::Batch,
        Key::DropLast,
        Key::WeightDecay,
        Key::Clip,
        Key::Loss,
        Key::Rate,
        Key::Schedule,
        Key::LayerRates,
        Key::Steps,
        Key::Epochs,
        Key::Precision,
        Key::Stop,
        Key::LossBelow,
        Key::ErrorBelow,
        Key::Accuracy,
        Key::Share,
        Key::Replicates,
    ];

    /// What a dotted key is about, whatever it names inside; none for what is no part of training.
    pub fn of(dotted: &str) -> Option<Key> {
        let inside = |key: &&Key| {
            let rest = dotted.strip_prefix(key.dotted());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        Key::ALL.iter().find(inside).copied()
    }

    /// As a study writes it.
    pub fn dotted(self) -> &'static str {
        self.names()[0]
    }

    /// As the subject of a sentence.
    pub fn noun(self) -> &'static str {
        self.names()[1]
    }

    /// On an axis.
    pub fn axis(self) -> &'static str {
        self.names()[2]
    }

    /// As the heading of a column.
    pub fn heading(self) -> &'static str {
        self.names()[3]
    }

    /// Dotted, in a sentence, on an axis, over a column.
    fn names(self) -> [&'static str; 4] {
        match self {
            Key::Dim => [
                "data.dim",
                "the input dimension",
                "input dimension d",
                "dimension",
            ],
            Key::Points => ["data.points", "the number of points", "points N", "points"],
            Key::Outputs => [
                "data.outputs",
                "the number of outputs",
                "outputs k",
                "outputs",
            ],
            Key::Inputs => ["data.inputs", "the law of the inputs", "inputs", "inputs"],
            Key::Nearest => [
                "data.nearest",
                "the nearest pair",
                "distance",
                "nearest pair",
            ],
            Key::Targets => [
                "data.targets",
                "the law of the targets",
                "targets",
                "targets",
            ],
            Key::Noise => [
                "data.noise",
                "the noise of the targets",
                "standard deviation of the noise",
                "noise",
            ],
            Key::Draw => ["data.draw", "how sets are drawn", "draws", "draws"],
            Key::File => ["data.file", "the data set", "data set", "data set"],
            Key::Columns => [
                "data.columns",
                "the columns of the data set",
                "columns",
                "columns",
            ],
            Key::Standardise => [
                "data.standardise",
                "what is standardised",
                "scaling",
                "scaling",
            ],
            Key::Activation => [
                "net.activation",
                "the activation",
                "activation",
                "activation",
            ],
            Key::Output => [
                "net.output",
                "the function of the output",
                "output",
                "output",
            ],
            Key::Hidden => [
                "net.hidden",
                "the size of the hidden layers",
                "size (units a layer, or layers)",
                "hidden layers",
            ],
            Key::Init => [
                "net.init",
                "the initial weights",
                "initial weights",
                "initial weights",
            ],
            Key::BiasInit => [
                "net.bias_init",
                "the initial biases",
                "biases",
                "initial biases",
            ],
            Key::Gains => [
                "net.gains",
                "the scale of the layers",
                "factor",
                "scale of layers",
            ],
            Key::Bias => ["net.bias", "whether there are biases", "biases", "biases"],
            Key::Parameterization => [
                "net.parameterization",
                "the parameterization",
                "parameterization",
                "parameterization",
            ],
            Key::Method => [
                "descent.method",
                "the update rule",
                "constant of the rule",
                "rule",
            ],
            Key::Batch => [
                "descent.batch",
                "the size of the mini-batches",
                "points in a mini-batch",
                "mini-batch",
            ],
            Key::DropLast => [
                "descent.drop_last",
                "whether the last batch of an epoch is used",
                "last batch",
                "last batch",
            ],
            Key::WeightDecay => [
                "descent.weight_decay",
                "the weight decay",
                "weight decay",
                "weight decay",
            ],
            Key::Clip => [
                "descent.clip",
                "what gradients are clipped to",
                "clipped to",
                "clipping",
            ],
            Key::Loss => ["descent.loss", "the loss", "loss", "loss"],
            Key::Rate => ["descent.rate", "the learning rate", "learning rate", "rate"],
            Key::Schedule => [
                "descent.schedule",
                "how the rate changes",
                "schedule",
                "schedule",
            ],
            Key::LayerRates => [
                "descent.layer_rates",
                "the rates of layers",
                "rate",
                "layer rates",
            ],
            Key::Steps => [
                "descent.steps",
                "the number of steps",
                "steps at most",
                "budget",
            ],
            Key::Epochs => [
                "descent.epochs",
                "the number of epochs",
                "epochs at most",
                "budget",
            ],
            Key::Precision => [
                "descent.precision",
                "the precision",
                "precision",
                "precision",
            ],
            Key::Stop => ["descent.stop", "when training stops", "stop", "stop"],
            Key::LossBelow => [
                "success.loss_below",
                "the loss asked for",
                "loss",
                "loss asked for",
            ],
            Key::ErrorBelow => [
                "success.error_below",
                "the error asked for",
                "error",
                "error asked for",
            ],
            Key::Accuracy => [
                "success.accuracy",
                "the accuracy asked for",
                "accuracy",
                "accuracy asked for",
            ],
            Key::Share => [
                "success.share",
                "the share asked for",
                "share",
                "share asked for",
            ],
            Key::Replicates => [
                "replicates",
                "the number of replicates",
                "replicates",
                "replicates",
            ],
        }
    }

    /// What it is in a setting.
    pub fn value(self, of: &Setting) -> String {
        match self {
            Key::Dim => format!("d = {}", of.data.dim),
            Key::Points => format!("N = {}", of.data.points),
            Key::Outputs => many(of.data.outputs, "output", "outputs"),
            Key::Inputs => format!("{} inputs", setting::inputs(&of.data.inputs)),
            Key::Nearest => match of.data.nearest {
                Nearest::AsDrawn => "points as drawn".into(),
                Nearest::AtLeast(least) => format!("no two points nearer than {}", number(least)),
                Nearest::MovedPair(to) => format!("nearest two moved to {} apart", number(to)),
            },
            Key::Targets => setting::targets(&of.data.targets),
            Key::Noise => match of.data.noise > 0.0 {
                true => format!("noise of std {}", number(of.data.noise)),
                false => "no noise".into(),
            },
            Key::Draw => match of.data.draw {
                Draw::Each => "drawn anew each time".into(),
                Draw::Once => "one training set".into(),
                Draw::Crossed(c) => format!("{} sets × {} weights", c.sets, c.weights),
            },
            Key::File => match &of.data.file {
                Some(file) => format!("data of `{file}`"),
                None => "random data".into(),
            },
            Key::Columns => match &of.data.columns {
                None => "columns x0, x1, … and y".into(),
                Some(columns) => setting::columns(columns),
            },
            Key::Standardise => match of.data.standardise {
                None => "data as they are".into(),
                Some(Standardise::Inputs) => "inputs standardised".into(),
                Some(Standardise::Both) => "inputs and targets standardised".into(),
            },
            Key::Activation => setting::unit(of.net.activation).into(),
            Key::Output => setting::output(of.net.output).into(),
            Key::Hidden => setting::layers(&of.net.hidden, ""),
            Key::Init => setting::init(&of.net.init),
            Key::BiasInit => match of.net.bias_init {
                None => "biases as the weights".into(),
                Some(BiasInit::Pytorch) => "PyTorch's default biases".into(),
                Some(BiasInit::Zeros) => "biases from 0".into(),
                Some(BiasInit::Uniform(law)) => format!("{} biases", setting::uniform(law)),
                Some(BiasInit::Normal { std }) => format!("biases of std {}", number(std)),
            },
            Key::Gains => {
                let gains = setting::gains(of.net.gains.as_deref());
                gains.unwrap_or_else(|| "first layer × 1".into())
            }
            Key::Bias => if of.net.bias {
                "with biases"
            } else {
                "without biases"
            }
            .into(),
            Key::Parameterization => match of.net.parameterization {
                Parameterization::Standard => "standard parameterization".into(),
                Parameterization::Ntk => "NTK parameterization".into(),
            },
            Key::Method => setting::method(of.descent.method),
            Key::Batch => match of.descent.batch {
                None => "full batch".into(),
                Some(size) => format!("mini-batches of {}", count(size as u64)),
            },
            Key::DropLast => match of.descent.drop_last {
                true => "the last batch left out if smaller",
                false => "the last batch used",
            }
            .into(),
            Key::WeightDecay => setting::weight_decay(&of.descent),
            Key::Clip => setting::clip(of.descent.clip),
            Key::Loss => match of.descent.loss {
                Loss::Sum => "loss Σ r²".into(),
                Loss::Mean => "loss Σ r²/N".into(),
                Loss::HalfSum => "loss ½ Σ r²".into(),
                Loss::HalfMean => "loss ½ Σ r²/N".into(),
                Loss::Logistic => "logistic loss".into(),
                Loss::MeanLogistic => "mean logistic loss".into(),
            },
            Key::Rate => setting::rate(of.descent.rate),
            Key::Schedule => setting::schedule_alone(&of.descent.schedule),
            Key::LayerRates => match &of.descent.layer_rates {
                None => "one rate for all layers".into(),
                Some(rates) => {
                    let rates: Vec<String> = rates.iter().map(|r| number(*r)).collect();
                    format!("layer rates {}", rates.join("-"))
                }
            },
            Key::Steps | Key::Epochs => many(of.descent.steps as usize, "step", "steps"),
            Key::Precision => match of.descent.precision {
                Precision::F32 => "single precision".into(),
                Precision::F64 => "double precision".into(),
            },
            Key::Stop => match of.descent.stop {
                Stop::Below => "stopped when below".into(),
                Stop::Never => "all steps made".into(),
            },
            Key::LossBelow | Key::ErrorBelow | Key::Accuracy => goal::asked(&of.success),
            Key::Share => format!("{} asked for", percent(of.success.share)),
            Key::Replicates => match of.replicates {
                Replicates::Fixed(n) => many(n as usize, "replicate", "replicates"),
                Replicates::UntilDecided { at_most, .. } => {
                    format!("until decided, at most {}", count(at_most))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of a study is found by all that it leads to, and by nothing that only begins like it.
    #[test]
    fn keys_are_found_by_what_they_hold() {
        for key in Key::ALL {
            assert_eq!(Key::of(key.dotted()), Some(key));
            assert_eq!(Key::of(&format!("{}.more", key.dotted())), Some(key));
            assert_eq!(Key::of(&format!("{}more", key.dotted())), None);
        }
        assert_eq!(Key::of("look.replicates"), None);
    }

    #[test]
    fn a_setting_is_named_for_people() {
        let mut of = Setting::default();
        let says = |of: &Setting, key: Key, text: &str| assert_eq!(key.value(of), text);
        of.net.hidden = vec![8];
        says(&of, Key::Hidden, "one layer of 8");
        of.net.hidden = vec![8, 8];
        says(&of, Key::Hidden, "two layers of 8");
        of.net.hidden = vec![20, 10];
        says(&of, Key::Hidden, "layers of 20-10");
        of.net.gains = Some(vec![12.0, 1.0, 1.0]);
        says(&of, Key::Gains, "first layer × 12");
        of.net.gains = Some(vec![1.0, 1.0, 3.0]);
        says(&of, Key::Gains, "last layer × 3");
        says(&of, Key::Init, "PyTorch's default weights");
        of.net.bias = false;
        says(&of, Key::Bias, "without biases");
    }
}
