//! One process of the demo, its log file and its end.
//!
//! Promises that the process does not outlive its owner, that Ctrl-C reaches it only through its owner,
//! and that an end nobody asked for is told with the last lines of its log.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::ChildStdout;
use tokio::time::{interval, timeout};

use super::guard::{Guard, GuardError};

/// Where a process's standard output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// To the demo, which reads what the process reports.
    Reported,
    /// To the log, with everything else it says.
    Logged,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    pid: u32,
    log: PathBuf,
    output: Option<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts a process whose standard error is appended to `log`.
    pub(super) async fn start(
        name: &'static str,
        mut command: Command,
        output: Output,
        log: &Path,
        guard: &mut Guard,
    ) -> Result<Self, ChildError> {
        let program = PathBuf::from(command.get_program());
        let log_file = File::options().create(true).append(true).open(log);
        let (errors, said) = log_file
            .and_then(|file| Ok((file.try_clone()?, file)))
            .map_err(|error| ChildError::Log {
                path: log.to_owned(),
                error,
            })?;
        command.process_group(0).stdin(Stdio::null()).stderr(errors);
        command.stdout(match output {
            Output::Reported => Stdio::piped(),
            Output::Logged => Stdio::from(said),
        });
        let mut command = tokio::process::Command::from(command);
        let mut process =
            command
                .kill_on_drop(true)
                .spawn()
                .map_err(|error| ChildError::Start {
                    name,
                    program,
                    error,
                })?;
        let pid = process.id().ok_or(ChildError::Gone(name))?;
        guard.watch(pid).await?;
        let output = process.stdout.take().map(BufReader::new);
        Ok(Self {
            name,
            process,
            pid,
            log: log.to_owned(),
            output,
        })
    }

    /// The next line on its standard output; none once that is closed.
    pub(super) async fn line(&mut self, within: Duration) -> Result<Option<String>, ChildError> {
        let Some(output) = &mut self.output else {
            return Ok(None);
        };
        let mut line = String::new();
        match timeout(within, output.read_line(&mut line)).await {
            Ok(Ok(0) | Err(_)) => Ok(None),
            Ok(Ok(_)) => Ok(Some(line)),
            Err(_) => Err(ChildError::Silent {
                name: self.name,
                within,
                tail: self.tail(),
            }),
        }
    }

    /// Nothing if the process still runs.
    ///
    /// # Errors
    /// When it ended by itself.
    pub(super) fn check(&mut self) -> Result<(), ChildError> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(ChildError::Ended {
                name: self.name,
                status,
                tail: self.tail(),
            }),
            Err(_) => Err(ChildError::Gone(self.name)),
        }
    }

    /// The most memory it ever held, KiB; `VmHWM` of proc_pid_status(5).
    fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    }

    /// Asks it to stop in order (SIGTERM).
    pub(super) fn ask_to_stop(&self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It cannot be somebody else's id: nobody has waited for the process yet.
            if let Err(error) = kill_process(pid, Signal::TERM) {
                tracing::debug!(%error, self.name, "not asked to stop");
            }
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time, or not with success; it is gone afterwards all the same.
    pub(super) async fn finish(
        mut self,
        within: Duration,
        guard: &mut Guard,
    ) -> Result<End, ChildError> {
        let mut peak_memory = self.peak_memory();
        let mut reading = tokio::spawn(read_all(self.output.take()));
        let mut looks = interval(LOOK);
        let ended = timeout(within, async {
            loop {
                tokio::select! {
                    status = self.process.wait() => break status,
                    _ = looks.tick() => peak_memory = self.peak_memory().or(peak_memory),
                }
            }
        })
        .await;
        let Ok(status) = ended else {
            reading.abort();
            let error = ChildError::Stubborn {
                name: self.name,
                within,
                tail: self.tail(),
            };
            self.kill(guard).await?;
            return Err(error);
        };
        guard.forget(self.pid).await?;
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => {
                return Err(ChildError::Ended {
                    name: self.name,
                    status,
                    tail: self.tail(),
                });
            }
            Err(_) => return Err(ChildError::Gone(self.name)),
        }
        // Somebody it started may still hold the pipe open; that is not waited for.
        let output = timeout(LOOK, &mut reading).await;
        reading.abort();
        Ok(End {
            output: output.ok().and_then(Result::ok).unwrap_or_default(),
            peak_memory,
        })
    }

    /// Ends it at once (SIGKILL) and waits until it is gone.
    pub(super) async fn kill(mut self, guard: &mut Guard) -> Result<(), ChildError> {
        self.process
            .kill()
            .await
            .map_err(|_| ChildError::Gone(self.name))?;
        Ok(guard.forget(self.pid).await?)
    }

    /// The last lines of its log.
    pub(super) fn tail(&self) -> Tail {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<_> = text.lines().rev().take(TAIL).collect();
        Tail {
            log: self.log.clone(),
            lines: lines.into_iter().rev().map(ToOwned::to_owned).collect(),
        }
    }
}

/// What a process left behind when it ended in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct End {
    /// What it reported and nobody had read.
    pub(super) output: String,
    /// The most memory it ever held, KiB.
    pub(super) peak_memory: Option<u64>,
}

async fn read_all(output: Option<BufReader<ChildStdout>>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut output) = output {
        // What was read before the pipe failed is all there is.
        drop(output.read_to_end(&mut bytes).await);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The end of a log, for an error message.
#[derive(Debug)]
pub struct Tail {
    log: PathBuf,
    lines: Vec<String>,
}

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.lines.is_empty() {
            return write!(f, "; its log {} is empty", self.log.display());
        }
        write!(f, "; the last lines of {}:", self.log.display())?;
        self.lines
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// What went wrong with a process of the demo.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It did not start.
    #[error("cannot start the {name} ({}): {error}", program.display())]
    Start {
        /// Which process.
        name: &'static str,
        /// Its program.
        program: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Its log cannot be written.
    #[error("cannot write the log {}: {error}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It ended when it should not have, or not with success.
    #[error("the {name} ended with {status}{tail}")]
    Ended {
        /// Which process.
        name: &'static str,
        /// How.
        status: ExitStatus,
        /// What it said.
        tail: Tail,
    },
    /// It said nothing for too long.
    #[error("the {name} did not report within {} s{tail}", within.as_secs())]
    Silent {
        /// Which process.
        name: &'static str,
        /// How long was waited.
        within: Duration,
        /// What it said.
        tail: Tail,
    },
    /// It was asked to stop and did not.
    #[error("the {name} did not stop within {} s and was killed{tail}", within.as_secs())]
    Stubborn {
        /// Which process.
        name: &'static str,
        /// How long was waited.
        within: Duration,
        /// What it said.
        tail: Tail,
    },
    /// The system lost track of it.
    #[error("the {0} is gone and its exit status with it")]
    Gone(&'static str),
    /// The guard of the processes.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

/// How often the memory of a process that is about to end is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of a log that an error message repeats.
const TAIL: usize = 12;
