//! Trains on a graphics card, to the bits of the processor.
//!
//! One kernel (`kernel/train.c`, in a subset of C) is written for a problem and compiled at run
//! time, by OpenCL or by CUDA's NVRTC; both libraries are looked for when an engine is opened, so
//! that one build runs everywhere. A group of threads is a replicate: its numbers stay in the
//! group's own memory for all of its training, every sum has the order of the CPU engine with one
//! fused multiply-add a term, and the elementary functions are ours. So the bits are the same, and
//! this is not believed but looked at: whenever a kernel is used, card and processor first train
//! the same networks, and a card that differs is refused.
//!
//! ```no_run
//! for device in thalweg_gpu::devices().into_iter().flatten() {
//!     println!("{device}, {}", device.driver);
//! }
//! let engine = thalweg_gpu::by_name("gpu")?;
//! # Ok::<(), thalweg_engine::Error>(())
//! ```

mod auto;
mod cuda;
mod device;
mod failure;
mod launch;
mod layout;
mod opencl;
mod source;

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use thalweg_engine::cpu::Cpu;
use thalweg_engine::threads::on_threads;
use thalweg_engine::{Engine, Error, Job, Precision, Problem, Queue, Trained};

pub use device::About;
use device::{Compiled, Device};
use failure::Failure;
use launch::{Few, Loaded};
use layout::{Layout, Room};
pub use source::Dialect;

/// The two ways to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Cuda,
    OpenCl,
}

impl Backend {
    const ALL: [Backend; 2] = [Backend::Cuda, Backend::OpenCl];

    fn name(self) -> &'static str {
        match self {
            Backend::Cuda => "cuda",
            Backend::OpenCl => "opencl",
        }
    }

    /// How it is called in a sentence.
    fn word(self) -> &'static str {
        match self {
            Backend::Cuda => "CUDA",
            Backend::OpenCl => "OpenCL",
        }
    }

    fn devices(self) -> Result<Vec<About>, Failure> {
        match self {
            Backend::Cuda => cuda::devices(),
            Backend::OpenCl => opencl::devices(),
        }
    }

    fn open(self, number: usize) -> Result<Box<dyn Device>, Failure> {
        Ok(match self {
            Backend::Cuda => Box::new(cuda::Cuda::open(number)?),
            Backend::OpenCl => Box::new(opencl::OpenCl::open(number)?),
        })
    }

    fn dialect(self) -> Dialect {
        match self {
            Backend::Cuda => Dialect::Cuda,
            Backend::OpenCl => Dialect::OpenCl,
        }
    }
}

/// The devices of both ways to them; of a way that is not there, or has none, why.
pub fn devices() -> Vec<Result<About, Error>> {
    let mut all = Vec::new();
    for backend in Backend::ALL {
        let found = backend.devices().and_then(|devices| match devices.len() {
            0 => Err(Failure::NoDevice {
                backend,
                number: 0,
                count: 0,
            }),
            _ => Ok(devices),
        });
        match found {
            Ok(devices) => all.extend(devices.into_iter().map(Ok)),
            // Other engines are not proposed: the list is of what there is.
            Err(failure) => all.push(Err(Error::Device {
                what: failure.what(),
                hint: failure.remedy(),
            })),
        }
    }
    all
}

/// What the name of an engine means.
enum Named {
    Auto,
    /// A device of that number, by one way or by any.
    Card(Option<Backend>, usize),
    /// One without a device, if it is one.
    Other,
}

