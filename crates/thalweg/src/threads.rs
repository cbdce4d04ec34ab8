//! Work that falls into independent parts, on a given number of threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::threads::on_threads;

/// `of(0), of(1), …, of(count − 1)`, computed on so many threads, the caller's among them.
///
/// With one thread none is started, so this also runs where there are none.
pub(crate) fn map<T: Send>(threads: usize, count: usize, of: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(count));
    let work = || {
        let mut mine = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                break;
            }
            mine.push((at, of(at)));
        }
        // A poisoned lock means that another thread panicked, and so will the scope.
        if let Ok(mut done) = done.lock() {
            done.append(&mut mine);
        }
    };
    on_threads(threads.min(count), &work);
    let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn parts_come_back_in_order_whatever_the_threads() {
        for threads in [0, 1, 2, 7] {
            for count in [0, 1, 2, 100] {
                let squares: Vec<usize> = (0..count).map(|i| i * i).collect();
                assert_eq!(map(threads, count, |i| i * i), squares, "{threads} {count}");
            }
        }
    }
}
