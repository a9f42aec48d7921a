//! The tables: for the terminal, and for the page that keeps them.

use std::fmt::{self, Display, Formatter};
use std::io::{Write, stdout};

use anyhow::Context;

use super::engines::Kind;
use super::load;
use super::orders::{Outcome, ratio};
use super::place::Place;
use super::tasks::BACKLOG;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    place: String,
    commits_of_a_run: u64,
    backlog_mib: u64,
    /// Records of a batch, and microseconds of CPU for each.
    pub(crate) encoding: Vec<(u32, f64)>,
    pub(crate) commits: Vec<Commits>,
    pub(crate) outages: Vec<Outage>,
}

/// One row of the first table.
#[derive(Debug)]
pub(crate) struct Commits {
    pub(crate) kind: Kind,
    pub(crate) records: u32,
    pub(crate) outcome: Outcome,
    pub(crate) syncs: Option<f64>,
}

/// One row of the second table.
#[derive(Debug)]
pub(crate) struct Outage {
    pub(crate) kind: Kind,
    pub(crate) filled: Outcome,
    pub(crate) drained: Outcome,
}

impl Report {
    pub(crate) fn new(place: &Place, commits: u64, backlog_mib: u64) -> Self {
        let place = match place.device {
            Some(_) => "ext4 on a loop device of its own",
            None => "the file system of the build, shared with everything else",
        };
        Self {
            place: place.to_owned(),
            commits_of_a_run: commits,
            backlog_mib,
            encoding: Vec::new(),
            commits: Vec::new(),
            outages: Vec::new(),
        }
    }

    /// To the terminal, and into the page that `WARDLINK_BENCH_REPORT` names.
    pub(crate) fn deliver(&self) -> anyhow::Result<()> {
        writeln!(stdout(), "{self}")?;
        let Ok(page) = std::env::var("WARDLINK_BENCH_REPORT") else {
            return Ok(());
        };
        // cargo starts a bench in the folder of its package; the variable is meant from the workspace's.
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(page);
        let text = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        let marked = "the page needs both marks around the figures";
        let (before, rest) = text.split_once(BEGIN).context(marked)?;
        let (_, after) = rest.split_once(END).context(marked)?;
        Ok(std::fs::write(
            page,
            format!("{before}{BEGIN}\n{self}{END}{after}"),
        )?)
    }

    fn drain_of(&self, kind: Kind) -> f64 {
        let own = self.outages.iter().find(|row| row.kind == kind);
        own.map_or(0.0, |row| rate(&row.drained))
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Medium: {}. {}", self.place, machine())?;
        writeln!(f, "\nEncoding alone, µs of CPU per record:")?;
        for (records, cpu) in &self.encoding {
            writeln!(f, "* batches of {records}: {cpu:.2}")?;
        }
        writeln!(
            f,
            "\n### Commits: seal and append, one acknowledged for each that comes\n"
        )?;
        writeln!(
            f,
            "{} commits a run; a backlog of 64 commits is kept.",
            self.commits_of_a_run
        )?;
        for records in load::RECORDS {
            let rows: Vec<_> = self
                .commits
                .iter()
                .filter(|row| row.records == records)
                .collect();
            commits(f, records, &rows)?;
        }
        writeln!(
            f,
            "\n### An outage of {} MiB, a kill, a start, the delivery\n",
            self.backlog_mib
        )?;
        writeln!(f, "{OUTAGE_HEAD}")?;
        let own = self.drain_of(Kind::Log);
        for Outage {
            kind,
            filled,
            drained,
        } in &self.outages
        {
            let (seconds, read, grown) = drained.opening;
            let drain = rate(drained);
            writeln!(
                f,
                "| {} | {:.1} | {} | {:.1} | {:.1} | {} | {:.0} ({:.2}) | {} |",
                kind.title(),
                seconds * 1e3,
                mib(read),
                signed(grown),
                ratio(filled.memory, 1 << 10),
                mib(filled.disk),
                drain,
                drain / own.max(f64::MIN_POSITIVE),
                mib(drained.disk),
            )?;
        }
        Ok(())
    }
}

fn commits(f: &mut Formatter<'_>, records: u32, rows: &[&Commits]) -> fmt::Result {
    writeln!(f, "\n{records} records a commit:\n\n{COMMITS_HEAD}")?;
    let cpu = |row: &Commits| {
        row.outcome.cpu * 1e6 / ratio(row.outcome.commits, 1).max(1.0) / f64::from(row.records)
    };
    let own = rows
        .iter()
        .find(|row| row.kind == Kind::Log)
        .map_or(0.0, |row| cpu(row));
    for row in rows {
        let outcome = &row.outcome;
        let [p50, p99, p999] = outcome.latency;
        let or_none = |figure: Option<f64>| figure.map_or("-".to_owned(), |x| format!("{x:.2}"));
        let device = outcome.device;
        // The device also sees the backlog that is written before the counted commits.
        let all = outcome.payload + outcome.payload / outcome.commits.max(1) * u64::from(BACKLOG);
        writeln!(
            f,
            "| {} | {:.2} | {:.2} | {:.2} | {} | {} | {} | {p50:.2} / {p99:.2} / {p999:.2} |",
            row.kind.title(),
            cpu(row),
            cpu(row) / own.max(f64::MIN_POSITIVE),
            ratio(outcome.written, outcome.payload),
            or_none(device.map(|(bytes, _)| ratio(bytes, all))),
            or_none(row.syncs),
            or_none(
                device.map(|(_, flushes)| ratio(flushes, outcome.commits + u64::from(BACKLOG)))
            ),
        )?;
    }
    Ok(())
}

/// MB of payload a second.
fn rate(outcome: &Outcome) -> f64 {
    ratio(outcome.payload, 1_000_000) / outcome.took.max(f64::MIN_POSITIVE)
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", ratio(bytes, 1 << 20))
}

/// MiB of KiB.
#[expect(clippy::cast_precision_loss, reason = "a table shows three digits")]
fn signed(kib: i64) -> f64 {
    kib as f64 / 1024.0
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load
        .split_whitespace()
        .next()
        .unwrap_or("unknown")
        .to_owned();
    let model = model.unwrap_or(std::env::consts::ARCH);
    format!("Machine: {model}, {cpus} processors, load average {load} at the end.")
}

const COMMITS_HEAD: &str = "\
| engine | CPU µs/record | ratio | written B/B | device B/B | syncs/commit | device flushes/commit | append p50 / p99 / p99.9 ms |
| --- | --- | --- | --- | --- | --- | --- | --- |";
const OUTAGE_HEAD: &str = "\
| engine | open ms | open reads MiB | open grows RSS MiB | RSS after filling MiB | disk after filling MiB | drain MB/s (ratio) | disk after drain MiB |
| --- | --- | --- | --- | --- | --- | --- | --- |";
const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";
