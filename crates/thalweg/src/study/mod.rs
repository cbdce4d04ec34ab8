//! The study as written: its types, each with the check of what its type cannot forbid, and its
//! reader.

mod builtin;
mod check;
pub mod claim;
mod compare;
pub mod data;
pub mod descent;
mod look;
mod map;
mod names;
pub mod net;
mod points;
mod reader;
mod replicates;
mod space;
mod test_data;

use schemars::JsonSchema;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess};
use serde::{Deserialize, Deserializer, Serialize};

pub use builtin::BUILT_IN;
pub use check::Mistake;
pub use compare::{Compare, Value, stem};
pub use look::{At, Criterion, Keep, Look, Losses, Observable, Success, Weights};
pub use map::{Drawn, Map, MapAxis, Scale};
pub(crate) use names::every_key;
pub use names::key_meant;
pub use reader::Source;
pub(crate) use reader::hint_for;
pub use replicates::Replicates;
pub use space::{Cost, Grid, Space};
pub use test_data::{TestData, TestSet};

pub(crate) use check::mistake;
use claim::Claim;
use data::{Data, Draw, Set};
use descent::{Descent, Precision};
use net::{Net, Output};

/// A study: one setting, what is compared with it, and what others found.
///
/// A study file is one way to write it ([`Source::study`]), a value another. What is not said is
/// the default:
///
/// ```
/// use thalweg::study::{Compare, Replicates, Setting, Study, net::Net};
///
/// let study = Study {
///     title: "Width".into(),
///     compare: vec![Compare::new("activation").vary("net.activation", ["relu", "tanh"])],
///     ..Study::of(Setting {
///         replicates: Replicates::Fixed(200),
///         net: Net { hidden: vec![64], ..Net::default() },
///         ..Setting::default()
///     })
/// };
/// assert_eq!(study.setting.data.points, 20);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct Study {
    /// The question, one sentence.
    #[schemars(default = "untitled")]
    pub title: String,
    /// Why the study asks this and why the base cell is as it is, in the author's own words. It
    /// decides nothing and stands on the page as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whose words these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Whether it asks for `success.share` in so many words; of a file that does not say, whether
    /// that key is written in it. It decides which question the page answers first, nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks_share: Option<bool>,
    /// The base cell; its fields are keys of the file itself.
    #[serde(flatten)]
    pub setting: Setting,
    /// The comparisons around the base cell.
    #[serde(default)]
    pub compare: Vec<Compare>,
    /// What others found, to hold the study against.
    #[serde(default)]
    pub claim: Vec<Claim>,
    /// What may be chosen, for `thalweg choose`; it decides nothing of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    /// Two numbers of the base cell that are varied together, a pixel for every pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<Map>,
}

/// Everything that decides the results of one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Setting {
    /// Seed of every random draw.
    pub seed: u64,
    /// Replicates of each cell.
    pub replicates: Replicates,
    /// Training sets.
    pub data: Data,
    /// The network.
    pub net: Net,
    /// The training rule.
    pub descent: Descent,
    /// What counts as success.
    pub success: Success,
    /// What is measured closely, and when.
    pub look: Look,
    /// What is kept of the first replicates of each cell.
    pub keep: Keep,
    /// Inputs beyond the training set at which networks are measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<TestData>,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            seed: 2018,
            replicates: Replicates::Fixed(400),
            data: Data::default(),
            net: Net::default(),
            descent: Descent::default(),
            success: Success::default(),
            look: Look::default(),
            keep: Keep::default(),
            test: None,
        }
    }
}

fn untitled() -> String {
    "Untitled study".into()
}

impl Default for Study {
    fn default() -> Self {
        Study::of(Setting::default())
    }
}

impl Study {
    /// The study of this setting alone, untitled.
    pub fn of(setting: Setting) -> Study {
        Study {
            title: untitled(),
            why: None,
            author: None,
            asks_share: None,
            setting,
            compare: Vec::new(),
            claim: Vec::new(),
            space: None,
            map: None,
        }
    }

