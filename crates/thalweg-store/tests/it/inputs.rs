//! Data sets from files: what is read, and what is refused without harm.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use thalweg::analysis::columns::Column;
use thalweg::data::Set;
use thalweg::error::Error;
use thalweg::study::{Replicates, Source};
use thalweg_store as store;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

/// The training set that a study with this `[data]` makes of a file.
fn set_with(path: &Path, more: &str) -> Result<Set, Error> {
    let source = Source {
        name: "test.toml".into(),
        text: format!("[data]\nfile = {:?}\n{more}", path.display().to_string()),
        folder: ".".into(),
    };
    Ok(store::plan(&source)?.cells[0].set(0))
}

fn set(path: &Path) -> Result<Set, Error> {
    set_with(path, "")
}

/// The same three points in every format.
#[test]
fn a_training_set_is_the_same_from_every_format() {
    let folder = temp();
    let x = [0.5, -1.0, 2.25, 1e-3, 0.0, 7.0];
    let y = [1.0, 0.25, -3.0];
    let rows: Vec<f64> = x
        .chunks(2)
        .zip(&y)
        .flat_map(|(x, y)| [x[0], x[1], *y])
        .collect();
    let file = |name: &str| folder.path().join(name);
    let lines: String = rows
        .chunks(3)
        .map(|r| format!("{}, {},{}\n", r[0], r[1], r[2]))
        .collect();
    fs::write(file("a.csv"), format!("x0,x1,y\n{lines}")).expect("there is room");
    let column = |of: &dyn Fn(usize) -> f64| Column::Float((0..3).map(|i| Some(of(i))).collect());
    let columns = [
        ("y".to_string(), column(&|i| y[i])),
        ("x0".to_string(), column(&|i| x[2 * i])),
        ("x1".to_string(), column(&|i| x[2 * i + 1])),
    ];
    store::write_table(&file("a.parquet"), &columns).expect("there is room");
    store::write_arrays(&file("a.npz"), &[("x", &[3, 2], &x), ("y", &[3], &y)])
        .expect("there is room");
    let mut npy = b"\x93NUMPY\x01\x00\x36\x00".to_vec();
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 3)}";
    npy[8] = header.len() as u8;
    npy.extend(header.as_bytes());
    npy.extend(rows.iter().flat_map(|v| v.to_le_bytes()));
    fs::write(file("a.npy"), npy).expect("there is room");
    for name in ["a.csv", "a.parquet", "a.npz", "a.npy"] {
        let set = set(&file(name)).expect(name);
        assert_eq!((&set.x[..], &set.y[..]), (&x[..], &y[..]), "{name}");
    }
    for name in ["a.csv", "a.parquet", "a.npz"] {
        let (points, d) = store::read_points(&file(name)).expect(name);
        assert_eq!((&points[..], d), (&x[..], 2), "{name}");
    }
}

/// Three training sets of two points, and the weights of two networks.
#[test]
fn each_replicate_has_its_own_of_a_stack() {
    let folder = temp();
    let path = folder.path().join("stack.npz");
    let x: Vec<f64> = (0..12).map(f64::from).collect();
    let y: Vec<f64> = (0..6).map(f64::from).collect();
    let plan = |text: &str| {
        let source = Source {
            name: "test.toml".into(),
            text: text.into(),
            folder: folder.path().into(),
        };
        store::plan(&source)
    };
    let of = |shape: &[usize], y: &[f64]| {
        store::write_arrays(&path, &[("x", &[3, 2, 2], &x), ("y", shape, y)]).expect("room");
        plan("[data]\nfile = \"stack.npz\"")
    };
    for shape in [&[3, 2][..], &[3, 2, 1]] {
        let cell = of(shape, &y).expect("a study").cells.remove(0);
        assert_eq!(cell.setting.replicates, Replicates::Fixed(3));
        assert_eq!(cell.given(), Some(3));
        for r in 0..3 {
            let set = cell.set(r as u64);
            assert_eq!((set.points, &set.x[..]), (2, &x[4 * r..4 * r + 4]));
            assert_eq!(set.y, y[2 * r..2 * r + 2]);
        }
    }
    let told = of(&[6], &y).expect_err("y is no stack").to_string();
    assert!(
        told.contains("`y` of shape [6] and 3 training sets of 2 points"),
        "{told}"
    );
    let one = store::write_arrays(
        &path,
        &[("x", &[1, 2, 2], &x[..4]), ("y", &[1, 2], &y[..2])],
    );
    one.expect("room");
    let cell = plan("[data]\nfile = \"stack.npz\"")
        .expect("a study")
        .cells
        .remove(0);
    assert_eq!(
        (cell.setting.replicates, cell.given()),
        (Replicates::Fixed(400), None)
    );
    // Weights: those of a replicate are taken by the number under which weights are drawn.
    let path = folder.path().join("nets.npz");
    let arrays: [(&str, &[usize], &[f64]); 4] = [
        ("net.0.weight", &[2, 1, 2], &x[..4]),
        ("net.0.bias", &[2, 1], &y[..2]),
        ("net.2.weight", &[2, 1, 1], &y[2..4]),
        ("net.2.bias", &[2, 1], &y[4..]),
    ];
    store::write_arrays(&path, &arrays).expect("room");
    let net = "[net]\nhidden = [1]\ninit = { file = \"nets.npz\" }\n[data]\ndim = 2\n";
    let cell = plan(net).expect("a study").cells.remove(0);
    assert_eq!(cell.setting.replicates, Replicates::Fixed(2));
    assert_eq!(cell.weights(0), [0.0, 1.0, 0.0, 2.0, 4.0]);
    assert_eq!(cell.weights(1), [2.0, 3.0, 1.0, 3.0, 5.0]);
    let crossed = |weights: u64| plan(&format!("{net}draw = {{ sets = 3, weights = {weights} }}"));
    let cell = crossed(2).expect("a study").cells.remove(0);
    assert_eq!(cell.setting.replicates, Replicates::Fixed(6));
    assert_eq!(
        (cell.weights(2), cell.weights(3)),
        (cell.weights(0), cell.weights(4))
    );
    let told = crossed(3).expect_err("there are two").to_string();
    assert!(told.contains("the weights of 2 networks"), "{told}");
}

