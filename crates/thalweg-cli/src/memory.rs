//! Whether a study fits into the memory of this machine, as far as the system tells.

use anyhow::{Result, bail};
use thalweg::Plan;
use thalweg::engine::Engine;
use thalweg::plan::Cell;
use thalweg_report::words::numbers::bytes;

/// That every cell fits into the memory that is free.
///
/// # Errors
///
/// The cell that takes most, if it does not. What is not told, as on other systems than Linux, is
/// taken to suffice.
pub(crate) fn check(plan: &Plan, engine: &dyn Engine, threads: usize) -> Result<()> {
    let Some(free) = free() else {
        return Ok(());
    };
    let need = |cell: &Cell| thalweg::price::memory(cell, engine, threads);
    let most = plan.cells.iter().max_by(|a, b| need(a).total_cmp(&need(b)));
    if let Some(cell) = most
        && need(cell) > free
    {
        bail!(
            "cell {} ({}) takes about {} of memory on {threads} threads, and {} are free: fewer \
             points or smaller layers, fewer threads, or `--set look.replicates=0`",
            cell.listed,
            cell.describe(),
            bytes(need(cell)),
            bytes(free),
        );
    }
    Ok(())
}

/// Bytes that this process may still take: of the machine, of its group, of its address space.
fn free() -> Option<f64> {
    let machine = field("/proc/meminfo", "MemAvailable:").map(|kb| 1024.0 * kb);
    let group = number("/sys/fs/cgroup/memory.max").map(|most| {
        let taken = number("/sys/fs/cgroup/memory.current").unwrap_or(0.0);
        let given_back = field("/sys/fs/cgroup/memory.stat", "inactive_file").unwrap_or(0.0);
        most - taken + given_back
    });
    let own = field("/proc/self/limits", "Max address space");
    [machine, group, own].into_iter().flatten().reduce(f64::min)
}

/// The number after a name in a file of lines.
fn field(file: &str, name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The number that a file holds.
fn number(file: &str) -> Option<f64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}