    /// Everything that types cannot say.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub fn check(&self) -> Result<(), Mistake> {
        for (key, words) in [("why", &self.why), ("author", &self.author)] {
            if words.as_ref().is_some_and(|w| w.trim().is_empty()) {
                let message = format!("`{key}` says nothing");
                return mistake(key, message, "words for the page, or leave the key out");
            }
        }
        self.setting.check()?;
        if let Some(map) = &self.map {
            map.check()?;
        }
        let crossed = matches!(self.setting.data.draw, Draw::Crossed(_));
        if crossed && self.space.is_some() {
            return dependent();
        }
        for (i, compare) in self.compare.iter().enumerate() {
            compare.check(i)?;
            if self.compare[..i].iter().any(|c| c.name == compare.name) {
                return mistake(
                    &format!("compare.{i}.name"),
                    format!("two comparisons are called `{}`", compare.name),
                    "give each its own name",
                );
            }
            let plain = |name: &str| name.is_ascii().then(|| stem(name));
            let alike = |c: &&Compare| {
                let (a, b) = (plain(&c.name), plain(&compare.name));
                a.is_some() && a == b
            };
            if let Some(other) = self.compare[..i].iter().find(alike) {
                return mistake(
                    &format!("compare.{i}.name"),
                    format!(
                        "`{}` and `{}` differ in signs and capitals alone, and files are named by \
                         them",
                        other.name, compare.name
                    ),
                    "give each its own name",
                );
            }
        }
        for (i, claim) in self.claim.iter().enumerate() {
            claim.check(i)?;
        }
        self.space.as_ref().map_or(Ok(()), Space::check)
    }
}

/// A sequential test of a crossed design.
fn dependent() -> Result<(), Mistake> {
    mistake(
        "data.draw",
        "a sequential test needs independent replicates, and those of a crossed design share \
         training sets and weights"
            .into(),
        "`draw = \"each\"`, or no `until_decided` and no `[space]`",
    )
}

impl Setting {
    /// Everything that types cannot say of a setting as it is written.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub fn check(&self) -> Result<(), Mistake> {
        if i64::try_from(self.seed).is_err() {
            let message = format!("the seed {} does not fit in TOML", self.seed);
            return mistake("seed", message, "");
        }
        self.replicates.check()?;
        self.data.check()?;
        let sequential = matches!(self.replicates, Replicates::UntilDecided { .. });
        if sequential && matches!(self.data.draw, Draw::Crossed(_)) {
            return dependent();
        }
        self.net.check()?;
        self.descent.check(self.net.hidden.len() + 1)?;
        self.success.check()?;
        self.look.check()?;
        if let Some(test) = &self.test {
            test.check(&self.data)?;
        }
        let (loss, output) = (self.descent.loss, self.net.output);
        if !loss.is_squared() && output != Output::Identity {
            return mistake(
                "net.output",
                format!("the loss `{}` is of a linear output", loss.name()),
                "leave `net.output` out: the logistic loss has the sigmoid in it",
            );
        }
        if !loss.is_squared() && self.success.error_below.is_some() {
            return mistake(
                "success.error_below",
                format!(
                    "outputs trained with `{}` are not near their targets",
                    loss.name()
                ),
                "`loss_below`, or `accuracy = 1.0`",
            );
        }
        if self.descent.precision == Precision::F32 && self.success.loss_below < F32_LEAST {
            return mistake(
                "success.loss_below",
                format!(
                    "{:e} is less than single precision can tell from 0",
                    self.success.loss_below
                ),
                "`precision = \"f64\"`, or a larger loss",
            );
        }
        // How large a file is shows when it is read.
        match self.data.file {
            Some(_) => Ok(()),
            None => self.check_size(),
        }
    }

    /// That there are two classes where the loss or success is of classes; `file` holds the
    /// training sets of [`Data::file`].
    ///
    /// # Errors
    ///
    /// A [`Mistake`] otherwise.
    pub fn check_classes(&self, file: Option<&[Set]>) -> Result<(), Mistake> {
        if self.data.boundary(file).is_some() {
            return Ok(());
        }
        let hint = "`data.targets = { signs = [1, 1] }`, or a file with targets −1 and 1, or 0 and \
                    1";
        if !self.descent.loss.is_squared() {
            let name = self.descent.loss.name();
            let message = format!("the loss `{name}` is of two classes, and the targets are not");
            return mistake("descent.loss", message, hint);
        }
        if self.success.accuracy.is_some() {
            let message = "an accuracy is of two classes, and the targets are not".into();
            return mistake("success.accuracy", message, hint);
        }
        Ok(())
    }

    /// What depends on the size of the training set, which that of a file has once it is read.
    ///
    /// # Errors
    ///
    /// The first [`Mistake`].
    pub fn check_size(&self) -> Result<(), Mistake> {
        self.data.check_size()?;
        self.data.check_apart(self.seed)?;
        if self.data.file.is_none() {
            self.check_classes(None)?;
        }
        self.descent.check_size(self.data.points)
    }
}

