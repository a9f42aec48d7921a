//! What the kernel counts of one process (proc(5)).

use std::fs;
use std::time::Duration;

/// Counters of a process, at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    /// Bytes it made the kernel send to storage; page cache that was dropped before does not count.
    pub(crate) written: u64,
    /// CPU time of all its threads, in user and kernel mode.
    pub(crate) cpu: Duration,
}

impl Counters {
    /// Of the process of this number.
    pub(crate) fn of(process: u32) -> Self {
        let io = read(process, "io");
        Self {
            written: field(&io, "write_bytes:"),
            cpu: threads(process).sum(),
        }
    }

    /// What came in between.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            written: self.written.saturating_sub(earlier.written),
            cpu: self.cpu.saturating_sub(earlier.cpu),
        }
    }
}

/// KiB of memory: its share of what it has in RAM (PSS), and of that what is its alone.
pub(crate) fn memory(process: u32) -> (u64, u64) {
    let rollup = read(process, "smaps_rollup");
    let own = field(&rollup, "Private_Clean:") + field(&rollup, "Private_Dirty:");
    (field(&rollup, "Pss:"), own)
}

/// Time on a CPU of each thread (kernel's Documentation/scheduler/sched-stats.rst).
fn threads(process: u32) -> impl Iterator<Item = Duration> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    tasks.filter_map(|task| {
        // a thread may end while one looks
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        let spent = text.split_whitespace().next()?.parse().ok()?;
        Some(Duration::from_nanos(spent))
    })
}

fn read(process: u32, file: &str) -> String {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|rest| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in:\n{text}"))
}
