//! Names that people bring along from other programs, and where what they mean stands in a study.

use super::Setting;
use super::data::{Nearest, Standardise};
use super::descent::{Clip, Schedule};
use super::net::BiasInit;
use super::test_data::TestData;

/// A key by another name, and the whole key.
const KEYS: [(&str, &str); 38] = [
    ("lr", "descent.rate"),
    ("learning_rate", "descent.rate"),
    ("step_size", "descent.rate"),
    ("eta", "descent.rate"),
    ("num_epochs", "descent.epochs"),
    ("n_epochs", "descent.epochs"),
    ("batch_size", "descent.batch"),
    ("wd", "descent.weight_decay"),
    ("l2", "descent.weight_decay"),
    ("clip_grad_norm", "descent.clip"),
    ("grad_clip", "descent.clip"),
    ("gradient_clipping", "descent.clip"),
    ("iterations", "descent.steps"),
    ("max_iter", "descent.steps"),
    ("n_steps", "descent.steps"),
    ("num_steps", "descent.steps"),
    ("optimizer", "descent.method"),
    ("optimiser", "descent.method"),
    ("loss_fn", "descent.loss"),
    ("criterion", "descent.loss"),
    ("dtype", "descent.precision"),
    ("n", "data.points"),
    ("n_points", "data.points"),
    ("num_points", "data.points"),
    ("n_samples", "data.points"),
    ("samples", "data.points"),
    ("d", "data.dim"),
    ("dimension", "data.dim"),
    ("input_dim", "data.dim"),
    ("width", "net.hidden"),
    ("widths", "net.hidden"),
    ("layers", "net.hidden"),
    ("hidden_layers", "net.hidden"),
    ("hidden_sizes", "net.hidden"),
    ("initialization", "net.init"),
    ("nonlinearity", "net.activation"),
    ("runs", "replicates"),
    ("threshold", "success.loss_below"),
];

/// A value by another name, and its name here.
const VALUES: [(&str, &str); 12] = [
    ("he", "kaiming_normal"),
    ("he_normal", "kaiming_normal"),
    ("he_uniform", "kaiming_uniform"),
    ("glorot_normal", "xavier_normal"),
    ("glorot_uniform", "xavier_uniform"),
    ("lecun", "lecun_normal"),
    ("linear", "identity"),
    ("swish", "silu"),
    ("sine", "sin"),
    ("float32", "f32"),
    ("float64", "f64"),
    ("double", "f64"),
];

/// How people write a name: `learning-rate` and `Learning_Rate` are one.
fn usual(name: &str) -> String {
    name.trim_start_matches('-')
        .replace('-', "_")
        .to_lowercase()
}

/// A setting in which no key is left out because nothing is said there.
pub(crate) fn every_key() -> Option<toml::Table> {
    let mut of = Setting::default();
    of.data.nearest = Nearest::AtLeast(1.0);
    of.data.noise = 0.1;
    of.data.standardise = Some(Standardise::Both);
    of.data.file = Some(String::new());
    of.net.bias_init = Some(BiasInit::Zeros);
    of.net.gains = Some(Vec::new());
    of.descent.batch = Some(1);
    of.descent.drop_last = true;
    of.descent.weight_decay = 0.01;
    of.descent.clip = Some(Clip::Norm(1.0));
    of.descent.schedule = Schedule::Step {
        every: 1,
        gamma: 0.5,
    };
    of.descent.layer_rates = Some(Vec::new());
    of.descent.epochs = Some(1);
    of.test = Some(TestData {
        points: Some(1),
        file: Some(String::new()),
        grid: Some([0.0, 1.0]),
        ridge: 1.0,
    });
    toml::Table::try_from(of).ok()
}

/// The whole key that a name means: a key of a study without its table, or one that other programs
/// use for it.
pub fn key_meant(name: &str) -> Option<String> {
    let name = usual(name);
    if let Some((_, key)) = KEYS.iter().find(|(other, _)| *other == name) {
        return Some((*key).to_string());
    }
    let table = every_key()?;
    if table.get(&name).is_some_and(|value| !value.is_table()) {
        return Some(name);
    }
    let inside = table.iter().find(|(_, value)| {
        let table = value.as_table();
        table.is_some_and(|table| table.contains_key(&name))
    });
    inside.map(|(table, _)| format!("{table}.{name}"))
}

/// What a name that is none of the known ones means, to be told: another of them, or a key of
/// another table.
pub(super) fn meant(wrong: &str, known: &[&str]) -> Option<String> {
    let name = usual(wrong);
    let value = VALUES.iter().find(|(other, _)| *other == name);
    if let Some((_, value)) = value.filter(|(_, value)| known.contains(value)) {
        return Some(format!("here it is called `{value}`"));
    }
    let key = key_meant(wrong)?;
    let last = key.rsplit('.').next().unwrap_or(&key);
    if known.contains(&last) {
        return (last != wrong).then(|| format!("here it is called `{last}`"));
    }
    Some(match key.split_once('.') {
        Some((table, last)) => format!("that is `{last}` of `[{table}]`"),
        None => format!("that is `{key}`, before the first table"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `lr` was answered with `layer_rates`, a factor for each layer.
    #[test]
    fn names_of_other_programs_are_understood() {
        for (wrong, known, hint) in [
            (
                "lr",
                &["rate", "layer_rates"][..],
                "here it is called `rate`",
            ),
            ("learning_rate", &["rate"], "here it is called `rate`"),
            ("lr", &["title", "data"], "that is `rate` of `[descent]`"),
            ("batch_size", &["batch"], "here it is called `batch`"),
            ("epochs", &["hidden"], "that is `epochs` of `[descent]`"),
            ("width", &["hidden"], "here it is called `hidden`"),
            (
                "he_normal",
                &["kaiming_normal"],
                "here it is called `kaiming_normal`",
            ),
            ("dim", &["hidden", "init"], "that is `dim` of `[data]`"),
            (
                "runs",
                &["dim"],
                "that is `replicates`, before the first table",
            ),
        ] {
            assert_eq!(meant(wrong, known).as_deref(), Some(hint), "{wrong}");
        }
        assert_eq!(meant("hiden", &["hidden"]), None);
    }

    /// Every key that a name is said to mean is one.
    #[test]
    fn what_names_mean_is_there() {
        let table = every_key().expect("a table");
        for (_, key) in KEYS {
            let found = match key.split_once('.') {
                Some((head, last)) => table[head].get(last).is_some(),
                None => table.contains_key(key),
            };
            assert!(found, "{key}");
        }
        assert_eq!(key_meant("--dim").as_deref(), Some("data.dim"));
        assert_eq!(key_meant("nothing"), None);
    }
}
