//! Who may call whom: the arrows of ARCHITECTURE.md, read from the `use` lines.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms that say what is to be done: everything may look at them.
const SAY: [&str; 8] = [
    "study", "inputs", "plan", "claim", "net", "data", "descent", "error",
];

/// What each room may name besides itself and (but for `stats`, `linalg` and `record`) SAY. An
/// entry with an item allows that item alone.
const ARROWS: [(&str, &[&str]); 21] = [
    (
        "study",
        &[
            "engine::Activation",
            "engine::Batch",
            "engine::Clip",
            "engine::Criterion",
            "engine::Loss",
            "engine::Method",
            "engine::Milestone",
            "engine::Output",
            "engine::Precision",
            "engine::Tensor",
        ],
    ),
    // Parts of `study`, under these names in the library.
    ("claim", &[]),
    ("net", &[]),
    ("data", &[]),
    ("descent", &[]),
    ("inputs", &["engine::Tensor"]),
    ("plan", &["engine::Problem"]),
    ("error", &["engine::Error"]),
    // A crate of its own, under this name in the library.
    ("engine", &[]),
    ("record", &["engine::Outcome"]),
    (
        "observe",
        &["engine", "linalg", "stats", "record", "theory::linear"],
    ),
    (
        "lab",
        &[
            "engine",
            "linalg",
            "stats",
            "record",
            "observe",
            "theory::linear",
        ],
    ),
    ("theory", &["linalg", "stats", "threads"]),
    (
        "analysis",
        &["record", "theory", "linalg", "stats", "threads"],
    ),
    (
        "price",
        &["engine", "stats", "record", "observe", "lab", "analysis"],
    ),
    (
        "maps",
        &[
            "engine", "stats", "record", "observe", "lab", "theory", "threads", "analysis",
        ],
    ),
    (
        "explain",
        &[
            "engine", "linalg", "stats", "record", "observe", "lab", "analysis",
        ],
    ),
    (
        "decide",
        &["engine", "stats", "record", "observe", "lab", "analysis"],
    ),
    ("stats", &["engine::seed"]),
    ("linalg", &[]),
    ("threads", &["engine::threads"]),
];

/// What one file may name beyond its room: a teacher is a network that draws the targets.
const FILES: [(&str, &[&str]); 1] = [("study/data.rs", &["engine::activation"])];

/// These know nothing of the program.
const LEAVES: [&str; 4] = ["stats", "linalg", "record", "threads"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file under `src`: its path from there, with slashes, and its text.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, to: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                walk(&path, to);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let inside = path.strip_prefix(root()).expect("it is in src");
                let parts: Vec<_> = inside.iter().map(|p| p.to_string_lossy()).collect();
                to.push((
                    parts.join("/"),
                    fs::read_to_string(&path).expect("it is text"),
                ));
            }
        }
    }
    let mut all = Vec::new();
    walk(&root(), &mut all);
    all.sort();
    all
}

/// The modules that lead to a file: `engine/cpu/mod.rs` is [engine, cpu].
fn modules(file: &str) -> Vec<&str> {
    let path = file.strip_suffix(".rs").expect("a Rust file");
    path.strip_suffix("/mod")
        .unwrap_or(path)
        .split('/')
        .collect()
}

fn identifier(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

/// What follows a `::`: `a::b` as ["a::b"], `a::{b, c::d}` as ["a::b", "a::c"], `{a::b, c}` as
/// ["a::b", "c"]; no deeper than two names.
fn targets(text: &str) -> Vec<String> {
    let head = identifier(text);
    let rest = if head.is_empty() {
        Some(text)
    } else {
        text[head.len()..].strip_prefix("::")
    };
    let Some(rest) = rest else {
        return vec![head.to_string()];
    };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![format!("{head}::{}", identifier(rest))];
    };
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                parts.push(group[from..at].trim());
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    let itself = parts.contains(&"self");
    let parts = parts.into_iter().filter(|p| !p.is_empty() && *p != "self");
    if head.is_empty() {
        parts.flat_map(targets).collect()
    } else {
        let mut all: Vec<String> = parts
            .map(|p| format!("{head}::{}", identifier(p)))
            .collect();
        if itself {
            all.push(head.to_string());
        }
        all
    }
}

