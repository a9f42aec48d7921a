//! The measurements, each in a process of its own.

use std::time::{Duration, Instant};

use super::counters;
use super::engines::Engine;
use super::load;
use super::orders::{Order, Outcome, Step};

/// Measures what the order says and tells it.
pub(crate) fn carry_out(order: &Order) -> anyhow::Result<()> {
    let rested = counters::memory()?;
    let (read, _) = counters::io()?;
    let began = Instant::now();
    let mut engine = order.kind.open(&order.folder)?;
    let took = began.elapsed().as_secs_f64();
    let (read_since, _) = counters::io()?;
    let grown = counters::memory()?.cast_signed() - rested.cast_signed();
    let opening = (took, read_since - read, grown);
    let mut outcome = match order.step {
        Step::Append { records, commits } => append(engine.as_mut(), records, commits)?,
        Step::Fill { mib } => fill(engine.as_mut(), mib)?,
        Step::Drain => drain(engine.as_mut())?,
    };
    outcome.opening = opening;
    outcome.memory = counters::memory()?;
    outcome.disk = counters::taken(&order.folder)?;
    outcome.tell()
}

fn append(engine: &mut dyn Engine, records: u32, commits: u64) -> anyhow::Result<Outcome> {
    let batch = load::encoded(records)?;
    for _ in 0..BACKLOG {
        engine.commit(&batch, records, 0)?;
    }
    let (_, written) = counters::io()?;
    let (cpu, began) = (counters::cpu(), Instant::now());
    let mut latencies = Vec::new();
    for _ in 0..commits {
        let began = Instant::now();
        engine.commit(&batch, records, 1)?;
        latencies.push(began.elapsed());
    }
    latencies.sort_unstable();
    Ok(Outcome {
        commits,
        payload: length(&batch) * commits,
        cpu: counters::cpu().saturating_sub(cpu).as_secs_f64(),
        took: began.elapsed().as_secs_f64(),
        latency: [500, 990, 999].map(|rank| at_rank(&latencies, rank)),
        written: counters::io()?.1 - written,
        ..Outcome::default()
    })
}

fn fill(engine: &mut dyn Engine, mib: u64) -> anyhow::Result<Outcome> {
    let batch = load::encoded(load::OUTAGE)?;
    let commits = (mib << 20).div_ceil(length(&batch));
    let began = Instant::now();
    for _ in 0..commits {
        engine.commit(&batch, load::OUTAGE, 0)?;
    }
    Ok(Outcome {
        commits,
        payload: length(&batch) * commits,
        took: began.elapsed().as_secs_f64(),
        ..Outcome::default()
    })
}

fn drain(engine: &mut dyn Engine) -> anyhow::Result<Outcome> {
    let (cpu, began) = (counters::cpu(), Instant::now());
    let (mut commits, mut payload) = (0, 0);
    loop {
        let taken = engine.take(AT_ONCE)?;
        if taken.0 == 0 {
            break;
        }
        commits += taken.0;
        payload += taken.1;
    }
    Ok(Outcome {
        commits,
        payload,
        cpu: counters::cpu().saturating_sub(cpu).as_secs_f64(),
        took: began.elapsed().as_secs_f64(),
        ..Outcome::default()
    })
}

/// Milliseconds at a rank in thousandths.
fn at_rank(sorted: &[Duration], rank: usize) -> f64 {
    let index = (sorted.len() * rank / 1000).min(sorted.len().saturating_sub(1));
    sorted
        .get(index)
        .map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

fn length(batch: &[u8]) -> u64 {
    u64::try_from(batch.len()).unwrap_or(u64::MAX)
}

/// Commits that wait while more come.
pub(crate) const BACKLOG: u32 = 64;
/// Batches that are read and then acknowledged together while draining.
const AT_ONCE: u64 = 64;
