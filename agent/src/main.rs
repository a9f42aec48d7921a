//! `wardlink-agent`: run, enrol, check, doctor, devices, status, store.

mod commands;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry, reload};
use wardlink_agent::agent::{Agent, Stopping};
use wardlink_agent::config::Settings;
use wardlink_agent::doctor::{self, Reach, Verdict};
use wardlink_agent::enrolment;
use wardlink_agent::status::Report;
use wardlink_wire::profile::LogLevel;

/// Reads medical devices, keeps every reading in a sealed store, and delivers it over mutually
/// authenticated MQTT.
#[derive(Debug, Parser)]
#[command(name = "wardlink-agent", version, arg_required_else_help = true)]
#[command(
    after_help = "Exit status: 0 done, 1 failed, 2 the configuration or the command line is wrong, \
    3 something in the store is lost, 4 a device gave nothing.\n\n\
    An information path, not a primary alarm system: bedside alarms stay where they are."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Where the package's unit looks for the configuration.
const INSTALLED: &str = "/var/lib/wardlink/agent.toml";

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, record and deliver until told to stop
    Run {
        /// The gateway's configuration file
        #[arg(long, value_name = "FILE", default_value = INSTALLED)]
        config: PathBuf,
        /// On an orderly stop, print the last status as one line of JSON
        #[arg(long)]
        json: bool,
        /// How long deliveries may go on after a stop was asked for
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        grace: u64,
        /// If the configuration is not there yet: enrol with this claim file first, into its folder
        #[arg(long, value_name = "FILE")]
        claim: Option<PathBuf>,
    },
    /// Become a member of a fleet, with keys that are made here and stay here
    #[command(subcommand)]
    Enrol(enrolment::command::Command),
    /// Read the configuration and every file it names, and report all faults at once
    Check {
        /// The gateway's configuration file
        #[arg(long, value_name = "FILE", default_value = INSTALLED)]
        config: PathBuf,
    },
    /// Look whether this gateway would measure, keep and deliver: changes nothing, disturbs nobody
    ///
    /// Run it as the user of the agent, so that rights are judged as they will be. Exit status: 0 nothing is
    /// wrong, 1 something is, 2 the configuration has faults.
    Doctor {
        /// The gateway's configuration file
        #[arg(long, value_name = "FILE", default_value = INSTALLED)]
        config: PathBuf,
        /// Send nothing to the network
        #[arg(long)]
        offline: bool,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Look at the store, get records out of it, rotate its key; not while an agent has it open
    #[command(subcommand)]
    Store(commands::store::StoreCommand),
    /// Look at devices on a bench: what there is, what answers, what it says
    #[command(subcommand)]
    Devices(commands::devices::DevicesCommand),
    /// Ask the running agent how it does
    Status {
        /// The gateway's configuration file, which names the status socket
        #[arg(long, value_name = "FILE", default_value = INSTALLED)]
        config: PathBuf,
        /// The status socket itself
        #[arg(long, value_name = "SOCKET", conflicts_with = "config")]
        socket: Option<PathBuf>,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run {
            config,
            json,
            grace,
            claim,
        } => run(&config, claim.as_deref(), json, Duration::from_secs(grace)),
        Command::Enrol(command) => enrol(&command),
        Command::Check { config } => check(&config),
        Command::Doctor {
            config,
            offline,
            json,
        } => doctor(&config, offline, json),
        Command::Store(command) => commands::store::run(command),
        Command::Devices(command) => commands::devices::run(command),
        Command::Status {
            config,
            socket,
            json,
        } => status(&config, socket, json),
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn run(
    config: &Path,
    claim: Option<&Path>,
    json: bool,
    grace: Duration,
) -> anyhow::Result<ExitCode> {
    let set_level = log_to_stderr()?;
    if let Some(claim) = claim.filter(|_| !config.exists()) {
        let folder = config.parent().unwrap_or(Path::new(""));
        let gateway = runtime()?.block_on(enrolment::claim::enrol(folder, claim))?;
        tracing::info!("enrolled as {gateway}");
    }
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(faults) => return Ok(refuse(config, &faults.to_string())),
    };
    let runtime = runtime()?;
    let report = runtime.block_on(async {
        let stop = CancellationToken::new();
        let agent = Agent::open(settings)?;
        tracing::info!("given up: {}", agent.confine()?);
        let stopping = Stopping {
            stop: stop.clone(),
            grace,
        };
        let (mut terminate, mut interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let asked = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            report = agent.run(stopping, set_level) => anyhow::Ok(report?),
            () = asked => anyhow::bail!("stopped before it ended"),
        }
    })?;
    // A bus that does not return must not keep the process: its thread is left behind.
    runtime.shutdown_background();
    tracing::info!(
        recorded = report.recorded,
        backlog = report.backlog,
        "stopped"
    );
    if json {
        writeln!(stdout(), "{}", serde_json::to_string(&report)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn enrol(command: &enrolment::command::Command) -> anyhow::Result<ExitCode> {
    let _level = log_to_stderr()?;
    runtime()?.block_on(enrolment::command::run(command, &mut stdout()))?;
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be made")
}

fn check(config: &Path) -> anyhow::Result<ExitCode> {
    let _level = log_to_stderr()?;
    match Settings::load(config) {
        Ok(settings) => {
            let devices = settings.profile.enrolled.devices.len();
            let place = config.display();
            writeln!(
                stdout(),
                "{place}: no faults: gateway {}, {devices} devices",
                settings.gateway
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => Ok(refuse(config, &faults.to_string())),
    }
}

fn doctor(config: &Path, offline: bool, json: bool) -> anyhow::Result<ExitCode> {
    let _level = log_to_stderr()?;
    let reach = if offline {
        Reach::Offline
    } else {
        Reach::Everything
    };
    let findings = match doctor::examine(config, reach) {
        Ok(findings) => findings,
        Err(faults) => return Ok(refuse(config, &faults.to_string())),
    };
    let out = &mut stdout();
    for finding in &findings {
        if json {
            writeln!(out, "{}", serde_json::to_string(finding)?)?;
        } else {
            writeln!(out, "{finding}")?;
        }
    }
    let worst = findings.iter().map(|finding| finding.verdict).max();
    Ok(match worst {
        Some(Verdict::Wrong) => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

fn status(config: &Path, socket: Option<PathBuf>, json: bool) -> anyhow::Result<ExitCode> {
    let socket = match socket {
        Some(socket) => socket,
        None => match Settings::load(config) {
            Ok(settings) => settings.status_socket.with_context(|| {
                format!(
                    "{}: status.socket is not set, so nobody can ask",
                    config.display()
                )
            })?,
            Err(faults) => return Ok(refuse(config, &faults.to_string())),
        },
    };
    let report = Report::ask(&socket)?;
    if json {
        writeln!(stdout(), "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(stdout(), "{report}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse(config: &Path, faults: &str) -> ExitCode {
    for fault in faults.lines() {
        complain(&format!("{}: {fault}", config.display()));
    }
    ExitCode::from(BAD_CONFIGURATION)
}

fn complain(text: &str) {
    if writeln!(stderr(), "wardlink-agent: {text}").is_err() {
        tracing::error!("{text}");
    }
}

/// Logs to stderr; the function that comes back changes how much.
fn log_to_stderr() -> anyhow::Result<impl Fn(LogLevel) + Send + 'static> {
    let (level, handle) = reload::Layer::new(LevelFilter::INFO);
    let lines = fmt::layer()
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false);
    registry()
        .with(level)
        .with(lines)
        .try_init()
        .context("logging cannot be set up")?;
    Ok(move |level| {
        let filter = match level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        if let Err(error) = handle.reload(filter) {
            tracing::warn!(%error, "log level");
        }
    })
}

const BAD_CONFIGURATION: u8 = 2;
