//! Time on the wall, and time on the processors: only the second one says something on a machine that is shared.

use std::fmt;
use std::time::{Duration, Instant};

/// Ticks of `/proc/self/stat` a second; fixed on every Linux that Rust's std runs on.
const TICKS: u64 = 100;

pub struct Watch {
    begun: Instant,
    worked: Duration,
}

/// What a piece of work took.
#[derive(Clone, Copy)]
pub struct Took {
    wall: Duration,
    processor: Duration,
}

impl Watch {
    pub fn start() -> Watch {
        Watch {
            begun: Instant::now(),
            worked: worked(),
        }
    }

    pub fn took(&self) -> Took {
        Took {
            wall: self.begun.elapsed(),
            processor: worked().saturating_sub(self.worked),
        }
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2?} ({:.2?} of processors)",
            self.wall, self.processor
        )
    }
}

/// Processor time of all threads, in user mode and in the kernel.
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}
