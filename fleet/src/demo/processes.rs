//! The processes of the demo: broker, monitor and agent, each a real program of its own.
//!
//! Promises that they start in the order they need each other, that one which ends by itself is noticed,
//! and that none outlives the demo, however the demo ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::broker::listening_address;
use super::child::{Child, ChildError, End, Output, Tail};
use super::guard::Guard;
use super::stage::Stage;

/// Where the programs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    /// This program, which is broker, monitor and guard too.
    pub(super) own: PathBuf,
    /// The agent.
    pub(super) agent: PathBuf,
}

/// The running processes. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Processes {
    broker: Option<Child>,
    monitor: Child,
    agent: Child,
    guard: Guard,
}

impl Programs {
    /// This program, and the agent at `agent` or else beside this program.
    pub(super) fn find(agent: Option<&Path>) -> Result<Self, ProgramError> {
        let own = std::env::current_exe().map_err(ProgramError::Own)?;
        let agent = match agent {
            Some(agent) => agent.to_owned(),
            None => own.with_file_name(AGENT),
        };
        // A bare name would be looked for in PATH.
        match std::path::absolute(&agent) {
            Ok(agent) if agent.is_file() => Ok(Self { own, agent }),
            _ => Err(ProgramError::NoAgent(agent)),
        }
    }
}

impl Processes {
    /// Starts everything, with a broker at `address`.
    pub(super) async fn start(
        programs: &Programs,
        stage: &Stage,
        address: SocketAddr,
    ) -> Result<Self, ChildError> {
        let mut guard = Guard::start(&programs.own)?;
        let broker = start_broker(programs, stage, address, &mut guard).await?;
        let mut monitor = Command::new(&programs.own);
        monitor.arg("monitor").arg("--fleet").arg(stage.fleet());
        monitor.arg("--data").arg(stage.root());
        let log = stage.log("monitor");
        let monitor = Child::start("monitor", monitor, Output::Logged, &log, &mut guard).await?;
        let mut agent = Command::new(&programs.agent);
        agent.arg("run").arg("--json");
        agent.arg("--grace").arg(GRACE.as_secs().to_string());
        agent.arg("--config").arg(stage.agent_configuration());
        let log = stage.log("agent");
        let agent = Child::start("agent", agent, Output::Reported, &log, &mut guard).await?;
        Ok(Self {
            broker: Some(broker),
            monitor,
            agent,
            guard,
        })
    }

    /// Whether all of them run that should.
    ///
    /// # Errors
    /// When one ended by itself.
    pub(super) fn check(&mut self) -> Result<(), ChildError> {
        if let Some(broker) = &mut self.broker {
            broker.check()?;
        }
        self.monitor.check()?;
        self.agent.check()
    }

    /// The last lines of the agent's log.
    pub(super) fn agent_tail(&self) -> Tail {
        self.agent.tail()
    }

    /// Cuts the broker off: its process is killed, and everything it held in memory is gone.
    pub(super) async fn cut_broker(&mut self) -> Result<(), ChildError> {
        match self.broker.take() {
            Some(broker) => broker.kill(&mut self.guard).await,
            None => Ok(()),
        }
    }

    /// Brings a broker back at the same address.
    pub(super) async fn restore_broker(
        &mut self,
        programs: &Programs,
        stage: &Stage,
        address: SocketAddr,
    ) -> Result<(), ChildError> {
        if self.broker.is_none() {
            self.broker = Some(start_broker(programs, stage, address, &mut self.guard).await?);
        }
        Ok(())
    }

    /// Stops the agent in order: it commits what it has read and delivers what is left.
    pub(super) async fn stop_agent(self, within: Duration) -> Result<(End, Rest), ChildError> {
        let Self {
            broker,
            monitor,
            agent,
            mut guard,
        } = self;
        agent.ask_to_stop();
        let end = agent.finish(within, &mut guard).await?;
        Ok((
            end,
            Rest {
                broker,
                monitor,
                guard,
            },
        ))
    }
}

/// What runs after the agent stopped. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Rest {
    broker: Option<Child>,
    monitor: Child,
    guard: Guard,
}

impl Rest {
    /// Whether they run.
    ///
    /// # Errors
    /// When one ended by itself.
    pub(super) fn check(&mut self) -> Result<(), ChildError> {
        if let Some(broker) = &mut self.broker {
            broker.check()?;
        }
        self.monitor.check()
    }

    /// Stops the monitor in order, then the broker.
    pub(super) async fn stop(mut self, within: Duration) -> Result<(), ChildError> {
        self.monitor.ask_to_stop();
        self.monitor.finish(within, &mut self.guard).await?;
        match self.broker {
            Some(broker) => broker.kill(&mut self.guard).await,
            None => Ok(()),
        }
    }
}

async fn start_broker(
    programs: &Programs,
    stage: &Stage,
    address: SocketAddr,
    guard: &mut Guard,
) -> Result<Child, ChildError> {
    let mut command = Command::new(&programs.own);
    command.arg("demo-broker");
    command.arg("--listen").arg(address.to_string());
    command.arg("--ca").arg(stage.broker_file("ca.pem"));
    command
        .arg("--certificate")
        .arg(stage.broker_file("broker.pem"));
    command.arg("--key").arg(stage.broker_file("broker.key"));
    command.arg("--gateway").arg(stage.gateway().as_str());
    let log = stage.log("broker");
    let mut broker = Child::start("broker", command, Output::Reported, &log, guard).await?;
    let deadline = Instant::now() + READY;
    while let Some(line) = broker
        .line(deadline.saturating_duration_since(Instant::now()))
        .await?
    {
        if listening_address(&line).is_some() {
            return Ok(broker);
        }
    }
    // Its output is closed: it is ending, and its status says why.
    Err(match broker.finish(READY, guard).await {
        Ok(_) => ChildError::Gone("broker"),
        Err(error) => error,
    })
}

/// Why a program cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// This one.
    #[error("cannot find this program's own file: {0}")]
    Own(std::io::Error),
    /// The agent.
    #[error("no agent at {}: build it with `cargo build -p wardlink-agent`, or name it with --agent", .0.display())]
    NoAgent(PathBuf),
}

/// How long the agent may deliver what is left after it was told to stop.
pub(super) const GRACE: Duration = Duration::from_secs(60);
const AGENT: &str = "wardlink-agent";
/// A broker listens well within this time, also on a loaded machine.
const READY: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_agent_is_named_with_the_command_that_builds_it() {
        let said = Programs::find(Some(Path::new("/nowhere/agent"))).unwrap_err();
        let said = said.to_string();
        assert!(said.contains("/nowhere/agent"), "{said}");
        assert!(said.contains("cargo build -p wardlink-agent"), "{said}");
    }
}
