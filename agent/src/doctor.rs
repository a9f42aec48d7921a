//! The pre-flight check: would this gateway measure, keep and deliver?
//!
//! Owns a list of examinations, each a file of its own. Promises that every finding names the thing and what
//! to do, that nothing is changed and no device is spoken to, and that an agent which runs is not disturbed.
//! Refuses to guess: what cannot be looked at is said.

mod broker;
mod devices;
mod machine;
mod storage;

use std::fmt;
use std::path::Path;

use serde::Serialize;
use wardlink_wire::document::Faults;

use crate::config::Settings;

/// What was looked at, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Well,
    /// It works, and somebody should know.
    Doubtful,
    /// Something will not work.
    Wrong,
}

/// What to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The broker is asked as well.
    Everything,
    /// Nothing is sent to the network.
    Offline,
}

/// Examines the gateway that a configuration describes.
///
/// # Errors
/// The faults of the configuration: without it there is nothing to examine.
pub fn examine(config: &Path, reach: Reach) -> Result<Vec<Finding>, Faults> {
    let settings = Settings::load(config)?;
    let mut findings = vec![Finding::well(
        "configuration",
        format!("gateway {}, no faults", settings.gateway),
    )];
    findings.extend(storage::examine(&settings));
    findings.extend(devices::examine(&settings.profile.enrolled));
    findings.extend(machine::examine());
    findings.push(broker::identity(&settings));
    findings.push(broker::renewal(&settings));
    match reach {
        Reach::Everything => findings.push(broker::reach(&settings.broker)),
        Reach::Offline => findings.push(Finding::doubtful(
            "broker",
            "not asked (--offline)",
            "run it again with the network to be sure",
        )),
    }
    Ok(findings)
}

impl Finding {
    fn well(what: impl Into<String>, seen: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict: Verdict::Well,
            seen: seen.into(),
            advice: None,
        }
    }

    fn doubtful(
        what: impl Into<String>,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Doubtful,
            advice: Some(advice.into()),
            ..Self::well(what, seen)
        }
    }

    fn wrong(what: impl Into<String>, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Wrong,
            ..Self::doubtful(what, seen, advice)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Well => "well ",
            Verdict::Doubtful => "doubt",
            Verdict::Wrong => "WRONG",
        };
        write!(f, "{verdict}  {}: {}", self.what, self.seen)?;
        match &self.advice {
            Some(advice) => write!(f, "\n       -> {advice}"),
            None => Ok(()),
        }
    }
}