impl Named {
    fn of(name: &str) -> Result<Named, Error> {
        // Every device has one name: no sign, no zero before the number.
        let number = |text: &str| {
            let number = text.parse::<usize>().ok()?;
            (number.to_string() == text).then_some(number)
        };
        let way = |text: &str| Backend::ALL.into_iter().find(|b| b.name() == text);
        let parts: Vec<&str> = name.split(':').collect();
        let card = match parts[..] {
            ["auto"] => return Ok(Named::Auto),
            ["gpu"] => Some((None, 0)),
            ["gpu", one] => match way(one) {
                Some(backend) => Some((Some(backend), 0)),
                None => number(one).map(|number| (None, number)),
            },
            ["gpu", one, two] => way(one).zip(number(two)).map(|(b, n)| (Some(b), n)),
            _ => return Ok(Named::Other),
        };
        match card {
            Some((backend, number)) => Ok(Named::Card(backend, number)),
            None => Err(Error::NoSuchEngine(name.to_string())),
        }
    }
}

/// The engine of that name: those of [`thalweg_engine::by_name`], and `gpu`, `gpu:cuda`,
/// `gpu:opencl`, each with the number of a device if it is not the first, which is 0: `gpu:1`,
/// `gpu:cuda:1`. `gpu:1` is the second device of CUDA; where CUDA has no second one, the second
/// of OpenCL. `auto` trains each problem on the first card or on the processor, whichever would be
/// done sooner by a trial of both.
///
/// # Errors
///
/// [`Error::NoSuchEngine`]; [`Error::Device`] if there is no such device or it cannot be used.
pub fn by_name(name: &str) -> Result<Box<dyn Engine>, Error> {
    let device = match Named::of(name)? {
        Named::Auto => {
            return Ok(match any(0) {
                Ok(device) if !device.1.about().is_processor => {
                    Box::new(auto::Auto::new(Gpu::on(device)))
                }
                Ok(_) | Err(_) => Box::new(Cpu::detect()),
            });
        }
        Named::Other => return thalweg_engine::by_name(name),
        Named::Card(Some(backend), number) => (backend, backend.open(number)?),
        Named::Card(None, number) => any(number)?,
    };
    Ok(Box::new(Gpu::on(device)))
}

/// An engine that needs no device and trains the bits of the one of that name.
///
/// # Errors
///
/// [`Error::NoSuchEngine`].
pub fn without_device(name: &str) -> Result<Box<dyn Engine>, Error> {
    match Named::of(name)? {
        Named::Auto | Named::Card(..) => thalweg_engine::by_name("cpu"),
        Named::Other => thalweg_engine::by_name(name),
    }
}

/// A device of that number by the first way that leads to one.
fn any(number: usize) -> Result<(Backend, Box<dyn Device>), Failure> {
    let mut each = Vec::new();
    for backend in Backend::ALL {
        match backend.open(number) {
            Ok(device) => return Ok((backend, device)),
            Err(failure) => each.push((backend, failure)),
        }
    }
    Err(Failure::NoWay { number, each })
}

/// Trains on a device.
pub struct Gpu {
    backend: Backend,
    device: Box<dyn Device>,
    cpu: Cpu,
    /// Threads of a group, if not chosen by the problem.
    threads: Option<usize>,
    /// What was compiled, by its source.
    compiled: Mutex<HashMap<String, Compiled>>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.about())
    }
}

/// What a mutex holds, be it that a thread ended early: nothing here is left half done.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(|e| e.into_inner())
}

impl Gpu {
    fn on((backend, device): (Backend, Box<dyn Device>)) -> Gpu {
        Gpu {
            backend,
            device,
            cpu: Cpu::detect(),
            threads: None,
            compiled: Mutex::default(),
        }
    }

    /// The device of a name such as `cuda:0`, with groups of so many threads whatever the problem:
    /// the bits are the same.
    ///
    /// # Errors
    ///
    /// [`Error::Device`].
    pub fn with_threads(opencl: bool, number: usize, threads: usize) -> Result<Gpu, Error> {
        let backend = if opencl {
            Backend::OpenCl
        } else {
            Backend::Cuda
        };
        let mut gpu = Gpu::on((backend, backend.open(number)?));
        gpu.threads = Some(threads);
        Ok(gpu)
    }

    /// The device.
    pub fn about(&self) -> &About {
        self.device.about()
    }

