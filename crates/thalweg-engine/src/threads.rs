//! The same work on several threads, the caller's among them.

/// Does `work` on so many threads, of which the caller's is one: with one, none is started, so that
/// this also runs where there are none. A thread that the system refuses is done without, so the
/// parts of the work must not belong to a thread.
pub fn on_threads(threads: usize, work: &(dyn Fn() + Sync)) {
    if threads <= 1 {
        return work();
    }
    std::thread::scope(|scope| {
        for _ in 1..threads {
            if std::thread::Builder::new()
                .spawn_scoped(scope, work)
                .is_err()
            {
                break;
            }
        }
        work();
    });
}
