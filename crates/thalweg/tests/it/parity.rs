//! A thousand steps of every activation and optimiser beside PyTorch's, and of what goes with an
//! optimiser beside the formulas that PyTorch documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors};
use thalweg::engine::cpu::Cpu;
use thalweg::engine::reference::Reference;
use thalweg::engine::{Engine, Job, Problem};
use thalweg::seed::{Purpose, stream};

use crate::{plan, train};

/// A file of `tests/parity/write_goldens.py`.
struct Golden {
    name: String,
    about: BTreeMap<String, String>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Golden {
    fn read(path: &Path) -> Golden {
        let bytes = fs::read(path).expect("the golden is there");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("it has a header");
        let about = header
            .metadata()
            .clone()
            .expect("it has metadata")
            .into_iter()
            .collect();
        let file = SafeTensors::deserialize(&bytes).expect("it is whole");
        let number = |dtype, b: [u8; 8]| match dtype {
            Dtype::F64 => f64::from_le_bytes(b),
            Dtype::I64 => i64::from_le_bytes(b) as f64,
            other => panic!("{other:?} in a golden"),
        };
        let tensors = file
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let words = view.data().chunks_exact(8);
                let values =
                    words.map(|b| number(view.dtype(), b.try_into().expect("eight bytes")));
                (name, (view.shape().to_vec(), values.collect()))
            })
            .collect();
        let name = path
            .file_stem()
            .expect("it has a name")
            .to_string_lossy()
            .into_owned();
        Golden {
            name,
            about,
            tensors,
        }
    }

    fn values(&self, tensor: &str) -> &[f64] {
        &self.tensors[tensor].1
    }

    /// The flat weights of `initial` or `final`, in the order of the problem's tensors.
    fn weights(&self, when: &str, problem: &Problem) -> Vec<f64> {
        let stored = self
            .tensors
            .keys()
            .filter(|k| k.starts_with(&format!("{when}.")))
            .count();
        assert_eq!(stored, problem.tensors.len(), "{}: {when}", self.name);
        let mut all = Vec::new();
        for tensor in &problem.tensors {
            let (shape, values) = &self.tensors[&format!("{when}.{}", tensor.name)];
            assert_eq!(
                (shape, all.len()),
                (&tensor.shape, tensor.start),
                "{}",
                self.name
            );
            all.extend(values);
        }
        all
    }

    fn problem(&self) -> Problem {
        let table = |key: &str| -> toml::Value {
            serde_json::from_str(&self.about[key]).expect("the metadata is JSON")
        };
        let mut net = table("net");
        let mut descent = table("descent");
        let more = descent.as_table_mut().expect("a table");
        more.insert("stop".into(), "never".into());
        net.as_table_mut()
            .expect("a table")
            .insert("init".into(), "pytorch".into());
        let [points, dim] = self.tensors["data.x"].0[..] else {
            panic!("x has two axes")
        };
        let outputs = self.tensors["data.y"].0.get(1).copied().unwrap_or(1);
        let mut study: toml::Table = toml::from_str(&format!(
            "[data]\npoints = {points}\ndim = {dim}\noutputs = {outputs}\n\
             targets = {{ signs = [1, 1] }}\n[keep]\nlosses = \"all\""
        ))
        .expect("it is TOML");
        study.insert("net".into(), net);
        study.insert("descent".into(), descent);
        plan(&toml::to_string(&study).expect("it is a study")).cells[0].problem()
    }

    /// Seed and replicate of the mini-batches.
    fn noise(&self) -> (u64, u64) {
        let Some(text) = self.about.get("noise") else {
            return (2018, 0);
        };
        let noise: BTreeMap<String, u64> = serde_json::from_str(text).expect("the noise is JSON");
        (noise["seed"], noise["replicate"])
    }

    fn job(&self, problem: &Problem) -> Job {
        let (seed, replicate) = self.noise();
        let descent: serde_json::Value =
            serde_json::from_str(&self.about["descent"]).expect("JSON");
        Job {
            replicate,
            tag: 0,
            x: self.values("data.x").to_vec(),
            y: self.values("data.y").to_vec(),
            weights: self.weights("initial", problem),
            rate: descent["rate"].as_f64().expect("the rate is a number"),
            seed,
            snapshots: Vec::new(),
            keep_best: false,
            keep_losses: true,
            watch: Vec::new(),
            cuts: Vec::new(),
        }
    }
}

fn goldens() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/goldens");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the goldens are there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect();
    paths.sort();
    assert_eq!(paths.len(), 38, "a golden is missing");
    paths.iter().map(|path| Golden::read(path)).collect()
}

/// Each golden's losses move by less than 1e-11 if its inputs move in the last bit (the script
/// refuses others), so what differs by more than 1e-10 after any of 1000 steps computes something
/// else: another update rule, gradient or activation.
#[test]
fn every_loss_is_that_of_pytorch() {
    for golden in goldens() {
        let problem = golden.problem();
        let (losses, last) = (golden.values("losses"), golden.weights("final", &problem));
        for engine in [&Reference as &dyn Engine, &Cpu::detect()] {
            let name = format!("{} by {}", golden.name, engine.name());
            let end = train(engine, &problem, vec![golden.job(&problem)], 1).remove(0);
            assert_eq!((end.all_losses.len(), losses.len()), (1001, 1001), "{name}");
            for (step, (ours, theirs)) in end.all_losses.iter().zip(losses).enumerate() {
                let far = (ours / theirs - 1.0).abs();
                assert!(
                    far < 1e-10,
                    "{name}, step {step}: {ours:e} and {theirs:e} differ by {far:e}"
                );
            }
            for (at, (ours, theirs)) in end.last.weights.iter().zip(&last).enumerate() {
                let far = (ours - theirs).abs() / theirs.abs().max(1.0);
                assert!(far < 1e-9, "{name}, weight {at}: {ours:e} and {theirs:e}");
            }
        }
    }
}

/// The script draws its batches with `numpy.random.Philox`; so does anyone who reproduces a run.
#[test]
fn mini_batches_are_those_that_numpy_draws() {
    let mut seen = 0;
    for golden in goldens() {
        let Some((shape, batches)) = golden.tensors.get("batches") else {
            continue;
        };
        let (seed, replicate) = golden.noise();
        let n = golden.tensors["data.x"].0[0];
        let mut rows = batches.chunks_exact(shape[1]);
        for epoch in 0.. {
            let order = stream(seed, replicate, Purpose::Noise, epoch).permutation(n);
            let whole = golden.problem().batch.is_some_and(|batch| batch.drop_last);
            let used = if whole { n - n % shape[1] } else { n };
            let Some(compared) = order[..used]
                .chunks(shape[1])
                .map(|ours| {
                    let theirs = rows.next()?.iter().filter(|&&point| point >= 0.0);
                    let theirs: Vec<usize> = theirs.map(|&point| point as usize).collect();
                    assert_eq!(ours, theirs, "{} in epoch {epoch}", golden.name);
                    Some(())
                })
                .collect::<Option<Vec<()>>>()
            else {
                break;
            };
            seen += compared.len();
        }
        assert!(rows.next().is_none());
    }
    // 1000 steps each of seven goldens, but for what is left of an epoch.
    assert!(seen > 6980, "{seen} batches compared");
}
