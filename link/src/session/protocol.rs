//! The two versions of MQTT behind one face: nothing outside this folder knows that there are two clients.

use std::fmt;
use std::str::FromStr;

use super::error::SessionError;
use super::{Heard, Options, Publication, Welcome, v5, v311};
use crate::identity::Identity;

/// Which MQTT is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// MQTT 3.1.1, which every broker of the field speaks.
    #[default]
    V311,
    /// MQTT 5: the broker says its limits and its reasons.
    V5,
}

impl Version {
    /// How settings name them.
    pub const NAMES: [(&str, Self); 2] = [("3.1.1", Self::V311), ("5", Self::V5)];
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        })
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut versions = Self::NAMES.into_iter();
        let found = versions.find_map(|(name, version)| (name == text).then_some(version));
        found.ok_or_else(|| format!("{text:?} is no version of MQTT: 3.1.1 or 5"))
    }
}

/// What is asked of a connection.
#[derive(Debug)]
pub(super) enum Client {
    V311(v311::Client),
    V5(v5::Client),
}

/// What drives a connection.
pub(super) enum Events {
    V311(Box<v311::Events>),
    V5(Box<v5::Events>),
}

/// A message that came in, as its acknowledgement needs it.
#[derive(Debug, Clone)]
pub(super) enum Message {
    V311(v311::Message),
    V5(v5::Message),
}

/// The outcome of a publication, once there is one.
#[derive(Debug)]
pub(super) enum Notice {
    V311(v311::Notice),
    V5(v5::Notice),
}

/// The outcome of a subscription, once there is one.
pub(super) enum Grant {
    V311(v311::Grant),
    V5(v5::Grant),
}

impl Client {
    pub(super) fn new(
        identity: &Identity,
        options: Options,
    ) -> Result<(Self, Events), SessionError> {
        Ok(match options.version {
            Version::V311 => {
                let (client, events) = v311::Client::new(identity, options)?;
                (Self::V311(client), Events::V311(Box::new(events)))
            }
            Version::V5 => {
                let (client, events) = v5::Client::new(identity, options)?;
                (Self::V5(client), Events::V5(Box::new(events)))
            }
        })
    }

    pub(super) fn subscribe(&self, filters: &[String]) -> Result<Grant, SessionError> {
        Ok(match self {
            Self::V311(client) => Grant::V311(client.subscribe(filters)?),
            Self::V5(client) => Grant::V5(client.subscribe(filters)?),
        })
    }

    pub(super) fn publish(&self, publication: Publication) -> Result<Notice, SessionError> {
        Ok(match self {
            Self::V311(client) => Notice::V311(client.publish(publication)?),
            Self::V5(client) => Notice::V5(client.publish(publication)?),
        })
    }

    pub(super) fn acknowledge(&self, message: &Message) -> Result<(), SessionError> {
        match (self, message) {
            (Self::V311(client), Message::V311(message)) => client.acknowledge(message),
            (Self::V5(client), Message::V5(message)) => client.acknowledge(message),
            // A message of another session: that one is over, as far as this message is concerned.
            _ => Err(SessionError::Over),
        }
    }

    pub(super) fn disconnect(&self) -> Result<(), SessionError> {
        match self {
            Self::V311(client) => client.disconnect(),
            Self::V5(client) => client.disconnect(),
        }
    }
}

impl Events {
    pub(super) async fn welcome(&mut self, in_flight: u16) -> Result<Welcome, SessionError> {
        match self {
            Self::V311(events) => events.welcome(in_flight).await,
            Self::V5(events) => events.welcome(in_flight).await,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Heard, SessionError> {
        match self {
            Self::V311(events) => events.next().await,
            Self::V5(events) => events.next().await,
        }
    }
}

impl Notice {
    pub(super) async fn acknowledged(self) -> Result<(), SessionError> {
        match self {
            Self::V311(notice) => v311::acknowledged(notice).await,
            Self::V5(notice) => v5::acknowledged(notice).await,
        }
    }
}

impl Grant {
    pub(super) async fn granted(self) -> Result<(), String> {
        match self {
            Self::V311(grant) => v311::granted(grant).await,
            Self::V5(grant) => v5::granted(grant).await,
        }
    }
}
