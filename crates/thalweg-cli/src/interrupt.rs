//! Ctrl-C and the like: while networks train, the first one ends the run in order; else at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Set once training shall stop; whoever trains looks at it.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

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
