//! Plans and runs as Python objects.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use numpy::{IntoPyArray, PyArrayDyn, PyReadonlyArray3, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyTuple};
use thalweg::analysis::columns::{Columns, tables};
use thalweg::data::Set;
use thalweg::decide::{Draws, Terms};
use thalweg::engine::Engine;
use thalweg::inputs::Array;
use thalweg::lab::{Event, Keeper, Piece, Span, shard, train_spans, unfinished};
use thalweg::record::{Record, Row};
use thalweg::study::{Replicates, Weights};
use thalweg::{Analysis, Control, Error, Inputs, Source};
use thalweg_report::words;
use thalweg_store::Folder;

use crate::arrow;
use crate::{ThalwegError, json, raised};

/// How often Python is asked whether somebody wants to stop.
const POLL: Duration = Duration::from_millis(20);

/// An array of numbers for Python.
pub(crate) type Numbers<'py> = Bound<'py, PyArrayDyn<f64>>;

/// Numbers as an array of this shape.
pub(crate) fn shaped<'py>(
    py: Python<'py>,
    values: Vec<f64>,
    shape: &[usize],
) -> PyResult<Numbers<'py>> {
    use numpy::PyArrayMethods;
    let flat = values.into_pyarray(py);
    flat.reshape(shape.to_vec())
}

/// What an array of Python holds, row by row.
pub(crate) fn flat(array: &PyReadonlyArrayDyn<'_, f64>) -> Vec<f64> {
    array.as_array().iter().copied().collect()
}

/// Does something that may take long on a thread of its own, without the lock of the interpreter;
/// `progress` is told of (replicates that ended, replicates, seconds). An exception of `progress`,
/// or Ctrl-C, stops it; finished cells are kept where there is a folder.
fn watched<T: Send>(
    py: Python<'_>,
    all: u64,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Control<'_>) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let (stop, ended) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let clock = || begun.elapsed().as_secs_f64();
    let mut interrupted = None;
    let done = std::thread::scope(|scope| {
        // Closed when the work has ended, which a sleep would learn of late.
        let (end, ended_at_once) = std::sync::mpsc::channel::<()>();
        let ended_at_once = Mutex::new(ended_at_once);
        let job = scope.spawn(|| {
            let _end = end;
            let listen = |event: Event<'_>| match event {
                Event::Replicate { .. } => {
                    ended.fetch_add(1, Ordering::Relaxed);
                }
                Event::Cell { cell, found: true } => {
                    let replicates = cell.setting.replicates.at_most();
                    ended.fetch_add(replicates, Ordering::Relaxed);
                }
                Event::Cell { .. } | Event::Loss { .. } | Event::Steps(_) | Event::Done { .. } => {}
            };
            work(&Control {
                stopped: &|| stop.load(Ordering::Relaxed),
                clock: Some(&clock),
                listen: &listen,
            })
        });
        while !job.is_finished() {
            py.detach(|| {
                let end = ended_at_once.lock();
                let end = end.unwrap_or_else(PoisonError::into_inner);
                // Nothing is sent: there is an end, or there is time to look around.
                let _ = end.recv_timeout(POLL);
            });
            let told = py.check_signals().and_then(|()| match progress {
                Some(tell) => {
                    let state = (ended.load(Ordering::Relaxed), all, clock());
                    tell.call1(py, state).map(drop)
                }
                None => Ok(()),
            });
            if let Err(error) = told {
                stop.store(true, Ordering::Relaxed);
                interrupted.get_or_insert(error);
                break;
            }
        }
        py.detach(|| job.join())
    });
    if let Some(error) = interrupted {
        return Err(error);
    }
    done.map_err(|_| ThalwegError::new_err("a thread ended early: please report this"))?
        .map_err(raised)
}

/// Everything that will be run, checked.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Plan {
    plan: thalweg::Plan,
    source: Source,
    inputs: Inputs,
    /// What was handed over in memory.
    data: Py<PyDict>,
    weights: Py<PyDict>,
    threads: usize,
    engine: String,
}

