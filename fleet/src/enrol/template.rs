//! The texts that enrolment writes: the agent's configuration and the profile to begin with.

use wardlink_wire::id::GatewayId;

use crate::broker_address::BrokerAddress;

/// The agent's configuration. Ids and addresses hold nothing that TOML would have to escape.
#[must_use]
pub fn agent_configuration(gateway: &GatewayId, broker: &BrokerAddress) -> String {
    AGENT
        .replace("{gateway}", gateway.as_str())
        .replace("{host}", broker.host())
        .replace("{port}", &broker.port().to_string())
}

const AGENT: &str = r#"# Configuration of one gateway's agent, written by `wardlink enrol`.
# Paths are relative to this file. What may be changed from afar is in the profile, not here.
schema = 1

[gateway]
# The name in the certificate and in every topic; it cannot be changed here alone.
id = "{gateway}"

[broker]
# The broker's certificate must carry this host and come from the fleet CA below.
host = "{host}"
port = {port}
ca = "ca.pem"
# This gateway's own certificate and key. The key must be readable by the agent only.
certificate = "gateway.pem"
key = "gateway.key"

[monitor]
# Whose receipts allow the agent to delete what it recorded.
receipt_keys = ["receipt.pub"]
# Seals what is sent, so that the broker cannot read it. Only the monitor can derive this key again.
payload_key = "payload.key"

[operators]
# Whose signature a new profile must carry. Several keys may be listed.
keys = ["operator.pub"]

[store]
# Every reading is sealed and kept here until the monitor has it.
path = "store"
# Without this key nothing in the store can be read again. There is no second copy.
key = "store.key"

[profile]
# The profile in force until the first one is pushed.
file = "profile.toml"
# Where profiles that were pushed are kept.
state = "state"

[status]
# `wardlink-agent status` asks here.
socket = "status.sock"
"#;

/// The profile of a gateway that was enrolled without one: four simulated devices.
pub const DEFAULT_PROFILE: &str = r#"# What this gateway reads, and how. Push changes with `wardlink profile push`.
# These four devices are simulated (bus = "sim"); everything they give is marked as simulated.
# For a real device, name its bus instead, such as "/dev/i2c-1", and remove the simulation table.
schema = 1

[log]
level = "info"

# Skin temperature, once a second.
[[device]]
id = "temperature-1"
driver = "tmp117"
bus = "sim"
address = 0x48
period = "1s"
[device.simulation]
seed = 1

# Red and infrared light through a finger, raw.
[[device]]
id = "ppg-1"
driver = "max30102"
bus = "sim"
rate = 100
[device.simulation]
seed = 2

# Two leads of electrocardiogram.
[[device]]
id = "ecg-1"
driver = "ads1292r"
bus = "sim"
rate = 250
[device.simulation]
seed = 3

# Oxygen saturation and pulse rate from a bedside oximeter.
[[device]]
id = "oximeter-1"
driver = "nonin"
bus = "sim"
[device.simulation]
seed = 4
"#;

#[cfg(test)]
mod tests {
    use wardlink_wire::profile::Profile;

    use super::*;

    #[test]
    fn the_default_profile_is_one_that_gateways_accept() {
        let profile = Profile::parse(DEFAULT_PROFILE).unwrap();
        let drivers: Vec<_> = profile
            .devices
            .iter()
            .map(|device| device.driver.name())
            .collect();
        assert_eq!(drivers, ["tmp117", "max30102", "ads1292r", "nonin"]);
        assert!(
            profile
                .devices
                .iter()
                .all(|device| device.bus.is_simulated())
        );
    }
}