/// Files that once made a reader panic, hang or ask for all memory.
#[test]
fn damaged_files_are_refused_at_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/damaged");
    let begun = Instant::now();
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it is there").path();
        let Err(error) = store::read_table(&path) else {
            panic!("{} was read", path.display());
        };
        assert!(
            matches!(&error, Error::Damaged { path: p, .. } if *p == path),
            "{error:?}"
        );
        assert!(error.hint().is_some());
        count += 1;
    }
    assert_eq!(count, 4);
    // A hang, not a machine that is slow to print a backtrace.
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
}

/// Shapes without points make nothing of their other axis.
#[test]
fn arrays_without_points_are_refused() {
    let folder = temp();
    for (shape, words) in [
        ("(0, 1152921504606846976)", "no row"),
        ("(0, 9223372036854775808)", "no row"),
        ("(3, 0)", "no column"),
        ("(3,)", "1 axes"),
        ("()", "0 axes"),
    ] {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        let size = match shape {
            "(3,)" => 24,
            "()" => 8,
            _ => 0,
        };
        bytes.extend(vec![0; size]);
        let path = folder.path().join("a.npy");
        fs::write(&path, bytes).expect("there is room");
        let Err(error) = store::read_table(&path) else {
            panic!("{shape} was read");
        };
        assert!(error.to_string().contains(words), "{shape}: {error}");
    }
}

/// Columns by name or place from files of people, whatever else they hold; targets of several
/// outputs.
#[test]
fn a_study_says_which_columns_are_inputs_and_targets() {
    let folder = temp();
    let path = folder.path().join("people.csv");
    let text = "name;height;weight;age\nanna;1,70;60;30\nben;1,80;80;31\ncarl;1,65;70;35\n";
    fs::write(&path, text).expect("there is room");
    let told = |more: &str| match set_with(&path, more) {
        Ok(set) => panic!("{more} gave {set:?}"),
        Err(error) => format!("{error} {}", error.hint().unwrap_or_default()),
    };
    for (more, x, y) in [
        (
            "columns = { x = [\"height\", \"weight\"], y = \"age\" }",
            vec![1.7, 60.0, 1.8, 80.0, 1.65, 70.0],
            vec![30.0, 31.0, 35.0],
        ),
        (
            "columns = { x = [1], y = [2, \"age\"] }",
            vec![1.7, 1.8, 1.65],
            vec![60.0, 30.0, 80.0, 31.0, 70.0, 35.0],
        ),
    ] {
        let set = set_with(&path, more).expect("it is a set");
        assert_eq!((set.points, set.x, set.y), (3, x, y), "{more}");
    }
    for (more, words) in [
        (
            "",
            "has no column `y` but `name`, `height`, `weight`, `age`",
        ),
        ("", "columns = { x = [\"name\", …], y = \"age\" }"),
        ("columns = { y = \"agee\" }", "has no column `agee`"),
        ("columns = { y = \"agee\" }", "its columns are `name`"),
        (
            "columns = { y = \"age\" }",
            "holds `anna`, which is not a number, in column `name` in line 2",
        ),
        ("columns = { x = [7], y = \"age\" }", "no column number 7"),
        (
            "columns = { x = [\"age\"], y = \"age\" }",
            "an input and a target",
        ),
        ("columns = { y = [] }", "no column of targets"),
        ("columns = { x = [\"height\"] }", "missing field `y`"),
    ] {
        assert!(told(more).contains(words), "{more}: {}", told(more));
    }
    let drawn = Source {
        name: "test.toml".into(),
        text: "[data]\ncolumns = { y = \"age\" }".into(),
        folder: ".".into(),
    };
    assert!(store::plan(&drawn).is_err());
    // Arrays of an archive by their names, and targets [N, k].
    let path = folder.path().join("a.npz");
    let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
    store::write_arrays(&path, &[("x", &[2, 2], &a), ("y", &[2, 2], &b)]).expect("room");
    let set = set(&path).expect("it is a set");
    assert_eq!((set.outputs(), &set.y[..]), (2, &b[..]));
    let named = set_with(&path, "columns = { x = [\"y\"], y = \"x\" }").expect("it is a set");
    assert_eq!((&named.x[..], &named.y[..]), (&b[..], &a[..]));
}

