//! The operator's audit log, and `wardlink audit`.
//!
//! Owns `audit.log` of the fleet directory: one entry for each thing an operator did, in the chain of
//! `wardlink_wire::audit`. Promises that an entry is on the disk before what it says is reported done, and
//! that a log in which something was changed, taken out or put in is found. Entries cut off at the end are
//! found by whoever noted a later head, which every `audit verify` prints.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use wardlink_wire::audit::{self, AuditError, Chain};
use wardlink_wire::codec::EncodeError;

use crate::clock;
use crate::directory::{DirectoryError, FleetDirectory};
use crate::exit::{Exit, Verdict};
use crate::pki::hex;

/// What `wardlink audit` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Check a log: nothing in it was changed, taken out or put in
    Verify(Arguments),
    /// Check a log and show what it says
    Show(Arguments),
}

/// Which log.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The parts of a gateway's log, oldest first [default: the operator's own log]
    pub files: Vec<PathBuf>,
    /// The fleet directory
    #[arg(long, value_name = "DIR", default_value = ".wardlink")]
    pub fleet: PathBuf,
}

/// Does it.
///
/// # Errors
/// When a log cannot be read, or is not what was written.
pub fn run(command: &Command, out: &mut dyn Write) -> Result<(), AuditLogError> {
    let (Command::Verify(arguments) | Command::Show(arguments)) = command;
    let files = if arguments.files.is_empty() {
        let fleet = FleetDirectory::at(&arguments.fleet);
        fleet.settings()?;
        vec![fleet.audit()]
    } else {
        arguments.files.clone()
    };
    let parts: Vec<Vec<u8>> = files
        .iter()
        .map(|path| read(path))
        .collect::<Result<_, _>>()?;
    let chain = audit::verify(parts.iter().map(Vec::as_slice))?;
    if matches!(command, Command::Show(_)) {
        for entry in &chain.entries {
            writeln!(
                out,
                "{:>6} {} {} {}: {}",
                entry.serial,
                clock::text_of_ns(entry.utc_ns),
                entry.author.escape_debug(),
                entry.action.escape_debug(),
                entry.detail.escape_debug()
            )?;
        }
    }
    writeln!(
        out,
        "holds: {} entries, head {} {}",
        chain.entries.len(),
        chain.head.entries,
        hex(&chain.head.hash)
    )?;
    if chain.torn > 0 {
        writeln!(
            out,
            "{} bytes at its end are no whole entry: a power cut",
            chain.torn
        )?;
    }
    Ok(())
}

/// Notes what an operator did, durably.
///
/// # Errors
/// When the log cannot be written, or is not what was written before: then nothing is added.
pub fn note(fleet: &FleetDirectory, action: &str, detail: &str) -> Result<(), AuditLogError> {
    let path = fleet.audit();
    let failed = |error| AuditLogError::Io {
        path: path.clone(),
        error,
    };
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    file.lock().map_err(failed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    let chain = audit::verify([bytes.as_slice()])?;
    let (frame, _) = chain
        .head
        .extend(clock::now_ns(), &author(), action, detail)?;
    append(&mut file, &bytes, &chain, &frame).map_err(failed)
}

/// Writes after the last whole entry: what a power cut left of one is overwritten.
fn append(file: &mut File, before: &[u8], chain: &Chain, frame: &[u8]) -> io::Result<()> {
    let end = before.len() - chain.torn;
    file.set_len(u64::try_from(end).unwrap_or(u64::MAX))?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(frame)?;
    file.sync_all()
}

/// Who is at work, as the system says it.
fn author() -> String {
    let name = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    format!("operator {name}")
}

fn read(path: &Path) -> Result<Vec<u8>, AuditLogError> {
    let mut bytes = Vec::new();
    let failed = |error| AuditLogError::Io {
        path: path.to_owned(),
        error,
    };
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(failed)?;
    Ok(bytes)
}

/// Why a log is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AuditLogError {
    /// No fleet, whose log it would be.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Not what was written.
    #[error("audit log: {0}")]
    Chain(#[from] AuditError),
    /// An entry.
    #[error("audit log: {0}")]
    Encode(#[from] EncodeError),
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The output.
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
}

impl Verdict for AuditLogError {
    fn exit(&self) -> Exit {
        match self {
            Self::Directory(error) => error.exit(),
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => Exit::BadInput,
            _ => Exit::Failed,
        }
    }
}
