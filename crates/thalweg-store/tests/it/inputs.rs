//! Data sets from files: what is read, and what is refused without harm.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use thalweg::analysis::columns::Column;
use thalweg::error::Error;
use thalweg_store as store;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for a folder")
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
        let set = store::read_set(&file(name)).expect(name);
        assert_eq!((&set.x[..], &set.y[..]), (&x[..], &y[..]), "{name}");
    }
    for name in ["a.csv", "a.parquet", "a.npz"] {
        let (points, d) = store::read_points(&file(name)).expect(name);
        assert_eq!((&points[..], d), (&x[..], 2), "{name}");
    }
}

/// Files that once made a reader panic, hang or ask for all memory.
#[test]
fn damaged_files_are_refused_at_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/damaged");
    let begun = Instant::now();
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it is there").path();
        let Err(error) = store::read_set(&path) else {
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
    assert!(
        begun.elapsed() < Duration::from_secs(2),
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
        let Err(error) = store::read_set(&path) else {
            panic!("{shape} was read");
        };
        assert!(error.to_string().contains(words), "{shape}: {error}");
    }
}

/// What polars writes by itself is told how to be written instead, not called damaged.
#[test]
fn a_compression_that_is_not_read_is_named_with_its_cure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/zstd.parquet");
    let Err(error) = store::read_set(&path) else {
        panic!("it was read");
    };
    let said = error.to_string();
    assert!(
        said.contains("compressed with zstd") && said.contains("snappy"),
        "{said}"
    );
}
