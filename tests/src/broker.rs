//! Brokers with the configuration of `configs/brokers`, each on a port and in a folder that it keeps.

pub mod mosquitto;
pub mod nats;
pub mod rabbitmq;
pub mod rumqttd;

use std::fmt::Debug;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::port::Port;
use crate::program::Program;
use crate::wait;

/// A broker that can go away and come back.
#[derive(Debug)]
pub struct Broker {
    kind: Box<dyn Kind>,
    folder: PathBuf,
    port: Port,
    /// The broker is the last one; what it needs comes before.
    running: Vec<Program>,
}

/// What is particular to one make.
pub trait Kind: Debug {
    /// Writes its configuration: its folder, its port, the folder of its certificates.
    fn configure(&self, folder: &Path, port: u16, identity: &Path);

    /// What to run, in this order, each with a name; the broker is the last one.
    fn commands(&self, folder: &Path) -> Vec<(&'static str, Command)>;
}

impl Broker {
    /// Starts mosquitto with the certificates in `identity`, the folder `broker/` of a fleet.
    #[track_caller]
    #[must_use]
    pub fn start(folder: PathBuf, identity: &Path) -> Self {
        Self::start_as(mosquitto::Mosquitto, folder, identity)
    }

    /// Starts a broker of any make.
    #[track_caller]
    #[must_use]
    pub fn start_as(kind: impl Kind + 'static, folder: PathBuf, identity: &Path) -> Self {
        let mut broker = Self::ready(kind, Port::free(), folder, identity);
        broker.come_back();
        broker
    }

    /// A broker that was configured and not yet started.
    #[must_use]
    pub fn ready(kind: impl Kind + 'static, port: Port, folder: PathBuf, identity: &Path) -> Self {
        fs::create_dir_all(folder.join("data")).expect("a folder for the broker");
        let broker = Self {
            kind: Box::new(kind),
            folder,
            port,
            running: Vec::new(),
        };
        broker.configure(identity);
        broker
    }

    /// The port, whether it runs or not.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// Shows other certificates from the next start on.
    pub fn configure(&self, identity: &Path) {
        self.kind.configure(&self.folder, self.port(), identity);
    }

    /// Starts it on its old port, with its old data, and waits until it listens.
    #[track_caller]
    pub fn come_back(&mut self) {
        self.launch();
        wait::within(PATIENCE, "the broker listens", || {
            for program in &mut self.running {
                program.assert_running();
            }
            TcpStream::connect(("127.0.0.1", self.port.number())).ok()
        });
    }

    /// Starts it on its old port, with its old data.
    #[track_caller]
    pub fn launch(&mut self) {
        assert!(self.running.is_empty(), "the broker runs already");
        for (name, mut command) in self.kind.commands(&self.folder) {
            let program = Program::start(name, &mut command, &self.folder);
            self.running.push(program);
        }
    }

    /// Ends it in order.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        let status = self.program().terminate_within(PATIENCE);
        self.running.clear();
        status
    }

    /// Ends it at once.
    #[track_caller]
    pub fn kill(&mut self) {
        self.program().kill();
        self.running.clear();
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.last().map(Program::log).unwrap_or_default()
    }

    #[track_caller]
    fn program(&mut self) -> &mut Program {
        self.running.last_mut().expect("the broker runs")
    }
}

/// A file of `configs/brokers` with its words between @ filled in.
fn template(name: &str, words: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../configs/brokers")
        .join(name);
    let mut text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (word, value) in words {
        assert!(text.contains(word), "{name} holds no {word}");
        text = text.replace(word, value);
    }
    text
}

/// A program that Debian may have put where only root looks, or the package's name for the complaint.
fn program(name: &str, install: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing, install it: {install}"))
}

/// The gateways that the tests of brokers enrol.
pub const GATEWAYS: [&str; 3] = ["gw-1", "gw-a", "gw-b"];
/// What a virtual machine for Erlang may need to come up, or a cluster to agree, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(240);
