//! How far a run is: the file in its folder that `watch` reads, and its words.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use thalweg::stats::{anytime_bounds, wilson};

use crate::layout::shorten;
use thalweg_report::words::numbers::{clock, many, si};

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) title: String,
    pub(crate) state: State,
    /// Cells, and how many of them are finished.
    pub(crate) cells: usize,
    pub(crate) done: usize,
    /// Replicates to train in this run, at most, and how many of them ended.
    pub(crate) replicates: u64,
    pub(crate) ended: u64,
    /// Replicate-steps made.
    pub(crate) steps: u64,
    /// Seconds since this run began.
    pub(crate) seconds: f64,
    /// When this was written, in seconds since 1970.
    pub(crate) updated: u64,
    /// The base cell, once it is finished.
    pub(crate) base: Option<CellStatus>,
    /// The running cell.
    pub(crate) now: Option<CellStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Running,
    Finished,
    Stopped,
}

/// How far a cell is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CellStatus {
    pub(crate) cell: usize,
    pub(crate) label: String,
    /// The share asked for.
    pub(crate) share: f64,
    /// Whether it stops when it is decided: its interval must then hold whenever one looks.
    #[serde(default)]
    pub(crate) sequential: bool,
    pub(crate) at_most: u64,
    pub(crate) ended: u64,
    pub(crate) reached: u64,
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs())
}

impl Status {
    pub(crate) const FILE: &str = "status.json";

    pub(crate) fn new(title: &str, cells: usize, replicates: u64) -> Status {
        Status {
            title: title.into(),
            state: State::Running,
            cells,
            done: 0,
            replicates,
            ended: 0,
            steps: 0,
            seconds: 0.0,
            updated: now(),
            base: None,
            now: None,
        }
    }

    /// A cell that was running ended, with so many replicates, of which so many got below the loss.
    /// It may have stopped early, or have been found on disk.
    pub(crate) fn finish_cell(
        &mut self,
        running: Option<CellStatus>,
        replicates: u64,
        successes: u64,
    ) {
        self.done += 1;
        if let Some(mut part) = running {
            let spared = part.at_most.saturating_sub(replicates);
            self.replicates = self.replicates.saturating_sub(spared);
            (part.at_most, part.ended, part.reached) = (replicates, replicates, successes);
            if part.cell == 0 {
                self.base = Some(part);
            }
        }
    }

    /// Says it in one line, for a log.
    pub(crate) fn line(&self) -> String {
        let mut text = format!(
            "thalweg: {} of {}, {} of {}, {} so far",
            self.done,
            many(self.cells, "cell", "cells"),
            self.ended,
            many(self.replicates as usize, "replicate", "replicates"),
            clock(self.seconds)
        );
        if self.ended > 0 && self.ended < self.replicates {
            let left = (self.replicates - self.ended) as f64;
            let seconds = self.seconds * left / self.ended as f64;
            text.push_str(&format!(", about {} left at most", clock(seconds)));
        }
        if let Some(part) = &self.now {
            text.push_str(&format!("; cell {}: {}", part.cell, part.label));
        }
        text
    }

    /// Says it in lines, `late` seconds after it was written.
    pub(crate) fn lines(&self, late: u64) -> Vec<String> {
        let mut all = vec![self.title.clone()];
        all.push(format!(
            "  cells    {} of {} finished",
            self.done, self.cells
        ));
        if let Some(base) = self.base.as_ref().filter(|b| b.ended > 0) {
            all.push(format!("  base     {}", base.success()));
        }
        if let Some(part) = &self.now {
            let text = if part.ended == 0 {
                format!(
                    "0 of {} ended",
                    many(part.at_most as usize, "replicate", "replicates")
                )
            } else {
                format!(
                    "{} of {} ended; {}",
                    part.ended,
                    many(part.at_most as usize, "replicate", "replicates"),
                    part.success()
                )
            };
            all.push(format!(
                "  cell {:<3} {}: {text}",
                part.cell,
                shorten(&part.label, 40)
            ));
        }
        let rate = self.steps as f64 / self.seconds.max(1e-3);
        let mut time = format!("  time     {} so far", clock(self.seconds));
        if self.steps > 0 {
            time.push_str(&format!(", {} steps/s", si(rate)));
        }
        match self.state {
            State::Running => {
                if self.ended > 0 {
                    let left = self.replicates.saturating_sub(self.ended) as f64;
                    time.push_str(&format!(
                        ", about {} left at most",
                        clock(self.seconds * left / self.ended as f64)
                    ));
                }
            }
            State::Finished => time.push_str("; finished"),
            State::Stopped => time.push_str("; stopped, the same command goes on"),
        }
        all.push(time);
        // A cell of long replicates may say nothing for a while; a killed run says nothing for
        // ever.
        if self.state == State::Running && late > 60 {
            all.push(format!(
                "  no news for {}: if the run was killed, the same command goes on",
                clock(late as f64)
            ));
        }
        all
    }
}

impl CellStatus {
    fn success(&self) -> String {
        let (name, i) = if self.sequential {
            let bounds = anytime_bounds(self.reached, self.ended, 0.95);
            ("95 % bounds at any time", bounds)
        } else {
            ("95 % interval", wilson(self.reached, self.ended, 0.95))
        };
        format!(
            "{} of {} below the loss ({:.1} %, {name} {:.1}–{:.1} %, asked {:.0} %)",
            self.reached,
            self.ended,
            100.0 * self.reached as f64 / self.ended as f64,
            100.0 * i.low,
            100.0 * i.high,
            100.0 * self.share
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let part = |cell, ended, reached| CellStatus {
            cell,
            label: "dim = 2".into(),
            share: 0.8,
            sequential: false,
            at_most: 400,
            ended,
            reached,
        };
        Status {
            done: 3,
            ended: 500,
            replicates: 1500,
            seconds: 50.0,
            steps: 1_000_000,
            base: Some(part(0, 400, 400)),
            now: Some(part(3, 100, 50)),
            ..Status::new("A study", 12, 1500)
        }
    }

    #[test]
    fn it_says_how_far_it_is_and_what_is_left() {
        let lines = status().lines(0).join("\n");
        for part in [
            "3 of 12 finished",
            "400 of 400 below the loss (100.0 %, 95 % interval 99.0–100.0 %, asked 80 %)",
            "100 of 400 replicates ended; 50 of 100 below the loss (50.0 %, 95 % interval \
             40.4–59.6 %",
            "0:50 so far, 20.0 k steps/s, about 1:40 left at most",
        ] {
            assert!(lines.contains(part), "{part}\n{lines}");
        }
        assert!(!lines.contains("no news"));
    }

    #[test]
    fn a_run_that_fell_silent_is_noticed_and_an_ended_one_is_not() {
        let mut status = status();
        assert!(status.lines(600).join("\n").contains("no news for 10:00"));
        status.state = State::Stopped;
        let lines = status.lines(600).join("\n");
        assert!(
            lines.contains("stopped") && !lines.contains("no news"),
            "{lines}"
        );
    }
}
