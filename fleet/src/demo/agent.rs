//! What the agent says of itself: on its status socket while it runs, on its last line when it stops.
//!
//! Read leniently: a field that is missing is zero or empty, one that is new is passed over, so that the
//! demo of one version can show an agent of another.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The agent's own account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct AgentStatus {
    /// Which gateway.
    pub(super) gateway: String,
    /// Which store.
    pub(super) epoch: String,
    /// The agent's version.
    pub(super) agent: String,
    /// `connected`, `connecting` or another word.
    pub(super) link: String,
    /// Version of the profile in force.
    pub(super) profile: u64,
    /// Records committed since the store was created.
    pub(super) recorded: u64,
    /// Records committed and not acknowledged.
    pub(super) backlog: u64,
    /// Receipts believed.
    pub(super) receipts: u64,
    /// Per lane.
    pub(super) lanes: Vec<LaneStatus>,
    /// Per device.
    pub(super) devices: Vec<DeviceStatus>,
    /// What is wrong, in words.
    pub(super) faults: Vec<String>,
}

/// One lane of the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct LaneStatus {
    /// Its word.
    pub(super) lane: String,
    /// Records committed.
    pub(super) recorded: u64,
    /// Records committed and not acknowledged.
    pub(super) backlog: u64,
    /// Records acknowledged.
    pub(super) acknowledged: u64,
}

/// One device of the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct DeviceStatus {
    /// Its id.
    pub(super) id: String,
    /// Its driver.
    pub(super) driver: String,
    /// `starting`, `reading`, `lost`, `ended` or another word.
    pub(super) state: String,
    /// Readings so far.
    pub(super) readings: u64,
    /// Why it does not measure.
    pub(super) fault: Option<String>,
}

impl DeviceStatus {
    /// Whether it never gave a reading and gives none now: what was asked for cannot be shown.
    fn is_mute(&self) -> bool {
        self.state == "lost" && self.readings == 0
    }

    /// What is wrong with it, in words.
    pub(super) fn trouble(&self) -> Option<String> {
        let Self { id, driver, .. } = self;
        (self.state == "lost").then(|| match &self.fault {
            Some(fault) => format!("{id} ({driver}) is lost: {fault}"),
            None => format!("{id} ({driver}) is lost"),
        })
    }
}

impl AgentStatus {
    /// Asks a running agent.
    ///
    /// # Errors
    /// When it does not answer in time, or with something else.
    pub(super) async fn ask(socket: &Path) -> Result<Self, StatusError> {
        let failed = |error| StatusError::Io {
            socket: socket.to_owned(),
            error,
        };
        let answer = timeout(ANSWER, async {
            let stream = UnixStream::connect(socket).await?;
            let mut text = String::new();
            stream.take(LONGEST).read_to_string(&mut text).await?;
            Ok(text)
        })
        .await
        .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
        serde_json::from_str(&answer).map_err(StatusError::Json)
    }

    /// The account in the last line of what a stopped agent printed.
    ///
    /// # Errors
    /// When there is no such line.
    pub(super) fn last_of(output: &str) -> Result<Self, StatusError> {
        let line = output.lines().rev().find(|line| !line.trim().is_empty());
        serde_json::from_str(line.ok_or(StatusError::Nothing)?).map_err(StatusError::Json)
    }

    /// What is wrong with devices that never gave a reading.
    pub(super) fn mute_devices(&self) -> Vec<String> {
        let mute = self.devices.iter().filter(|device| device.is_mute());
        mute.filter_map(DeviceStatus::trouble).collect()
    }

    /// The account of one lane, if it has one.
    pub(super) fn lane(&self, word: &str) -> Option<&LaneStatus> {
        self.lanes.iter().find(|lane| lane.lane == word)
    }
}

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The socket.
    #[error("the agent's status socket {}: {error}", socket.display())]
    Io {
        /// Where.
        socket: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The answer.
    #[error("the agent's account of itself is not understood: {0}")]
    Json(serde_json::Error),
    /// No answer.
    #[error("the agent printed no account of itself when it stopped")]
    Nothing,
}

const ANSWER: Duration = Duration::from_secs(2);
const LONGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_of_another_version_is_still_read() {
        let output = "started\n{\"recorded\":7,\"novelty\":[1],\"lanes\":[{\"lane\":\"wave\",\"recorded\":7}]}\n\n";
        let status = AgentStatus::last_of(output).unwrap();
        assert_eq!(status.recorded, 7);
        assert_eq!(status.lane("wave").unwrap().recorded, 7);
        assert!(status.lane("vital").is_none());
        assert!(status.mute_devices().is_empty());
        assert!(matches!(
            AgentStatus::last_of("\n"),
            Err(StatusError::Nothing)
        ));
    }

    #[test]
    fn a_device_that_never_spoke_is_told_apart_from_one_that_was_unplugged() {
        let json = r#"{"devices":[
            {"id":"ecg","driver":"ads1292r","state":"lost","readings":0,"fault":"no such file"},
            {"id":"ppg","driver":"max30102","state":"lost","readings":9},
            {"id":"oximeter","driver":"nonin","state":"starting","readings":0}]}"#;
        let status = AgentStatus::last_of(&json.replace('\n', "")).unwrap();
        assert_eq!(
            status.mute_devices(),
            ["ecg (ads1292r) is lost: no such file"]
        );
    }
}