/// What pandas and pyarrow write in every way that is read, and each kind of number.
#[test]
fn parquet_files_of_other_programs_are_read() {
    let at = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join(name)
    };
    for name in ["gzip.parquet", "lz4.parquet"] {
        let more = "columns = { x = [\"height\"], y = \"target\" }";
        let set = set_with(&at(name), more).expect(name);
        assert_eq!(set.x, [0.5, -1.0, 2.25], "{name}");
        assert_eq!(set.y, [1.0, 0.25, -3.0], "{name}");
    }
    let of = |column: &str| {
        let more = format!("columns = {{ x = [\"{column}\"], y = \"y\" }}");
        set_with(&at("kinds.parquet"), &more).map(|set| set.x)
    };
    for (column, values) in [
        ("dec", [0.5, -1.0, 12345.25]),
        ("u64", [1.0, 2.0, 3.0]),
        ("f16", [0.5, 1.0, -2.0]),
        ("b", [1.0, 0.0, 1.0]),
        ("i8", [1.0, -2.0, 3.0]),
    ] {
        assert_eq!(of(column).expect(column), values, "{column}");
    }
    for (column, words) in [
        ("some", "has nothing in column `some` in row 2"),
        ("day", "not a number, in column `day` in row 1"),
    ] {
        let error = of(column).expect_err(column).to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// Scaled columns have mean 0 and deviation 1, a constant one only mean 0; what they were scaled by
/// takes them back.
#[test]
fn what_is_standardised_can_be_undone() {
    let folder = temp();
    let path = folder.path().join("a.csv");
    fs::write(&path, "x0,x1,y\n1,0.1,10\n2,0.1,30\n6,0.1,20\n").expect("there is room");
    let plain = set(&path).expect("it is a set");
    for (what, targets) in [("inputs", false), ("both", true)] {
        let source = Source {
            name: "test.toml".into(),
            text: format!(
                "[data]\nfile = {:?}\nstandardise = \"{what}\"",
                path.display().to_string()
            ),
            folder: ".".into(),
        };
        let cell = store::plan(&source).expect("it is right").cells.remove(0);
        let mut scaled = cell.set(0);
        let column = |v: &[f64], j: usize, width: usize| -> [f64; 2] {
            let v: Vec<f64> = v.iter().skip(j).step_by(width).copied().collect();
            let mean = v.iter().sum::<f64>() / 3.0;
            [
                mean,
                v.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 3.0,
            ]
        };
        let [mean, variance] = column(&scaled.x, 0, 2);
        assert!(mean.abs() < 1e-15 && (variance - 1.0).abs() < 1e-14);
        assert!(column(&scaled.x, 1, 2).iter().all(|v| v.abs() < 1e-15));
        let [_, variance] = column(&scaled.y, 0, 1);
        assert_eq!((variance - 1.0).abs() < 1e-14, targets, "{what}");
        let scaling = cell.scaling(0).expect("it was scaled");
        scaling.original_inputs(&mut scaled.x);
        scaling.original_outputs(&mut scaled.y);
        for (a, b) in (scaled.x.iter().chain(&scaled.y)).zip(plain.x.iter().chain(&plain.y)) {
            assert!((a - b).abs() < 1e-13 * b.abs().max(1.0), "{a} {b}");
        }
    }
}

/// What polars writes by itself is told how to be written instead, not called damaged.
#[test]
fn a_compression_that_is_not_read_is_named_with_its_cure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zstd.parquet");
    let Err(error) = store::read_table(&path) else {
        panic!("it was read");
    };
    let said = error.to_string();
    assert!(
        said.contains("compressed with zstd") && said.contains("snappy"),
        "{said}"
    );
}

/// A file that is missing, empty or a folder was told without the place where the study names it.
#[test]
fn a_wrong_file_is_told_where_the_study_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("d.csv")).expect("a folder");
    std::fs::write(folder.path().join("e.csv"), b"").expect("written");
    for (text, line) in [
        ("[data]\nfile = \"nope.csv\"\n", 2),
        (
            "[data]\npoints = 3\n[net]\ninit = { file = \"nope.safetensors\" }\n",
            4,
        ),
        ("[data]\nfile = \"d.csv\"\n", 2),
        ("[data]\nfile = \"e.csv\"\n", 2),
        ("[data]\ndim = 2\n[test]\nfile = \"nope.csv\"\n", 4),
    ] {
        let source = Source {
            name: "s.toml".into(),
            text: text.into(),
            folder: folder.path().to_path_buf(),
        };
        match store::plan(&source) {
            Err(Error::Study { place, hint, .. }) => {
                assert_eq!(place.map(|p| p.line), Some(line), "{text}");
                assert!(hint.is_some(), "{text}");
            }
            other => panic!("{text} gives {other:?}"),
        }
    }
}