/// The smallest number above zero in single precision.
const F32_LEAST: f64 = f32::from_bits(1) as f64;

/// The JSON schema (2020-12) of study files, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Study).to_value()
}

// ---- Reading -----------------------------------------------------------------------------------

// By hand, because serde's own flattening loses the place of a mistake and lets unknown keys pass.
impl<'de> Deserialize<'de> for Study {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Study, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Study;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a study")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Study, A::Error> {
                let mut study = Study::default();
                study.setting = Setting::deserialize(Rest {
                    map,
                    study: &mut study,
                    known: &[],
                })?;
                Ok(study)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// The keys of a study that are not those of its setting.
#[derive(Clone, Copy)]
enum Own {
    Title,
    Why,
    Author,
    AsksShare,
    Compare,
    Claim,
    Space,
    Map,
}

impl Own {
    const ALL: [(&'static str, Own); 8] = [
        ("title", Own::Title),
        ("why", Own::Why),
        ("author", Own::Author),
        ("asks_share", Own::AsksShare),
        ("compare", Own::Compare),
        ("claim", Own::Claim),
        ("space", Own::Space),
        ("map", Own::Map),
    ];
}

/// What is left of the keys of a study without its own, which are read on the way: the setting.
struct Rest<'a, A> {
    map: A,
    study: &'a mut Study,
    /// The keys of a setting.
    known: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        mut self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.known = fields;
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        mut seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        loop {
            let next = self.map.next_key_seed(Key {
                seed,
                known: self.known,
            })?;
            let own = match next {
                None => return Ok(None),
                Some(Read::Setting(key)) => return Ok(Some(key)),
                Some(Read::Own(own, unused)) => {
                    seed = unused;
                    own
                }
            };
            match own {
                Own::Title => self.study.title = self.map.next_value()?,
                Own::Why => self.study.why = Some(self.map.next_value()?),
                Own::Author => self.study.author = Some(self.map.next_value()?),
                Own::AsksShare => self.study.asks_share = Some(self.map.next_value()?),
                Own::Compare => self.study.compare = self.map.next_value()?,
                Own::Claim => self.study.claim = self.map.next_value()?,
                Own::Space => self.study.space = Some(self.map.next_value()?),
                Own::Map => self.study.map = Some(self.map.next_value()?),
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// Reads one key: an own one of the study, or one that `seed` takes.
struct Key<K> {
    seed: K,
    known: &'static [&'static str],
}

enum Read<V, K> {
    Own(Own, K),
    Setting(V),
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<K> {
    type Value = Read<K::Value, K>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let key = String::deserialize(deserializer)?;
        if let Some((_, own)) = Own::ALL.iter().find(|(name, _)| *name == key) {
            return Ok(Read::Own(*own, self.seed));
        }
        if !self.known.contains(&key.as_str()) {
            let own = Own::ALL.iter().map(|(name, _)| name);
            let known: Vec<String> = own.chain(self.known).map(|k| format!("`{k}`")).collect();
            return Err(de::Error::custom(format!(
                "unknown field `{key}`, expected one of {}",
                known.join(", ")
            )));
        }
        self.seed
            .deserialize(key.into_deserializer())
            .map(Read::Setting)
    }
}
