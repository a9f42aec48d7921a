//! `wardlink monitor show`: what is held, as a short table.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use wardlink_wire::codec::{self, Limit};
use wardlink_wire::state::State;

use crate::archive::{Archive, ArchiveError, Summary};
use crate::clock;
use crate::exit::{Exit, Verdict};

/// What `wardlink monitor show` is told.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The directory of the monitor's archive
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// Prints the table.
///
/// # Errors
/// When there is no archive or it cannot be read.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), ShowError> {
    let summary = Archive::read_only(&arguments.data)?.summary()?;
    Ok(table(&summary, out)?)
}

fn table(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:<20} {:<8} {:<5} {:>12} {:>6} {:>9} {:>7} {:>10}  newest record",
        "gateway", "epoch", "lane", "records", "gaps", "explained", "holes", "duplicates"
    )?;
    for lane in &summary.lanes {
        let holes: u64 = lane.holes.iter().map(|hole| hole.count()).sum();
        let epoch: String = lane.epoch.to_string().chars().take(8).collect();
        writeln!(
            out,
            "{:<20} {epoch} {:<5} {:>12} {:>6} {:>9} {holes:>7} {:>10}  {}",
            lane.gateway.as_str(),
            lane.lane.as_str(),
            lane.records,
            lane.gaps,
            lane.explained,
            lane.duplicates,
            lane.newest_ns
                .map_or_else(|| "-".to_owned(), clock::text_of_ns),
        )?;
    }
    writeln!(
        out,
        "held {} records, {} of them gap records; {} places missing without explanation",
        summary.delivered, summary.gaps, summary.holes
    )?;
    for gateway in &summary.gateways {
        let state = gateway
            .state
            .as_deref()
            .map(|bytes| codec::decode::<State>(bytes, LIMIT));
        let online = match state {
            Some(Ok(state)) if state.online => "online",
            Some(Ok(_)) => "offline",
            Some(Err(_)) | None => "state unknown",
        };
        let last = gateway
            .receipt_ns
            .map_or_else(|| "none".to_owned(), clock::text_of_ns);
        writeln!(
            out,
            "{}: {online}, {} receipts, last {last}",
            gateway.gateway, gateway.receipts
        )?;
    }
    if summary.conflicts > 0 {
        writeln!(
            out,
            "CONFLICTS: {} places arrived again with other content; the first was kept",
            summary.conflicts
        )?;
    }
    for (reason, count) in &summary.refusals {
        writeln!(out, "refused: {count} messages ({reason})")?;
    }
    Ok(())
}

/// Why nothing was shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The output.
    #[error("cannot write the table: {0}")]
    Report(#[from] io::Error),
}

impl Verdict for ShowError {
    fn exit(&self) -> Exit {
        match self {
            Self::Archive(error) => error.exit(),
            Self::Report(_) => Exit::Failed,
        }
    }
}

const LIMIT: Limit = Limit {
    bytes: 1 << 20,
    depth: 16,
};
