//! The program as its user sees it: what it prints, what it leaves behind, how it ends.

use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Two cells of five small networks: a fraction of a second.
const SMALL: &str = r#"title = "A small study"
seed = 7
replicates = 5

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
loss_below = 1e-8

[[compare]]
name = "activation"
"net.activation" = ["relu"]
"#;

/// A folder of its own, with the study `study.toml` in it.
struct Work(tempfile::TempDir);

impl Work {
    fn new(study: &str) -> Work {
        let work = Work(tempfile::tempdir().expect("a temporary folder"));
        work.write("study.toml", study.as_bytes());
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file can be written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thalweg"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    fn thalweg(&self, arguments: &[&str]) -> Seen {
        Seen::of(
            &self
                .command(arguments)
                .output()
                .expect("the program starts"),
        )
    }

    /// Files of a folder by name, sorted.
    fn list(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let name = |e: std::io::Result<fs::DirEntry>| {
            e.expect("a folder can be listed")
                .file_name()
                .into_string()
                .expect("names are UTF-8")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    /// The finished cells of the run folder `out`.
    fn records(&self) -> Vec<PathBuf> {
        let names = self
            .list("out/cells")
            .into_iter()
            .filter(|n| n.ends_with(".record"));
        names.map(|n| self.path("out/cells").join(n)).collect()
    }

    /// Starts the program and waits until its first cell is on disk.
    fn until_a_cell_is_finished(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let begun = Instant::now();
        while self.records().is_empty() {
            let ended = child.try_wait().expect("the program can be waited for");
            assert!(
                ended.is_none(),
                "it ended before a cell was finished: {ended:?}"
            );
            if begun.elapsed() > Duration::from_secs(60) {
                child.kill().expect("the program can be killed");
                panic!("no cell was finished in a minute");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }
}

/// What came of a command.
#[derive(Debug)]
struct Seen {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Seen {
    fn of(output: &Output) -> Seen {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
        // How far a run is that takes longer than usual is no complaint.
        let progress = |line: &&str| !line.starts_with("thalweg: ");
        let err = text(&output.stderr);
        let seen = Seen {
            code: output.status.code(),
            out: text(&output.stdout),
            err: err.split_inclusive('\n').filter(progress).collect(),
        };
        assert!(!seen.err.contains("panicked"), "{}", seen.err);
        seen
    }

    /// It did what it was asked to and had nothing to complain about.
    fn good(self) -> Seen {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(0), ""),
            "{}",
            self.out
        );
        self
    }

    /// It ended with this code and said why on standard error only.
    fn bad(self, code: i32) -> Seen {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "");
        assert!(self.err.starts_with("error: "), "{}", self.err);
        self
    }
}

fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path)
        .and_then(|m| m.modified())
        .expect("a record has a time")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

// ---------------------------------------------------------------------------------------------
// What it is

#[test]
fn help_lists_the_commands() {
    let seen = Work::new("").thalweg(&["--help"]).good();
    for command in [
        "run", "plan", "explain", "report", "certify", "verify", "choose", "studies", "weights",
    ] {
        let line = format!("\n  {command} ");
        assert!(seen.out.contains(&line), "no `{command}` in\n{}", seen.out);
    }
}

/// Whoever asks for nothing is told how to begin, and no job is started.
#[test]
fn a_bare_thalweg_says_how_to_begin() {
    let work = Work::new(SMALL);
    let seen = work.thalweg(&[]).good();
    for command in ["thalweg run", "thalweg plan", "thalweg explain", "--help"] {
        assert!(
            seen.out.contains(command),
            "no `{command}` in\n{}",
            seen.out
        );
    }
    assert!(seen.out.lines().all(|l| l.chars().count() <= 100));
    assert_eq!(work.list("."), ["study.toml"]);
}

/// `thalweg run` and `thalweg plan` alone mean the built-in study `assignment`.
#[test]
fn without_a_study_the_assignment_is_meant() {
    let work = Work::new(SMALL);
    for command in ["run", "plan", "certify"] {
        let seen = work.thalweg(&[command, "--set=data.dim=0"]).bad(2);
        assert!(seen.err.contains("in `--set data.dim=0`: "), "{}", seen.err);
        let named = work.thalweg(&[command, "assignment", "--set=data.dim=0"]);
        assert_eq!(named.err, seen.err);
    }
}

#[test]
fn built_in_studies_are_the_files_of_the_repository() {
    let work = Work::new("");
    let list = work.thalweg(&["studies", "list"]).good();
    assert_eq!(list.out, work.thalweg(&["studies"]).good().out);
    for name in ["assignment", "notebook"] {
        assert!(
            list.out.lines().any(|l| l.starts_with(name)),
            "{}",
            list.out
        );
        let file = fs::read_to_string(repository().join(format!("studies/{name}.toml")));
        let file = file.expect("the repository has the study");
        assert_eq!(work.thalweg(&["studies", "show", name]).good().out, file);
    }
}

#[test]
fn the_schema_of_studies_is_json() {
    let seen = Work::new("").thalweg(&["studies", "schema"]).good();
    let schema: serde_json::Value = serde_json::from_str(&seen.out).expect("JSON");
    assert!(schema["properties"]["descent"].is_object());
}

/// Every study in the documentation is one: its TOML blocks are planned as they stand.
#[test]
fn studies_in_the_documentation_can_be_planned() {
    for page in ["README.md", "docs/study-file.md"] {
        let text = fs::read_to_string(repository().join(page)).expect("the page is there");
        let blocks: Vec<&str> = text
            .split("```toml\n")
            .skip(1)
            .filter_map(|b| b.split("```").next())
            .collect();
        assert!(!blocks.is_empty(), "{page} shows no study");
        for block in blocks {
            let work = Work::new(block);
            work.write(
                "people.csv",
                b"height,weight,age\n1.7,60,30\n1.8,80,31\n1.6,55,28\n",
            );
            let seen = work.thalweg(&["plan", "study.toml", "--json", "--replicates", "2"]);
            assert_eq!(seen.code, Some(0), "{page}: {}\n{block}", seen.err);
        }
    }
}

// ---------------------------------------------------------------------------------------------
// A run

#[test]
fn a_run_prints_its_answer_and_leaves_the_run_folder() {
    let work = Work::new(SMALL);
    let seen = work
        .thalweg(&["run", "study.toml", "--out", "out", "--cells"])
        .good();
    assert!(seen.out.contains("\nA small study\n"), "{}", seen.out);
    assert!(seen.out.contains(" of 5 get below 1e-8"), "{}", seen.out);
    let table: Vec<&str> = seen
        .out
        .lines()
        .skip_while(|l| !l.starts_with("  cell "))
        .collect();
    assert!(
        table.len() > 3 && table[0].contains("success"),
        "{}",
        seen.out
    );
    assert!(table[1].starts_with("  base "), "{}", table[1]);
    assert!(table[2].contains("ReLU "), "{}", table[2]);
    let seen = work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    assert!(!seen.out.contains("\n  cell "), "{}", seen.out);
    assert_eq!(seen.out.lines().last(), Some("Report: out/report.html"));
    // What matters comes last, and fits the smallest window.
    assert!(seen.out.lines().count() <= 24, "{}", seen.out);
    assert!(
        seen.out.lines().all(|l| l.chars().count() <= 80),
        "{}",
        seen.out
    );

    assert_eq!(
        work.list("out"),
        [
            "cells",
            "cells.parquet",
            "curves.parquet",
            "figures",
            "looks.parquet",
            "plan.json",
            "replicates.parquet",
            "report.html",
            "status.json",
            "study.toml",
            "tables",
            "weights",
        ]
    );
    assert_eq!(work.read("out/study.toml"), SMALL.as_bytes());
    let plan: serde_json::Value =
        serde_json::from_slice(&work.read("out/plan.json")).expect("JSON");
    assert_eq!(plan["cells"].as_array().map(Vec::len), Some(2));
    assert_eq!(work.records().len(), 2);
    assert!(
        work.list("out/weights")
            .contains(&"cell-000-replicate-000.safetensors".to_string())
    );
    assert!(work.list("out/figures").iter().all(|f| f.ends_with(".svg")));
    assert!(!work.list("out/figures").is_empty());
    for table in [
        "replicates.parquet",
        "curves.parquet",
        "looks.parquet",
        "cells.parquet",
    ] {
        assert!(
            work.read(&format!("out/{table}")).starts_with(b"PAR1"),
            "{table}"
        );
    }
    let page = String::from_utf8(work.read("out/report.html")).expect("the report is UTF-8");
    assert!(page.contains("A small study") && page.trim_end().ends_with("</html>"));
}

#[test]
fn a_second_run_finds_the_cells_and_says_the_same() {
    let work = Work::new(SMALL);
    let run = ["run", "study.toml", "--out", "out"];
    let first = work.thalweg(&run).good();
    let times: Vec<_> = work.records().iter().map(|r| modified(r)).collect();
    let second = work.thalweg(&run).good();
    assert_eq!(first.out, second.out);
    assert_eq!(
        times,
        work.records()
            .iter()
            .map(|r| modified(r))
            .collect::<Vec<_>>()
    );
    let third = work
        .thalweg(&["run", "study.toml", "--out", "out", "--fresh"])
        .good();
    assert_eq!(first.out, third.out);
    let fresh = work
        .records()
        .iter()
        .zip(&times)
        .all(|(r, t)| modified(r) > *t);
    assert!(fresh, "--fresh kept a cell");
}

#[test]
fn a_changed_study_trains_what_changed_and_nothing_else() {
    let work = Work::new(SMALL);
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    let before: Vec<_> = work
        .records()
        .iter()
        .map(|r| (r.clone(), modified(r)))
        .collect();
    work.write(
        "study.toml",
        SMALL
            .replace("[\"relu\"]", "[\"relu\", \"gelu\"]")
            .as_bytes(),
    );
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    assert_eq!(work.records().len(), 3);
    assert!(
        before.iter().all(|(r, t)| modified(r) == *t),
        "a cell was trained twice"
    );
}

#[test]
fn check_fails_if_the_share_is_missed() {
    let work = Work::new(SMALL);
    let run =
        |set: &str| work.thalweg(&["run", "study.toml", "--out", "out", "--check", "--set", set]);
    let missed = run("success.loss_below=1e-30");
    assert_eq!(missed.code, Some(3), "{}", missed.err);
    assert!(
        missed.out.contains("Report: "),
        "the answer is told all the same"
    );
    assert_eq!(run("success.loss_below=1e3").code, Some(0));
}

#[test]
fn json_is_json() {
    let work = Work::new(SMALL);
    let json = |arguments: &[&str]| -> serde_json::Value {
        let seen = work.thalweg(arguments).good();
        serde_json::from_str(&seen.out).unwrap_or_else(|e| panic!("{arguments:?}: {e}"))
    };
    assert!(json(&["run", "study.toml", "--out", "out", "--json"]).is_object());
    assert!(json(&["report", "out", "--json"]).is_object());
    assert_eq!(
        json(&["plan", "study.toml", "--json"])
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert_eq!(json(&["explain", "out", "--json"])["same_bits"], true);
    let weights = "out/weights/cell-000-replicate-000.safetensors";
    assert_eq!(
        json(&["weights", weights, "--json"])["0.weight"]["shape"],
        serde_json::json!([4, 3])
    );
}

#[test]
fn a_plan_trains_nothing() {
    let work = Work::new(SMALL);
    let seen = work.thalweg(&["plan", "study.toml"]).good();
    assert!(
        seen.out.starts_with("Training takes about ") && seen.out.contains("nothing is kept"),
        "{}",
        seen.out
    );
    assert!(
        seen.out.lines().all(|l| l.chars().count() <= 80),
        "{}",
        seen.out
    );
    assert_eq!(work.list("."), ["study.toml"]);
}

#[test]
fn threads_change_no_bit() {
    let work = Work::new(&SMALL.replace("replicates = 5", "replicates = 40"));
    for n in ["1", "2"] {
        let out = format!("out{n}");
        work.thalweg(&["run", "study.toml", "--out", &out, "--threads", n])
            .good();
    }
    for table in ["replicates.parquet", "curves.parquet"] {
        let (one, two) = (
            work.read(&format!("out1/{table}")),
            work.read(&format!("out2/{table}")),
        );
        assert!(one == two, "{table} depends on the number of threads");
    }
}

/// A device that is not there is named, with what would help, before anything is written; and where
/// there is none at all, `auto` is the processor.
#[test]
fn a_card_that_is_not_there_is_named_with_a_way_out() {
    let work = Work::new(SMALL);
    let listed = work.thalweg(&["devices", "--json"]).good();
    let listed: serde_json::Value = serde_json::from_str(&listed.out).expect("it is JSON");
    let missing = listed["missing"].as_array().expect("a list");
    for backend in ["cuda", "opencl"] {
        let name = format!("gpu:{backend}:99");
        let seen = work.thalweg(&["run", "study.toml", "--engine", &name]);
        let seen = seen.bad(1);
        let of_it = |e: &&serde_json::Value| e["error"].to_string().contains(backend);
        let why = match missing.iter().find(of_it) {
            Some(missing) => missing["error"].as_str().expect("a text").to_string(),
            None => format!("`gpu:{backend}"),
        };
        assert!(seen.err.contains(&why), "{why}: {}", seen.err);
        assert!(seen.err.contains("hint: "), "{}", seen.err);
    }
    assert_eq!(work.list("."), ["study.toml"]);
    let seen = work.thalweg(&["devices"]).good();
    assert_eq!(
        seen.out.contains("no device: "),
        listed["devices"].as_array().is_some_and(Vec::is_empty)
    );
    work.thalweg(&["run", "study.toml", "--out", "out", "--engine", "auto"])
        .good();
    assert!(work.records()[0].to_string_lossy().contains("-cpu.record"));
}

/// Without any device CUDA alone was blamed: the error says what both ways to one lack, and its
/// hint names no engine that was tried. `devices` did not name an OpenCL without drivers.
#[test]
fn both_ways_to_a_card_say_what_they_lack() {
    let work = Work::new(SMALL);
    fs::create_dir(work.path("none")).expect("a folder can be made");
    let without = |arguments: &[&str]| {
        let mut command = work.command(arguments);
        command.env("OCL_ICD_VENDORS", work.path("none"));
        command.env("CUDA_VISIBLE_DEVICES", "");
        Seen::of(&command.output().expect("the program starts"))
    };
    for engine in ["gpu", "gpu:1"] {
        let asked = ["run", "study.toml", "--engine", engine, "--out", "out"];
        let seen = without(&asked).bad(1);
        let (error, hint) = seen.err.split_once("hint: ").expect("a hint");
        assert!(
            error.contains(&format!("no device for `{engine}`: ")),
            "{error}"
        );
        assert!(
            error.contains("`gpu:cuda`") && error.contains("`gpu:opencl`"),
            "{error}"
        );
        assert!(
            hint.contains("for CUDA ") && hint.contains("for OpenCL "),
            "{hint}"
        );
        assert!(
            !hint.contains("--engine gpu") && hint.contains("--engine cpu"),
            "{hint}"
        );
    }
    let seen = without(&["devices"]).good();
    let unwrapped = seen.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "`gpu:cuda`",
        "`gpu:opencl`",
        "no device: `--engine gpu` cannot train here",
    ] {
        assert!(unwrapped.contains(part), "{part}: {}", seen.out);
    }
    assert!(
        !unwrapped.contains("or use `--engine gpu:opencl`"),
        "{}",
        seen.out
    );
    assert_eq!(work.list("."), ["none", "study.toml"]);
}

/// One replicate needs no card, and a finished run none: it was asked for all the same.
#[test]
fn what_trains_nothing_new_needs_no_card() {
    let work = Work::new(SMALL);
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    for engine in ["gpu", "gpu:cuda:7", "auto"] {
        let explained = work.thalweg(&["explain", "out", "--engine", engine]).good();
        assert!(
            explained.out.contains("the same bits as recorded"),
            "{explained:?}"
        );
    }
    work.thalweg(&["explain", "out", "--engine", "gpu:none"])
        .bad(2);
    let run = [
        "run",
        "study.toml",
        "--out",
        "out",
        "--engine",
        "gpu:cuda:7",
    ];
    work.thalweg(&run).good();
    work.thalweg(&[&run[..], &["--fresh"]].concat()).bad(1);
}

/// By OpenCL on a processor where there is PoCL: the run folder is the same, byte for byte, and the
/// cells are found by a run of the other engine.
#[test]
fn a_card_and_the_processor_leave_the_same_tables() {
    let work = Work::new(SMALL);
    let card = ["run", "study.toml", "--out", "out", "--engine", "gpu"];
    let seen = work.thalweg(&card);
    if seen.code == Some(1) && seen.err.contains("there is no ") {
        return eprintln!("skipped: {}", seen.err);
    }
    assert_eq!(seen.code, Some(0), "{seen:?}");
    assert!(work.records()[0].to_string_lossy().contains("-gpu.record"));
    work.thalweg(&["run", "study.toml", "--out", "other"])
        .good();
    for table in ["replicates.parquet", "curves.parquet"] {
        let (card, processor) = (
            work.read(&format!("out/{table}")),
            work.read(&format!("other/{table}")),
        );
        assert!(card == processor, "{table} depends on the engine");
    }
    let certified = [
        "certify",
        "study.toml",
        "--at-most",
        "20",
        "--engine",
        "gpu",
    ];
    let certified = work.thalweg(&[&certified[..], &["--out", "card.toml"]].concat());
    assert!(matches!(certified.code, Some(0 | 3 | 4)), "{certified:?}");
    work.thalweg(&["verify", "card.toml", "--all"]).good();
    let before: Vec<_> = work.records().iter().map(|r| modified(r)).collect();
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    let after: Vec<_> = work.records().iter().map(|r| modified(r)).collect();
    assert_eq!(before, after, "cells of the card were trained again");
    // The page of that run said `cpu`, which trained nothing of it.
    let page = work.read("out/report.html");
    assert!(String::from_utf8_lossy(&page).contains("engine `gpu`"));
    let explained = work.thalweg(&["explain", "out", "--replicate", "3"]).good();
    assert!(explained.out.contains("the same bits as recorded"));
    work.thalweg(&["run", "study.toml", "--out", "out", "--fresh"])
        .good();
    assert_eq!(work.records().len(), before.len());
    assert!(work.records()[0].to_string_lossy().contains("-cpu.record"));
}

/// Pixels are kept and not trained again; a zoom is a map of its own in the same folder.
#[test]
fn a_map_is_drawn_kept_and_zoomed() {
    let map = "[map]\nx = { key = \"descent.rate\", from = 0.01, to = 10.0, scale = \"log\" }\n\
               y = { key = \"net.hidden.*\", from = 1, to = 6 }\nsize = [8, 6]\n\
               draw = [\"success\", \"loss\", \"predicted\"]\n";
    let work = Work::new(&format!("{SMALL}\n{map}"));
    let run = ["run", "study.toml", "--out", "out"];
    let seen = work.thalweg(&run).good();
    assert!(
        seen.out.contains("of 48 trained pixels reach 80 %"),
        "{}",
        seen.out
    );
    let tiles = |work: &Work| {
        let folders = work.list("out/map").into_iter();
        let folders = folders.filter(|name| !name.contains('.'));
        folders
            .flat_map(|folder| {
                let folder = format!("out/map/{folder}");
                let files = work.list(&folder).into_iter();
                files.map(move |file| format!("{folder}/{file}"))
            })
            .collect::<Vec<String>>()
    };
    let before: Vec<_> = tiles(&work)
        .iter()
        .map(|t| modified(&work.path(t)))
        .collect();
    assert_eq!(before.len(), 1);
    for file in ["map.npz", "map-success.png", "map-predicted-success.png"] {
        assert!(work.list("out/map").iter().any(|f| f == file), "{file}");
    }
    for figure in ["map-success.svg", "map-interval.svg", "map-difference.svg"] {
        assert!(
            work.list("out/figures").iter().any(|f| f == figure),
            "{figure}"
        );
    }
    let page = work.read("out/report.html");
    assert!(String::from_utf8_lossy(&page).contains(">The map</h2>"));
    let answers = seen.out;
    let again = work.thalweg(&run).good();
    assert_eq!(again.out, answers);
    let after: Vec<_> = tiles(&work)
        .iter()
        .map(|t| modified(&work.path(t)))
        .collect();
    assert_eq!(before, after, "pixels were trained again");
    work.thalweg(&["report", "out"]).good();
    assert_eq!(work.read("out/report.html"), page);
    work.thalweg(&[&run[..], &["--zoom", "0.1,1,2,4"]].concat())
        .good();
    assert_eq!(tiles(&work).len(), 2);
    for (wrong, said) in [("0.1,1,2", "four numbers"), ("1,0.1,2,4", "no range")] {
        let seen = work
            .thalweg(&[&run[..], &["--zoom", wrong]].concat())
            .bad(2);
        assert!(seen.err.contains(said), "{}", seen.err);
    }
    let without = Work::new(SMALL);
    let seen = without
        .thalweg(&["run", "study.toml", "--zoom", "0,1,0,1"])
        .bad(2);
    assert!(seen.err.contains("the study has none"), "{}", seen.err);
    // A damaged file of pixels is named.
    let tile = tiles(&work).remove(0);
    let mut bytes = work.read(&tile);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    work.write(&tile, &bytes);
    let seen = work.thalweg(&run);
    let zoomed = work.thalweg(&[&run[..], &["--zoom", "0.1,1,2,4"]].concat());
    assert!(
        [&seen, &zoomed]
            .iter()
            .any(|s| s.code == Some(1) && s.err.contains(".tile` is damaged")),
        "{seen:?}"
    );
}

#[test]
fn explain_replays_the_recorded_bits() {
    let work = Work::new(SMALL);
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    for cell in ["0", "1"] {
        let seen = work
            .thalweg(&["explain", "out", "--cell", cell, "--replicate", "3"])
            .good();
        assert!(
            seen.out.contains("the same bits as recorded"),
            "{}",
            seen.out
        );
        assert!(seen.out.contains("\nwhy\n- "), "{}", seen.out);
    }
}

#[test]
fn weights_are_printed_by_their_names_in_pytorch() {
    let work = Work::new(SMALL);
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    let seen = work
        .thalweg(&["weights", "out/weights/cell-000-replicate-000.safetensors"])
        .good();
    let names: Vec<&str> = seen.out.lines().filter(|l| !l.starts_with(' ')).collect();
    assert_eq!(
        names,
        [
            "0.weight [4, 3]",
            "0.bias [4]",
            "2.weight [1, 4]",
            "2.bias [1]"
        ]
    );
}

// ---------------------------------------------------------------------------------------------
// What goes wrong

#[test]
fn an_unknown_key_is_pointed_at() {
    let work = Work::new("title = \"t\"\n[net]\nhiden = [4]\n");
    let seen = work.thalweg(&["run", "study.toml", "--out", "out"]).bad(2);
    insta::assert_snapshot!(seen.err, @"
    error: unknown field `hiden`, expected one of `hidden`, `activation`, \
    `output`, `bias`, `parameterization`, `init`, `bias_init`, `gains`
     --> study.toml:3:1
      |
    3 | hiden = [4]
      | ^^^^^

    hint: did you mean `hidden`?
    ");
    assert_eq!(
        work.list("out"),
        [""; 0],
        "a wrong study leaves nothing behind"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_pointed_at() {
    let seen = Work::new("[data]\npoints = \"twenty\"\n")
        .thalweg(&["plan", "study.toml"])
        .bad(2);
    insta::assert_snapshot!(seen.err, @r#"
    error: invalid type: string "twenty", expected a whole number from 0 on
     --> study.toml:2:10
      |
    2 | points = "twenty"
      |          ^^^^^^^^
    "#);
}

#[test]
fn an_impossible_value_is_pointed_at() {
    let seen = Work::new("[descent]\nsteps = 10\nrate = -1.0\n")
        .thalweg(&["run", "study.toml"])
        .bad(2);
    insta::assert_snapshot!(seen.err, @r"
    error: the rate -1 must be positive and finite
     --> study.toml:3:8
      |
    3 | rate = -1.0
      |        ^^^^

    hint: `0.01`, or `{ of_limit = 0.5 }` for half the largest stable rate
    ");
}

#[test]
fn a_mistake_in_a_comparison_is_pointed_at() {
    let study = SMALL.replace("[\"relu\"]", "[\"relu\", \"tanhh\"]");
    let seen = Work::new(&study).thalweg(&["run", "study.toml"]).bad(2);
    insta::assert_snapshot!(seen.err, @"
    error: in the comparison `activation`: unknown variant `tanhh`, expected one of \
    `identity`, `relu`, `leaky_relu`, `abs`, `tanh`, `sigmoid`, `erf`, `gelu`, \
    `silu`, `softplus`, `sin`, `cos`
      --> study.toml:22:29
       |
    22 | \"net.activation\" = [\"relu\", \"tanhh\"]
       |                             ^^^^^^^

    hint: did you mean `tanh`?
    ");
}

#[test]
fn text_that_is_no_toml_is_pointed_at() {
    let seen = Work::new("title = \"t\n")
        .thalweg(&["run", "study.toml"])
        .bad(2);
    assert!(seen.err.contains(" --> study.toml:1:"), "{}", seen.err);
}

#[test]
fn a_wrong_setting_on_the_command_line_is_named() {
    let work = Work::new(SMALL);
    let seen = work
        .thalweg(&["run", "study.toml", "--set", "data.dimm=5"])
        .bad(2);
    assert!(
        seen.err.contains("in `--set data.dimm=5`: ") && seen.err.contains("did you mean `dim`?"),
        "{}",
        seen.err
    );
    let seen = work
        .thalweg(&["run", "study.toml", "--set", "data.dim"])
        .bad(2);
    assert!(
        seen.err.contains("`data.dim` is not `key=value`"),
        "{}",
        seen.err
    );
    assert_eq!(work.list("."), ["study.toml"]);
}

const STUDIES: &str = "built-in studies: assignment, notebook, edge-of-stability, dimension, lazy, \
    deep-linear, scalar-chaos, signal-propagation, capacity, frequency, \
    convergence-high-dimension, xor, trainability, fractal, dimension-width";

#[test]
fn an_unknown_name_is_answered_with_what_there_is() {
    let work = Work::new(SMALL);
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    let hint = |arguments: &[&str]| {
        let seen = work.thalweg(arguments).bad(2);
        seen.err
            .split_once("hint: ")
            .map(|(_, hint)| hint.trim_end().to_string())
            .expect("a hint")
    };
    assert_eq!(hint(&["run", "notbook"]), "did you mean `notebook`?");
    assert_eq!(hint(&["run", "no.toml"]), STUDIES);
    assert_eq!(hint(&["studies", "show", "no"]), STUDIES);
    for (wrong, right) in [("GPU", "gpu"), ("gpux", "gpu"), ("Reference", "reference")] {
        assert_eq!(
            hint(&["run", "study.toml", "--engine", wrong]),
            format!("did you mean `{right}`?")
        );
    }
    // `gpu:+0` and `gpu:opencl:00` were the first device.
    let of_devices = [
        "gpu:vulkan",
        "gpu:cuda:one",
        "gpu:cuda:0:0",
        "gpu:0:0",
        "gpu:00",
        "gpu:+0",
        "gpu:",
        "gpu:opencl:00",
        "gpu:opencl:+0",
        "gpu:cuda:-1",
        "GPU:cuda",
        "auto:0",
        "",
    ];
    for engine in of_devices {
        assert_eq!(
            hint(&["run", "study.toml", "--engine", engine]),
            "engines: cpu, gpu (or gpu:cuda, gpu:opencl, gpu:1), auto, reference",
            "{engine}"
        );
    }
    assert_eq!(
        hint(&["explain", "out", "--replicate", "5"]),
        "cell 0 has replicates 0 to 4"
    );
    assert_eq!(
        hint(&["explain", "out", "--cell", "99"]),
        "the run has cells 0 to 1; `cells.parquet` lists them"
    );
}

#[test]
fn wrong_usage_ends_with_2() {
    let work = Work::new(SMALL);
    work.thalweg(&["train"]).bad(2);
    work.thalweg(&["run", "study.toml", "--threads", "0"])
        .bad(2);
    work.thalweg(&["run", "study.toml", "--replicates", "0"])
        .bad(2);
}

#[test]
fn a_pickle_is_refused_with_a_way_out() {
    let work = Work::new("");
    work.write(
        "model.pth",
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
    );
    let seen = work.thalweg(&["weights", "model.pth"]).bad(1);
    assert!(
        seen.err.contains("`model.pth` is a Python pickle"),
        "{}",
        seen.err
    );
    assert!(
        seen.err.contains("hint: ") && seen.err.contains("weights_only=True"),
        "{}",
        seen.err
    );
}

/// What the system said is told once.
#[test]
fn a_missing_file_is_named() {
    let work = Work::new("[data]\nfile = \"points.csv\"\n");
    for (arguments, file, code) in [
        (vec!["weights", "no.safetensors"], "no.safetensors", 1),
        (vec!["run", "study.toml"], "points.csv", 2),
        (vec!["plan", "study.toml"], "points.csv", 2),
        (vec!["report", "no"], "no/study.toml", 1),
        (vec!["explain", "no"], "no/study.toml", 1),
    ] {
        let seen = work.thalweg(&arguments).bad(code);
        assert!(
            seen.err.contains(&format!("cannot read `{file}`")),
            "{}",
            seen.err
        );
        assert_eq!(seen.err.matches("os error").count(), 1, "{}", seen.err);
    }
}

/// A study whose data make no sense is a bad study, as one whose text makes none.
#[test]
fn a_study_with_a_wrong_file_ends_with_2() {
    let work = Work::new("[data]\nfile = \"points.csv\"\n");
    for wrong in [&b""[..], b"a,b\n1,2\n", b"x0,y\n1,nan\n", b"x0,y\n\xff,1\n"] {
        work.write("points.csv", wrong);
        for command in ["run", "plan", "certify"] {
            let seen = work.thalweg(&[command, "study.toml"]).bad(2);
            assert!(seen.err.contains("points.csv"), "{}", seen.err);
        }
    }
    work.write("latin.toml", b"title = \"\xe9\"\n");
    for study in [".", "latin.toml"] {
        work.thalweg(&["run", study]).bad(2);
    }
}

/// A message that cannot be written is lost; the exit code is not.
#[cfg(target_os = "linux")]
#[test]
fn an_error_that_cannot_be_printed_keeps_its_code() {
    let work = Work::new("[data]\npoints = 0\n");
    for stderr in ["2>/dev/full", "2>&-"] {
        let mut sh = Command::new("sh");
        sh.args(["-c", &format!("exec \"$0\" run study.toml {stderr}")])
            .arg(env!("CARGO_BIN_EXE_thalweg"))
            .current_dir(work.0.path());
        let ended = sh.output().expect("a shell");
        assert_eq!(ended.status.code(), Some(2), "{stderr}: {ended:?}");
    }
}

/// Neither a title nor a label can move the cursor or recolour the screen.
#[test]
fn escape_sequences_of_a_study_are_shown_not_obeyed() {
    let work = Work::new(
        &SMALL
            .replace("A small study", "A \\u001b[31mred\\u0007 study")
            .replace("\"activation\"\n\"net", "\"a\\u001b[2J\"\n\"net"),
    );
    work.thalweg(&["plan", "study.toml"]).good();
    for arguments in [
        &["plan", "study.toml"][..],
        &["run", "study.toml", "--out", "out"],
        &["watch", "out", "--once"],
        &["run", "study.toml", "--out", "out", "--json"],
    ] {
        let seen = work.thalweg(arguments).good();
        let control = |c: char| c.is_control() && c != '\n';
        assert!(!seen.out.contains(control), "{arguments:?}: {:?}", seen.out);
        assert!(seen.out.contains("\\u001b[31mred"), "{}", seen.out);
    }
}

#[test]
fn a_damaged_record_is_named_with_a_way_out() {
    let work = Work::new(SMALL);
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    let record = work.records().remove(0);
    let mut bytes = fs::read(&record).expect("a record can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&record, &bytes).expect("a record can be written");
    let name = record
        .file_name()
        .and_then(|n| n.to_str())
        .expect("names are UTF-8");
    for arguments in [
        vec!["run", "study.toml", "--out", "out"],
        vec!["report", "out"],
    ] {
        let seen = work.thalweg(&arguments).bad(1);
        assert!(
            seen.err.contains(name) && seen.err.contains("is damaged"),
            "{}",
            seen.err
        );
        assert!(seen.err.contains("hint: delete it"), "{}", seen.err);
    }
    fs::remove_file(&record).expect("a record can be removed");
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let work = Work::new(SMALL);
    work.write("file", b"");
    let seen = work
        .thalweg(&["run", "study.toml", "--out", "file/out"])
        .bad(1);
    assert!(
        seen.err.contains("cannot create `file/out`"),
        "{}",
        seen.err
    );
}

/// A limit on the size of files stands for a full disk: the record does not fit, the error says so,
/// and no half of it is left.
#[cfg(unix)]
#[test]
fn a_record_that_does_not_fit_leaves_nothing_behind() {
    let work = Work::new(&SMALL.replace("replicates = 5", "replicates = 500"));
    let mut sh = Command::new("sh");
    sh.args([
        "-c",
        "trap '' XFSZ; ulimit -f 16; exec \"$0\" run study.toml --out out",
    ]);
    sh.arg(env!("CARGO_BIN_EXE_thalweg"))
        .current_dir(work.0.path());
    let seen = Seen::of(&sh.output().expect("a shell")).bad(1);
    assert!(
        seen.err.contains("cannot write `out/cells/"),
        "{}",
        seen.err
    );
    assert_eq!(work.list("out/cells"), [""; 0]);
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
}

/// `report`, `explain` and `--gallery` of a study on own data failed after the run, and the
/// commands that a run prints did not work: from its folder alone they do, wherever it is moved.
#[test]
fn a_run_on_own_data_is_whole_without_it() {
    let work = Work::new("");
    work.write("d.csv", b"height,age\n1,2\n2,1\n3,5\n");
    work.write(
        "p.toml",
        b"replicates = 3\n[data]\nfile = \"d.csv\"\ncolumns = { y = \"age\" }\n\
          standardise = \"both\"\n[net]\nhidden = [4]\n[descent]\nsteps = 50\n\
          [success]\nloss_below = 1e-1\n",
    );
    work.thalweg(&["run", "p.toml"]).good();
    let seen = work.thalweg(&["certify", "p.toml", "--at-most", "40"]);
    assert!([0, 3, 4].map(Some).contains(&seen.code), "{}", seen.err);
    let recheck = seen.out.lines().find(|l| l.starts_with("re-check it"));
    let recheck = recheck.expect("it says how").to_string();
    let words: Vec<&str> = recheck.split_whitespace().skip(3).collect();
    work.thalweg(&words).good();
    let page = String::from_utf8(work.read("runs/p/report.html")).expect("text");
    for said in ["thalweg run p/study.toml", "thalweg explain p"] {
        assert!(page.contains(said), "{said}");
    }
    fs::remove_file(work.path("d.csv")).expect("it is there");
    fs::remove_file(work.path("p.toml")).expect("it is there");
    fs::rename(work.path("runs/p"), work.path("p")).expect("it is there");
    let before = work.list("p/cells");
    for command in [
        &["explain", "p", "--cell", "0", "--replicate", "0"][..],
        &["report", "p"],
        &["report", "p", "--gallery", "all"],
        &["run", "p/study.toml"],
        &["plan", "p/study.toml"],
        &["verify", "p/certificate.toml"],
    ] {
        work.thalweg(command).good();
    }
    assert_eq!(work.list("p/cells"), before, "nothing was trained again");
    assert!(!work.path("runs/study").exists());
}

// ---------------------------------------------------------------------------------------------
// Theory

/// The unit-normal ReLU network of two hidden layers at (1, 0, 0), (0.6, 0.8, 0), (−0.5, 1, 2).
const KERNEL: [&str; 9] = [
    "theory",
    "kernel",
    "--inputs",
    "in.csv",
    "--set=net.activation=relu",
    "--set=net.hidden=[8,8]",
    "--set=net.init={normal={variance=2}}",
    "--set=net.parameterization=ntk",
    "--set=net.bias=false",
];

#[test]
fn theory_prints_and_writes_the_kernels_of_given_inputs() {
    let work = Work::new("");
    work.write("in.csv", b"x0,x1,x2\n1,0,0\n0.6,0.8,0\n-0.5,1,2\n");
    let seen = work
        .thalweg(&[&KERNEL[..], &["--out", "k.csv"]].concat())
        .good();
    insta::assert_snapshot!(seen.out, @r"
    Infinitely wide, 2 hidden layers of relu, ntk parameterization.

      layer         σw²         σb²    Θ: weights     Θ: biases
          1      2.0000           0        2.0000             0
          2      2.0000           0        2.0000             0
          3      2.0000           0        2.0000             0

    λmin 0.9457, λmax 10.83, κ 11.45 of the NTK; 3 of 3 eigenvalues are above round-off
    largest stable rate for this loss: 0.0924

    NNGP
        0.6666666667    0.4889558572    0.6632913121
        0.4889558572    0.6666666667    0.8652643516
        0.6632913121    0.8652643516    3.5000000000

    NTK
        2.0000000000    1.0296108671    0.7702886681
        1.0296108671    2.0000000000    1.4149471962
        0.7702886681    1.4149471962   10.5000000000

    Kernels: k.csv
    ");
    let text = String::from_utf8(work.read("k.csv")).expect("text");
    let line = text.lines().nth(2).expect("a line for each pair");
    let fields: Vec<&str> = line.split(',').collect();
    let value = |i: usize| fields[i].parse::<f64>().expect("a number");
    assert_eq!((fields[0], fields[1]), ("0", "1"));
    // Known to twelve digits.
    assert!((value(2) - 0.488955857217).abs() < 1e-11, "{line}");
    assert!((value(3) - 1.029610867118).abs() < 1e-11, "{line}");
    let json = work.thalweg(&[&KERNEL[..], &["--json"]].concat()).good();
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert!((json["ntk"][1][2].as_f64().expect("a number") - 1.414947196223).abs() < 1e-11);
    assert_eq!(json["rank"], 3);
    // The same inputs back from an npz file: the same kernels, now between two lists.
    work.thalweg(&[&KERNEL[..], &["--out", "k.npz"]].concat())
        .good();
    let mut between = KERNEL.to_vec();
    between[3] = "k.npz";
    between.extend(["--with", "in.csv", "--json"]);
    let cross = work.thalweg(&between).good();
    let cross: serde_json::Value = serde_json::from_str(&cross.out).expect("JSON");
    assert_eq!(cross["ntk"], json["ntk"]);
    assert!(cross["rank"].is_null());
}

#[test]
fn theory_maps_order_and_chaos() {
    let work = Work::new("");
    let arguments = [
        "theory",
        "phase",
        "--set=net.init={normal={variance=1.7}}",
        "--set=net.bias_init={normal={std=0.22360679774997896}}",
        "--set=net.activation=tanh",
        "--set=net.hidden=[64,64]",
        "--points=12",
    ];
    let seen = work
        .thalweg(&[&arguments[..], &["--out", "map.svg"]].concat())
        .good();
    insta::assert_snapshot!(seen.out, @"
    Infinitely wide, 2 hidden layers of tanh, standard parameterization (its NTK
    keeps the study's widths as weights of the layers).

      layers         σw²     σb²      q*      χ₁      c*      ξq     ξc    phase
      layers 1–2  1.7000  0.0500  0.5331  0.9867  1.0000  1.5583  74.92  ordered

    layers 1–2: with σb² = 0.0500 tanh is critical at σw² = 1.7610

    q*, c*: where variance and correlation of preactivations go with depth; χ₁ below
    1: gradients vanish (order), above 1: they explode (chaos); ξ: layers in which
    the way there falls by e.

    Map: map.svg
    ");
    let svg = String::from_utf8(work.read("map.svg")).expect("text");
    assert_eq!(svg.matches("crispEdges").count(), 144);
    // Its words are outlines; the title says what it is.
    assert!(svg.contains("<title>") && svg.contains("<circle"));
    let json = work.thalweg(&[&arguments[..], &["--json"]].concat()).good();
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    let field = &json["layers"][0]["mean_field"];
    assert!((field["chi"].as_f64().expect("a number") - 0.9867408090).abs() < 1e-9);
    assert_eq!(json["map"].as_array().map(Vec::len), Some(144));
}

#[test]
fn theory_expects_steps_over_training_sets() {
    let work = Work::new("");
    let arguments = [
        "theory",
        "steps",
        "--set=net={hidden=[64,64],activation=\"relu\",init=\"kaiming_normal\"}",
        "--set=descent={loss=\"half_mean\",rate={of_limit=0.5},steps=1000}",
        "--dim=15,5",
        "--sets=50",
        "--json",
    ];
    let seen = work.thalweg(&arguments).good();
    let json: serde_json::Value = serde_json::from_str(&seen.out).expect("JSON");
    let median = |i: usize| {
        json[i]["outlook"]["steps"]["q50"]
            .as_f64()
            .expect("a number")
    };
    // 274 and 1446 over a thousand sets.
    assert!((median(0) / 274.0).ln().abs() < 0.15, "{}", median(0));
    assert!((median(1) / 1446.0).ln().abs() < 0.3, "{}", median(1));
    assert_eq!(json[1]["label"], "d = 5");
    let table = work.thalweg(&arguments[..6]).good().out;
    assert!(
        table.contains("95 % interval") && table.contains("d = 15"),
        "{table}"
    );
}

#[test]
fn theory_says_what_it_cannot_answer() {
    let work = Work::new("");
    work.write("in.csv", b"x0,x1\n1,2\n");
    work.write("other.csv", b"x0\n1\n");
    work.write("bad.csv", b"a,b\n1,2\n");
    for (arguments, code, says) in [
        (
            &["kernel", "--inputs", "none.csv"][..],
            1,
            "cannot read `none.csv`",
        ),
        (&["kernel", "--inputs", "bad.csv"], 1, "has no column `x0`"),
        (
            &["kernel", "--inputs", "in.csv", "--with", "other.csv"],
            2,
            "of dimension 1, the first ones have 2",
        ),
        (
            &["kernel", "--inputs", "in.csv", "--out", "k.doc"],
            2,
            "cannot be written as `doc`",
        ),
        (
            &["phase", "--set=net.hidden=[]"],
            2,
            "without hidden layers",
        ),
        (&["phase", "--weights=-1"], 2, "no end of a map"),
        (
            &["steps", "--set=descent.method={adam={}}"],
            2,
            "no linear theory",
        ),
        (&["steps", "--dim=0"], 2, "between 1 and 100000"),
    ] {
        let seen = work.thalweg(&[&["theory"], arguments].concat()).bad(code);
        assert!(seen.err.contains(says), "{arguments:?}: {}", seen.err);
        assert!(
            seen.err.contains("hint: ") || says.starts_with("between"),
            "{}",
            seen.err
        );
    }
}

// ---------------------------------------------------------------------------------------------
// Being stopped

/// A base cell that is finished at once, then one with that many steps to go.
fn two_cells(steps: &str) -> Work {
    let long = format!("[[compare]]\nname = \"long\"\n\"descent.steps\" = [{steps}]\n");
    let head = SMALL
        .split("[[compare]]")
        .next()
        .expect("it has a comparison");
    let never = "rate = 1e-6\nprecision = \"f64\"\nstop = \"never\"";
    Work::new(&(head.replace("rate = 0.05", never) + &long))
}

#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_with_what_is_finished() {
    let work = two_cells("3_000_000");
    let run = ["run", "study.toml", "--out", "out", "--threads", "1"];
    let mut child = work.until_a_cell_is_finished(&run);
    child.kill().expect("the program can be killed");
    assert_eq!(
        child.wait().expect("it ended").code(),
        None,
        "it was killed"
    );
    let records = work.records();
    assert_eq!(records.len(), 1, "the long cell is not finished");
    let before = modified(&records[0]);
    assert!(work.list("out/cells").iter().all(|n| !n.contains("tmp")));
    work.thalweg(&run).good();
    assert_eq!(work.records().len(), 2);
    assert_eq!(
        modified(&records[0]),
        before,
        "the finished cell was trained again"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_finished() {
    let work = two_cells("100_000_000_000");
    let mut child = work.until_a_cell_is_finished(&["run", "study.toml", "--out", "out"]);
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("there is `kill`").success());
    let begun = Instant::now();
    while child.try_wait().expect("it can be waited for").is_none() {
        if begun.elapsed() > Duration::from_secs(30) {
            child.kill().expect("the program can be killed");
            panic!("it did not stop");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let seen = Seen::of(&child.wait_with_output().expect("it ended")).bad(1);
    insta::assert_snapshot!(seen.err, @r"
    error: stopped: 1 of 2 cells are finished and kept

    hint: the same command goes on from here
    ");
    assert_eq!(work.records().len(), 1);
}

/// What trains nothing has nothing to end in order: the first signal ends it.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_at_once_what_does_not_train() {
    let work = Work::new(SMALL);
    let rates: Vec<String> = (1..3000).map(|i| format!("{i}e-6")).collect();
    let cells = format!(
        "[[compare]]\nname = \"rate\"\n\"descent.rate\" = [{}]\n",
        rates.join(", ")
    );
    work.write("large.toml", cells.as_bytes());
    for arguments in [
        &["theory", "steps", "--sets", "10000000"][..],
        &["bench", "--rounds", "1000", "--seconds", "10"],
        &["plan", "large.toml"],
    ] {
        let mut command = work.command(arguments);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        // Long enough for the handler to be there, and too short for the work to be done.
        std::thread::sleep(Duration::from_millis(700));
        let running = child.try_wait().expect("it can be waited for");
        assert!(
            running.is_none(),
            "{arguments:?} ended by itself: {running:?}"
        );
        let interrupt = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(interrupt.expect("there is `kill`").success());
        let begun = Instant::now();
        let ended = loop {
            if let Some(ended) = child.try_wait().expect("it can be waited for") {
                break ended;
            }
            if begun.elapsed() > Duration::from_secs(20) {
                child.kill().expect("the program can be killed");
                panic!("{arguments:?} did not stop");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(ended.code(), Some(130), "{arguments:?}");
    }
}

/// A look at thousands of points is one long sum, and nobody asks in it whether to stop: it took
/// another 40 seconds, or until the machine was turned off.
#[test]
fn a_run_stops_in_the_middle_of_a_look() {
    let work = Work::new("replicates = 2\n[data]\npoints = 3000\ndim = 3\n[descent]\nsteps = 3\n");
    let mut command = work.command(&["run", "study.toml", "--out", "out"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    std::thread::sleep(Duration::from_millis(1500));
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.expect("there is `kill`").success());
    let ended = child.wait_with_output().expect("it can be waited for");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("finished cells are kept"), "{said}");
    assert!(said.contains("goes on from here"), "{said}");
    assert_eq!(ended.status.code(), Some(1), "{said}");
}

/// Exit codes 0, 3 and 4; a certificate that `verify` accepts until it is touched.
#[test]
fn a_certificate_is_written_checked_and_refused_when_touched() {
    let work = Work::new(SMALL);
    let easy = ["--set", "success.loss_below=1e3"];
    let run = |more: &[&str]| {
        let out: &[&str] = if more.contains(&"--out") {
            &[]
        } else {
            &["--out", "c.toml"]
        };
        let arguments = [&["certify", "study.toml"], out, more].concat();
        let output = work
            .command(&arguments)
            .output()
            .expect("the program starts");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, said) = run(&[&easy[..], &["--at-most", "3"]].concat());
    assert_eq!(code, Some(4), "{said}");
    let (code, said) = run(&["--set", "success.loss_below=1e-30"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("no: less than 80 %"), "{said}");
    let (code, said) = run(&easy);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "whatever made it stop",
        "study           ",
        "replicates 4294967296 to ",
        "fresh, no run of a study has these",
        "thalweg verify c.toml",
    ] {
        let words: Vec<&str> = said.split_whitespace().collect();
        let part = part.trim_end();
        assert!(words.join(" ").contains(part), "{part} is not in\n{said}");
    }
    // Intervals for a number that was fixed beforehand are not shown of one that was not.
    assert!(
        !said.contains("Wilson") && !said.contains("Clopper"),
        "{said}"
    );
    let (code, said) = run(&[&easy[..], &["--own-draws", "--out", "own.toml"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("replicates 0 to ") && said.contains("the study's own"),
        "{said}"
    );
    let verify = |file: &str| {
        let command = work.command(&["verify", file, "--count", "4"]).output();
        command.expect("the program starts")
    };
    assert_eq!(verify("c.toml").status.code(), Some(0));
    assert_eq!(verify("own.toml").status.code(), Some(0));
    let text = String::from_utf8(work.read("c.toml")).expect("it is text");
    work.write(
        "c.toml",
        text.replacen("seed = 7", "seed = 8", 1).as_bytes(),
    );
    let refused = verify("c.toml");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("was changed after it was written"));
}

#[test]
fn a_choice_leaves_its_data_its_picture_and_its_certificate() {
    let space = "\n[space]\nrace = 64\n\"net.hidden\" = [[4], [8]]\n";
    let study = SMALL.replace("loss_below = 1e-8", "loss_below = 1.0");
    let work = Work::new(&format!("{study}{space}"));
    let arguments = ["choose", "study.toml", "--out", "out"];
    let output = work
        .command(&arguments)
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("Chosen: ") && said.contains("Why each lost"),
        "{said}"
    );
    let json: serde_json::Value =
        serde_json::from_slice(&work.read("out/choice.json")).expect("it is JSON");
    assert_eq!(json[0]["candidates"].as_array().map(Vec::len), Some(2));
    assert!(work.read("out/figures/choice-0.svg").starts_with(b"<svg"));
    let certificate = "out/choice-0.certificate.toml";
    let verified = work.command(&["verify", certificate]).output();
    assert_eq!(verified.expect("the program starts").status.code(), Some(0));
}

/// A run spoke of another network than the one that `choose` took, and did not ask for it.
#[test]
fn a_run_of_a_study_with_a_space_chooses_where_that_is_cheap() {
    let each = "each = { \"data.dim\" = [3, 2] }\n";
    let space = format!("\n[space]\nrace = 64\n{each}\"net.hidden\" = [[4], [8]]\n");
    let work = Work::new(&(SMALL.replace("loss_below = 1e-8", "loss_below = 1.0") + &space));
    let run = ["run", "study.toml", "--out", "out"];
    let without = [&run[..], &["--no-choose"]].concat();
    work.thalweg(&without).good();
    assert!(!work.path("out/choice.json").exists());
    let seen = work.thalweg(&run).good();
    // Spaces that do not break are told apart from those that do.
    let plain = seen.out.replace('\u{a0}', " ");
    let chosen = "Cheapest of 2 settings at d = 3: one layer of 8, else as the base cell";
    assert!(plain.contains(chosen), "{}", seen.out);
    let page = String::from_utf8(work.read("out/report.html")).expect("it is text");
    assert!(page.replace('\u{a0}', " ").contains(chosen));
    let made = modified(&work.path("out/choice.json"));
    work.thalweg(&run).good();
    assert_eq!(made, modified(&work.path("out/choice.json")), "made again");
}

/// What would take longer than the study is left out with a word.
#[test]
fn a_costly_choice_is_left_out_of_a_run() {
    let space = "\n[space]\n\"descent.steps\" = [50_000_000_000]\n\"descent.rate\" = [1e-9]\n";
    let work = Work::new(&format!("{SMALL}{space}"));
    let begun = Instant::now();
    let output = work
        .command(&["run", "study.toml", "--out", "out"])
        .output();
    let output = output.expect("the program starts");
    assert_eq!(output.status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(60));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("was left out; `thalweg choose`"), "{said}");
    assert!(work.path("out/report.html").exists());
}

/// `certify --set data.dim=5` replaced the certificate of d = 15 without a word.
#[test]
fn certificates_of_different_settings_are_different_files() {
    let work = Work::new(SMALL);
    let easy = "success.loss_below=1e3";
    for set in [
        &["--set", easy][..],
        &["--set", easy, "--set", "data.dim=5"],
    ] {
        let arguments = [&["certify", "study.toml"], set].concat();
        work.thalweg(&arguments).good();
    }
    // The same name, another setting: both stay.
    work.write(
        "study.toml",
        SMALL.replace("seed = 7", "seed = 8").as_bytes(),
    );
    work.thalweg(&["certify", "study.toml", "--set", easy])
        .good();
    let files = work.list("runs/study");
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().any(|f| f.ends_with("dim-5.toml")), "{files:?}");
    // A file that was named is replaced, and that is said.
    work.thalweg(&["certify", "study.toml", "--set", easy, "--out", "c.toml"])
        .good();
    let other = [
        "certify",
        "study.toml",
        "--set=data.dim=5",
        "--set",
        easy,
        "--out",
        "c.toml",
    ];
    assert!(
        work.thalweg(&other)
            .err
            .contains("note: the certificate of another setting")
    );
}

/// Another setting in the same folder replaced report and weights silently; more cells do not.
#[test]
fn a_report_of_another_setting_is_not_replaced_silently() {
    let work = Work::new(SMALL);
    let run = ["run", "study.toml", "--out", "out"];
    work.thalweg(&run).good();
    work.thalweg(&run).good();
    let other = work.thalweg(&[&run[..], &["--set", "net.hidden=[8]"]].concat());
    assert!(
        other
            .err
            .contains("note: `out` holds the report of another setting"),
        "{}",
        other.err
    );
    assert_eq!(other.code, Some(0));
}

/// A stopped run could not be reported.
#[test]
fn a_report_of_a_part_says_so() {
    let work = Work::new(SMALL);
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    let plan: serde_json::Value =
        serde_json::from_slice(&work.read("out/plan.json")).expect("JSON");
    let record = |cell: usize| {
        let hash = plan["cells"][cell]["hash"].as_str().expect("a hash");
        work.path(&format!("out/cells/{hash}-cpu.record"))
    };
    fs::remove_file(record(1)).expect("the record is there");
    let seen = work.thalweg(&["report", "out"]).good();
    assert!(
        seen.out.contains("1 of 2 cells are finished"),
        "{}",
        seen.out
    );
    let page = String::from_utf8(work.read("out/report.html")).expect("the report is UTF-8");
    assert!(page.contains("(in part)") && page.contains("1 of 2 cells are finished"));
    fs::remove_file(record(0)).expect("the record is there");
    let seen = work.thalweg(&["report", "out"]).bad(2);
    assert!(
        seen.err.contains("the base cell is not finished"),
        "{}",
        seen.err
    );
}

/// One run: what it printed, its curve, and what it means; nothing of intervals of one.
#[test]
fn a_single_run_is_told_as_one() {
    let single = SMALL
        .split("[[compare]]")
        .next()
        .expect("it has a comparison");
    let single = single
        .replace("replicates = 5", "replicates = 1")
        .replace("1e-8", "1e-1");
    let keep = "\n[keep]\nreplicates = 1\nlosses = \"all\"\n";
    let many = "\n[[compare]]\nname = \"many\"\nreplicates = [50]\n";
    let work = Work::new(&format!("{single}{keep}{many}"));
    let seen = work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    let prints = seen.out.find("base, replicate 0:").expect("the prints");
    let answer = seen.out.find("This run ").expect("the answer");
    assert!(prints < answer, "{}", seen.out);
    assert!(seen.out.contains("Of 50 such runs "), "{}", seen.out);
    assert!(seen.out.contains('█'), "a curve in\n{}", seen.out);
    let alone = Work::new(&format!("{single}{keep}"));
    let seen = alone.thalweg(&["run", "study.toml", "--out", "out"]).good();
    assert!(!seen.out.contains("Of 50 such runs"), "{}", seen.out);
    let weights = work.thalweg(&["weights", "out"]).good();
    assert!(weights.out.contains("0.weight [4, 3]"), "{}", weights.out);
}

/// A single run of many steps said nothing until it ended.
#[test]
fn the_losses_of_a_run_are_printed_while_it_trains() {
    let study = SMALL
        .replace("replicates = 5", "replicates = 1")
        .replace("rate = 0.05", "rate = 0.05\nstop = \"never\"")
        .replace("steps = 100", "steps = 400_000_000");
    let work = Work::new(&format!(
        "{study}\n[keep]\nreplicates = 1\nlosses = \"all\"\n"
    ));
    let mut run = work.command(&["run", "study.toml", "--out", "out"]);
    let mut child = run
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let out = child.stdout.take().expect("it is piped");
    let lines: Vec<String> = std::io::BufReader::new(out)
        .lines()
        .take(2)
        .map_while(Result::ok)
        .collect();
    let trains = child.try_wait().expect("it can be asked").is_none();
    child.kill().expect("the program can be killed");
    child.wait().expect("it ended");
    assert!(trains, "it had ended before it printed: {lines:?}");
    assert_eq!(lines[0], "base, replicate 0:");
    assert!(lines[1].starts_with("  step "), "{lines:?}");
    assert!(
        lines[1].contains("yeah!") || lines[1].contains("loss "),
        "{lines:?}"
    );
}

/// The line that was pointed at stood in no file, and what to write instead was not said.
#[test]
fn a_wrong_value_of_set_is_pointed_at_in_the_argument() {
    let work = Work::new(SMALL);
    let of = |set: &str| {
        work.thalweg(&["run", "study.toml", "--set", set])
            .bad(2)
            .err
    };
    let list = of("net.hidden=16");
    assert!(
        list.contains("in `--set net.hidden=16`: ") && list.contains("a list, `[16]`"),
        "{list}"
    );
    assert!(!list.contains("-->"), "{list}");
    assert!(of("descent.lr=0.1").contains("here it is called `rate`"));
    assert!(of("net.init=he_normal").contains("here it is called `kaiming_normal`"));
    assert!(of("net.activation=ReLU").contains("did you mean `relu`?"));
    let dim = work.thalweg(&["run", "study.toml", "--dim", "5"]).bad(2);
    assert!(dim.err.contains("hint: `--set data.dim=5`"), "{}", dim.err);
}

/// `--open` without a browser says what to open, and fails nothing; with one it is called.
#[cfg(target_os = "linux")]
#[test]
fn open_shows_the_page_or_says_where_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let work = Work::new(SMALL);
    let open = |path: &Path| {
        let mut command = work.command(&["run", "study.toml", "--out", "out", "--open"]);
        Seen::of(
            &command
                .env("PATH", path)
                .output()
                .expect("the program starts"),
        )
    };
    fs::create_dir(work.path("bin")).expect("a folder");
    let without = open(&work.path("bin"));
    assert_eq!(without.code, Some(0));
    assert!(
        without
            .err
            .contains("there is no `xdg-open` here; open file:///"),
        "{}",
        without.err
    );
    work.write("bin/xdg-open", b"#!/bin/sh\necho \"$1\" > opened\n");
    let script = work.path("bin/xdg-open");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a script");
    open(&work.path("bin")).good();
    assert!(String::from_utf8_lossy(&work.read("opened")).ends_with("out/report.html\n"));
}

/// Help is wrapped by words, below where it begins.
#[test]
fn help_fits_the_window() {
    for command in [
        &["--help"][..],
        &["run", "--help"],
        &["studies"],
        &["theory", "kernel", "-h"],
    ] {
        let seen = Work::new("").thalweg(command).good();
        assert!(
            seen.out.lines().all(|l| l.chars().count() <= 80),
            "{}",
            seen.out
        );
    }
}

/// Test points reach the page, the tables and the kept data, and `theory predict` says what it
/// says of them to each kind of file.
#[test]
fn test_points_are_told_drawn_and_kept() {
    let work = Work::new(
        "replicates = 8\n[data]\npoints = 6\ndim = 1\ninputs = { grid = [-1.0, 1.0] }\n\
         targets = { sine = 2 }\n[net]\nhidden = [16]\nactivation = \"erf\"\n\
         init = \"lecun_normal\"\n[descent]\nrate = { of_limit = 0.5 }\nsteps = 300\n\
         [look]\nat = [\"start\", \"log\", \"end\"]\n[keep]\nreplicates = 1\n\
         [test]\ngrid = [-1.5, 1.5]\npoints = 21\n",
    );
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
    let read = |path: &str| work.read(path);
    let page = String::from_utf8(read("out/report.html")).expect("text");
    for words in [
        "At other inputs",
        "the 21 points of a grid from -1.5 to 1.5",
        "The mean of the training targets",
        "by gradient descent for as many steps",
        "data-figure=\"test-loss\"",
        "data-figure=\"test-expected\"",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let table = String::from_utf8(read("out/tables/test-loss.csv")).expect("text");
    assert!(table.starts_with("cell,test loss"), "{table}");
    let kept = read("out/weights/cell-000-replicate-000.data.safetensors");
    let header = String::from_utf8_lossy(&kept[8..400]).into_owned();
    for name in ["x_test", "y_test", "outputs_test"] {
        assert!(header.contains(&format!("\"{name}\"")), "{header}");
    }
    let seen = work.thalweg(&["explain", "out"]).good();
    assert!(seen.out.contains("test points its loss is"), "{}", seen.out);
    let seen = work
        .thalweg(&["theory", "predict", "study.toml", "--out", "p.csv"])
        .good();
    assert!(seen.out.contains("NTK, as many steps"), "{}", seen.out);
    let text = String::from_utf8(read("p.csv")).expect("text");
    assert!(
        text.starts_with("x0,y,ntk_mean,ntk_std,ntk_regression_mean"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 22);
    for (arguments, words) in [
        (&["--out", "p.foo"][..], "name the file"),
        (&["--ridge=-1"], "from 0 on"),
        (&["--steps=nan"], "from 0 on"),
        (&["--set", "descent.loss=logistic"], "squared loss"),
    ] {
        let all = [&["theory", "predict", "study.toml"], arguments].concat();
        let seen = work.thalweg(&all).bad(2);
        assert!(seen.err.contains(words), "{}", seen.err);
    }
}

/// A limit on the size of files killed the program by its signal, without a word.
#[cfg(unix)]
#[test]
fn a_file_that_gets_too_large_is_told() {
    let work = Work::new(SMALL);
    let program = env!("CARGO_BIN_EXE_thalweg");
    // In blocks of 512 or 1024 bytes, by the shell.
    let script = format!("ulimit -f 4; exec '{program}' run study.toml --out out");
    let done = Command::new("sh")
        .args(["-c", &script])
        .current_dir(work.path("."))
        .output()
        .expect("there is a shell");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot write") && said.contains("hint:"),
        "{said}"
    );
    // With room it goes on.
    work.thalweg(&["run", "study.toml", "--out", "out"]).good();
}
