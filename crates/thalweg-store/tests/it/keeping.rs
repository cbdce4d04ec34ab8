//! What is on disk: runs that are stopped go on, damaged files are named, weights come back.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use safetensors::tensor::{Dtype, TensorView};
use thalweg::analysis::Analysis;
use thalweg::analysis::columns::tables;
use thalweg::engine::Engine;
use thalweg::engine::cpu::Cpu;
use thalweg::error::Error;
use thalweg::lab::{self, Control, Event, InMemory};
use thalweg::plan::{Cell, Plan};
use thalweg::record::{Kept, ROWS, Record};
use thalweg::study::Source;
use thalweg_store as store;
use thalweg_store::Folder;

use crate::{plan, record, source};

const STUDY: &str = "replicates = 6\n[data]\npoints = 5\ndim = 3\n[net]\nhidden = [4]\n\
    [descent]\nsteps = 300\nrate = 0.02\n[look]\nreplicates = 2\n\
    [[compare]]\nname = \"dim\"\n\"data.dim\" = [1, 2, 4]\n";

/// Runs in a folder, stopped at the end of so many cells; with it, which cells were found.
fn run_until(plan: &Plan, folder: &Path, cells: usize) -> (Result<Vec<Record>, Error>, Vec<bool>) {
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let found = std::sync::Mutex::new(Vec::new());
    let tell = |event: Event<'_>| match event {
        Event::Cell { found: is, .. } => found.lock().expect("no panic").push(is),
        Event::Done { .. } if done.fetch_add(1, Ordering::Relaxed) + 1 == cells => {
            stop.store(true, Ordering::Relaxed);
        }
        Event::Done { .. } | Event::Replicate { .. } | Event::Loss { .. } | Event::Steps(_) => {}
    };
    let control = Control {
        stopped: &|| stop.load(Ordering::Relaxed),
        listen: &tell,
        ..crate::control()
    };
    let keeper = Folder {
        path: folder,
        engine: "cpu",
    };
    let result = lab::run(plan, &Cpu::detect(), 2, &keeper, &control);
    (result, found.into_inner().expect("no panic"))
}

fn run_all(plan: &Plan, folder: &Path) -> (Vec<Record>, Vec<bool>) {
    let (result, found) = run_until(plan, folder, usize::MAX);
    let mut records = result.expect("nothing stops it");
    records.iter_mut().for_each(|r| r.seconds = 0.0);
    (records, found)
}

/// Everything that is written of a run, as text: NaN is equal to itself.
fn all_tables(plan: &Plan, records: &[Record]) -> String {
    format!(
        "{records:?}\n{:?}",
        tables(&Analysis::of(plan, records, 2), plan, records)
    )
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

/// A cell depends on its setting and its numbers alone, so a run in two parts is the run in one.
#[test]
fn a_run_that_is_stopped_goes_on_where_it_was() {
    let (plan, whole, parts) = (plan(STUDY), temp(), temp());
    let (stopped, _) = run_until(&plan, parts.path(), 2);
    assert!(
        matches!(stopped, Err(Error::Stopped { done: 2, cells: 4 })),
        "{stopped:?}"
    );
    // What a killed writer leaves behind is not taken for a record.
    fs::write(parts.path().join("cells/.tmpAbC123"), b"thalweg1 half").expect("it can be written");
    let (resumed, found) = run_all(&plan, parts.path());
    assert_eq!(found, [true, true, false, false]);
    let (at_once, found) = run_all(&plan, whole.path());
    assert_eq!(found, [false; 4]);
    assert_eq!(all_tables(&plan, &resumed), all_tables(&plan, &at_once));
    assert_eq!(run_all(&plan, parts.path()).1, [true; 4]);
}

/// docs/tables.md says what each column of each table means.
#[test]
fn every_column_is_explained() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tables.md");
    let explained = fs::read_to_string(path).expect("the page is there");
    let study = format!("{STUDY}[keep]\nlosses = \"all\"\n")
        .replace("[look]", "[look]\nat = [\"start\", \"log\", \"end\"]");
    let (plan, folder) = (plan(&study), temp());
    let (records, _) = run_all(&plan, folder.path());
    for (table, columns) in tables(&Analysis::of(&plan, &records, 1), &plan, &records) {
        let heading = format!("## `{table}.parquet`");
        let section = explained.split(&heading).nth(1).expect(table);
        let section = section.split("\n## ").next().expect("it is split");
        for (name, _) in columns {
            // Settings are explained together, layers by the first of them.
            if !name.contains('.') && !name.starts_with("weights_moved_") {
                assert!(section.contains(&format!("`{name}`")), "{table}: {name}");
            }
        }
    }
}