    fn layout(&self, problem: &Problem) -> Layout {
        let about = self.about();
        let room = Room {
            bytes: about.group_bytes,
            threads: about.group_threads,
            // More would not fit registers, or the patience of a compiler for processors.
            sums: if about.is_processor { 64 } else { 256 },
        };
        // A processor has one thread a group to give.
        let threads = self.threads.or(about.is_processor.then_some(1));
        Layout::of(problem, room, threads)
    }

    /// Compiles the kernel of a problem that the device can train, or finds it.
    fn compile(&self, problem: &Problem, layout: &Layout) -> Result<Compiled, Failure> {
        let about = self.about();
        let lacks = match problem.precision {
            Precision::F32 => &about.without_f32,
            Precision::F64 => &about.without_f64,
        };
        if let Some(what) = lacks {
            return Err(Failure::Lacks {
                device: about.to_string(),
                precision: problem.precision,
                what: what.clone(),
            });
        }
        launch::fits(about, problem, layout)?;
        let source = source::source(self.backend.dialect(), problem, layout);
        if let Some(found) = lock(&self.compiled).get(&source) {
            return Ok(*found);
        }
        let bytes = layout.near.max(4) * problem.precision.bytes();
        let compiled = self.device.compile(&source, layout.threads, bytes)?;
        lock(&self.compiled).insert(source, compiled);
        Ok(compiled)
    }

    /// Trains a network a few steps on card and processor.
    fn probe(&self, loaded: Loaded<'_>, problem: &Problem, job: &Job) -> Result<(), Failure> {
        // A quarter of a second of the processor at most.
        let terms = 3 * problem.points * problem.parameters();
        let steps = (500_000_000 / terms.max(1)).clamp(3, 200) as u64;
        let steps = steps.min(problem.steps);
        let grid = problem.grid.iter().copied().filter(|step| *step < steps);
        let short = Problem {
            steps,
            grid: grid.chain([steps]).collect(),
            ..problem.clone()
        };
        let job = Job {
            snapshots: Vec::new(),
            keep_best: false,
            keep_losses: true,
            watch: Vec::new(),
            ..job.clone()
        };
        let device = Few::of(vec![job.clone()]);
        let again = |job| self.on_cpu(&short, job);
        launch::train(loaded, &short, &device, 1, &again, &mut |_| Ok(()))?;
        let processor = self.on_cpu(&short, job);
        let differs = |first: String| Failure::Differs {
            device: self.about().to_string(),
            first,
        };
        let (ours, right) = match (&device.trained()[..], processor) {
            ([ours], Some(right)) => (ours.clone(), right),
            (all, _) => return Err(differs(format!("{} networks came back for one", all.len()))),
        };
        match difference(&ours, &right) {
            None => Ok(()),
            Some(first) => Err(differs(first)),
        }
    }

    fn on_cpu(&self, problem: &Problem, job: Job) -> Option<Trained> {
        let one = Few::of(vec![job]);
        self.cpu.train(problem, &one, 1).ok()?;
        one.trained().pop()
    }
}

/// Cells of a run whose first replicate is compared with the processor.
const PROBED: usize = 64;

impl Engine for Gpu {
    fn name(&self) -> &'static str {
        "gpu"
    }

    fn in_flight(&self, problem: &Problem, _threads: usize) -> u64 {
        let about = self.about();
        let layout = self.layout(problem);
        (about.units.max(1) * layout.groups_a_unit(problem.precision)) as u64
    }

    fn prepare(&self, problems: &[Problem], threads: usize) -> Result<(), Error> {
        problems.iter().try_for_each(Problem::check)?;
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        on_threads(threads.min(problems.len()), &|| {
            while let Some(problem) = problems.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(failure) = self.compile(problem, &self.layout(problem)) {
                    lock(&failed).get_or_insert(failure);
                }
            }
        });
        let failed = failed.into_inner().unwrap_or_else(|e| e.into_inner());
        failed.map_or(Ok(()), |failure| Err(failure.into()))
    }

    fn train(&self, problem: &Problem, queue: &dyn Queue, threads: usize) -> Result<(), Error> {
        problem.check()?;
        let layout = self.layout(problem);
        let loaded = Loaded {
            device: &*self.device,
            kernel: self.compile(problem, &layout)?,
            layout: &layout,
        };
        let mut seen = HashSet::new();
        let mut probe = |job: &Job| {
            if seen.len() < PROBED && seen.insert(job.tag) {
                self.probe(loaded, problem, job)?;
            }
            Ok(())
        };
        let again = |job| self.on_cpu(problem, job);
        launch::train(loaded, problem, queue, threads, &again, &mut probe)?;
        Ok(())
    }
}