impl Plan {
    pub(crate) fn cell(&self, number: usize) -> PyResult<&thalweg::plan::Cell> {
        let cells = self.plan.cells.len();
        let found = self.plan.cells.get(number);
        found.ok_or_else(|| {
            raised(Error::NoSuchCell {
                cell: number,
                cells,
            })
        })
    }

    /// What trains the study.
    fn engine(&self) -> PyResult<Box<dyn Engine>> {
        thalweg_gpu::by_name(&self.engine).map_err(|e| raised(Error::Engine(e)))
    }

    /// What trains one replicate again: no card for that, the bits are the same.
    fn engine_of_one(&self) -> PyResult<Box<dyn Engine>> {
        thalweg_gpu::without_device(&self.engine).map_err(|e| raised(Error::Engine(e)))
    }

    /// Begins a run folder, with what was handed over in memory.
    fn begin_in(&self, py: Python<'_>, folder: &Path) -> PyResult<()> {
        type Arrays = Vec<(String, Vec<usize>, Vec<f64>)>;
        let mut given: Vec<(String, Arrays)> = Vec::new();
        let array = |name: &str, values: &PyReadonlyArrayDyn<'_, f64>| {
            let shape = values.as_array().shape().to_vec();
            (name.to_string(), shape, flat(values))
        };
        for (name, set) in self.data.bind(py) {
            let (x, y): (PyReadonlyArrayDyn<'_, f64>, PyReadonlyArrayDyn<'_, f64>) =
                set.extract()?;
            given.push((name.extract()?, vec![array("x", &x), array("y", &y)]));
        }
        for (name, tensors) in self.weights.bind(py) {
            let mut all = Vec::new();
            for (tensor, values) in tensors.cast::<PyDict>()? {
                let tensor: String = tensor.extract()?;
                all.push(array(&tensor, &values.extract()?));
            }
            given.push((name.extract()?, all));
        }
        let given: Vec<thalweg_store::Given<'_>> = (given.iter())
            .map(|(name, arrays)| {
                let arrays = arrays.iter();
                let arrays = arrays.map(|(name, shape, v)| (&name[..], &shape[..], &v[..]));
                (&name[..], arrays.collect())
            })
            .collect();
        thalweg_store::begin_with(folder, &self.source, &self.plan, &given).map_err(raised)
    }

    /// The name under which a folder keeps what it trains.
    fn engine_kept(&self) -> Result<String, Error> {
        let engine = thalweg_gpu::without_device(&self.engine)?;
        Ok(engine.name().to_string())
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    fn replicates(&self) -> u64 {
        let cells = self.plan.cells.iter();
        cells.map(|cell| cell.setting.replicates.at_most()).sum()
    }
}

