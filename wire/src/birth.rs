//! What a gateway is made of: its devices and streams, published retained whenever they change.

use serde::{Deserialize, Serialize};

use crate::id::{BootId, DeviceId, Epoch, GatewayId};
use crate::stream::Stream;

/// The retained description of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Birth {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// Who.
    pub gateway: GatewayId,
    /// Its store.
    pub epoch: Epoch,
    /// Its boot.
    pub boot: BootId,
    /// Version of the agent.
    pub agent: String,
    /// Version of the profile in force; 0 is the one it was enrolled with.
    pub profile: u64,
    /// When this was written, UTC, nanoseconds since 1970-01-01.
    pub utc_ns: i64,
    /// The devices.
    pub devices: Vec<Device>,
}

/// One attached device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// The driver's name.
    pub driver: String,
    /// The bus it is on.
    pub bus: String,
    /// What it measures.
    pub streams: Vec<Stream>,
}
