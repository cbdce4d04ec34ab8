//! What differs between cells, in words.

use super::builder::values;
use crate::study::Value;

/// A point in words: `key = value` without the name of the table.
pub(super) fn label(grid: &[(String, Vec<Value>)], choice: &[usize]) -> String {
    let parts: Vec<String> = grid
        .iter()
        .zip(values(grid, choice))
        .map(|((key, _), value)| {
            let last = key.rsplit('.').next().unwrap_or(key);
            format!("{last} = {}", show(value))
        })
        .collect();
    parts.join(", ")
}

/// A value as it is shown in tables: strings bare, the rest as TOML.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Table(t) => {
            let parts: Vec<String> = t
                .iter()
                .map(|(k, v)| format!("{k} {}", show(v)).trim_end().to_string())
                .collect();
            parts.join(", ")
        }
        // Deep networks of one width would fill a table with it.
        Value::Array(all) if all.len() > 4 && all.windows(2).all(|p| p[0] == p[1]) => {
            format!("[{} × {}]", all.len(), show(&all[0]))
        }
        other => other.to_string(),
    }
}