#[pymethods]
impl Plan {
    /// A study as text, the folder that its files are relative to, and data sets and weights by the
    /// names that it gives them; `files` are those of a plan that was pickled.
    #[new]
    #[pyo3(signature = (text, folder, data, weights, threads=None, engine="cpu", files=None))]
    fn new(
        text: String,
        folder: PathBuf,
        data: &Bound<'_, PyDict>,
        weights: &Bound<'_, PyDict>,
        threads: Option<usize>,
        engine: &str,
        files: Option<BTreeMap<String, Vec<u8>>>,
    ) -> PyResult<Plan> {
        let source = Source {
            name: "study".into(),
            text,
            folder,
        };
        let study = source.study().map_err(raised)?;
        let mistaken = |mistake: thalweg::Mistake| raised(mistake.into());
        let mut given = Inputs::default();
        let mut known = Vec::new();
        for (name, set) in data {
            let (x, y): (PyReadonlyArray3<'_, f64>, PyReadonlyArray3<'_, f64>) = set.extract()?;
            let (x, y) = (x.as_array(), y.as_array());
            let sets = x.outer_iter().zip(y.outer_iter());
            let sets = sets.map(|(x, y)| Set {
                points: x.nrows(),
                x: x.iter().copied().collect(),
                y: y.iter().copied().collect(),
            });
            let sets = sets.collect();
            let name: String = name.extract()?;
            given = given.with_stack(&name, sets).map_err(mistaken)?;
            known.push(name);
        }
        for (name, arrays) in weights {
            let name: String = name.extract()?;
            let mut all = Vec::new();
            for (tensor, values) in arrays.cast::<PyDict>()? {
                let values: PyReadonlyArrayDyn<'_, f64> = values.extract()?;
                all.push(Array {
                    name: tensor.extract()?,
                    shape: values.as_array().shape().to_vec(),
                    values: flat(&values),
                });
            }
            given = given.with_weights(&name, all).map_err(mistaken)?;
            known.push(name);
        }
        let inputs = match files.filter(|files| !files.is_empty()) {
            None => thalweg_store::read_more_inputs(&study, &source.folder, given, &known),
            Some(files) => {
                let unpacked = tempfile::tempdir()?;
                let folder = unpacked.path();
                thalweg_store::unpack_inputs(folder, &files)
                    .and_then(|()| thalweg_store::read_more_inputs(&study, folder, given, &known))
            }
        };
        let inputs = inputs.map_err(raised)?;
        let plan = source.plan(&inputs).map_err(raised)?;
        let here = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Plan {
            plan,
            source,
            inputs,
            data: data.clone().unbind(),
            weights: weights.clone().unbind(),
            threads: threads.unwrap_or(here).max(1),
            engine: engine.to_string(),
        })
    }

    /// What another process makes the same plan of: it holds the files that the study names.
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let this = slf.get();
        let (data, weights) = (this.data.bind(py), this.weights.bind(py));
        let mut known: Vec<String> = data.keys().extract()?;
        known.extend(weights.keys().extract::<Vec<String>>()?);
        let files = PyDict::new(py);
        for (name, bytes) in thalweg_store::pack_inputs(&this.source, &known).map_err(raised)? {
            files.set_item(name, PyBytes::new(py, &bytes))?;
        }
        let of = (
            &this.source.text,
            &this.source.folder,
            data,
            weights,
            this.threads,
            &this.engine,
            files,
        );
        Ok((slf.get_type().into_any(), of.into_pyobject(py)?))
    }

    /// What trains it.
    #[getter(engine)]
    fn engine_name(&self) -> &str {
        &self.engine
    }

    /// The replicates of every shard, of so many, as (cell, first, one after the last); of a run
    /// folder, those that it does not hold yet.
    #[pyo3(signature = (of, folder=None))]
    fn shards(&self, of: u64, folder: Option<PathBuf>) -> PyResult<Vec<Vec<(usize, u64, u64)>>> {
        let left = |number| -> Result<Vec<(usize, u64, u64)>, Error> {
            let mut spans = shard(&self.plan, number, of);
            if let Some(path) = &folder {
                let engine = &self.engine_kept()?;
                spans = unfinished(&self.plan, &spans, &Folder { path, engine })?;
            }
            Ok(spans.iter().map(|s| (s.cell, s.from, s.until)).collect())
        };
        let all: Result<Vec<_>, Error> = (0..of).map(left).collect();
        all.map_err(raised)
    }

    /// Trains these replicates; pieces of the run, as bytes.
    fn train<'py>(
        &self,
        py: Python<'py>,
        spans: Vec<(usize, u64, u64)>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let engine = self.engine()?;
        let mut asked = Vec::with_capacity(spans.len());
        for (cell, from, until) in spans {
            let at_most = self.cell(cell)?.setting.replicates.at_most();
            if from >= until || until > at_most {
                return Err(raised(Error::NoSuchReplicate {
                    cell,
                    replicate: until,
                    replicates: at_most,
                }));
            }
            asked.push(Span { cell, from, until });
        }
        let pieces = watched(py, 0, None, |control| {
            let pieces = Mutex::new(Vec::new());
            let keep = |_: Span, piece: Piece| {
                let bytes = thalweg_store::encode_piece(&piece)?;
                let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
                pieces.push(bytes);
                Ok(())
            };
            let (plan, engine) = (&self.plan, engine.as_ref());
            if !train_spans(plan, &asked, engine, self.threads, &keep, control)? {
                return Err(Error::Stopped {
                    done: 0,
                    cells: asked.len(),
                });
            }
            Ok(pieces.into_inner().unwrap_or_else(PoisonError::into_inner))
        })?;
        Ok(pieces.iter().map(|p| PyBytes::new(py, p)).collect())
    }

    /// Begins a run folder that pieces are kept in.
    fn begin(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        let _lock = thalweg_store::lock(&folder).map_err(raised)?;
        self.begin_in(py, &folder)
    }

    /// Keeps a piece in a run folder; its path there.
    fn keep(&self, folder: PathBuf, piece: &[u8]) -> PyResult<PathBuf> {
        let keep = || {
            let piece = thalweg_store::decode_piece(piece)?;
            thalweg_store::save_piece(&folder, &piece)?;
            Ok(thalweg_store::piece_path(&piece))
        };
        keep().map_err(raised)
    }

    /// The study as text.
    #[getter]
    fn text(&self) -> &str {
        &self.source.text
    }

    /// Every cell as JSON: number, label, hash, setting.
    #[getter]
    fn cells(&self) -> PyResult<String> {
        json(&self.plan.cells)
    }

    /// The whole plan as JSON.
    #[getter]
    fn json(&self) -> PyResult<String> {
        json(&self.plan)
    }

    /// The name of each cell for people.
    #[getter]
    fn names(&self) -> Vec<String> {
        let base = &self.plan.cells[0].setting;
        let cells = self.plan.cells.iter();
        cells
            .map(|cell| words::setting::short(base, &cell.setting))
            .collect()
    }

    /// What every cell costs, as JSON, and sentences on it.
    #[pyo3(signature = (draws=20))]
    fn price(&self, py: Python<'_>, draws: u64) -> PyResult<(String, Vec<String>)> {
        let engine = self.engine()?;
        let prices = watched(py, 0, None, |control| {
            let clock = control.clock.unwrap_or(&|| 0.0);
            thalweg::price::price(
                &self.plan,
                engine.as_ref(),
                self.threads,
                draws,
                &clock,
                control,
            )
        })?;
        let mut said = vec![
            words::price::total(&prices, self.threads),
            words::price::memory(&prices),
        ];
        said.extend(words::price::cheaper(&self.plan, &prices));
        Ok((json(&prices)?, said))
    }

    /// Trains what is not finished in a folder, or is in none of these pieces, and analyses it.
    #[pyo3(signature = (folder=None, progress=None, pieces=None))]
    fn run(
        slf: &Bound<'_, Self>,
        py: Python<'_>,
        folder: Option<PathBuf>,
        progress: Option<Py<PyAny>>,
        pieces: Option<Vec<Vec<u8>>>,
    ) -> PyResult<Run> {
        let this = slf.get();
        let engine = match &pieces {
            // There is nothing to train, but by a mistake.
            Some(_) => this.engine_of_one()?,
            None => this.engine()?,
        };
        let given = Pieces::of(pieces.unwrap_or_default()).map_err(raised)?;
        let lock = folder.as_deref().map(thalweg_store::lock);
        let _lock = lock.transpose().map_err(raised)?;
        if let Some(folder) = &folder {
            this.begin_in(py, folder)?;
        }
        let train = |control: &Control<'_>| {
            let keep;
            let keeper: &dyn thalweg::lab::Keeper = match &folder {
                Some(path) => {
                    keep = Folder {
                        path,
                        engine: engine.name(),
                    };
                    &keep
                }
                None => &given,
            };
            let records =
                thalweg::lab::run(&this.plan, engine.as_ref(), this.threads, keeper, control)?;
            let maps = match &folder {
                Some(folder) => {
                    let sheets = this.source.sheets(&this.inputs)?;
                    let engine = (engine.as_ref(), this.threads);
                    thalweg_cli::train_maps(folder, &sheets, engine, control)?
                }
                None => Vec::new(),
            };
            let analysis = Analysis::of(&this.plan, &records, this.threads);
            Ok((records, analysis, maps))
        };
        let (records, analysis, maps) = watched(py, this.replicates(), progress.as_ref(), train)?;
        let page = match &folder {
            Some(folder) => thalweg_cli::write_run(folder, &this.plan, &records, &analysis, &maps)
                .map_err(|e| ThalwegError::new_err(format!("{e:#}")))?,
            None => thalweg_report::page("run", &analysis, &[], &[]),
        };
        Ok(Run {
            tables: Mutex::new(Vec::new()),
            plan: slf.clone().unbind(),
            records,
            analysis,
            page,
        })
    }

    /// The training set of a replicate: x [N, d], y [N, k].
    fn data<'py>(
        &self,
        py: Python<'py>,
        cell: usize,
        replicate: u64,
    ) -> PyResult<(Numbers<'py>, Numbers<'py>)> {
        let cell = self.cell(cell)?;
        let set = cell.set(replicate);
        let (d, k) = (set.dim(), set.outputs());
        Ok((
            shaped(py, set.x, &[set.points, d])?,
            shaped(py, set.y, &[set.points, k])?,
        ))
    }

    /// The initial weights of a replicate, by the names of `nn.Sequential`.
    fn initial_weights<'py>(
        &self,
        py: Python<'py>,
        cell: usize,
        replicate: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let cell = self.cell(cell)?;
        named(py, cell, &cell.weights(replicate))
    }

    /// A certificate that the share is reached, or not, as JSON, as text, and in sentences.
    #[pyo3(signature = (level, at_most, fresh, progress=None))]
    fn certify(
        &self,
        py: Python<'_>,
        level: f64,
        at_most: u64,
        fresh: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(String, String, Vec<String>)> {
        let engine = self.engine()?;
        let terms = Terms {
            level,
            at_most,
            draws: if fresh { Draws::Fresh } else { Draws::Own },
        };
        let cell = &self.plan.cells[0];
        let found = watched(py, at_most, progress.as_ref(), |control| {
            let title = &self.plan.title;
            thalweg::decide::certify(cell, title, engine.as_ref(), self.threads, terms, control)
        })?;
        let text = found.text().map_err(raised)?;
        Ok((json(&found)?, text, words::decision::certificate(&found)))
    }

    /// The cheapest setting of the study's space that can be certified, for each condition, as
    /// JSON.
    #[pyo3(signature = (progress=None))]
    fn choose(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<String> {
        let study = self.source.study().map_err(raised)?;
        // Without a space this says so.
        let plans = self.source.choices(&self.inputs).map_err(raised)?;
        let Some(space) = study.space else {
            return json(&[(); 0]);
        };
        let engine = self.engine()?;
        let choices = watched(py, 0, progress.as_ref(), |control| {
            thalweg::decide::choose(&space, &plans, engine.as_ref(), self.threads, control)
        })?;
        json(&choices)
    }
}

/// Pieces that other processes have trained, by cell.
struct Pieces(HashMap<String, Vec<Piece>>);

impl Pieces {
    fn of(bytes: Vec<Vec<u8>>) -> Result<Pieces, Error> {
        let mut all: HashMap<String, Vec<Piece>> = HashMap::new();
        for bytes in bytes {
            let piece = thalweg_store::decode_piece(&bytes)?;
            all.entry(piece.hash.clone()).or_default().push(piece);
        }
        Ok(Pieces(all))
    }
}

impl Keeper for Pieces {
    fn found(&self, _: &thalweg::plan::Cell) -> Result<Option<Record>, Error> {
        Ok(None)
    }

    fn pieces(&self, cell: &thalweg::plan::Cell) -> Result<Vec<Piece>, Error> {
        Ok(self.0.get(&cell.hash).cloned().unwrap_or_default())
    }

    fn keep(&self, _: &thalweg::plan::Cell, _: &Record) -> Result<(), Error> {
        Ok(())
    }
}

/// The tensors of flat weights, by name.
fn named<'py>(
    py: Python<'py>,
    cell: &thalweg::plan::Cell,
    weights: &[f64],
) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for tensor in &cell.problem().tensors {
        let values = weights[tensor.range()].to_vec();
        all.set_item(&tensor.name, shaped(py, values, &tensor.shape)?)?;
    }
    Ok(all)
}

