//! The program `thalweg`.

mod args;
mod bench;
mod certify;
mod choose;
mod progress;
mod theory;
mod watch;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use clap::Parser;

use args::{Cli, Command, EngineArgs, StudyArgs};
use progress::Progress;
use thalweg::engine::by_name;
use thalweg::lab::{Control, Event, run};
use thalweg::report::{Confronted, Only};
use thalweg::{Error, Plan, Source, Study};

static STOP: AtomicBool = AtomicBool::new(false);

/// Whether the user asked to stop.
fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Seconds since this was first asked.
fn clock() -> f64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGUN.elapsed().as_secs_f64()
}

/// Stopped by Ctrl-C, and `listen` hears what happens.
fn control<'a>(listen: &'a (dyn Fn(Event<'_>) + Sync)) -> Control<'a> {
    Control {
        stopped: &stopped,
        clock: Some(&clock),
        listen,
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Without a handler Ctrl-C ends the process at once, which loses the running cell only.
    let _ = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    match dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            let known = error.downcast_ref::<Error>();
            if let Some(hint) = known.and_then(Error::hint) {
                eprintln!("\nhint: {hint}");
            }
            match known {
                Some(Error::Study { .. } | Error::Unknown { .. }) => ExitCode::from(2),
                _ => ExitCode::from(1),
            }
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let command = match cli.command {
        Some(command) => command,
        None => match Cli::parse_from(["thalweg", "run"]).command {
            Some(run) => run,
            None => return Ok(ExitCode::from(2)),
        },
    };
    match command {
        Command::Run(args) => train(args),
        Command::Plan(args) => price(args),
        Command::Explain(args) => explain(args),
        Command::Certify(args) => certify::certify(args),
        Command::Verify(args) => certify::verify(args),
        Command::Choose(args) => choose::choose(args),
        Command::Report(args) => report(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::Studies { what } => studies(what),
        Command::Weights(args) => weights(args),
        Command::Bench(args) => bench::bench(args),
        Command::Theory { what } => theory::theory(what),
    }
}

/// The study that the arguments name, changed as they say.
fn open(args: &StudyArgs) -> Result<Source> {
    let mut source = Source::open(&args.study)?;
    for assignment in &args.set {
        source.set(assignment)?;
    }
    if let Some(n) = args.replicates {
        source.set(&format!("replicates={n}"))?;
    }
    Ok(source)
}

fn threads(args: &EngineArgs) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    args.threads.map_or_else(all, usize::from)
}

/// The default run folder of a study: `runs/<file stem>`.
fn folder(source: &Source) -> PathBuf {
    let stem = Path::new(&source.name)
        .file_stem()
        .and_then(|s| s.to_str())
        .unwrap_or("study");
    Path::new("runs").join(stem)
}

/// Prints to standard output; a closed pipe ends the program quietly.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

fn provenance(folder: &Path, engine: &str) -> Vec<String> {
    vec![
        format!("thalweg {}, engine `{engine}`", env!("CARGO_PKG_VERSION")),
        format!(
            "Run again: `thalweg run {}`",
            folder.join("study.toml").display()
        ),
        format!(
            "One replicate: `thalweg explain {} --cell 0 --replicate 0`",
            folder.display()
        ),
    ]
}

fn train(args: args::Run) -> Result<ExitCode> {
    let source = open(&args.study)?;
    let engine = by_name(&args.engine.engine)?;
    let plan = Plan::new(&source)?;
    let out = args.out.clone().unwrap_or_else(|| folder(&source));
    thalweg::store::begin(&out, &source, &plan)?;
    if args.fresh {
        thalweg::store::forget(&out, &plan, engine.name())?;
    }
    let progress = Progress::new(&plan, &out);
    let tell = |event: Event<'_>| progress.tell(event);
    let keeper = thalweg::store::Folder {
        path: &out,
        engine: engine.name(),
    };
    let records = run(
        &plan,
        engine.as_ref(),
        threads(&args.engine),
        &keeper,
        &control(&tell),
    );
    progress.finish(records.is_ok());
    let records = records?;
    let choices = thalweg::choose::read(&out, &plan.cells[0])?;
    let confronted = Confronted::new(&plan, &records).with_choices(choices);
    let page = thalweg::report::write(
        &out,
        &confronted,
        &provenance(&out, engine.name()),
        Only::All,
    )?;
    if args.json {
        print(&serde_json::to_string_pretty(&page.json())?)?;
    } else {
        answer(&out, &confronted)?;
    }
    let base = &confronted.summaries[0];
    let share = plan.cells[0].setting.success.share;
    let reached = base.successes as f64 >= share * base.replicates as f64;
    Ok(if args.check && !reached {
        ExitCode::from(3)
    } else {
        ExitCode::SUCCESS
    })
}

/// Most characters of a column of the table.
const WIDEST: usize = 52;

/// The beginning of a text, with an ellipsis if it goes on.
fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// The answer in a few lines, the cells in a table, and where the page is.
fn answer(out: &Path, confronted: &Confronted<'_>) -> Result<()> {
    print(&confronted.plan.title)?;
    for line in thalweg::report::answer(confronted) {
        print(&format!("\n{}", wrap(&line, 100)))?;
    }
    print("")?;
    let rows = thalweg::report::overview(confronted);
    let heads = ["cell", "success", "95 % interval", "median steps", "loss"];
    let width = |i: usize| {
        rows.iter()
            .map(|r| r[i].chars().count())
            .chain([heads[i].len()])
            .max()
            .unwrap_or(0)
            .min(WIDEST)
    };
    let line = |cells: [&str; 5]| {
        let pad = |i: usize, left: bool| {
            let text = shorten(cells[i], WIDEST);
            let gap = " ".repeat(width(i).saturating_sub(text.chars().count()));
            if left {
                format!("{text}{gap}")
            } else {
                format!("{gap}{text}")
            }
        };
        format!(
            "  {}  {}  {}  {}  {}",
            pad(0, true),
            pad(1, false),
            pad(2, false),
            pad(3, false),
            pad(4, true)
        )
    };
    print(line(heads).trim_end())?;
    for row in &rows {
        print(line([&row[0], &row[1], &row[2], &row[3], &row[4]]).trim_end())?;
    }
    for (cell, record) in confronted.plan.cells.iter().zip(confronted.records) {
        history(cell, record)?;
    }
    print(&format!("\nReport: {}", out.join("report.html").display()))?;
    Ok(())
}

/// What a notebook prints of a run whose every loss is kept: the loss now and then, the first step
/// below.
fn history(cell: &thalweg::plan::Cell, record: &thalweg::record::Record) -> Result<()> {
    if cell.setting.keep.losses != thalweg::study::Losses::All || record.rows.len() > 10 {
        return Ok(());
    }
    for (curve, row) in record.curves.iter().zip(&record.rows) {
        let every = (row.steps / 2).max(1);
        print(&format!(
            "\n{}, replicate {}:",
            cell.describe(),
            curve.replicate
        ))?;
        for (step, loss) in curve.steps.iter().zip(&curve.losses) {
            if *step > 0 && step % every == 0 {
                print(&format!("  step {step:>8}  loss {loss:.6e}"))?;
            }
        }
        match row.first_below {
            Some(step) => print(&format!(
                "  below {:e} first at step {step}: yeah!",
                cell.setting.success.loss_below
            ))?,
            None => print(&format!(
                "  never below {:e}; best loss {:.6e}",
                cell.setting.success.loss_below, row.best_loss
            ))?,
        }
    }
    Ok(())
}

/// Breaks a line at spaces.
fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

fn price(args: args::PlanArgs) -> Result<ExitCode> {
    let source = open(&args.study)?;
    let engine = by_name(&args.engine.engine)?;
    let plan = Plan::new(&source)?;
    let threads = threads(&args.engine);
    let quiet = control(&|_| {});
    let prices = thalweg::price::price(&plan, engine.as_ref(), threads, 20, &clock, &quiet)?;
    if args.json {
        print(&serde_json::to_string_pretty(&prices)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!(
        "{}\n{} cells, {} threads; nothing is trained.\n",
        plan.title,
        plan.cells.len(),
        threads
    ))?;
    let label = prices
        .iter()
        .map(|p| p.label.chars().count())
        .max()
        .unwrap_or(4)
        .min(50);
    print(&format!(
        "  {:label$}  replicates  parameters  steps/s   at most  if theory is right  predicted median  predicted success  rate/limit",
        "cell"
    ))?;
    for p in &prices {
        let text: String = p.label.chars().take(50).collect();
        let optional = |v: Option<f64>| v.map_or("-".into(), short);
        print(&format!(
            "  {text:label$}  {:>10}  {:>10}  {:>7}  {:>8}  {:>18}  {:>16}  {:>17}  {:>10}",
            p.replicates,
            p.parameters,
            progress::si(p.rate),
            duration(p.at_most),
            p.expected.map_or("-".into(), duration),
            optional(p.predicted_steps.map(|s| s[0])),
            p.predicted_success
                .map_or("-".into(), |s| format!("{:.0} %", 100.0 * s)),
            optional(p.over_limit),
        ))?;
    }
    let total: f64 = prices.iter().map(|p| p.at_most).sum();
    let expected: f64 = prices.iter().map(|p| p.expected.unwrap_or(p.at_most)).sum();
    print(&format!(
        "\nTraining takes at most {} on this machine, {} if every network follows its initial kernel.",
        duration(total),
        duration(expected)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Three digits.
fn short(v: f64) -> String {
    if v.is_infinite() {
        "never".into()
    } else if v.abs() >= 1e5 || (v != 0.0 && v.abs() < 1e-2) {
        format!("{v:.1e}")
    } else if v.abs() >= 100.0 {
        format!("{v:.0}")
    } else {
        format!("{v:.2}")
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.1} s")
    } else if seconds < 5400.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

fn explain(args: args::Explain) -> Result<ExitCode> {
    let source = thalweg::store::load_source(&args.run)?;
    let plan = Plan::new(&source)?;
    let engine = by_name(&args.engine.engine)?;
    let cell = plan.cells.get(args.cell).ok_or_else(|| Error::Unknown {
        message: format!("there is no cell {}", args.cell),
        hint: format!(
            "the run has cells 0 to {}; `cells.parquet` lists them",
            plan.cells.len() - 1
        ),
    })?;
    let most = cell.setting.replicates.at_most();
    if args.replicate >= most {
        return Err(Error::Unknown {
            message: format!("there is no replicate {}", args.replicate),
            hint: format!("cell {} has replicates 0 to {}", args.cell, most - 1),
        }
        .into());
    }
    let record = thalweg::store::load(&args.run, cell, engine.name())?;
    let told = thalweg::explain::explain(
        cell,
        engine.as_ref(),
        args.replicate,
        record.as_ref(),
        &control(&|_| {}),
    )?;
    if args.json {
        print(&serde_json::to_string_pretty(&told)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!(
        "cell {} ({}), replicate {}",
        args.cell,
        cell.describe(),
        args.replicate
    ))?;
    print(match told.same_bits {
        Some(true) => "replayed: the same bits as recorded",
        Some(false) => {
            "replayed: NOT the bits that were recorded (another version of the program?)"
        }
        None => "trained now: this replicate is not in the record",
    })?;
    print(&format!("rate {:.4e}", told.rate))?;
    if let [Some(start), Some(end)] = told.largest_stable_rate {
        print(&format!(
            "largest stable rate {start:.4e} at the start, {end:.4e} at the end"
        ))?;
    }
    print("\n      step          loss     predicted")?;
    // A dozen lines are enough to see the shape.
    let every = told.losses.len().div_ceil(12).max(1);
    for (i, (step, loss, predicted)) in told.losses.iter().enumerate() {
        if i % every == 0 || i + 1 == told.losses.len() {
            let predicted = predicted.map_or("-".into(), |p| format!("{p:.4e}"));
            print(&format!("{step:>10}  {loss:>12.4e}  {predicted:>12}"))?;
        }
    }
    for (name, spectrum) in ["start", "end"].iter().zip(&told.spectrum) {
        let values: Vec<String> = spectrum.iter().rev().map(|v| format!("{v:.3e}")).collect();
        print(&format!(
            "\nspectrum of the tangent kernel at the {name}:\n{}",
            wrap(&values.join(" "), 90)
        ))?;
    }
    print("\nwhy")?;
    for sentence in &told.because {
        print(&wrap(&format!("- {sentence}"), 100))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn report(args: &args::Report) -> Result<ExitCode> {
    let only = match args.only {
        None => Only::All,
        Some(args::Only::Figures) => Only::Figures,
        Some(args::Only::Tables) => Only::Tables,
        Some(args::Only::Page) => Only::Page,
    };
    if args.png && matches!(only, Only::Tables | Only::Page) {
        return Err(Error::Unknown {
            message: "`--png` is about figures, and `--only` leaves them out".into(),
            hint: "`--only figures --png`".into(),
        }
        .into());
    }
    if args.gallery.is_none() && args.runs.len() > 1 {
        return Err(Error::Unknown {
            message: "`report` takes one run".into(),
            hint: "`--gallery DIR` links the reports of several".into(),
        }
        .into());
    }
    let mut pages = Vec::new();
    for run in &args.runs {
        let plan = Plan::new(&thalweg::store::load_source(run)?)?;
        let records = finished(run, &plan, &args.engine)?;
        let choices = thalweg::choose::read(run, &plan.cells[0])?;
        let confronted = Confronted::new(&plan, &records).with_choices(choices);
        let provenance = provenance(run, &args.engine);
        let page = match args.gallery {
            Some(_) => thalweg::report::page(run, &confronted, &provenance),
            None => thalweg::report::write(run, &confronted, &provenance, only)?,
        };
        if args.png {
            thalweg::report::png::write(run, &page)?;
        }
        pages.push((run.clone(), page));
    }
    if let Some(folder) = &args.gallery {
        let index = thalweg::report::gallery::write(folder, pages)?;
        print(&format!("Gallery: {}", index.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (run, page) in &pages {
        if args.json {
            print(&serde_json::to_string_pretty(&page.json())?)?;
            continue;
        }
        let (name, file) = match only {
            Only::All | Only::Page => ("Report", "report.html"),
            Only::Figures => ("Figures", "figures"),
            Only::Tables => ("Tables", "tables"),
        };
        print(&format!("{name}: {}", run.join(file).display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The records of a run, all of whose cells must be finished.
fn finished(run: &Path, plan: &Plan, engine: &str) -> Result<Vec<thalweg::record::Record>> {
    let mut records = Vec::new();
    for cell in &plan.cells {
        let record = thalweg::store::load(run, cell, engine)?;
        records.push(record.ok_or_else(|| Error::Unknown {
            message: format!("cell {} ({}) is not finished", cell.number, cell.describe()),
            hint: format!(
                "`thalweg run {} --out {}` goes on",
                run.join("study.toml").display(),
                run.display()
            ),
        })?);
    }
    Ok(records)
}

fn studies(what: Option<args::Studies>) -> Result<ExitCode> {
    match what.unwrap_or(args::Studies::List) {
        args::Studies::List => {
            let names = thalweg::study::BUILT_IN.map(|(name, _)| name.len());
            let width = names.into_iter().max().unwrap_or(0);
            for (name, text) in thalweg::study::BUILT_IN {
                let study: Study = Source {
                    name: name.into(),
                    text: text.into(),
                    folder: ".".into(),
                }
                .study()?;
                print(&format!("{name:width$}  {}", study.title))?;
            }
        }
        args::Studies::Show { name } => {
            let known = thalweg::study::BUILT_IN.iter().find(|(n, _)| *n == name);
            let (_, text) = known.ok_or_else(|| Error::Unknown {
                message: format!("there is no built-in study `{name}`"),
                hint: format!(
                    "built-in studies: {}",
                    thalweg::study::BUILT_IN.map(|(n, _)| n).join(", ")
                ),
            })?;
            print(text.trim_end())?;
        }
        args::Studies::Schema => print(&serde_json::to_string_pretty(&thalweg::study::schema())?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn weights(args: args::Weights) -> Result<ExitCode> {
    let tensors = thalweg::store::read_tensors(&args.file)?;
    if args.json {
        let all: serde_json::Map<String, serde_json::Value> = tensors
            .iter()
            .map(|(name, shape, values)| {
                (
                    name.clone(),
                    serde_json::json!({ "shape": shape, "values": values }),
                )
            })
            .collect();
        print(&serde_json::to_string_pretty(&all)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, shape, values) in &tensors {
        print(&format!("{name} {shape:?}"))?;
        let columns = shape.last().copied().unwrap_or(1).max(1);
        for row in values.chunks(columns) {
            let numbers: Vec<String> = row.iter().map(|v| format!("{v:>12.8}")).collect();
            print(&format!("  {}", numbers.join(" ")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
