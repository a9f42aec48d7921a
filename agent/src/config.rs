//! What the local file says: identity, broker, monitor, operators, store.
//!
//! Owns the way from a TOML text to [`Settings`]. Promises that every fault is reported at once, with key
//! path and hint, files and keys included. Refuses environment overrides: what is in the file holds. The
//! profile, which a fleet may change, is a file of its own (see `wardlink_wire::profile`).

mod files;

use std::path::{Path, PathBuf};
use std::time::Duration;

use wardlink_link::identity;
use wardlink_link::session::Version;
use wardlink_wire::document::{Faults, Section};
use wardlink_wire::id::GatewayId;
use wardlink_wire::message::PayloadKey;
use wardlink_wire::profile::Profile;
use wardlink_wire::root::Trust;
use wardlink_wire::signature::VerifyingKey;

use crate::store::{EngineKind, KeyProvider};

/// Everything the agent has to know that no fleet may change.
#[derive(Debug)]
pub struct Settings {
    /// Who this gateway is.
    pub gateway: GatewayId,
    /// Where the broker is and who we are to it.
    pub broker: Broker,
    /// The monitor whose receipts count.
    pub monitor: Monitor,
    /// The operators whose bundles count, until they change themselves.
    pub operators: Trust,
    /// Where records are kept until they are delivered.
    pub store: Store,
    /// The profile to begin with, and where applied ones are kept.
    pub profile: ProfileFiles,
    /// Where `wardlink-agent status` asks; nowhere if absent.
    pub status_socket: Option<PathBuf>,
}

/// The broker.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Name or address, as its certificate carries it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Which MQTT it is spoken to in.
    pub mqtt: Version,
    /// Our certificate and whom we believe.
    pub files: identity::Files,
    /// How often the connection is proven alive.
    pub keep_alive: Duration,
    /// Most messages on their way at once.
    pub in_flight: u16,
    /// Most bytes a second, where the link is paid by the byte.
    pub rate: Option<u32>,
}

/// The monitor.
#[derive(Debug)]
pub struct Monitor {
    /// Keys that sign receipts.
    pub receipt_keys: Vec<VerifyingKey>,
    /// The key that seals batches for it.
    pub payload_key: PayloadKey,
    /// What makes a batch leave the store.
    pub delivery: Delivery,
}

/// What counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// A receipt that the monitor signed.
    EndToEnd,
    /// The broker's PUBACK, which does not prove that anybody stored it.
    Broker,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    /// Its directory.
    pub path: PathBuf,
    /// How it keeps its bytes.
    pub engine: EngineKind,
    /// Where the key that wraps its data keys comes from.
    pub key: Box<dyn KeyProvider>,
    /// The most it may take, bytes.
    pub budget: u64,
}

/// Where profiles come from.
#[derive(Debug)]
pub struct ProfileFiles {
    /// The profile this gateway was enrolled with.
    pub enrolled: Profile,
    /// Directory where an applied bundle is kept.
    pub state: PathBuf,
}

impl Settings {
    /// Reads the local file and every file that it names.
    ///
    /// # Errors
    /// All faults found.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        let text = files::text(path)?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let mut faults = Faults::default();
        let settings = Self::read(Section::parse(&text)?, folder, &mut faults);
        faults.or(settings)
    }

    fn read(mut root: Section, folder: &Path, faults: &mut Faults) -> Option<Self> {
        let schema = root.integer("schema", 1..=1, faults);
        let schema = root.require("schema", schema, faults);
        let gateway = part(&mut root, "gateway", faults, |section, faults| {
            let id = section.parsed::<GatewayId>("id", faults);
            section.require("id", id, faults)
        });
        let broker = part(&mut root, "broker", faults, |section, faults| {
            broker(section, folder, gateway.as_ref(), faults)
        });
        let monitor = part(&mut root, "monitor", faults, |section, faults| {
            monitor(section, folder, faults)
        });
        let operators = part(&mut root, "operators", faults, |section, faults| {
            operators(section, folder, faults)
        });
        let store = part(&mut root, "store", faults, |section, faults| {
            store(section, folder, faults)
        });
        let profile = part(&mut root, "profile", faults, |section, faults| {
            profile(section, folder, faults)
        });
        let status_socket = root.section("status", faults).and_then(|mut section| {
            let socket = section.text("socket", faults);
            section.finish(faults);
            socket.map(|socket| folder.join(socket))
        });
        root.finish(faults);
        schema?;
        Some(Self {
            gateway: gateway?,
            broker: broker?,
            monitor: monitor?,
            operators: operators?,
            store: store?,
            profile: profile?,
            status_socket,
        })
    }
}

fn part<T>(
    root: &mut Section,
    key: &'static str,
    faults: &mut Faults,
    read: impl FnOnce(&mut Section, &mut Faults) -> Option<T>,
) -> Option<T> {
    let section = root.section(key, faults);
    let mut section = root.require(key, section, faults)?;
    let value = read(&mut section, faults);
    section.finish(faults);
    value
}