/// What a run found.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Run {
    plan: Py<Plan>,
    records: Vec<Record>,
    analysis: Analysis,
    page: thalweg_report::page::Page,
    /// Made when the first is asked for.
    tables: Mutex<Vec<(&'static str, Columns)>>,
}

impl Run {
    fn record(&self, cell: usize) -> PyResult<&Record> {
        let found = self.records.get(cell);
        let cells = self.records.len();
        found.ok_or_else(|| raised(Error::NoSuchCell { cell, cells }))
    }
}

#[pymethods]
impl Run {
    /// The answer, a sentence each: the first is that to the question of the study.
    #[getter]
    fn answer(&self) -> Vec<String> {
        words::answer(&self.analysis)
    }

    /// The page, one file of HTML.
    #[getter]
    fn html(&self) -> String {
        let files = thalweg_report::files(&self.page, thalweg_report::Only::Page);
        let page = files.into_iter().next_back();
        page.map_or_else(String::new, |file| {
            String::from_utf8_lossy(&file.bytes).into_owned()
        })
    }

    /// Name and caption of every figure of the page.
    #[getter]
    fn figures(&self) -> Vec<(String, String)> {
        let all = thalweg_report::figures(&self.page).into_iter();
        all.map(|figure| (figure.name.clone(), figure.caption.clone()))
            .collect()
    }

