//! The machine: its clock, and what the agent can give up on it.

use std::thread;

use wardlink_wire::time::ClockState;

use super::Finding;
use crate::clock;
use crate::sandbox::{self, Files, Grants};

pub(super) fn examine() -> Vec<Finding> {
    vec![time(), confinement()]
}

fn time() -> Finding {
    match clock::discipline().state {
        ClockState::Synchronised => Finding::well("clock", "synchronised"),
        _ => Finding::doubtful(
            "clock",
            "not known to be synchronised: records say so",
            "enable systemd-timesyncd; without a right clock certificates cannot be judged",
        ),
    }
}

/// Tried on a thread of its own, which ends with it.
fn confinement() -> Finding {
    let what = "confinement";
    let tried = thread::spawn(|| sandbox::confine(&Grants::of_the_machine()));
    match tried.join() {
        Ok(Ok(found)) if found.files == Files::Held && found.calls => {
            Finding::well(what, found.to_string())
        }
        Ok(Ok(found)) => Finding::doubtful(
            what,
            found.to_string(),
            "a newer kernel with Landlock would hold more; the systemd unit holds most of it",
        ),
        Ok(Err(error)) => Finding::wrong(
            what,
            error.to_string(),
            "the agent will not start: what forbids it, a container's own filter?",
        ),
        Err(_) => Finding::wrong(what, "could not be tried", "report this"),
    }
}