#[test]
fn a_changed_study_trains_what_changed_and_nothing_else() {
    let folder = temp();
    run_all(&plan(STUDY), folder.path());
    let titled = plan(&format!("title = \"another\"\n{STUDY}"));
    assert_eq!(run_all(&titled, folder.path()).1, [true; 4]);
    let longer = plan(&STUDY.replace("[1, 2, 4]", "[1, 2, 4, 5]"));
    assert_eq!(
        run_all(&longer, folder.path()).1,
        [true, true, true, true, false]
    );
    let faster = plan(&STUDY.replace("0.02", "0.03"));
    assert_eq!(run_all(&faster, folder.path()).1, [false; 4]);
    let found = |engine| store::load(folder.path(), &plan(STUDY).cells[0], engine);
    assert!(found("reference").expect("it is whole").is_none());
    // A card trains the bits of the processor.
    assert!(found("gpu").expect("it is whole").is_some());
}

/// The checksum sees every bit, the magic every version, the length every cut.
#[test]
fn a_damaged_record_is_named_and_never_read() {
    let (plan, folder) = (plan("replicates = 2\n[descent]\nsteps = 5"), temp());
    run_all(&plan, folder.path());
    let path = store::record_path(folder.path(), &plan.cells[0], "cpu");
    let good = fs::read(&path).expect("it is there");
    let flipped = [0, 7, 8, 39, 40, good.len() / 2, good.len() - 1].map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    });
    let cut = [0, 5, 8, 20, 40, good.len() / 2, good.len() - 1].map(|n| good[..n].to_vec());
    for bad in flipped
        .into_iter()
        .chain(cut)
        .chain([[good.as_slice(), &[0]].concat()])
    {
        fs::write(&path, &bad).expect("it can be written");
        let Err(error) = run_until(&plan, folder.path(), usize::MAX).0 else {
            panic!("{} bytes were taken for a record", bad.len());
        };
        assert!(
            matches!(&error, Error::Damaged { path: p, .. } if *p == path),
            "{error:?}"
        );
        assert!(error.to_string().contains(".record"));
        assert!(error.hint().is_some_and(|h| h.contains("delete it")));
    }
    fs::remove_file(&path).expect("it can be deleted");
    assert_eq!(run_all(&plan, folder.path()).1, [false]);
    assert!(
        fs::read(&path)
            .expect("it is there again")
            .starts_with(&good[..8])
    );
}

/// A record that was copied to the place of another cell or engine is not taken for it.
#[test]
fn a_record_of_another_cell_is_named_and_not_taken() {
    let folder = temp();
    let (one, other) = (
        plan("replicates = 2\n[descent]\nsteps = 5"),
        plan("replicates = 3\n[descent]\nsteps = 5"),
    );
    run_all(&one, folder.path());
    let path =
        |plan: &Plan, engine: &str| store::record_path(folder.path(), &plan.cells[0], engine);
    for (plan, engine) in [(&other, "cpu"), (&one, "reference")] {
        let to = path(plan, engine);
        fs::copy(path(&one, "cpu"), &to).expect("it can be copied");
        let Err(error) = store::load(folder.path(), &plan.cells[0], engine) else {
            panic!("it was taken");
        };
        assert!(
            matches!(&error, Error::Damaged { path: p, .. } if *p == to),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains(&one.cells[0].hash) && text.contains("`cpu`"),
            "{text}"
        );
        assert!(error.hint().is_some_and(|h| h.contains("delete it")));
    }
    assert!(
        store::load(folder.path(), &one.cells[0], "cpu")
            .expect("its own")
            .is_some()
    );
}

