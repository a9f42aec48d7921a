//! A whole ward: fleet, broker, monitor, and a gateway for each who asks.

use std::path::{Path, PathBuf};

use crate::broker::Broker;
use crate::fleet::Fleet;
use crate::folder::Folder;
use crate::gateway::Gateway;
use crate::monitor::Monitor;

/// Everything that a test needs, in the order in which it is ended.
#[derive(Debug)]
pub struct Ward {
    /// The monitor.
    pub monitor: Monitor,
    /// The broker.
    pub broker: Broker,
    /// The fleet directory.
    pub fleet: Fleet,
    /// Where everything lies.
    pub folder: Folder,
}

impl Ward {
    /// Makes a fleet and starts broker and monitor.
    #[track_caller]
    #[must_use]
    pub fn open() -> Self {
        Self::open_in("3.1.1")
    }

    /// Makes a fleet and starts broker and monitor, which speak this MQTT.
    #[track_caller]
    #[must_use]
    pub fn open_in(mqtt: &str) -> Self {
        Self::open_with(mqtt, Broker::start)
    }

    /// Makes a fleet, starts this broker with the certificates of the folder `broker/` of the fleet, and
    /// the monitor.
    #[track_caller]
    #[must_use]
    pub fn open_with(mqtt: &str, start: impl FnOnce(PathBuf, &Path) -> Broker) -> Self {
        Self::open_for(mqtt, &["localhost", "127.0.0.1"], start)
    }

    /// The same, for a broker that is known by these names.
    #[track_caller]
    #[must_use]
    pub fn open_for(
        mqtt: &str,
        names: &[&str],
        start: impl FnOnce(PathBuf, &Path) -> Broker,
    ) -> Self {
        let folder = Folder::new();
        let fleet = Fleet::init_for(folder.join("fleet"), names);
        let broker = start(folder.join("broker"), &fleet.join("broker"));
        let data = folder.join("monitor");
        let monitor = Monitor::start_in(mqtt, fleet.path(), data, broker.port());
        Self {
            monitor,
            broker,
            fleet,
            folder,
        }
    }

    /// Enrols a gateway with a profile.
    #[track_caller]
    #[must_use]
    pub fn enrol(&self, name: &str, profile: &str) -> Gateway {
        self.enrol_through(name, profile, self.broker.port())
    }

    /// Enrols a gateway that reaches the broker through another port.
    #[track_caller]
    #[must_use]
    pub fn enrol_through(&self, name: &str, profile: &str, port: u16) -> Gateway {
        let out = self.folder.join(name);
        self.fleet.enrol(name, profile, port, &out);
        Gateway::at(name, out)
    }

    /// Enrols a gateway and starts its agent.
    #[track_caller]
    #[must_use]
    pub fn gateway(&self, name: &str, profile: &str) -> Gateway {
        let mut gateway = self.enrol(name, profile);
        gateway.start();
        gateway
    }
}

/// A gateway whose broker is not there: what it measures stays with it.
#[track_caller]
#[must_use]
pub fn lonely(profile: &str) -> (Gateway, Fleet, Folder) {
    let folder = Folder::new();
    let fleet = Fleet::init(folder.join("fleet"));
    let out = folder.join("gw-1");
    // Nobody listens on port 1.
    fleet.enrol("gw-1", profile, 1, &out);
    (Gateway::at("gw-1", out), fleet, folder)
}
