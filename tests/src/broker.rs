//! Eclipse Mosquitto with the configuration of `configs/brokers`, on a port and a folder that it keeps.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::port::Port;
use crate::program::Program;
use crate::wait;

/// A broker that can go away and come back.
#[derive(Debug)]
pub struct Broker {
    folder: PathBuf,
    port: Port,
    running: Option<Program>,
}

impl Broker {
    /// Starts a broker with the certificates in `identity`, the folder `broker/` of a fleet.
    #[track_caller]
    #[must_use]
    pub fn start(folder: PathBuf, identity: &Path) -> Self {
        fs::create_dir_all(folder.join("data")).expect("a folder for the broker");
        let mut broker = Self {
            folder,
            port: Port::free(),
            running: None,
        };
        broker.configure(identity);
        broker.come_back();
        broker
    }

    /// The port, whether it runs or not.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// Shows other certificates from the next start on.
    pub fn configure(&self, identity: &Path) {
        let template = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../configs/brokers")
                .join(name);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let acl = self.folder.join("mosquitto.acl");
        let mut text = template("mosquitto.conf");
        for (word, value) in [
            ("@ADDRESS@", "127.0.0.1".to_owned()),
            ("@PORT@", self.port().to_string()),
            ("@BROKER@", identity.display().to_string()),
            ("@ACL@", acl.display().to_string()),
            ("@DATA@", self.folder.join("data").display().to_string()),
            ("@USER@", user_of(&self.folder)),
        ] {
            text = text.replace(word, &value);
        }
        fs::write(&acl, template("mosquitto.acl")).expect("the rights are written");
        fs::write(self.folder.join("mosquitto.conf"), text).expect("the configuration is written");
    }

    /// Starts it on its old port, with its old data.
    #[track_caller]
    pub fn come_back(&mut self) {
        let mut command = Command::new(mosquitto());
        command.arg("-c").arg(self.folder.join("mosquitto.conf"));
        let mut program = Program::start("mosquitto", &mut command, &self.folder);
        wait::until("mosquitto listens", || {
            program.assert_running();
            TcpStream::connect(("127.0.0.1", self.port())).ok()
        });
        self.running = Some(program);
    }

    /// Ends it in order.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.running.take().expect("the broker runs").terminate()
    }

    /// Ends it at once.
    #[track_caller]
    pub fn kill(&mut self) {
        self.running.take().expect("the broker runs").kill();
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.as_ref().map(Program::log).unwrap_or_default()
    }
}

/// Debian puts it where only root looks.
fn mosquitto() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join("mosquitto"))
        .find(|path| path.is_file());
    found.expect(
        "mosquitto is missing, install it: apt-get install --no-install-recommends mosquitto",
    )
}

/// The name of the user who owns a folder; mosquitto takes no numbers.
fn user_of(folder: &Path) -> String {
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
