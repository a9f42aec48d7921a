//! `wardlink`: the operator's program, as a table of its modes.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::Level;
#[cfg(feature = "demo")]
use wardlink::demo;
use wardlink::exit::{Exit, Verdict};
use wardlink::{
    audit, certificate, claim, enrol, export, gateways, init, monitor, rollout, show, watch,
};

/// Enrol gateways, push signed profiles to them, and keep what they measured
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXAMPLES)]
struct CommandLine {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Make a new fleet: authority, broker, operator and monitor
    Init(init::Arguments),
    /// Enrol a gateway on the keys that it made, or answer those that ask by themselves
    Enrol(enrol::Arguments),
    /// Make, show and withdraw files with which gateways enrol by themselves, once
    #[command(subcommand)]
    Claim(claim::Command),
    /// End a gateway's membership: its certificates count no more
    Revoke(certificate::RevokeArguments),
    /// Renew the certificate of broker, monitor or operator; gateways renew theirs by themselves
    Renew(certificate::RenewArguments),
    /// Check, sign and push the profile of a gateway
    #[command(subcommand)]
    Profile(rollout::Command),
    /// Show who is in the fleet and how each does, and sort them into groups
    #[command(subcommand)]
    Gateways(gateways::Command),
    /// Show the fleet as a live table, worst first
    Watch(watch::Arguments),
    /// Check the log of what operators did, or a gateway's
    #[command(subcommand)]
    Audit(audit::Command),
    /// Run the monitor, or look into its archive
    Monitor(monitor::Arguments),
    /// Show the whole way of a reading on this machine, an outage included
    #[cfg(feature = "demo")]
    Demo(demo::Arguments),
    /// Be the broker of a demo
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    DemoBroker(demo::broker::BrokerArguments),
    /// End the processes of a demo that vanished; told by `wardlink demo` on standard input
    #[cfg(feature = "demo")]
    #[command(hide = true)]
    DemoGuard,
}

fn main() -> ExitCode {
    let CommandLine { mode } = CommandLine::parse();
    log(&mode);
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failure::from_program)
        .and_then(|runtime| runtime.block_on(run(mode)));
    match ended {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn run(mode: Mode) -> Result<ExitCode, Failure> {
    // Not locked for good: the watch draws on it from another thread.
    let out = &mut io::stdout();
    match mode {
        Mode::Init(arguments) => init::run(&arguments, out)?,
        Mode::Enrol(arguments) => match arguments.command {
            Some(enrol::Command::Serve(arguments)) => {
                let stop = stop_on_signal().map_err(Failure::from_program)?;
                enrol::serve(&arguments, stop).await?;
            }
            None => enrol::run(&arguments.one, out)?,
        },
        Mode::Claim(command) => claim::run(&command, out)?,
        Mode::Revoke(arguments) => certificate::revoke(&arguments, out)?,
        Mode::Renew(arguments) => certificate::renew(&arguments, out)?,
        Mode::Profile(command) => {
            let answer = rollout::run(&command, out).await?;
            return Ok(answer.map_or(ExitCode::SUCCESS, ExitCode::from));
        }
        Mode::Gateways(command) => {
            let answer = gateways::run(&command, out).await?;
            return Ok(answer.map_or(ExitCode::SUCCESS, ExitCode::from));
        }
        Mode::Watch(arguments) => watch::run(&arguments).await?,
        Mode::Audit(command) => audit::run(&command, out)?,
        Mode::Monitor(arguments) => match arguments.command {
            Some(monitor::Command::Export(arguments)) => export::run(&arguments, out)?,
            Some(monitor::Command::Show(arguments)) => show::run(&arguments, out)?,
            None => {
                let stop = stop_on_signal().map_err(Failure::from_program)?;
                monitor::run(&arguments.run, stop).await?;
            }
        },
        #[cfg(feature = "demo")]
        Mode::Demo(arguments) => demo::run(&arguments).await?,
        #[cfg(feature = "demo")]
        Mode::DemoBroker(arguments) => demo::broker::serve(arguments, out).await?,
        #[cfg(feature = "demo")]
        Mode::DemoGuard => demo::guard::stand(io::stdin().lock())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Cancelled by ctrl-C and by SIGTERM.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    drop(tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        told.cancel();
    }));
    Ok(stop)
}

fn log(mode: &Mode) {
    let level = match mode {
        Mode::Monitor(arguments) if arguments.command.is_none() => arguments.run.log,
        Mode::Enrol(arguments) if arguments.command.is_some() => Level::INFO,
        // A line of log would stand in the picture.
        Mode::Watch(_) => Level::ERROR,
        #[cfg(feature = "demo")]
        Mode::DemoBroker(_) => Level::INFO,
        #[cfg(feature = "demo")]
        Mode::Demo(_) | Mode::DemoGuard => Level::WARN,
        _ => Level::WARN,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
}

/// An error on its way to the person at the terminal.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    const fn from_program(error: anyhow::Error) -> Self {
        Self {
            exit: Exit::Failed,
            error,
        }
    }

    /// Prints the chain of causes, one a line.
    fn report(self) -> ExitCode {
        let mut text = String::from("wardlink: ");
        for (depth, cause) in self.error.chain().enumerate() {
            if depth > 0 {
                text.push_str("\n  because: ");
            }
            text.push_str(&cause.to_string());
        }
        match writeln!(io::stderr(), "{text}") {
            Ok(()) => self.exit.into(),
            // Nobody is left to be told; the exit code still says it.
            Err(_) => self.exit.into(),
        }
    }
}

impl<E: Verdict> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: error.exit(),
            error: error.into(),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  wardlink init
  wardlink enrol gw-0001
  wardlink gateways show gw-0001
  wardlink monitor --data monitor-data
  wardlink profile push --gateway gw-0001 icu.toml
  wardlink monitor export --data monitor-data --csv out

Exit codes: 0 done, 1 failed or refused, 2 faults in what was given, 3 no answer in time.";
