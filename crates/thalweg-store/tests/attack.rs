//! Readers under attack: files that are nearly right, in every format.
//!
//! Each test damages good files at random, from a fixed seed, and hands them to the reader: it must
//! answer, with a value or an error, soon and without asking for much memory. Two seconds each in
//! the test suite; for longer, of one format,
//!
//! ```text
//! ATTACK_SECONDS=600 ATTACK_SEED=7 cargo test --release -p thalweg-store --test attack parquet
//! ```
//!
//! What breaks is written to a file that the message names.

#![expect(clippy::print_stdout, reason = "it says what was tried")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thalweg::Inputs;
use thalweg::analysis::columns::Column;
use thalweg::decide::Certificate;
use thalweg::engine::cpu::Cpu;
use thalweg::error::Error;
use thalweg::lab::{self, Control};
use thalweg::study::{BUILT_IN, Source};
use thalweg_store as store;

/// An answer takes no longer, on a busy machine either.
const SOON: Duration = Duration::from_secs(10);

/// Bytes that the process may have held at once, beyond what it had when an attack began.
const MOST_MEMORY: u64 = 1 << 30;

/// A number from the environment.
fn number(name: &str, otherwise: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

/// Random numbers by splitmix64: the same damage from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Pieces that readers trip over.
const PIECES: [&[u8]; 26] = [
    b"",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xef\xbb\xbf",
    b"-1",
    b"0",
    b"1e400",
    b"NaN",
    b"inf",
    b"9223372036854775807",
    b"18446744073709551616",
    b"\"",
    b"'''",
    b"[",
    b"]]",
    b"{",
    b"}",
    b"=",
    b",",
    b";",
    b"\n",
    b"\r\n",
    b"#",
    b"a.a.a.a.a.a.a.a.a",
    b"(1152921504606846976,",
];

/// A damaged copy: some bytes flipped, cut, doubled, exchanged with another file's, or replaced by
/// a piece that is known for trouble.
fn damaged(random: &mut Random, good: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = good[random.below(good.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let length = random.below(16).min(bytes.len() - at);
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let again = bytes[at..at + length].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                let other = &good[random.below(good.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(64)).min(other.len());
                bytes.splice(at..at + length, other[from..to].iter().copied());
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..at + length, piece.iter().copied());
            }
        }
    }
    bytes
}

/// The most memory that this process ever held, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Hands damaged files to a reader for a while. `read` says whether a file was taken for good; what
/// it returns as an error is a fault.
fn attack(name: &str, good: &[Vec<u8>], read: impl Fn(&[u8]) -> Result<bool, String>) {
    let seconds = number("ATTACK_SECONDS", 2);
    let mut random = Random(number("ATTACK_SEED", 2018));
    let (begun, before) = (Instant::now(), peak_memory());
    let (mut tried, mut taken) = (0u64, 0u64);
    // Good files are read: else the attack would be on nothing.
    for file in good {
        assert_eq!(read(file), Ok(true), "{name}: a file that is whole");
    }
    while begun.elapsed() < Duration::from_secs(seconds) {
        let bytes = damaged(&mut random, good);
        let started = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
        let fault = match answer {
            Err(_) => Some("it panicked".to_string()),
            Ok(Err(fault)) => Some(fault),
            Ok(Ok(good)) => {
                taken += u64::from(good);
                (started.elapsed() > SOON).then(|| format!("it took {:?}", started.elapsed()))
            }
        };
        tried += 1;
        let more = peak_memory().saturating_sub(before);
        let fault = fault.or((more > MOST_MEMORY).then(|| format!("it took {more} bytes")));
        if let Some(fault) = fault {
            let kept = std::env::temp_dir().join(format!("attack-{name}-{tried}"));
            let _ = fs::write(&kept, &bytes);
            panic!(
                "{name}, file {tried}: {fault}; it is kept as {}",
                kept.display()
            );
        }
    }
    println!("{name}: {tried} files, {taken} of them taken, no fault");
    assert!(tried > 10, "{name}: only {tried} files");
}

/// Attacks a reader of files. Of its errors each has a hint, as every damaged file needs a cure.
fn attack_file<T>(
    name: &str,
    extension: &str,
    good: &[Vec<u8>],
    read: impl Fn(&Path) -> Result<T, Error>,
) {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join(format!("a.{extension}"));
    attack(name, good, |bytes| {
        fs::write(&path, bytes).expect("there is room");
        match read(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.hint().is_none() => Err(format!("no hint: {error}")),
            Err(_) => Ok(false),
        }
    });
}