/// A run folder keeps what its study names, two files of one name too, and needs neither the
/// originals nor its place. An original that changed is another cell.
#[test]
fn a_run_folder_keeps_its_files_wherever_it_goes() {
    let work = temp();
    let at = |name: &str| work.path().join(name);
    for name in ["a", "b"] {
        fs::create_dir(at(name)).expect("there is room");
    }
    let row = |v: f64| format!("x0,y\n1,2\n2,{v}\n");
    fs::write(at("a/d.csv"), row(1.0)).expect("there is room");
    fs::write(at("b/d.csv"), row(7.0)).expect("there is room");
    let text = format!(
        "[data]\nfile = \"a/d.csv\"\n[[compare]]\nname = \"set\"\n\"data.file\" = [{:?}]",
        at("b/d.csv").display().to_string()
    );
    let source = Source {
        name: "p.toml".into(),
        text,
        folder: work.path().into(),
    };
    let plan = store::plan(&source).expect("the study is right");
    store::begin(&at("run"), &source, &plan).expect("there is room");
    fs::write(at("a/d.csv"), row(3.0)).expect("there is room");
    let changed = store::plan(&source).expect("the study is right");
    assert_ne!(changed.cells[0].hash, plan.cells[0].hash);
    fs::remove_dir_all(at("a")).expect("it is there");
    fs::remove_dir_all(at("b")).expect("it is there");
    fs::create_dir(at("elsewhere")).expect("there is room");
    fs::rename(at("run"), at("elsewhere/moved")).expect("it is there");
    let moved = at("elsewhere/moved");
    let opened = store::open(&moved.join("study.toml").display().to_string());
    for back in [store::load_source(&moved), opened] {
        let back = back.expect("it is a run folder");
        let again = store::plan(&back).expect("its files are there");
        let hashes = |plan: &Plan| -> Vec<String> {
            plan.cells.iter().map(|cell| cell.hash.clone()).collect()
        };
        assert_eq!(hashes(&again), hashes(&plan));
        // Run again, in the same folder and in another one.
        store::begin(&moved, &back, &again).expect("there is room");
        store::begin(&at("third"), &back, &again).expect("there is room");
        let third = store::load_source(&at("third")).expect("it is a run folder");
        assert_eq!(hashes(&store::plan(&third).expect("kept")), hashes(&plan));
    }
    // Nothing in it says where it was made.
    for entry in fs::read_dir(moved.join("inputs")).expect("it is there") {
        let name = entry.expect("it is there").file_name();
        let name = name.to_string_lossy();
        assert!(
            ["d.csv", "d-2.csv", "names.json"].contains(&&*name),
            "{name}"
        );
    }
}

/// A run into the folder of its study copies nothing, and takes the file as it is next time.
#[test]
fn files_that_lie_in_the_run_folder_stay_where_they_are() {
    let work = temp();
    fs::write(work.path().join("d.csv"), "x0,y\n1,2\n").expect("there is room");
    let source = Source {
        name: "p.toml".into(),
        text: "[data]\nfile = \"d.csv\"".into(),
        folder: work.path().into(),
    };
    let plan = store::plan(&source).expect("the study is right");
    store::begin(work.path(), &source, &plan).expect("there is room");
    assert!(!work.path().join("inputs/d.csv").exists());
    fs::write(work.path().join("d.csv"), "x0,y\n1,3\n").expect("there is room");
    let again = store::plan(&source).expect("the study is right");
    assert_ne!(again.cells[0].hash, plan.cells[0].hash);
    // A file of somebody else's is not replaced by a copy.
    let out = temp();
    fs::create_dir(out.path().join("inputs")).expect("there is room");
    fs::write(out.path().join("inputs/d.csv"), "mine").expect("there is room");
    store::begin(out.path(), &source, &plan).expect("there is room");
    let mine = fs::read_to_string(out.path().join("inputs/d.csv")).expect("it is there");
    assert_eq!(mine, "mine");
    assert!(out.path().join("inputs/d-2.csv").exists());
}

