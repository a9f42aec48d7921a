//! Eclipse Mosquitto.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::{Kind, template};

/// Eclipse Mosquitto, <https://mosquitto.org>.
#[derive(Debug)]
pub struct Mosquitto;

impl Kind for Mosquitto {
    fn configure(&self, folder: &Path, port: u16, identity: &Path) {
        let acl = folder.join("mosquitto.acl");
        let words = [
            ("@ADDRESS@", "127.0.0.1".to_owned()),
            ("@PORT@", port.to_string()),
            ("@BROKER@", identity.display().to_string()),
            ("@ACL@", acl.display().to_string()),
            ("@DATA@", folder.join("data").display().to_string()),
            ("@USER@", user_of(folder)),
        ];
        let text = template("mosquitto.conf", &words);
        fs::write(&acl, template("mosquitto.acl", &[])).expect("the rights are written");
        fs::write(folder.join("mosquitto.conf"), text).expect("the configuration is written");
    }

    fn commands(&self, folder: &Path) -> Vec<(&'static str, Command)> {
        let mut command = program();
        command.arg("-c").arg(folder.join("mosquitto.conf"));
        vec![("mosquitto", command)]
    }
}

/// The program, ready for arguments.
#[must_use]
pub fn program() -> Command {
    let install = "apt-get install --no-install-recommends mosquitto";
    Command::new(super::program("mosquitto", install))
}

/// The name of the user who owns a folder; mosquitto takes no numbers.
#[must_use]
pub fn user_of(folder: &Path) -> String {
    let id = fs::metadata(folder)
        .expect("the folder is there")
        .uid()
        .to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    name.unwrap_or(id)
}
