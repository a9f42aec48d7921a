//! `wardlink-agent devices`: what an integrator needs on a bench.
//!
//! Everything here only listens and reads; `probe` touches a bus only when that bus is named. A device that a
//! running agent has open is refused by the system, by name. Nothing is recorded or sent.

mod list;
mod probe;
mod read;
mod selection;
mod text;
mod watch;

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use selection::Selection;

/// What to do with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DevicesCommand {
    /// Say which devices are configured, and which buses and lines this machine has
    List {
        /// The gateway's configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Find out what answers on one bus or line, by reading only
    ///
    /// An I2C bus is asked for one byte at every address (0x08 to 0x77). A serial line is listened to with the
    /// settings of each driver for some seconds.
    Probe {
        /// The bus or line: /dev/i2c-1, /dev/ttyUSB0
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Read one device until each of its numbers was said once
    ReadOnce {
        #[command(flatten)]
        device: Selection,
        /// How long to wait for the first reading
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        timeout: u64,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Show live values and waves of one device in the terminal
    Watch {
        #[command(flatten)]
        device: Selection,
    },
}

/// Runs one of them.
pub(crate) fn run(command: DevicesCommand) -> anyhow::Result<ExitCode> {
    match command {
        DevicesCommand::List { config, json } => list::run(config.as_deref(), json),
        DevicesCommand::Probe { path, json } => probe::run(&path, json),
        DevicesCommand::ReadOnce {
            device,
            timeout,
            json,
        } => read::run(&device, timeout, json),
        DevicesCommand::Watch { device } => watch::run(&device),
    }
}

/// Says what is wrong with a file or the command line.
fn wrong(faults: &str) -> anyhow::Result<ExitCode> {
    for fault in faults.lines() {
        writeln!(stderr(), "wardlink-agent: {fault}")?;
    }
    Ok(ExitCode::from(WRONG))
}

/// Says that a device gave nothing.
fn nothing(why: &str) -> anyhow::Result<ExitCode> {
    writeln!(stderr(), "wardlink-agent: {why}")?;
    Ok(ExitCode::from(NOTHING))
}

const WRONG: u8 = 2;
const NOTHING: u8 = 4;