    /// A figure as SVG, and what it says in words.
    fn figure(&self, name: &str) -> PyResult<(String, String)> {
        let all = thalweg_report::figures(&self.page);
        let found = all.iter().find(|figure| figure.name == name);
        let figure = found.ok_or_else(|| {
            raised(Error::Unknown {
                message: format!("there is no figure `{name}`"),
                hint: format!(
                    "figures: {}",
                    all.iter()
                        .map(|figure| figure.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            })
        })?;
        let plot = &figure.plot;
        Ok((
            thalweg_report::plot::svg_file(plot),
            thalweg_report::plot::describe(plot),
        ))
    }

    /// A table: `replicates`, `curves`, `looks` or `cells`.
    fn table(&self, py: Python<'_>, name: &str) -> PyResult<Table> {
        let plan = &self.plan.get().plan;
        let mut all = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            *all = py.detach(|| tables(&self.analysis, plan, &self.records));
        }
        let found = all.iter().find(|(known, _)| *known == name);
        let (_, columns) = found.ok_or_else(|| {
            raised(Error::Unknown {
                message: format!("there is no table `{name}`"),
                hint: "tables: replicates, curves, looks, cells".into(),
            })
        })?;
        Ok(Table {
            columns: columns.clone(),
        })
    }

    /// The whole analysis as JSON.
    #[getter]
    fn analysis(&self) -> PyResult<String> {
        json(&self.analysis)
    }

    /// Of the replicates of a cell that have a row: the first step below, NaN where there was none,
    /// the loss at the end, and the rate.
    fn ends<'py>(
        &self,
        py: Python<'py>,
        cell: usize,
    ) -> PyResult<(Numbers<'py>, Numbers<'py>, Numbers<'py>)> {
        let rows = &self.record(cell)?.rows;
        let of = |number: fn(&Row) -> f64| {
            let all = rows.iter().map(number).collect();
            shaped(py, all, &[rows.len()])
        };
        Ok((
            of(|row| row.hit().map_or(f64::NAN, |step| step as f64))?,
            of(|row| row.final_loss)?,
            of(|row| row.rate)?,
        ))
    }