fn broker(
    section: &mut Section,
    folder: &Path,
    gateway: Option<&GatewayId>,
    faults: &mut Faults,
) -> Option<Broker> {
    let host = section.text("host", faults);
    let host = section.require("host", host, faults);
    let port = section.integer("port", 1..=65_535, faults).unwrap_or(8883);
    let ca = files::path(section, "ca", folder, faults);
    let certificate = files::path(section, "certificate", folder, faults);
    let key = files::path(section, "key", folder, faults);
    let crl = section.text("crl", faults).map(|crl| folder.join(crl));
    let mqtt = section.choice("mqtt", &Version::NAMES, faults);
    let keep_alive = section.duration(
        "keep_alive",
        Duration::from_secs(1)..=Duration::from_secs(3600),
        faults,
    );
    let in_flight = section.integer("in_flight", 1..=1000, faults).unwrap_or(32);
    let rate = section.integer("rate", 512..=1 << 30, faults);
    let files = identity::Files {
        ca: ca?,
        certificate: certificate?,
        key: key?,
        crl,
    };
    crate::enrolment::renewal::settle(&files);
    files::check_identity(gateway, &files, faults);
    Some(Broker {
        host: host?,
        port: u16::try_from(port).ok()?,
        mqtt: mqtt.unwrap_or_default(),
        files,
        keep_alive: keep_alive.unwrap_or(Duration::from_secs(30)),
        in_flight: u16::try_from(in_flight).ok()?,
        rate: rate.and_then(|rate| u32::try_from(rate).ok()),
    })
}

fn monitor(section: &mut Section, folder: &Path, faults: &mut Faults) -> Option<Monitor> {
    let delivery = section
        .choice("delivery", &DELIVERIES, faults)
        .unwrap_or(Delivery::EndToEnd);
    let receipt_keys = files::verifying_keys(section, "receipt_keys", folder, faults);
    if receipt_keys.is_empty() && delivery == Delivery::EndToEnd {
        let hint = "the monitor's receipt.pub: without it no record would ever leave the store";
        faults.note_with_hint(
            section.path("receipt_keys"),
            "no key that signs receipts",
            hint,
        );
    }
    let payload_key = files::symmetric_key(section, "payload_key", folder, faults);
    Some(Monitor {
        receipt_keys,
        payload_key: PayloadKey::from_bytes(*payload_key?),
        delivery,
    })
}

/// A signed root document, or the keys of root 1 themselves.
fn operators(section: &mut Section, folder: &Path, faults: &mut Faults) -> Option<Trust> {
    if section.has("root") {
        let unused = ["keys", "threshold"].map(|key| section.has(key));
        if unused.contains(&true) {
            let hint = "either the signed root document, or keys and threshold";
            faults.note_with_hint(
                section.path("root"),
                "said twice who the operators are",
                hint,
            );
        }
        let file = files::path(section, "root", folder, faults)?;
        return files::root(section.path("root"), &file, faults);
    }
    let keys = files::verifying_keys(section, "keys", folder, faults);
    let threshold = section.integer("threshold", 1..=16, faults);
    if keys.is_empty() && threshold.is_none() {
        return Some(Trust::nobody());
    }
    let threshold = threshold.unwrap_or(1);
    let place = section.path("keys");
    if faults.iter().any(|fault| fault.path == place) {
        return None;
    }
    match Trust::pinned(keys, u16::try_from(threshold).ok()?, FIRST_ROOT) {
        Ok(trust) => Some(trust),
        Err(error) => {
            let hint = "the public keys of the operators, and how many of them have to sign";
            faults.note_with_hint(place, error.to_string(), hint);
            None
        }
    }
}

fn store(section: &mut Section, folder: &Path, faults: &mut Faults) -> Option<Store> {
    let path = files::path(section, "path", folder, faults);
    let budget_mib = section
        .integer("budget_mib", 16..=1 << 20, faults)
        .unwrap_or(512);
    let engine = section.choice("engine", &EngineKind::WORDS, faults);
    let key = files::store_key(section, folder, faults);
    Some(Store {
        path: path?,
        engine: engine.unwrap_or(EngineKind::Log),
        key: key?,
        budget: u64::try_from(budget_mib).ok()? << 20,
    })
}

fn profile(section: &mut Section, folder: &Path, faults: &mut Faults) -> Option<ProfileFiles> {
    let file = files::path(section, "file", folder, faults);
    let state = files::path(section, "state", folder, faults);
    let enrolled = file.and_then(|file| files::profile(&file, faults));
    Some(ProfileFiles {
        enrolled: enrolled?,
        state: state?,
    })
}

/// What the keys of the local file count as.
const FIRST_ROOT: u64 = 1;
const DELIVERIES: [(&str, Delivery); 2] = [
    ("end-to-end", Delivery::EndToEnd),
    ("broker", Delivery::Broker),
];