/// The bytes of a file that some function writes.
fn written(name: &str, write: impl Fn(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("there is room");
    let path: PathBuf = folder.path().join(name);
    write(&path);
    fs::read(&path).expect("it was written")
}

#[test]
fn csv() {
    let good = [
        "x0,x1,y\n1,2,3\n-1e-3,0.5,2\n",
        "# people\nname;height;y\nanna;1,70;3\nben;1,80;4\n",
        "1 2 3\n4 5 6\n",
        "\u{feff}\"x0\"\t\"y\"\r\n1\t2\r\n",
    ];
    let good = good.map(|text| text.as_bytes().to_vec());
    attack_file("csv", "csv", &good, store::read_table);
}

#[test]
fn npz_and_npy() {
    let (x, y) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0]);
    let npz = written("a.npz", |path| {
        store::write_arrays(path, &[("x", &[2, 2], &x), ("y", &[2], &y)]).expect("room");
    });
    attack_file("npz", "npz", &[npz], store::read_table);
    let array = |kind: &str, order: &str, width: usize| {
        let header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': (2, 3), }}");
        let mut npy = b"\x93NUMPY\x01\x00".to_vec();
        npy.extend((header.len() as u16).to_le_bytes());
        npy.extend(header.as_bytes());
        npy.extend(vec![0; 6 * width]);
        npy
    };
    let good = [
        array("<f8", "False", 8),
        array(">f4", "True", 4),
        array("<i2", "False", 2),
        array("|b1", "True", 1),
    ];
    attack_file("npy", "npy", &good, store::read_table);
}

#[test]
fn parquet() {
    // Its reader panics in a thread of its own, whose end is an error; here without a word.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() != Some(store::PARQUET_THREAD) {
            usual(info);
        }
    }));
    let column = |of: &dyn Fn(usize) -> f64| Column::Float((0..3).map(|i| Some(of(i))).collect());
    let own = written("a.parquet", |path| {
        let columns = [
            ("x0".to_string(), column(&|i| i as f64)),
            ("y".to_string(), column(&|i| -(i as f64))),
        ];
        store::write_table(path, &columns).expect("there is room");
    });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let of_others = ["gzip", "lz4", "kinds"].map(|name| {
        let path = folder.join(format!("{name}.parquet"));
        fs::read(path).expect("it is there")
    });
    let good = [&[own][..], &of_others].concat();
    attack_file("parquet", "parquet", &good, store::read_table);
}

/// A plan of small networks, and the record of its base cell.
fn small() -> (thalweg::Plan, thalweg::record::Record) {
    let source = Source {
        name: "small.toml".into(),
        text: "replicates = 3\n[data]\npoints = 3\ndim = 2\n[net]\nhidden = [2]\n\
               [descent]\nsteps = 20\n"
            .into(),
        folder: ".".into(),
    };
    let plan = source.plan(&Inputs::default()).expect("it is right");
    let record = lab::train(&plan.cells[0], &Cpu::detect(), 1, &Control::default());
    (plan, record.expect("nothing stops it"))
}

#[test]
fn safetensors() {
    let (plan, record) = small();
    let folder = tempfile::tempdir().expect("there is room");
    let good: Vec<Vec<u8>> = (record.kept.iter())
        .map(|kept| {
            let path = store::write_weights(folder.path(), &plan.cells[0], kept);
            fs::read(path.expect("there is room")).expect("it was written")
        })
        .collect();
    attack_file("safetensors", "safetensors", &good, store::read_tensors);
}

#[test]
fn records() {
    let (plan, record) = small();
    let cell = &plan.cells[0];
    let folder = tempfile::tempdir().expect("there is room");
    store::save(folder.path(), cell, &record).expect("there is room");
    let path = store::record_path(folder.path(), cell, "cpu");
    let good = [fs::read(&path).expect("it was written")];
    attack("record", &good, |bytes| {
        fs::write(&path, bytes).expect("there is room");
        match store::load(folder.path(), cell, "cpu") {
            Ok(Some(read)) if read == record || bytes == good[0] => Ok(true),
            Ok(_) => Err("another record was taken for it".into()),
            Err(error) if error.hint().is_none() => Err(format!("no hint: {error}")),
            Err(_) => Ok(false),
        }
    });
}

#[test]
fn certificates() {
    let (plan, _) = small();
    let found = thalweg::decide::certify(
        &plan.cells[0],
        "small",
        &Cpu::detect(),
        1,
        thalweg::decide::Terms {
            at_most: 20,
            ..Default::default()
        },
        &Control::default(),
    );
    let text = found.expect("nothing stops it").text().expect("it is text");
    let good = [text.into_bytes()];
    attack("certificate", &good, |bytes| {
        let Ok(text) = String::from_utf8(bytes.to_vec()) else {
            return Ok(false);
        };
        // A hash is over the content: what was changed is found, but for the last line's end.
        match Certificate::parse(&text) {
            Ok(_) if text.trim_end().as_bytes() == good[0].trim_ascii_end() => Ok(true),
            Ok(_) => Err("a changed certificate was taken".into()),
            Err(error) if error.hint().is_none() => Err(format!("no hint: {error}")),
            Err(_) => Ok(false),
        }
    });
}

#[test]
fn studies() {
    let good = BUILT_IN.map(|(_, text)| text.as_bytes().to_vec());
    attack("study", &good, |bytes| {
        let Ok(text) = String::from_utf8(bytes.to_vec()) else {
            return Ok(false);
        };
        let source = Source {
            name: "attacked.toml".into(),
            text,
            folder: ".".into(),
        };
        match source.plan(&Inputs::default()) {
            Ok(_) => Ok(true),
            // A file that was not handed over is no mistake of the text.
            Err(Error::Study {
                place: None,
                message,
                ..
            }) => Err(format!("no place: {message}")),
            Err(_) => Ok(false),
        }
    });
}