/// The text of the kernel that trains a problem in groups of so many threads: for tests that
/// compile it by other means. A group has 227 KiB of its own in CUDA, 32 KiB elsewhere.
pub fn kernel_source(dialect: Dialect, problem: &Problem, threads: usize) -> String {
    let (bytes, sums) = match dialect {
        Dialect::Cuda => (227 << 10, 256),
        Dialect::OpenCl | Dialect::Host => (32 << 10, 64),
    };
    let room = Room {
        bytes,
        threads: 1024,
        sums,
    };
    let layout = Layout::of(problem, room, Some(threads));
    source::source(dialect, problem, &layout)
}

/// The first thing in which two ends of a network differ; every NaN is equal, and so are zeros.
pub fn difference(ours: &Trained, right: &Trained) -> Option<String> {
    // The sign of a zero is lost by adding one.
    let bits = |v: f64| {
        if v.is_nan() {
            None
        } else {
            Some((v + 0.0).to_bits())
        }
    };
    let same = |a: f64, b: f64| bits(a) == bits(b);
    let each = right.all_losses.iter().zip(&ours.all_losses);
    for (step, (b, a)) in each.enumerate() {
        if !same(*a, *b) {
            return Some(format!("the loss of step {step} is {a:e}, not {b:e}"));
        }
    }
    let mut lists = vec![
        ("losses of all steps", &ours.all_losses, &right.all_losses),
        ("losses", &ours.losses, &right.losses),
        ("losses of watched steps", &ours.watched, &right.watched),
        ("weights", &ours.last.weights, &right.last.weights),
    ];
    let mut text = String::new();
    let snapshots = ours.snapshots.iter().zip(&right.snapshots);
    for (a, b) in snapshots.chain(ours.best.iter().zip(&right.best)) {
        if a.step != b.step || !same(a.loss, b.loss) {
            let _ = write!(text, "a snapshot of step {}, not {}", a.step, b.step);
        }
        lists.push(("weights of a snapshot", &a.weights, &b.weights));
    }
    if !text.is_empty() {
        return Some(text);
    }
    for (what, a, b) in lists {
        if a.len() != b.len() {
            return Some(format!("{} {what}, not {}", a.len(), b.len()));
        }
        if let Some(i) = (0..a.len()).find(|&i| !same(a[i], b[i])) {
            return Some(format!(
                "number {i} of the {what} is {:e}, not {:e}",
                a[i], b[i]
            ));
        }
    }
    let numbers = [
        ("smallest loss", ours.best_loss, right.best_loss),
        ("last loss", ours.last.loss, right.last.loss),
        (
            "what success is judged by",
            ours.judged.unwrap_or(0.0),
            right.judged.unwrap_or(0.0),
        ),
    ];
    if let Some((what, a, b)) = numbers.into_iter().find(|(_, a, b)| !same(*a, *b)) {
        return Some(format!("{what}: {a:e}, not {b:e}"));
    }
    let end = |t: &Trained| {
        format!(
            "{}, {:?}, {} steps, {} snapshots, best {}",
            t.outcome,
            t.first_below,
            t.last.step,
            t.snapshots.len(),
            t.best.is_some()
        )
    };
    (end(ours) != end(right)).then(|| format!("it ended as {}, not {}", end(ours), end(right)))
}