#[test]
fn a_bare_name_can_be_written() {
    store::write(Path::new("target-of-a-bare-name"), b"x").expect("a bare name can be written");
    fs::remove_file("target-of-a-bare-name").expect("it was written here");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_of_the_system() {
    let temp = temp();
    let file = temp.path().join("file");
    fs::write(&file, b"").expect("it can be written");
    let plan = plan("replicates = 1\n[descent]\nsteps = 1");
    let (result, _) = run_until(&plan, &file.join("run"), usize::MAX);
    assert!(matches!(&result, Err(Error::Io { .. })), "{result:?}");
    let result = store::write(&file.join("run/table"), b"x");
    assert!(matches!(&result, Err(Error::Io { .. })), "{result:?}");
}

/// Whole or not at all: what was there is replaced in one step, and no sibling stays.
#[test]
fn a_file_is_replaced_whole() {
    let temp = temp();
    let path = temp.path().join("deep/er/file");
    for text in [&b"first"[..], b"second, longer", b""] {
        store::write(&path, text).expect("it can be written");
        assert_eq!(fs::read(&path).expect("it is there"), text);
    }
    let folder = fs::read_dir(temp.path().join("deep/er")).expect("it is there");
    assert_eq!(folder.count(), 1);
}

fn kept(cell: &Cell) -> Kept {
    let weights: Vec<f64> = (0..cell.weights(0).len())
        .map(|i| 0.1 + i as f64 / 7.0)
        .collect();
    let set = cell.set(0);
    Kept {
        replicate: 0,
        step: 3,
        loss: 0.5,
        weights,
        outputs: set.y.clone(),
        test_outputs: None,
        x: set.x,
        y: set.y,
    }
}

/// Rounded once to the precision of the study, and a study that starts there starts there.
#[test]
fn weights_that_were_written_come_back() {
    for precision in ["f32", "f64"] {
        let text = format!(
            "[data]\ndim = 3\n[net]\nhidden = [4, 5]\n[descent]\nprecision = \"{precision}\""
        );
        let (cell, folder) = (plan(&text).cells.remove(0), temp());
        let kept = kept(&cell);
        let path = store::write_weights(folder.path(), &cell, &kept).expect("it can be written");
        let init = format!(
            "init = {{ file = {:?} }}\n[descent]",
            path.display().to_string()
        );
        let again = plan(&text.replace("[descent]", &init)).cells.remove(0);
        let back = again.weights(0);
        assert_eq!(again.weights(5), back);
        let round = |v: &f64| {
            if precision == "f32" {
                f64::from(*v as f32)
            } else {
                *v
            }
        };
        assert_eq!(back, kept.weights.iter().map(round).collect::<Vec<f64>>());
        let names: Vec<String> = store::read_tensors(&path)
            .expect("it can be read")
            .into_iter()
            .map(|t| t.name)
            .collect();
        assert_eq!(
            names,
            [
                "0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"
            ]
        );
    }
}

/// The file of a net with one hidden unit in two dimensions, its tensors of these shapes.
fn file(folder: &Path, tensors: &[(&str, &[usize])]) -> std::path::PathBuf {
    let bytes = vec![0; 800];
    let views: HashMap<&str, TensorView<'_>> = tensors
        .iter()
        .map(|(name, shape)| {
            let size = 8 * shape.iter().product::<usize>();
            (
                *name,
                TensorView::new(Dtype::F64, shape.to_vec(), &bytes[..size]).expect("it fits"),
            )
        })
        .collect();
    let path = folder.join("w.safetensors");
    fs::write(
        &path,
        safetensors::serialize(views, None).expect("it is a file"),
    )
    .expect("it can be written");
    path
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let folder = temp();
    let read = |path: &Path| {
        let path = path.display().to_string();
        let text = format!("[data]\ndim = 2\n[net]\nhidden = [1]\ninit = {{ file = {path:?} }}");
        store::plan(&source(&text)).map(|plan| plan.cells[0].weights(0))
    };
    let right: [(&str, &[usize]); 4] = [
        ("0.weight", &[1, 2]),
        ("0.bias", &[1]),
        ("2.weight", &[1, 1]),
        ("2.bias", &[1]),
    ];
    let path = file(folder.path(), &right);
    assert_eq!(read(&path).expect("it fits"), [0.0; 5]);
    let refuse = |path: &Path, words: &str, hint: &str| {
        let Err(error) = read(path) else {
            panic!("{words}: it was read")
        };
        assert!(error.to_string().contains(words), "{error}");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        assert!(
            error.hint().is_some_and(|h| h.contains(hint)),
            "{:?}",
            error.hint()
        );
    };
    let needs = "needs 0.weight [1, 2], 0.bias [1]";
    let mut wrong = right;
    wrong[0].1 = &[2, 1];
    refuse(
        &file(folder.path(), &wrong),
        "holds `0.weight` of shape [2, 1]",
        needs,
    );
    refuse(
        &file(folder.path(), &right[..3]),
        "has no tensor `2.bias`",
        needs,
    );
    let more = [&right[..], &[("4.weight", &[1, 1])]].concat();
    refuse(
        &file(folder.path(), &more),
        "holds `4.weight`, which",
        needs,
    );
    for (name, bytes) in [
        ("model.pth", &b"anything"[..]),
        ("zip.safetensors", b"PK\x03\x04...."),
        ("old.safetensors", b"\x80\x02}q\x00."),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("it can be written");
        refuse(&path, "is a Python pickle", "s.save_file(");
    }
    let path = folder.path().join("text.safetensors");
    for bytes in [&b"hello world, no tensors here"[..], b"", &[0xff; 64]] {
        fs::write(&path, bytes).expect("it can be written");
        refuse(&path, "is no safetensors file", "s.save_file(");
    }
}

/// The draws alone decide, in the order of their numbers; neither threads nor blocks do.
#[test]
fn a_decided_cell_is_the_beginning_of_the_fixed_one() {
    let with = |replicates: &str| {
        format!(
            "replicates = {replicates}\n[data]\npoints = 3\n[net]\nhidden = [8]\n\
                 [descent]\nrate = 0.02\nsteps = 3000\n[look]\nreplicates = 0\n"
        )
    };
    let decided = with("{ until_decided = { at_most = 400 } }");
    let engine = Cpu::detect();
    let whole = record(&with("400"), &engine, 2);
    let mut one = record(&decided, &engine, 1);
    let mut three = record(&decided, &engine, 3);
    assert!(
        one.rows.len() < 400 && one.successes() > 0,
        "{} replicates",
        one.rows.len()
    );
    assert_eq!(one.rows, whole.rows[..one.rows.len()]);
    (one.seconds, three.seconds) = (0.0, 0.0);
    assert_eq!(one, three);
}

/// Memory must not grow with the replicates: beyond the rows they are counted, exactly.
#[test]
fn replicates_beyond_the_rows_are_counted() {
    let text = |n: u64| {
        format!(
            "replicates = {n}\n[data]\npoints = 2\ndim = 1\n[net]\nhidden = [1]\n[descent]\n\
             rate = 0.1\nsteps = 3\n\
             precision = \"f64\"\n[success]\nloss_below = 0.3\n[look]\nreplicates = 2\n[keep]\n\
             replicates = 1"
        )
    };
    let whole = record(&text(ROWS + 500), &Cpu::detect(), 2);
    assert_eq!(whole.rows.len() as u64, ROWS);
    assert_eq!(whole.tally.replicates, ROWS + 500);
    assert_eq!(whole.tally.outcomes.sum(), ROWS + 500);
    let few = record(&text(1000), &Cpu::detect(), 1);
    assert_eq!(few.rows, whole.rows[..1000]);
    let share = |r: &Record| r.successes() as f64 / r.tally.replicates as f64;
    assert!((share(&few) - share(&whole)).abs() < 0.1 && share(&whole) > 0.05);
    let last = whole.rows.iter().filter(|r| r.reached()).count() as u64;
    assert!(last <= whole.successes() && whole.successes() <= last + 500);
}

/// Cells that differ in what a replicate starts with share the lanes, in whatever order a plan has
/// them; each leaves the record that it leaves alone.
#[test]
fn cells_of_one_problem_leave_the_records_that_they_leave_alone() {
    for replicates in ["1", "7", "{ until_decided = { at_most = 50 } }"] {
        let plan = plan(&format!(
            "replicates = {replicates}\n[data]\npoints = 5\ndim = 3\n[net]\nhidden = [4]\n\
             [descent]\nsteps = 300\nrate = 0.02\n[look]\nreplicates = 2\n\
             [[compare]]\nname = \"all\"\n\"net.hidden\" = [[4], [6]]\n\
             \"net.init\" = [\"pytorch\", \"orthogonal\"]\n\
             \"descent.rate\" = [0.02, {{ of_limit = 0.5 }}, 1e6]\n",
        ));
        assert_eq!(plan.cells.len(), 12);
        let engine = Cpu::detect();
        let alone = (plan.cells.iter()).map(|cell| lab::train(cell, &engine, 1, &crate::control()));
        let mut alone: Vec<Record> = alone.map(|r| r.expect("nothing stops it")).collect();
        alone.iter_mut().for_each(|r| r.seconds = 0.0);
        for threads in [1, 3] {
            let run = lab::run(&plan, &engine, threads, &InMemory, &crate::control());
            let mut together = run.expect("nothing stops it");
            assert!(together.iter().all(|r| r.seconds >= 0.0));
            together.iter_mut().for_each(|r| r.seconds = 0.0);
            let (together, alone) = (format!("{together:?}"), format!("{alone:?}"));
            assert_eq!(together, alone, "{replicates}, {threads} threads");
        }
    }
}

/// A cell is kept when its last replicate ended, not when all that share its lanes have.
#[test]
fn cells_that_share_lanes_are_kept_one_by_one() {
    let (plan, folder) = (
        plan(
            "replicates = 3\n[data]\npoints = 4\ndim = 2\n[net]\nhidden = [3]\n\
             [descent]\nsteps = 50\nrate = 0.01\n[[compare]]\nname = \"rate\"\n\"descent.rate\" = \
             [0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.11, 0.12, 0.13, 0.14, \
             0.15, 0.16, 0.17, 0.18, 0.19, 0.2, 0.21]\n",
        ),
        temp(),
    );
    let (stopped, _) = run_until(&plan, folder.path(), 4);
    let Err(Error::Stopped { done, cells: 21 }) = stopped else {
        panic!("{stopped:?}");
    };
    assert!((4..21).contains(&done), "{done} cells were finished");
    let (_, found) = run_all(&plan, folder.path());
    assert_eq!(found.iter().filter(|found| **found).count(), done);
}

/// What runs past a decision is lost work: no more is handed out than the decision rests on, or a
/// few for every lane.
#[test]
fn a_decision_is_not_run_past_by_far() {
    let text = "replicates = { until_decided = { at_most = 100000 } }\n[data]\npoints = 3\n\
                [net]\nhidden = [8]\n[descent]\nrate = 0.02\nsteps = 3000\n[look]\n\
                replicates = 0\n";
    let cell = plan(text).cells.remove(0);
    let engine = Cpu::detect();
    for threads in [1, 3] {
        let ended = AtomicUsize::new(0);
        let control = Control {
            listen: &|event| {
                let one = matches!(event, Event::Replicate { .. });
                ended.fetch_add(usize::from(one), Ordering::Relaxed);
            },
            ..crate::control()
        };
        let record = lab::train(&cell, &engine, threads, &control).expect("nothing stops it");
        let most = record.rows.len() as u64 + 4 * engine.in_flight(&cell.problem(), threads);
        let ended = ended.into_inner() as u64;
        assert!(
            record.rows.len() as u64 <= ended && ended <= most,
            "{ended} for {}",
            record.rows.len()
        );
    }
}

/// Stopped is an error, and the same one wherever something is trained.
#[test]
fn whatever_trains_says_in_one_way_that_it_was_stopped() {
    let plan = plan(STUDY);
    let (cell, engine) = (&plan.cells[0], Cpu::detect());
    let control = Control {
        stopped: &|| true,
        ..crate::control()
    };
    let terms = thalweg::decide::Terms::default();
    let clock = || 0.0;
    let all = [
        lab::run(&plan, &engine, 2, &InMemory, &control).map(|_| ()),
        lab::train(cell, &engine, 1, &control).map(|_| ()),
        thalweg::decide::certify(cell, "t", &engine, 2, terms, &control).map(|_| ()),
        thalweg::price::price(&plan, &engine, 1, 1, &clock, &control).map(|_| ()),
    ];
    for result in all {
        assert!(matches!(result, Err(Error::Stopped { .. })), "{result:?}");
    }
}

/// Half precision, bfloat16 and whole numbers, as files of other programs have them.
#[test]
fn tensors_of_every_kind_of_number_are_read() {
    use safetensors::tensor::{Dtype, TensorView};
    let folder = temp();
    let path = folder.path().join("all.safetensors");
    let all: [(&str, Dtype, Vec<u8>); 8] = [
        ("f16", Dtype::F16, vec![0x00, 0x3e, 0x00, 0xc0]),
        ("bf16", Dtype::BF16, vec![0xc0, 0x3f, 0x00, 0xc0]),
        ("i8", Dtype::I8, vec![0xff, 0x02]),
        ("u8", Dtype::U8, vec![0xff, 0x02]),
        ("i16", Dtype::I16, vec![0xff, 0xff, 0x02, 0x00]),
        (
            "i32",
            Dtype::I32,
            [(-1i32).to_le_bytes(), 2i32.to_le_bytes()].concat(),
        ),
        (
            "i64",
            Dtype::I64,
            [(-1i64).to_le_bytes(), 2i64.to_le_bytes()].concat(),
        ),
        (
            "f64",
            Dtype::F64,
            [1.5f64.to_le_bytes(), (-2.0f64).to_le_bytes()].concat(),
        ),
    ];
    let views = all.iter().map(|(name, dtype, bytes)| {
        let view = TensorView::new(*dtype, vec![2], bytes).expect("two numbers");
        ((*name).to_string(), view)
    });
    let bytes = safetensors::serialize(views, None).expect("it is written");
    fs::write(&path, bytes).expect("there is room");
    for array in store::read_tensors(&path).expect("it is read") {
        let right = match array.name.as_str() {
            "u8" => [255.0, 2.0],
            "i8" | "i16" | "i32" | "i64" => [-1.0, 2.0],
            _ => [1.5, -2.0],
        };
        assert_eq!(array.values, right, "{}", array.name);
    }
}

/// The first byte of a safetensors file is that of the length of its header, and one in 32 is that
/// of a pickle: such weights of the program's own were refused as one.
#[test]
fn weights_whose_header_is_as_long_as_a_pickle_begins_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut seen = 0;
    for fill in 0..64 {
        let mut header =
            String::from("{\"0.weight\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}");
        while !header.len().is_multiple_of(8) || header.len() < 8 * (16 + fill) {
            header.push(' ');
        }
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        seen += u32::from(bytes[0] == 0x80);
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&1.5f64.to_le_bytes());
        let path = folder.path().join("w.safetensors");
        fs::write(&path, bytes).expect("it is written");
        let read = store::read_tensors(&path).expect("it is one");
        assert_eq!(read[0].values, [1.5]);
    }
    assert!(seen >= 2);
    // A pickle is none, whatever follows.
    let path = folder.path().join("p.safetensors");
    fs::write(
        &path,
        b"\x80\x02}q\x00X\x08\x00\x00\x000.weightq\x01K\x01s.",
    )
    .expect("written");
    let error = store::read_tensors(&path).expect_err("it is a pickle");
    assert!(error.to_string().contains("pickle"), "{error}");
}

