//! `wardlink demo`: the whole path, alive, on one machine.
//!
//! Owns a throw-away fleet, an embedded broker that demands client certificates, the monitor and the real
//! agent in simulation, each a process of its own; shows how it goes and ends with an account of what was
//! recorded and what was delivered. Promises a good exit only if both agree and nothing is there twice,
//! and that no process outlives it. Behind the feature `demo`: neither the agent nor an operator's build
//! carries any of it.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`broker`] | the embedded broker, `wardlink demo-broker` |
//! | [`guard`], `child`, `processes` | processes and their end |
//! | `stage`, `plan`, `port` | the directory, the fleet, the profile, the port |
//! | `run`, `outage`, `interrupts` | the course of a run |
//! | `agent`, `archive`, `progress`, `display` | what is seen while it runs |
//! | `tally` | the account |

mod agent;
mod archive;
pub mod broker;
mod child;
mod display;
pub mod guard;
mod interrupts;
mod outage;
mod plan;
mod port;
mod processes;
mod progress;
mod run;
mod stage;
mod tally;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::archive::ArchiveError;
use crate::exit::{Exit, Verdict};
use agent::StatusError;
use child::{ChildError, Tail};
use display::Display;
use interrupts::Interrupts;
use outage::{Outage, OutageError};
use plan::{PlanError, Scene};
use port::Reservation;
use processes::{ProgramError, Programs};
use run::Run;
use stage::{Stage, StageError};
pub use tally::{LaneTally, Tally};

/// What `wardlink demo` is told.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// How long to run, such as 30s or 5m [default: until Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub length: Option<Duration>,
    /// Cut the broker off for so long in the middle of the run
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub outage: Option<Duration>,
    /// Play this WFDB record (its .hea file) in place of the simulated patient
    #[arg(long, value_name = "FILE")]
    pub recording: Option<PathBuf>,
    /// Play the recording so many times faster than it was recorded
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor, requires = "recording")]
    pub speed: f64,
    /// Keep everything in this directory, new or empty [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the account as one JSON object, the last line on standard output; progress goes to standard error
    #[arg(long)]
    pub json: bool,
    /// The agent's program [default: wardlink-agent beside this program]
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
    /// Where the simulation's random numbers begin
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=MOST_SEED))]
    pub seed: u64,
}

/// Runs the demo and prints its account.
///
/// # Errors
/// When something cannot be had or fails on the way, and when the account is not good.
pub async fn run(arguments: &Arguments) -> Result<(), DemoError> {
    let outage = arguments
        .outage
        .map(|lasts| Outage::plan(arguments.length, lasts))
        .transpose()?;
    let scene = scene(arguments)?;
    let profile = scene.profile(arguments.seed)?;
    let programs = Programs::find(arguments.agent.as_deref())?;
    let stage = Stage::prepare(arguments.out.as_deref())?;
    let mut interrupts = Interrupts::catch().map_err(DemoError::Signals)?;
    let mut display = Display::new(arguments.json);
    let reservation = Reservation::take().map_err(DemoError::Port)?;
    stage.furnish(reservation.address(), &profile)?;
    display.say(&format!(
        "one gateway, {} (seed {}); a broker on {} that demands client certificates; a monitor",
        scene.describe(),
        arguments.seed,
        reservation.address()
    ));
    let run = Run {
        programs: &programs,
        stage: &stage,
        address: reservation.release(),
        planned: arguments.length,
        outage,
    };
    let tally = run.play(&mut display, &mut interrupts).await?;
    let tally = Tally {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: arguments.seed,
        ..tally
    };
    if arguments.out.is_some() {
        display.say(&kept(stage.root()));
    }
    report(&tally, arguments.json).map_err(DemoError::Report)?;
    match tally.faults() {
        faults if faults.is_empty() => Ok(()),
        faults if arguments.out.is_some() => Err(DemoError::NotGood(faults.join("; "))),
        faults => Err(DemoError::NotGood(format!(
            "{} (with --out DIR the logs and the archive are kept)",
            faults.join("; ")
        ))),
    }
}

fn scene(arguments: &Arguments) -> Result<Scene, DemoError> {
    let Some(recording) = &arguments.recording else {
        return Ok(Scene::Bedside);
    };
    let unreadable = |error| DemoError::Recording {
        header: recording.clone(),
        error,
    };
    let header = recording.canonicalize().map_err(unreadable)?;
    if header.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    drop(File::open(&header).map_err(unreadable)?);
    Ok(Scene::Recording {
        header,
        speed: arguments.speed,
    })
}

fn kept(root: &Path) -> String {
    let root = root.display();
    format!(
        "everything is kept in {root}; as tables: wardlink monitor export --data {root} --csv DIR"
    )
}

fn report(tally: &Tally, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, tally)?;
        writeln!(out)?;
    } else {
        let faults = tally.faults();
        let verdict = match faults.as_slice() {
            [] => "everything that was recorded was delivered, once".to_owned(),
            faults => format!("not good: {}", faults.join("; ")),
        };
        writeln!(out, "\n{verdict}\n\n{}", tally.text().trim_end())?;
    }
    out.flush()
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err("a duration above 0 is needed".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("a number and a unit are needed, such as 30s or 5m".to_owned()),
    }
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("a number above 0 is needed".to_owned()),
    }
}

/// Why a demo did not run, or did not go well.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The outage.
    #[error(transparent)]
    Outage(#[from] OutageError),
    /// The recording.
    #[error("cannot read the recording {}: {error} (name the .hea file of a WFDB record)", header.display())]
    Recording {
        /// The file.
        header: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The profile.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The programs.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The directory and the fleet.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Signals.
    #[error("cannot catch signals: {0}")]
    Signals(io::Error),
    /// No port.
    #[error("no loopback port is free: {0}")]
    Port(io::Error),
    /// A process.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The agent runs and records nothing.
    #[error("the agent recorded nothing within {} s: {why}{tail}", within.as_secs())]
    NothingRecorded {
        /// How long was waited.
        within: Duration,
        /// What it says of itself.
        why: String,
        /// What it said.
        tail: Tail,
    },
    /// The agent's account.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Stopped before there was anything to account for, or twice.
    #[error("interrupted")]
    Interrupted,
    /// The account cannot be printed.
    #[error("cannot print the account: {0}")]
    Report(io::Error),
    /// The account is not good.
    #[error("the run was not good: {0}")]
    NotGood(String),
}

impl Verdict for DemoError {
    fn exit(&self) -> Exit {
        match self {
            Self::Outage(_)
            | Self::Recording { .. }
            | Self::Plan(_)
            | Self::Program(_)
            | Self::Stage(StageError::Used(_)) => Exit::BadInput,
            Self::Stage(_)
            | Self::Signals(_)
            | Self::Port(_)
            | Self::Child(_)
            | Self::NothingRecorded { .. }
            | Self::Status(_)
            | Self::Archive(_)
            | Self::Interrupted
            | Self::Report(_)
            | Self::NotGood(_) => Exit::Failed,
        }
    }
}

/// A profile's numbers are signed, and every device takes the next one.
const MOST_SEED: u64 = i64::MAX as u64 - 16;

const EXAMPLES: &str = "\
Examples:
  wardlink demo
  wardlink demo --for 30s --outage 10s --json
  wardlink demo --recording 100.hea --speed 4 --for 20s --out run1

Ctrl-C ends the run in order; a second one ends it at once. The exit code is 0 only if
everything that was recorded was delivered, once.";
