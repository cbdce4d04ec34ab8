//! A run in shards, on as many machines as one likes: what they leave together is what one process
//! leaves.

mod program;

use std::path::Path;

use program::thalweg;

/// Five cells, one of which stops when it is decided.
const SMALL: &str = r#"title = "A small study"
replicates = 11

[data]
points = 4
dim = 3

[net]
hidden = [8]
activation = "tanh"

[descent]
rate = { of_limit = 0.5 }
steps = 2000

[look]
replicates = 3

[keep]
replicates = 2
weights = "final"

[[compare]]
name = "dimension"
"data.dim" = [2, 1]

[[compare]]
name = "until it is decided"
replicates = [{ until_decided = { at_most = 60 } }, 1]
"#;

fn good(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = thalweg(folder, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {err}");
    out
}

fn study(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("study.toml"), text).expect("a file can be written");
    folder
}

/// Every file below a folder, but what says when and how long.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(here) = folders.pop() {
        for entry in std::fs::read_dir(&here).expect("a folder can be listed") {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("below it");
            let name = name.to_string_lossy().into_owned();
            let timed = [".record", ".html", "cells.parquet", "status.json"];
            if !timed.iter().any(|end| name.ends_with(end)) {
                all.push((name, std::fs::read(&path).expect("a file can be read")));
            }
        }
    }
    all.sort();
    all
}

/// In one folder or in several, in any order, some of them twice.
#[test]
fn shards_leave_together_what_one_process_leaves() {
    let work = study(SMALL);
    let here = work.path();
    good(here, &["run", "study.toml", "--out", "one"]);
    let shard = |number: &str, out: &str| {
        let run = ["run", "study.toml", "--threads", "1", "--out", out];
        good(here, &[&run[..], &["--shard", number]].concat())
    };
    for number in ["4/4", "2/4", "1/4"] {
        assert!(shard(number, "parts").contains("`thalweg merge parts`"));
    }
    let (code, _, err) = thalweg(here, &["merge", "parts"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("are not there"), "{err}");
    assert!(
        err.contains("`thalweg run parts/study.toml` trains"),
        "{err}"
    );
    shard("3/4", "elsewhere");
    shard("1/4", "elsewhere");
    let out = good(here, &["merge", "all", "parts", "elsewhere"]);
    assert!(out.contains("Report: all/report.html"), "{out}");
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    let (one, all) = (files(&here.join("one")), files(&here.join("all")));
    assert_eq!(names(&one), names(&all));
    for (one, all) in one.iter().zip(&all) {
        assert!(one == all, "{} depends on shards", one.0);
    }
    // What merged shards left is a run like any other.
    good(here, &["explain", "all", "--cell", "2", "--replicate", "3"]);
    // What is missing is trained by a run, and what is there is not.
    let begun: Vec<_> = files(&here.join("parts"));
    assert!(begun.iter().any(|(name, _)| name.ends_with(".piece")));
    good(here, &["run", "study.toml", "--out", "parts"]);
    assert_eq!(names(&files(&here.join("parts"))), names(&all));
}

#[test]
fn a_shard_goes_on_where_it_was_stopped() {
    let work = study(SMALL);
    let here = work.path();
    let run = ["run", "study.toml", "--out", "out", "--shard", "1/2"];
    good(here, &run);
    let times = || -> Vec<_> {
        let pieces = walk(&here.join("out/pieces"));
        let time = |path: &std::path::PathBuf| path.metadata().and_then(|m| m.modified());
        let timed = pieces.iter().map(|path| time(path).expect("a time"));
        pieces.iter().cloned().zip(timed).collect()
    };
    let before = times();
    let lost = before[0].0.clone();
    std::fs::remove_file(&lost).expect("a file can be removed");
    good(here, &run);
    let after = times();
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before == after, before.0 != lost, "{before:?}");
    }
    // A piece that is damaged is named.
    let mut bytes = std::fs::read(&lost).expect("a file can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&lost, bytes).expect("a file can be written");
    let (code, _, err) = thalweg(here, &["merge", "out"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(".piece` is damaged"), "{err}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder can be listed")
        .map(|entry| entry.expect("a folder can be listed").path())
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    all.sort();
    all
}

#[test]
fn what_is_no_shard_is_told() {
    let work = study(SMALL);
    let here = work.path();
    for wrong in ["0/3", "4/3", "3", "1/0", "-1/3", "1/3/5", "a/b", ""] {
        let shard = format!("--shard={wrong}");
        let (code, _, err) = thalweg(here, &["run", "study.toml", &shard]);
        assert_eq!(code, Some(2), "{wrong}: {err}");
        assert!(err.contains("as 3/16"), "{wrong}: {err}");
    }
    let fresh = ["run", "study.toml", "--shard", "1/3", "--fresh"];
    assert_eq!(thalweg(here, &fresh).0, Some(2));
    good(here, &["run", "study.toml", "--out", "a", "--shard", "1/2"]);
    let other = ["run", "study.toml", "--set", "descent.steps=7"];
    good(
        here,
        &[&other[..], &["--out", "b", "--shard", "2/2"]].concat(),
    );
    for (from, said) in [("b", "has nothing of this study"), ("none", "there is no")] {
        let (code, _, err) = thalweg(here, &["merge", "a", from]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(said), "{err}");
    }
    // A shard of another setting took a folder over.
    let into_a = [&other[..], &["--out", "a", "--shard", "2/2"]].concat();
    let (code, _, err) = thalweg(here, &into_a);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("a run of another study or setting"), "{err}");
    // More shards than there is to do.
    let out = good(
        here,
        &["run", "study.toml", "--out", "c", "--shard", "90/99"],
    );
    assert!(out.contains("Shard 90/99: nothing to train"), "{out}");
}
