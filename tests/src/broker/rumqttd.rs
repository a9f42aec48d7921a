//! rumqttd, as `scripts/brokers.sh` builds it. It keeps nothing on disk and binds no name to a certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Kind, template};

/// rumqttd, <https://github.com/bytebeamio/rumqtt>.
#[derive(Debug)]
pub struct Rumqttd;

impl Kind for Rumqttd {
    fn configure(&self, folder: &Path, port: u16, identity: &Path) {
        let words = [
            ("@ADDRESS@", "127.0.0.1".to_owned()),
            ("@PORT@", port.to_string()),
            ("@BROKER@", identity.display().to_string()),
        ];
        fs::write(
            folder.join("rumqttd.toml"),
            template("rumqttd.toml", &words),
        )
        .expect("the configuration is written");
    }

    fn commands(&self, folder: &Path) -> Vec<(&'static str, Command)> {
        let built = std::env::var_os("WARDLINK_RUMQTTD").map(PathBuf::from);
        let path = built.expect("WARDLINK_RUMQTTD names no rumqttd: run scripts/brokers.sh");
        let mut command = Command::new(path);
        command.arg("-c").arg(folder.join("rumqttd.toml"));
        vec![("rumqttd", command)]
    }
}