    /// What is known of a replicate: its row of the record as JSON.
    fn row(&self, cell: usize, replicate: u64) -> PyResult<String> {
        let record = self.record(cell)?;
        let row = record.rows.iter().find(|row| row.replicate == replicate);
        let row = row.ok_or_else(|| {
            raised(Error::NoSuchReplicate {
                cell,
                replicate,
                replicates: record.replicates(),
            })
        })?;
        json(row)
    }

    /// A replicate trained again: its explanation as JSON, the same in sentences, and its last
    /// weights.
    fn explain(
        &self,
        py: Python<'_>,
        cell: usize,
        replicate: u64,
    ) -> PyResult<(String, Vec<String>)> {
        let plan = self.plan.get();
        let (of, record) = (plan.cell(cell)?, self.record(cell)?);
        let engine = plan.engine_of_one()?;
        let told = watched(py, 0, None, |control| {
            thalweg::explain::explain(of, engine.as_ref(), replicate, Some(record), control)
        })?;
        Ok((json(&told)?, words::replicate::explanation(&told)))
    }

    /// A replicate trained again: its weights at the end, by name.
    fn weights<'py>(
        &self,
        py: Python<'py>,
        cell: usize,
        replicate: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let plan = self.plan.get();
        let of = plan.cell(cell)?;
        let engine = plan.engine_of_one()?;
        let (_, trained) = watched(py, 0, None, |control| {
            thalweg::lab::replay(of, engine.as_ref(), replicate, control)
        })?;
        named(py, of, &trained.last.weights)
    }

    /// All replicates of a cell that have a row, trained again at once: their weights at the end by
    /// name, [R, …] each.
    #[pyo3(signature = (cell, progress=None))]
    fn stacked_weights<'py>(
        &self,
        py: Python<'py>,
        cell: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let plan = self.plan.get();
        let count = self.record(cell)?.rows.len() as u64;
        let mut of = plan.cell(cell)?.clone();
        of.setting.replicates = Replicates::Fixed(count);
        of.setting.look.replicates = 0;
        of.setting.keep.replicates = count;
        of.setting.keep.weights = Weights::Final;
        let engine = plan.engine_of_one()?;
        let record = watched(py, count, progress.as_ref(), |control| {
            thalweg::lab::train(&of, engine.as_ref(), plan.threads, control)
        })?;
        let all = PyDict::new(py);
        for tensor in &of.problem().tensors {
            let values = record.kept.iter();
            let values = values.flat_map(|kept| &kept.weights[tensor.range()]);
            let shape = [&[record.kept.len()], &tensor.shape[..]].concat();
            let values = shaped(py, values.copied().collect(), &shape)?;
            all.set_item(&tensor.name, values)?;
        }
        Ok(all)
    }

    /// The steps and losses that were kept of a replicate; none if none were.
    fn losses<'py>(
        &self,
        py: Python<'py>,
        cell: usize,
        replicate: u64,
    ) -> PyResult<Option<(Numbers<'py>, Numbers<'py>)>> {
        let record = self.record(cell)?;
        let mut curves = record.curves.iter();
        let Some(curve) = curves.find(|curve| curve.replicate == replicate) else {
            return Ok(None);
        };
        let steps = curve.steps.iter().map(|step| *step as f64).collect();
        let n = curve.steps.len();
        Ok(Some((
            shaped(py, steps, &[n])?,
            shaped(py, curve.losses.clone(), &[n])?,
        )))
    }

    /// Writes page, figures, tables and weights into a folder.
    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        let plan = self.plan.get();
        plan.begin_in(py, &folder)?;
        let write = |folder: &Path| -> Result<(), Error> {
            for (cell, record) in plan.plan.cells.iter().zip(&self.records) {
                thalweg_store::save(folder, cell, record)?;
            }
            Ok(())
        };
        write(&folder).map_err(raised)?;
        thalweg_cli::maps_of(&folder, &self.records, plan.threads)
            .and_then(|maps| {
                let (records, analysis) = (&self.records, &self.analysis);
                thalweg_cli::write_run(&folder, &plan.plan, records, analysis, &maps)
            })
            .map(drop)
            .map_err(|e| ThalwegError::new_err(format!("{e:#}")))
    }
}

/// A table of a run, which polars, pandas, pyarrow and DuckDB read.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Table {
    columns: Columns,
}

#[pymethods]
impl Table {
    /// The Arrow PyCapsule interface.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // There is one form, whatever is wished; the interface allows that.
        drop(requested_schema);
        let stream = arrow::stream(self.columns.clone());
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// The names of its columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Its rows.
    fn __len__(&self) -> usize {
        arrow::rows(&self.columns)
    }
}
