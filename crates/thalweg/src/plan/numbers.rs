//! The numbers along which a comparison goes.

use super::Comparison;
use crate::study::Value;

impl Comparison {
    /// Its cells by the number that its one varying key takes, as [`Comparison::along`].
    pub fn numbers(&self) -> Option<Vec<(f64, usize)>> {
        let first = self.members.first()?;
        let varies = |k: &usize| (self.members.iter()).any(|m| m.written[*k] != first.written[*k]);
        let mut keys = (0..self.keys.len()).filter(varies);
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return None;
        };
        self.along(key)
    }

    /// Its cells by the positive number that the value of the key at this place is or holds
    /// (`{ cosine = 3 }`), or that all entries of a list are, or by its length if lists of the same
    /// entry differ in that; none if values are not of one kind (a rate and a share of the limit),
    /// or two are the same.
    pub fn along(&self, key: usize) -> Option<Vec<(f64, usize)>> {
        let all = self
            .members
            .iter()
            .map(|m| Some((amount(&m.written[key])?, m.cell)));
        let all = all.collect::<Option<Vec<_>>>()?;
        let first = all.first()?.0.clone();
        if all.iter().any(|(a, _)| a.kind != first.kind) {
            return None;
        }
        let one_length = all.iter().all(|(a, _)| a.length == first.length);
        let same = |a: &Amount| a.entry.to_bits() == first.entry.to_bits();
        let one_entry = all.iter().all(|(a, _)| same(a));
        let by = |of: fn(&Amount) -> f64| all.iter().map(|(a, m)| (of(a), *m)).collect();
        let mut at: Vec<(f64, usize)> = match (one_length, one_entry) {
            (true, _) => by(|a| a.entry),
            (false, true) => by(|a| a.length as f64),
            (false, false) => return None,
        };
        if at.iter().any(|(v, _)| *v <= 0.0) {
            return None;
        }
        at.sort_by(|a, b| a.0.total_cmp(&b.0));
        at.windows(2).all(|p| p[0].0 < p[1].0).then_some(at)
    }
}

/// The number in a value.
#[derive(Clone)]
struct Amount {
    /// The keys that lead to it, or that it is a list.
    kind: Vec<String>,
    entry: f64,
    /// Of a list of equal entries, else 1.
    length: usize,
}

fn amount(value: &Value) -> Option<Amount> {
    let single = |entry: f64| {
        Some(Amount {
            kind: Vec::new(),
            entry,
            length: 1,
        })
    };
    match value {
        Value::Integer(i) => single(*i as f64),
        Value::Float(v) => single(*v),
        Value::Table(of) => {
            let mut entries = of.iter();
            let (Some((key, inner)), None) = (entries.next(), entries.next()) else {
                return None;
            };
            let mut inner = amount(inner)?;
            inner.kind.insert(0, key.clone());
            Some(inner)
        }
        Value::Array(of) => {
            let all: Option<Vec<Amount>> = of.iter().map(amount).collect();
            let all = all?;
            let first = all.first()?;
            let alike =
                |a: &Amount| a.kind.is_empty() && a.entry.to_bits() == first.entry.to_bits();
            all.iter().all(alike).then(|| Amount {
                kind: vec!["[".into()],
                entry: first.entry,
                length: all.len(),
            })
        }
        Value::String(_) | Value::Boolean(_) | Value::Datetime(_) => None,
    }
}
