//! The guard: a process that ends the demo's children when the demo can no longer do it itself.
//!
//! A demo that returns, fails or is interrupted ends its children in order. One that is killed cannot, so
//! a second process of the same program reads the children's ids from a pipe and ends what is left when
//! the pipe closes. It holds a file descriptor of each process, so an id that the system gave to
//! somebody else meanwhile is never hit.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};

use crate::exit::{Exit, Verdict};

/// The demo's end of the pipe.
#[derive(Debug)]
pub(super) struct Guard {
    orders: ChildStdin,
    // never waited for: it ends by itself when the pipe closes
    _process: Child,
}

impl Guard {
    /// Starts the guard, which is `program` under another name.
    pub(super) fn start(program: &Path) -> Result<Self, GuardError> {
        let mut command = Command::new(program);
        // Ctrl-C goes to the whole process group of the terminal; the guard must outlast it.
        command.arg(COMMAND).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = tokio::process::Command::from(command)
            .spawn()
            .map_err(GuardError::Start)?;
        let orders = process.stdin.take().ok_or(GuardError::Closed)?;
        Ok(Self {
            orders,
            _process: process,
        })
    }

    /// Ends `pid` should the demo vanish.
    pub(super) async fn watch(&mut self, pid: u32) -> Result<(), GuardError> {
        self.order(&format!("+{pid}\n")).await
    }

    /// Leaves `pid` alone from now on.
    pub(super) async fn forget(&mut self, pid: u32) -> Result<(), GuardError> {
        self.order(&format!("-{pid}\n")).await
    }

    async fn order(&mut self, order: &str) -> Result<(), GuardError> {
        self.orders
            .write_all(order.as_bytes())
            .await
            .map_err(|_| GuardError::Closed)
    }
}

/// The guard process: reads orders until they end, then ends every process still watched.
///
/// # Errors
/// When the orders cannot be read; whatever was watched is ended all the same.
pub fn stand(orders: impl BufRead) -> Result<(), GuardError> {
    let mut watched: BTreeMap<i32, OwnedFd> = BTreeMap::new();
    let mut outcome = Ok(());
    for order in orders.lines() {
        let order = match order {
            Ok(order) => order,
            Err(error) => {
                outcome = Err(GuardError::Orders(error));
                break;
            }
        };
        match parse(&order) {
            Some((true, pid)) => {
                if let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) {
                    watched.insert(pid.as_raw_nonzero().get(), process);
                }
            }
            Some((false, pid)) => drop(watched.remove(&pid.as_raw_nonzero().get())),
            None => {}
        }
    }
    for process in watched.values() {
        if let Err(error) = pidfd_send_signal(process, Signal::KILL) {
            // It is gone already, which is what we want.
            tracing::debug!(%error, "not ended");
        }
    }
    outcome
}

fn parse(order: &str) -> Option<(bool, Pid)> {
    let (sign, pid) = order.split_at_checked(1)?;
    // Not a sign: a negative number would be a process group.
    let pid = i32::try_from(pid.parse::<u32>().ok()?).ok()?;
    let pid = Pid::from_raw(pid)?;
    match sign {
        "+" => Some((true, pid)),
        "-" => Some((false, pid)),
        _ => None,
    }
}

/// Why there is no guard.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// It did not start.
    #[error("cannot start the guard of the demo's processes: {0}")]
    Start(io::Error),
    /// It cannot read its orders.
    #[error("the guard cannot read its orders: {0}")]
    Orders(io::Error),
    /// It went away.
    #[error("the guard of the demo's processes ended early")]
    Closed,
}

impl Verdict for GuardError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// The hidden subcommand that runs [`stand`].
const COMMAND: &str = "demo-guard";

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> std::process::Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn what_is_still_watched_ends_with_the_orders_and_nothing_else_does() {
        let (mut watched, mut forgotten) = (sleeper(), sleeper());
        let orders = format!(
            "+{}\n+{}\nnonsense\n-{}\n",
            watched.id(),
            forgotten.id(),
            forgotten.id()
        );
        stand(orders.as_bytes()).unwrap();
        assert!(!watched.wait().unwrap().success());
        assert!(forgotten.try_wait().unwrap().is_none());
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }

    #[test]
    fn no_order_can_reach_a_process_group_or_everybody() {
        for order in ["+0", "+-1", "+", "", "12", "+abc", "+99999999999999999999"] {
            let parsed = parse(order).map(|(_, pid)| pid.as_raw_nonzero().get());
            assert!(parsed.is_none_or(|pid| pid > 0), "{order:?}: {parsed:?}");
        }
    }
}
