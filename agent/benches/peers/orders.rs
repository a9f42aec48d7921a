//! What a process of its own is told to measure, and what it tells back.

use std::io::{BufRead, BufReader, Write, stdout};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::counters;
use super::engines::Kind;
use super::place::Place;
use super::tasks::BACKLOG;

/// One measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) step: Step,
    pub(crate) folder: PathBuf,
}

/// What to measure.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Durable commits while a backlog of some commits is kept: one is acknowledged for each that comes.
    Append { records: u32, commits: u64 },
    /// An outage: commits that nobody acknowledges, until the process is killed.
    Fill { mib: u64 },
    /// The start after it, and the delivery of everything.
    Drain,
}

/// What was measured; what a step does not measure is zero.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) commits: u64,
    pub(crate) payload: u64,
    /// Seconds.
    pub(crate) cpu: f64,
    pub(crate) took: f64,
    /// Milliseconds at 50 %, 99 % and 99.9 %.
    pub(crate) latency: [f64; 3],
    /// Bytes, by the process's own counter.
    pub(crate) written: u64,
    /// Bytes and flushes, by the device's counters.
    pub(crate) device: Option<(u64, u64)>,
    /// Seconds, bytes read and KiB of memory that opening took.
    pub(crate) opening: (f64, u64, i64),
    /// KiB at the end.
    pub(crate) memory: u64,
    /// Bytes on the medium at the end.
    pub(crate) disk: u64,
}

impl Order {
    pub(crate) const fn new(kind: Kind, step: Step, folder: PathBuf) -> Self {
        Self { kind, step, folder }
    }

    /// The order this process was started with.
    pub(crate) fn given() -> anyhow::Result<Option<Self>> {
        match std::env::var(VARIABLE) {
            Ok(text) => Ok(Some(serde_json::from_str(&text)?)),
            Err(_) => Ok(None),
        }
    }

    /// Carries it out in a process of its own, which is killed once it has told its outcome.
    pub(crate) fn run(&self, place: &Place) -> anyhow::Result<Outcome> {
        place.settle()?;
        let count = || place.device.as_deref().map(counters::device).transpose();
        let before = count()?;
        let mut child = self
            .command()?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let told = child.stdout.take().context("its output is a pipe")?;
        let line = BufReader::new(told).lines().next();
        child.kill()?;
        child.wait()?;
        place.settle()?;
        let line = line.with_context(|| format!("{self:?} ended without a word"))??;
        let mut outcome: Outcome = serde_json::from_str(&line)?;
        outcome.device = before
            .zip(count()?)
            .map(|((bytes, flushes), (more, flushed))| (more - bytes, flushed - flushes));
        Ok(outcome)
    }

    /// Calls of fsync, fdatasync and the like a commit, where strace is installed.
    pub(crate) fn syncs_seen_by_strace(&self) -> anyhow::Result<Option<f64>> {
        let calls = "trace=fsync,fdatasync,msync,sync_file_range";
        let own = self.command()?;
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-c", "-e", calls])
            .arg(own.get_program());
        strace.env(VARIABLE, serde_json::to_string(self)?);
        let Ok(said) = strace.stdin(Stdio::null()).output() else {
            return Ok(None);
        };
        ensure!(
            said.status.success(),
            "strace: {}",
            String::from_utf8_lossy(&said.stderr)
        );
        let outcome: Outcome = serde_json::from_slice(said.stdout.trim_ascii())?;
        let table = String::from_utf8_lossy(&said.stderr).into_owned();
        let durable = table
            .lines()
            .filter(|line| line.ends_with(" fsync") || line.ends_with(" fdatasync"));
        let counted: u64 = durable
            .filter_map(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok())
            .sum();
        Ok(Some(ratio(counted, outcome.commits + u64::from(BACKLOG))))
    }

    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(VARIABLE, serde_json::to_string(self)?);
        Ok(command)
    }
}

impl Outcome {
    /// Tells it and waits to be killed: nothing is closed in order.
    pub(crate) fn tell(&self) -> anyhow::Result<()> {
        writeln!(stdout(), "{}", serde_json::to_string(self)?)?;
        stdout().flush()?;
        std::io::stdin().lines().for_each(drop);
        Ok(())
    }
}

/// One number over another, for a table.
#[expect(clippy::cast_precision_loss, reason = "a table shows three digits")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

const VARIABLE: &str = "WARDLINK_BENCH_ORDER";