/// Everything of other rooms that a file names, through `crate::` or enough `super::`.
fn named(file: &str, text: &str) -> Vec<String> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .collect();
    // The engine is a crate of its own; in the library it goes by this name.
    let code = code
        .join("\n")
        .replace("thalweg_engine::", "crate::engine::");
    let above = "super::".repeat(modules(file).len());
    let mut all = Vec::new();
    for prefix in ["crate::", above.as_str()] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if !before.is_alphanumeric() && !"_$:".contains(before) {
                all.extend(targets(&code[at + prefix.len()..]));
            }
        }
    }
    all
}

/// The forbidden arrows of a file.
fn forbidden(file: &str, text: &str) -> Vec<String> {
    let room = modules(file)[0];
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{file}: `{room}` has no place in ARROWS")];
    };
    let of_file = FILES.iter().filter(|(name, _)| *name == file);
    let of_file: Vec<&str> = of_file.flat_map(|(_, more)| more.iter().copied()).collect();
    named(file, text)
        .into_iter()
        .filter(|target| {
            let to = target.split("::").next().unwrap_or(target);
            let known = ARROWS.iter().any(|(name, _)| *name == to);
            let mine = to == room || (SAY.contains(&to) && !LEAVES.contains(&room));
            let mut both = allowed.iter().chain(&of_file);
            let listed = both.any(|a| a == target || *a == to);
            known && !mine && !listed
        })
        .map(|target| format!("{file} names {target}"))
        .collect()
}

/// Theory never sees what is measured, engines never see what is observed, a study never runs: a
/// prediction is made before, and apart from, what it is held against.
#[test]
fn no_room_names_one_that_the_architecture_keeps_from_it() {
    let all: Vec<String> = sources()
        .iter()
        .filter(|(file, _)| file != "lib.rs")
        .flat_map(|(file, text)| forbidden(file, text))
        .collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// The test above would see them.
#[test]
fn a_forbidden_arrow_is_seen_however_it_is_written() {
    for (file, text) in [
        ("theory/linear.rs", "use crate::engine::Problem;"),
        ("theory/mod.rs", "use crate::observe::Tangent;"),
        ("theory/linear.rs", "use super::super::observe;"),
        ("theory/linear.rs", "fn f() -> crate::observe::Tangent {}"),
        (
            "theory/linear.rs",
            "use crate::{linalg::eigen, observe::{Tangent, kernel}};",
        ),
        ("theory/dual.rs", "use thalweg_engine::cpu::Cpu;"),
        (
            "theory/dual.rs",
            "use crate::engine::activation::curvature;",
        ),
        ("theory/dual.rs", "use crate::engine::activation;"),
        ("study/reader.rs", "use crate::lab::run;"),
        ("plan.rs", "use crate::observe::kernel;"),
        (
            "plan.rs",
            "use crate::engine::{\n    Problem,\n    Job,\n};",
        ),
        ("plan.rs", "use crate::lab::run;"),
        ("study/net.rs", "use crate::analysis::LEVEL;"),
        ("study/data.rs", "use crate::analysis;"),
        ("stats/mod.rs", "use crate::study::Study;"),
        ("record.rs", "use super::plan::Cell;"),
        ("utils/strings.rs", "fn f() {}"),
    ] {
        assert!(!forbidden(file, text).is_empty(), "{file}: {text}");
    }
    for (file, text) in [
        (
            "theory/linear.rs",
            "// use crate::engine::Problem;\nuse crate::linalg::eigen;",
        ),
        (
            "plan.rs",
            "use crate::engine::Problem;\nuse crate::inputs::Inputs;",
        ),
        (
            "analysis/summary.rs",
            "use crate::stats::{\n    self, median,\n};",
        ),
    ] {
        assert_eq!(forbidden(file, text), Vec::<String>::new(), "{text}");
    }
}

/// A file says in its first line what it is about, and `utils` is about nothing.
#[test]
fn every_file_begins_by_saying_what_it_is_about() {
    let all = sources();
    assert!(all.len() > 20);
    for (file, text) in all {
        assert!(text.starts_with("//! "), "{file}");
        let name = file.rsplit('/').next().unwrap_or_default();
        assert!(
            !["utils.rs", "util.rs", "helpers.rs", "common.rs"].contains(&name),
            "{file}"
        );
    }
}
