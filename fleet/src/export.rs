//! `wardlink monitor export`: the archive as CSV files, one for each stream.
//!
//! Promises that every record that is held is in exactly one file, and that what is missing between held
//! samples is said line by line. Sampled streams go to `<device>.<stream>.csv` with one line per sample
//! (`samples`); records of theirs that have no index go to `<device>.<stream>.unindexed.csv`; all other
//! streams have one line per record (`readings`). Memory stays bounded by one batch.

mod files;
mod readings;
mod samples;
pub mod words;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use files::Names;
pub use files::Written;
use readings::ReadingWriter;
use samples::SampleWriter;
use wardlink_wire::id::GatewayId;

use crate::archive::{Archive, ArchiveError, StreamKey};
use crate::exit::{Exit, Verdict};

/// What `wardlink monitor export` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The directory of the monitor's archive
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The directory to write CSV files into; files of the same names are replaced
    #[arg(long, value_name = "OUTDIR")]
    pub csv: PathBuf,
    /// Only this gateway
    #[arg(long, value_name = "ID")]
    pub gateway: Option<GatewayId>,
}

/// Exports and lists the files.
///
/// # Errors
/// When there is no archive, nothing to export, or a file cannot be written.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), ExportError> {
    let archive = Archive::read_only(&arguments.data)?;
    let written = export(&archive, arguments.gateway.as_ref(), &arguments.csv)?;
    for file in written {
        writeln!(
            out,
            "{:>10} lines  {}",
            file.lines,
            arguments.csv.join(&file.name).display()
        )?;
    }
    Ok(())
}

/// Writes one file for each stream of one gateway, or of all.
///
/// # Errors
/// As [`run`].
pub fn export(
    archive: &Archive,
    gateway: Option<&GatewayId>,
    directory: &Path,
) -> Result<Vec<Written>, ExportError> {
    let _snapshot = archive.snapshot()?;
    let streams = archive.streams(gateway)?;
    let Some(first) = streams.first() else {
        return Err(ExportError::Nothing);
    };
    let several = streams.iter().any(|stream| stream.gateway != first.gateway);
    let mut names = Names::within(directory)?;
    let mut written = Vec::new();
    for stream in &streams {
        written.extend(export_stream(archive, stream, several, &mut names)?);
    }
    Ok(written)
}

fn export_stream(
    archive: &Archive,
    stream: &StreamKey,
    with_gateway: bool,
    names: &mut Names,
) -> Result<Vec<Written>, ExportError> {
    let mut parts = vec![stream.device.as_str(), stream.name.as_str()];
    if with_gateway {
        parts.insert(0, stream.gateway.as_str());
    }
    let mut samples = SampleWriter::new(archive, stream, parts.clone());
    if stream.sampled {
        parts.push("unindexed");
    }
    let mut readings = ReadingWriter::new(parts);
    archive.each_record(stream, |held| {
        if stream.sampled && samples.write(held, names)? {
            return Ok(());
        }
        readings.write(held, names)
    })?;
    let mut written = samples.finish()?;
    written.extend(readings.finish()?);
    Ok(written)
}

/// Why nothing, or not all, was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Nothing there.
    #[error("the archive holds nothing of what was asked for")]
    Nothing,
    /// Indexes without sense.
    #[error("stream {0} starts again too often: its sample indexes make no sense")]
    Restless(String),
    /// A file.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The output.
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
}

impl ExportError {
    fn file(path: &Path, error: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            error,
        }
    }
}

impl Verdict for ExportError {
    fn exit(&self) -> Exit {
        match self {
            Self::Archive(error) => error.exit(),
            Self::Nothing | Self::Restless(_) | Self::File { .. } | Self::Report(_) => Exit::Failed,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  wardlink monitor export --data monitor-data --csv out
  wardlink monitor export --data monitor-data --csv out --gateway gw-0001

Sampled streams (index,raw,status): one line per sample. The status is `valid`, the reason why
there is no value (`lead-off`, `missing-sample`, ...), or `gap`, with its cause where it is known
(`gap:store-full`); quality flags follow (`valid+artefact`). A measurement that starts again goes
to <device>.<stream>.2.csv. What such a stream says without an index, and gap records, are in
<device>.<stream>.unindexed.csv.
Other streams (sequence,utc,value,unit,status): one line per record.";

#[cfg(test)]
mod tests;
