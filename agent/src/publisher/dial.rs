//! Connections to the broker of the configuration, with the identity that is in its files now.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use wardlink_link::backoff::Backoff;
use wardlink_link::floor;
use wardlink_link::identity::Identity;
use wardlink_link::session::{Options, Publication, Session};
use wardlink_wire::id::GatewayId;
use wardlink_wire::state::State;
use wardlink_wire::topic::{Subject, Topic};

use super::link::Dial;
use super::pace::Pace;
use crate::clock;
use crate::config;
use crate::health::{Health, Part};

/// The broker of the configuration.
#[derive(Debug)]
pub(super) struct Broker {
    gateway: GatewayId,
    settings: config::Broker,
    health: Health,
    /// The files as they were when the last connection was tried.
    made_with: Stamps,
    /// When the certificate ends that was in such files.
    ends: Option<(Stamps, Option<i64>)>,
}

/// Device, inode, length, and time of the last change: another file, or other content.
type Stamp = (u64, u64, u64, i64, i64);
type Stamps = [Option<Stamp>; 4];

impl Dial for Broker {
    type Link = Session;
    type Rest = Backoff;

    fn rest(&self, pace: Pace) -> Backoff {
        let (first, last) = pace.delays;
        Backoff::new(first, last)
    }

    async fn dial(&mut self) -> Result<Session, Duration> {
        self.made_with = self.stamps();
        let identity = self.identity().ok_or(Duration::ZERO)?;
        let options = Options {
            version: self.settings.mqtt,
            host: self.settings.host.clone(),
            port: self.settings.port,
            client_id: self.gateway.to_string(),
            keep_alive: self.settings.keep_alive,
            clean: true,
            in_flight: self.settings.in_flight,
            will: offline(&self.gateway),
        };
        match Session::open(&identity, options).await {
            Ok(session) => Ok(session),
            Err(error) => {
                let place = format!("{}:{}", self.settings.host, self.settings.port);
                self.health.fault(Part::Link, format!("{place}: {error}"));
                Err(error.pause())
            }
        }
    }

    fn has_news(&mut self) -> bool {
        // Files that are replaced one after the other do not fit together for a moment: look again then.
        self.stamps() != self.made_with && self.identity().is_some()
    }

    fn certificate_ends(&mut self) -> Option<i64> {
        let stamps = self.stamps();
        match self.ends {
            Some((known, ends)) if known == stamps => ends,
            _ => {
                let identity = Identity::load(&self.settings.files);
                let ends = identity.ok().map(|identity| identity.not_after());
                self.ends = Some((stamps, ends));
                ends
            }
        }
    }
}

impl Broker {
    pub(super) const fn new(gateway: GatewayId, settings: config::Broker, health: Health) -> Self {
        Self {
            gateway,
            settings,
            health,
            made_with: [None; 4],
            ends: None,
        }
    }

    /// The identity to connect with. An expired one is tried all the same: the broker decides.
    fn identity(&self) -> Option<Identity> {
        let identity = match Identity::load(&self.settings.files) {
            Ok(identity) => identity,
            Err(error) => {
                self.health.fault(Part::Identity, error.to_string());
                return None;
            }
        };
        if identity.common_name() != self.gateway.as_str() {
            let text = format!(
                "the certificate is for {:?}, not for {}",
                identity.common_name(),
                self.gateway
            );
            self.health.fault(Part::Identity, text);
            return None;
        }
        if identity.not_after() <= floor::judged_at(clock::utc_seconds()) {
            let text =
                "the certificate is expired: recording goes on, delivery waits for a new one";
            self.health.fault(Part::Identity, text.to_owned());
        } else {
            self.health.well(Part::Identity);
        }
        Some(identity)
    }

    fn stamps(&self) -> Stamps {
        let files = &self.settings.files;
        let crl = files.crl.as_deref().and_then(stamp);
        let [ca, certificate, key] =
            [&files.ca, &files.certificate, &files.key].map(|path| stamp(path));
        [ca, certificate, key, crl]
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = fs::metadata(path).ok()?;
    Some((of.dev(), of.ino(), of.size(), of.mtime(), of.mtime_nsec()))
}

/// What the broker says of us when we are gone.
pub(super) fn offline(gateway: &GatewayId) -> Option<Publication> {
    let offline = State {
        schema: wardlink_wire::SCHEMA,
        gateway: gateway.clone(),
        online: false,
        health: None,
    };
    let payload = wardlink_wire::codec::encode(&offline).ok()?;
    Some(Publication {
        topic: Topic::new(gateway.clone(), Subject::State).to_string(),
        payload,
        retain: true,
    })
}
