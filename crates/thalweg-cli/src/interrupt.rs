//! Ctrl-C and the like: while networks train, the first one ends the run in order; else at once.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use thalweg::lab::{Control, Event};

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

/// Takes the signals over. Where that fails they end the process at once, which loses the running
/// cell only.
pub(crate) fn install() {
    let _ = ctrlc::set_handler(|| {
        let again = STOP.swap(true, Ordering::SeqCst);
        if again || TRAINING.load(Ordering::SeqCst) == 0 {
            std::process::exit(INTERRUPTED);
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