/// The same weights had other bytes from run to run.
#[test]
fn the_same_weights_are_the_same_bytes() {
    let plan = plan(STUDY);
    let cell = &plan.cells[0];
    let bytes = || {
        let folder = tempfile::tempdir().expect("a folder");
        let path = store::write_weights(folder.path(), cell, &kept(cell)).expect("written");
        fs::read(path).expect("it is there")
    };
    let first = bytes();
    assert!((0..20).all(|_| bytes() == first));
}

/// Two runs in one folder were mixed; what a killed one left stayed for ever.
#[test]
fn a_run_folder_is_one_process_s() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run");
    fs::create_dir_all(path.join("cells")).expect("a folder");
    fs::write(path.join("cells/.tmpAbCdEf"), b"half").expect("written");
    let first = store::lock(&path).expect("nobody has it");
    assert!(!path.join("cells/.tmpAbCdEf").exists());
    let error = store::lock(&path).expect_err("it is taken");
    assert!(error.to_string().contains("another run"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--out")));
    drop(first);
    store::lock(&path).expect("it is free again");
}

/// `--out .` beside a study of one's own replaced it without a word.
#[test]
fn somebody_s_own_study_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("study.toml");
    fs::write(&own, b"title = \"mine\"\n").expect("written");
    let (source, plan) = (source(STUDY), plan(STUDY));
    let error = store::begin(folder.path(), &source, &plan).expect_err("it is mine");
    assert!(error.to_string().contains("not that of a run"), "{error}");
    assert_eq!(fs::read(&own).expect("it is there"), b"title = \"mine\"\n");
    // That of a run is.
    fs::remove_file(&own).expect("removed");
    store::begin(folder.path(), &source, &plan).expect("an empty folder");
    store::begin(folder.path(), &source, &plan).expect("that of a run");
}

/// What may never end is not read.
#[cfg(unix)]
#[test]
fn pipes_devices_and_folders_are_no_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["d.csv", "d.npy", "d.parquet", "w.safetensors"] {
        std::os::unix::fs::symlink("/dev/zero", at(name)).expect("linked");
        let error = match name {
            "w.safetensors" => store::read_tensors(&at(name)).map(drop),
            _ => store::read_table(&at(name)).map(drop),
        };
        let error = error.expect_err("it has no end");
        assert!(error.to_string().contains("pipe or a device"), "{error}");
        assert!(error.hint().is_some());
    }
    fs::create_dir(at("e.csv")).expect("a folder");
    let error = store::read_table(&at("e.csv")).expect_err("a folder");
    assert!(error.to_string().contains("is a folder"), "{error}");
    let pipe = at("p.csv");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        let error = store::read_table(&pipe).expect_err("nobody writes into it");
        assert!(error.to_string().contains("pipe or a device"), "{error}");
    }
}
