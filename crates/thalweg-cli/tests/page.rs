//! The report of a small run: its data, its files, its gallery, how far it is.

mod program;

use std::path::Path;

use program::thalweg;

/// Three cells of six small networks: a fraction of a second.
const SMALL: &str = r#"title = "A small study"
seed = 7
replicates = 6

[data]
points = 4
dim = 3

[net]
hidden = [4]
activation = "tanh"

[descent]
rate = 0.05
steps = 100

[success]
loss_below = 1e-1

[[compare]]
name = "Input & output, 100 %"
"data.dim" = [3, 2]

[[compare]]
name = "activation"
"net.activation" = ["relu"]
"#;

/// A folder with the run `out` in it.
fn ran() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("study.toml"), SMALL).expect("a file can be written");
    let (code, _, err) = thalweg(folder.path(), &["run", "study.toml", "--out", "out"]);
    assert_eq!(code, Some(0), "{err}");
    folder
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Data without what differs between runs and machines, seconds and digits beyond the third, and
/// without most points of curves.
fn steady(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::String(s) if s.contains(" s of training time") => *s = "(how long it took)".into(),
        Value::Number(n) if n.is_f64() => {
            let v: f64 = n
                .as_f64()
                .and_then(|v| format!("{v:.2e}").parse().ok())
                .expect("a number");
            *value = serde_json::json!(v);
        }
        Value::Array(all) => {
            // The first few points of a curve stand for all.
            if all.iter().all(|v| v.is_number() || v[0].is_number()) {
                all.truncate(3);
            }
            all.iter_mut().for_each(steady);
        }
        Value::Object(all) => all.values_mut().for_each(steady),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_data_of_a_report_are_these() {
    let folder = ran();
    let (_, out, _) = thalweg(folder.path(), &["report", "out", "--json"]);
    let mut data: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    // One cell in full is enough to see.
    let cells = data["cells"].as_array_mut().expect("cells");
    assert_eq!(cells.len(), 3);
    assert!(
        cells
            .iter()
            .all(|c| c["shown"].as_array().map(Vec::len) == Some(6))
    );
    cells.truncate(1);
    cells[0]["shown"]
        .as_array_mut()
        .expect("replicates")
        .truncate(1);
    steady(&mut data);
    insta::assert_json_snapshot!(data);
}

#[test]
fn the_page_holds_what_json_prints() {
    let folder = ran();
    let (_, out, _) = thalweg(folder.path(), &["report", "out", "--json"]);
    let printed: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let page = read(folder.path(), "out/report.html");
    let (_, rest) = page.split_once("id=\"data\">").expect("the data");
    let (data, _) = rest.split_once("</script>").expect("its end");
    let held: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(held, printed);
}

#[test]
fn figures_are_written_as_png_where_that_is_asked() {
    let folder = ran();
    let figures = folder.path().join("out/figures");
    let (code, _, err) = thalweg(
        folder.path(),
        &["report", "out", "--only", "figures", "--png"],
    );
    assert_eq!(code, Some(0), "{err}");
    let names = |extension: &str| {
        let all = std::fs::read_dir(&figures).expect("a folder");
        let mut stems: Vec<_> = all
            .map(|e| e.expect("an entry").path())
            .filter(|p| p.extension().is_some_and(|e| e == extension))
            .map(|p| p.file_stem().expect("a name").to_owned())
            .collect();
        stems.sort();
        stems
    };
    assert_eq!(names("svg"), names("png"));
    let file = std::fs::read(figures.join("answer.png")).expect("it was written");
    assert_eq!(&file[..8], b"\x89PNG\r\n\x1a\n");
    let (code, _, err) = thalweg(
        folder.path(),
        &["report", "out", "--only", "tables", "--png"],
    );
    assert_eq!(code, Some(2));
    assert!(err.contains("`--only figures --png`"), "{err}");
    // The same run again keeps them; that of another study would not.
    std::fs::write(figures.join("another.png"), file).expect("it can be written");
    let (code, _, err) = thalweg(folder.path(), &["run", "study.toml", "--out", "out"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(names("svg"), names("png"));
}

#[test]
fn figures_can_be_written_alone() {
    let folder = ran();
    let figures = folder.path().join("out/figures");
    let page = folder.path().join("out/report.html");
    std::fs::remove_dir_all(&figures).expect("it was there");
    std::fs::remove_file(&page).expect("it was there");
    let (code, out, err) = thalweg(folder.path(), &["report", "out", "--only", "figures"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "Figures: out/figures\n"),
        "{err}"
    );
    assert!(!page.exists());
    let mut names: Vec<String> = std::fs::read_dir(&figures)
        .expect("a folder")
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    assert!(names.contains(&"answer.svg".to_string()), "{names:?}");
    for name in names {
        let svg = read(&figures, &name);
        assert!(svg.contains("width=\"88mm\""), "{name}");
        // Outlines alone: no font is asked for.
        assert!(!svg.contains("<text"), "{name}");
    }
}

#[test]
fn tables_are_csv_and_latex() {
    let folder = ran();
    let csv = read(folder.path(), "out/tables/activation-success.csv");
    assert!(
        csv.starts_with("activation,cell,replicates,successes,share,share_low,"),
        "{csv}"
    );
    // Numbers as numbers: no intervals in a cell, no words for what is censored.
    for line in csv.lines().skip(1) {
        for cell in line.split(',').skip(1) {
            assert!(
                cell.is_empty() || cell.parse::<f64>().is_ok(),
                "{cell}: {csv}"
            );
        }
    }
    let tex = read(folder.path(), "out/tables/input-output-100-success.tex");
    for part in [
        "% Input & output, 100 %",
        "\\begin{tabular}",
        "95 \\% interval",
        "\\bottomrule",
    ] {
        assert!(tex.contains(part), "{part}\n{tex}");
    }
}

#[test]
fn a_gallery_links_runs() {
    let folder = ran();
    let (code, out, err) = thalweg(folder.path(), &["report", "--gallery", "all", "out", "out"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "Gallery: all/index.html\n"),
        "{err}"
    );
    let index = read(folder.path(), "all/index.html");
    for file in ["out.html", "out-2.html"] {
        assert!(index.contains(&format!("href=\"{file}\"")), "{file}");
        assert!(read(folder.path(), &format!("all/{file}")).contains("A small study"));
    }
    assert_eq!(index.matches("<svg").count(), 2);
    assert!(index.contains("5 of 6 below"));

    let (code, _, err) = thalweg(folder.path(), &["report", "out", "out"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("--gallery DIR"), "{err}");
}

#[test]
fn watch_says_how_far_a_run_is() {
    let folder = ran();
    let (code, out, err) = thalweg(folder.path(), &["watch", "out"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("A small study\n  cells    3 of 3 finished\n"),
        "{out}"
    );
    assert!(
        out.contains("95 % interval") && out.contains("finished"),
        "{out}"
    );
    let (_, json, _) = thalweg(folder.path(), &["watch", "out", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(status["state"], "finished");
    assert_eq!(
        (status["ended"].as_u64(), status["replicates"].as_u64()),
        (Some(18), Some(18))
    );

    let (code, _, err) = thalweg(folder.path(), &["watch", "nowhere"]);
    assert_eq!(code, Some(2));
    assert!(
        err.contains("nowhere/status.json") && err.contains("hint:"),
        "{err}"
    );
}

#[test]
fn a_run_ends_with_a_bar_for_each_cell() {
    let folder = ran();
    let (_, out, _) = thalweg(
        folder.path(),
        &["run", "study.toml", "--out", "out", "--cells"],
    );
    let rows: Vec<&str> = out
        .lines()
        .skip_while(|l| !l.starts_with("  cell "))
        .collect();
    assert!(rows[0].ends_with("loss"), "{out}");
    let bars = |line: &str| line.chars().filter(|c| ('▁'..='█').contains(c)).count();
    assert!(rows[1..4].iter().all(|r| bars(r) == 12), "{out}");
}
