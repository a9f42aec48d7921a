//! RabbitMQ with its MQTT plugin: one node, nothing but loopback.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{GATEWAYS, Kind, program, template};
use crate::port::Port;

/// RabbitMQ, <https://www.rabbitmq.com>.
#[derive(Debug)]
pub struct RabbitMq {
    /// Where Erlang nodes find each other, and where this one speaks to others: there are none.
    mapper: Port,
    distribution: Port,
}

impl RabbitMq {
    /// One with ports of its own for Erlang.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mapper: Port::free(),
            distribution: Port::free(),
        }
    }
}

impl Default for RabbitMq {
    fn default() -> Self {
        Self::new()
    }
}

impl Kind for RabbitMq {
    fn configure(&self, folder: &Path, port: u16, identity: &Path) {
        let definitions = folder.join("definitions.json");
        let words = [
            ("@ADDRESS@", "127.0.0.1".to_owned()),
            ("@PORT@", port.to_string()),
            ("@BROKER@", identity.display().to_string()),
            ("@DEFINITIONS@", definitions.display().to_string()),
        ];
        let text = template("rabbitmq.conf", &words);
        fs::write(folder.join("rabbitmq.conf"), text).expect("the configuration is written");
        fs::write(folder.join("plugins"), "[rabbitmq_mqtt].\n").expect("the plugins are written");
        fs::write(definitions, rights()).expect("the rights are written");
    }

    fn commands(&self, folder: &Path) -> Vec<(&'static str, Command)> {
        let install = "apt-get install --no-install-recommends rabbitmq-server";
        let mapper = self.mapper.number().to_string();
        let mut epmd = Command::new(program("epmd", install));
        epmd.args(["-address", "127.0.0.1", "-port", &mapper]);
        // Debian's own wrapper would change to another user.
        let mut server = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
        let distribution = self.distribution.number().to_string();
        server
            .env("HOME", folder)
            .env("ERL_EPMD_PORT", &mapper)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_DIST_PORT", &distribution)
            .env(
                "RABBITMQ_NODENAME",
                format!("wardlink{distribution}@localhost"),
            )
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_GENERATED_CONFIG_DIR", folder.join("data"))
            // The shell becomes the virtual machine, so that a signal for one reaches the other.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            );
        vec![("epmd", epmd), ("rabbitmq", server)]
    }
}

/// The definitions of `configs/brokers`, with what they say of one gateway said of each of ours.
fn rights() -> String {
    let text = template("rabbitmq-definitions.json", &[]);
    let mut definitions: Value = serde_json::from_str(&text).expect("JSON");
    for list in ["users", "permissions", "topic_permissions"] {
        let entries = definitions[list].as_array_mut().expect("a list");
        let (example, others): (Vec<_>, Vec<_>) = entries
            .drain(..)
            .partition(|entry| entry.to_string().contains(EXAMPLE));
        assert_eq!(example.len(), 1, "{list}: one example of a gateway");
        let example = example[0].to_string();
        let ours = GATEWAYS.map(|name| example.replace(EXAMPLE, name));
        entries.extend(others);
        entries.extend(
            ours.iter()
                .map(|text| -> Value { serde_json::from_str(text).expect("JSON") }),
        );
    }
    definitions.to_string()
}

/// The gateway of the example.
const EXAMPLE: &str = "gw-0001";
