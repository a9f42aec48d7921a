//! One enrolled gateway and its agent.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wardlink_agent::status::Report;
use wardlink_wire::id::GatewayId;
use wardlink_wire::message::PayloadKey;

use crate::program::{Program, Said, ours, run};
use crate::wait;

/// A gateway; its agent runs or does not.
#[derive(Debug)]
pub struct Gateway {
    name: String,
    folder: PathBuf,
    /// The network namespace in which the agent is to run.
    namespace: Option<&'static str>,
    environment: Vec<(String, String)>,
    running: Option<Program>,
}

impl Gateway {
    /// The gateway that was enrolled into a folder.
    #[must_use]
    pub fn at(name: &str, folder: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            folder,
            namespace: None,
            environment: Vec::new(),
            running: None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> GatewayId {
        self.name.parse().expect("it was enrolled under this name")
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in its folder.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.join("agent.toml")
    }

    /// Changes its configuration: every `from` must be there.
    #[track_caller]
    pub fn reconfigure(&self, changes: &[(&str, &str)]) {
        let mut text = fs::read_to_string(self.config()).expect("a configuration");
        for (from, to) in changes {
            assert!(text.contains(from), "agent.toml holds no {from:?}:\n{text}");
            text = text.replace(from, to);
        }
        fs::write(self.config(), text).expect("the configuration is written");
    }

    /// Has its agent run in a network namespace from the next start on.
    pub const fn move_into(&mut self, namespace: &'static str) {
        self.namespace = Some(namespace);
    }

    /// The key it shares with the monitor.
    #[must_use]
    pub fn payload_key(&self) -> PayloadKey {
        let key = wardlink_link::file::read_key(&self.join("payload.key")).expect("a payload key");
        PayloadKey::from_bytes(*key)
    }

    /// Sets a variable of the environment of every agent that is started from now on.
    pub fn set_environment(&mut self, (key, value): (&str, &str)) {
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    /// Starts the agent and waits until it can be asked.
    #[track_caller]
    pub fn start(&mut self) -> Report {
        self.launch();
        wait::until("the agent can be asked", || {
            self.program().assert_running();
            self.report()
        })
    }

    /// Starts the agent, whatever becomes of it.
    #[track_caller]
    pub fn launch(&mut self) -> &mut Program {
        self.launch_with(&[])
    }

    /// Starts the agent with more arguments, whatever becomes of it.
    #[track_caller]
    pub fn launch_with(&mut self, more: &[&str]) -> &mut Program {
        assert!(
            self.running.is_none(),
            "the agent of {} runs already",
            self.name
        );
        let agent = ours("wardlink-agent");
        let mut command = match self.namespace {
            None => agent,
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]);
                command.arg(agent.get_program());
                command
            }
        };
        command.arg("run").arg("--config").arg(self.config());
        command.args(["--json", "--grace", GRACE]).args(more);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        let program = Program::start("agent", &mut command, &self.folder);
        self.running.insert(program)
    }

    /// Its process.
    #[track_caller]
    pub fn program(&mut self) -> &mut Program {
        self.running.as_mut().expect("the agent runs")
    }

    /// What it says of itself now, if it can be asked.
    #[must_use]
    pub fn report(&self) -> Option<Report> {
        Report::ask(&self.join("status.sock")).ok()
    }

    /// Waits until its report is as wanted, and gives it out.
    #[track_caller]
    pub fn until(&mut self, what: &str, is_so: impl FnMut(&Report) -> bool) -> Report {
        self.until_within(wait::LONG, what, is_so)
    }

    /// Waits no longer than `limit` until its report is as wanted, and gives it out.
    #[track_caller]
    pub fn until_within(
        &mut self,
        limit: Duration,
        what: &str,
        mut is_so: impl FnMut(&Report) -> bool,
    ) -> Report {
        let mut last = None;
        let name = self.name.clone();
        let program = self.running.as_mut().expect("the agent runs");
        let socket = self.folder.join("status.sock");
        let deadline = std::time::Instant::now() + limit;
        wait::within(limit + Duration::from_secs(1), what, || {
            program.assert_running();
            last = Report::ask(&socket).ok().or(last.take());
            assert!(
                std::time::Instant::now() < deadline,
                "{name}: waited in vain: {what}; last report: {last:#?}"
            );
            last.clone().filter(&mut is_so)
        })
    }

    /// Waits until it has recorded more than it has now.
    #[track_caller]
    pub fn until_more_is_recorded(&mut self) -> Report {
        let before = self.until("the agent can be asked", |_| true).recorded;
        self.until("more is recorded", |report| report.recorded > before)
    }

    /// Waits until one of its faults says something.
    #[track_caller]
    pub fn until_fault(&mut self, words: &str) -> Report {
        self.until(&format!("a fault says {words:?}"), |report| {
            report.faults.iter().any(|fault| fault.contains(words))
        })
    }

    /// Ends the agent in order and gives out its last report.
    #[track_caller]
    pub fn stop(&mut self) -> Report {
        let mut program = self.running.take().expect("the agent runs");
        let status = program.terminate();
        assert!(status.success(), "{}: {status}", self.name);
        let said = program.stdout();
        let line = said.lines().last().unwrap_or_default();
        assert!(
            !self.join("status.sock").exists(),
            "the status socket was left behind"
        );
        serde_json::from_str(line).unwrap_or_else(|error| panic!("no report: {error}: {line:?}"))
    }

    /// Ends the agent at once.
    #[track_caller]
    pub fn kill(&mut self) {
        self.running.take().expect("the agent runs").kill();
    }

    /// Runs `wardlink-agent check`.
    #[track_caller]
    #[must_use]
    pub fn check(&self) -> Said {
        run(ours("wardlink-agent")
            .arg("check")
            .arg("--config")
            .arg(self.config()))
    }
}

/// Seconds that deliveries may go on after a stop: longer than the longest back-off.
const GRACE: &str = "60";
