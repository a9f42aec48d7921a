//! How a command ends: the exit codes that scripts rely on.

use std::process::ExitCode;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Tried and failed, or refused: 1.
    Failed,
    /// What was given cannot be used: 2, as for a slip in the command line.
    BadInput,
    /// Nobody answered in time: 3.
    NoAnswer,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Failed => 1,
            Exit::BadInput => 2,
            Exit::NoAnswer => 3,
        })
    }
}

/// An error that ends a command.
pub trait Verdict: std::error::Error + Send + Sync + 'static {
    /// What it means to the caller of the program.
    fn exit(&self) -> Exit;
}
