//! A whole ward: fleet, broker, monitor, and a gateway for each who asks.

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
        let folder = Folder::new();
        let fleet = Fleet::init(folder.join("fleet"));
        let broker = Broker::start(folder.join("broker"), &fleet.join("broker"));
        let monitor = Monitor::start(fleet.path(), folder.join("monitor"), broker.port());
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
        let out = self.folder.join(name);
        self.fleet.enrol(name, profile, self.broker.port(), &out);
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
