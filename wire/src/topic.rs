//! The names on the broker.
//!
//! Owns `wardlink/1/<gateway>/<what>`. Promises that a parsed topic names a valid gateway and a known
//! subject; brokers bind `<gateway>` to the common name of the client certificate.

use std::fmt;

use crate::id::GatewayId;
use crate::lane::Lane;

/// What a topic of a gateway is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Sealed batches of one lane, from the gateway.
    Lane(Lane),
    /// Devices and streams, retained, from the gateway.
    Birth,
    /// Health, retained, from the gateway; its last will says offline.
    State,
    /// Receipts, retained, from the monitor.
    Receipt,
    /// Signed bundles, retained, from an operator.
    Config,
    /// What became of a bundle, retained, from the gateway.
    ConfigState,
}

impl Subject {
    const ALL: [Self; 9] = [
        Self::Lane(Lane::Alarm),
        Self::Lane(Lane::Vital),
        Self::Lane(Lane::Event),
        Self::Lane(Lane::Wave),
        Self::Birth,
        Self::State,
        Self::Receipt,
        Self::Config,
        Self::ConfigState,
    ];

    const fn path(self) -> &'static str {
        match self {
            Self::Lane(lane) => lane.as_str(),
            Self::Birth => "birth",
            Self::State => "state",
            Self::Receipt => "receipt",
            Self::Config => "config",
            Self::ConfigState => "config/state",
        }
    }
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Whose.
    pub gateway: GatewayId,
    /// About what.
    pub subject: Subject,
}

impl Topic {
    /// The topic of a gateway about a subject.
    #[must_use]
    pub const fn new(gateway: GatewayId, subject: Subject) -> Self {
        Self { gateway, subject }
    }

    /// Reads a topic name.
    ///
    /// # Errors
    /// When it is not a topic of this version.
    pub fn parse(name: &str) -> Result<Self, TopicError> {
        let unknown = || TopicError(name.to_owned());
        let rest = name.strip_prefix(PREFIX).ok_or_else(unknown)?;
        let (gateway, path) = rest.split_once('/').ok_or_else(unknown)?;
        let gateway = gateway.parse().map_err(|_| unknown())?;
        let subject = Subject::ALL
            .into_iter()
            .find(|subject| subject.path() == path);
        subject
            .map(|subject| Self { gateway, subject })
            .ok_or_else(unknown)
    }

    /// The filter that matches a subject of every gateway.
    #[must_use]
    pub fn filter(subject: Subject) -> String {
        format!("{PREFIX}+/{}", subject.path())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}", self.gateway, self.subject.path())
    }
}

/// A name that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a topic of wardlink version 1: {0}")]
pub struct TopicError(String);

const PREFIX: &str = "wardlink/1/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_survives_being_written_and_read() {
        let gateway: GatewayId = "gw-1".parse().unwrap();
        for subject in Subject::ALL {
            let topic = Topic::new(gateway.clone(), subject);
            assert_eq!(Topic::parse(&topic.to_string()), Ok(topic));
        }
        for bad in [
            "",
            "wardlink/1/gw-1",
            "wardlink/2/gw-1/wave",
            "wardlink/1/+/wave",
            "wardlink/1/gw-1/waves",
        ] {
            assert!(Topic::parse(bad).is_err(), "{bad}");
        }
    }
}
