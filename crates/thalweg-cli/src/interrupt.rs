//! Ctrl-C and the like: while networks train, the first one ends the run in order; else at once.

#[cfg(unix)]
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use thalweg::lab::{Control, Event};

use crate::terminal::complain;

/// Set once training shall stop; whoever trains looks at it.
static STOP: AtomicBool = AtomicBool::new(false);

/// When [`clock`] was first asked.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Seconds since this was first asked.
pub(crate) fn clock() -> f64 {
    BEGUN.elapsed().as_secs_f64()
}

/// A run that Ctrl-C stops, with the clock of the system, told of to `listen`.
pub(crate) fn control<'a>(listen: &'a (dyn Fn(Event<'_>) + Sync)) -> Control<'a> {
    Control {
        stopped: &stopped,
        clock: Some(&clock),
        listen,
    }
}

/// How many [`Training`]s there are.
static TRAINING: AtomicUsize = AtomicUsize::new(0);

/// The exit code of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// The exit code of a run that was stopped.
const STOPPED: i32 = 1;

/// How long a run that was stopped may take to end in order.
const PATIENCE: Duration = Duration::from_millis(900);

/// SIGXFSZ, of the same number on Linux, macOS and the BSDs.
#[cfg(unix)]
const FILE_TOO_LARGE: i32 = 25;

/// Takes the signals over. Where that fails they end the process at once, which loses the running
/// cell only.
pub(crate) fn install() {
    // A file that gets too large for `ulimit -f` is an error of writing, and no reason to be killed
    // without a word.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(FILE_TOO_LARGE, Arc::new(AtomicBool::new(false)));
    let _ = ctrlc::set_handler(|| {
        // Asked first: who does not train may look at `STOP` too, and must not be told of it.
        if TRAINING.load(Ordering::SeqCst) == 0 || STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
        // Who trains asks between steps, but a look at thousands of points is a single long sum:
        // what is finished is kept already, and what is not would be thrown away all the same.
        std::thread::sleep(PATIENCE);
        if TRAINING.load(Ordering::SeqCst) > 0 {
            complain(
                "error: stopped in the middle of a look; finished cells are kept\n\n\
                 hint: the same command goes on from here",
            );
            std::process::exit(STOPPED);
        }
    });
}

/// While this lives somebody looks at [`STOP`] and ends in order.
pub(crate) struct Training(());

impl Training {
    /// Training begins.
    pub(crate) fn begin() -> Training {
        TRAINING.fetch_add(1, Ordering::SeqCst);
        Training(())
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        TRAINING.fetch_sub(1, Ordering::SeqCst);
    }
}
