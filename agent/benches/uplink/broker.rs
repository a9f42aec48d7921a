//! A mosquitto of the bench's own, with certificates made for it.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use wardlink_link::file;
use wardlink_link::identity::{Files, Identity};

/// A running broker; it ends with this value.
#[derive(Debug)]
pub(crate) struct Broker {
    folder: tempfile::TempDir,
    child: Child,
    pub(crate) port: u16,
}

impl Broker {
    /// Starts it; none where mosquitto is missing.
    pub(crate) fn start() -> Option<Self> {
        let program = program("mosquitto")?;
        let folder = tempfile::tempdir().expect("a folder");
        certificates(folder.path());
        let port = free_port();
        let at = folder.path().display();
        let settings = format!(
            "listener {port} 127.0.0.1\ncafile {at}/ca.pem\ncertfile {at}/broker.pem\nkeyfile {at}/broker.key\n\
             require_certificate true\nuse_identity_as_username true\nallow_anonymous true\n\
             tls_version tlsv1.3\nmax_queued_messages 0\nuser root\nlog_type none\n"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), settings).expect("its settings");
        let child = run(&program, &folder.path().join("mosquitto.conf"), port);
        Some(Self {
            folder,
            child,
            port,
        })
    }

    /// The client's files.
    pub(crate) fn files(&self) -> Files {
        let of = |name: &str| self.folder.path().join(name);
        Files {
            ca: of("ca.pem"),
            certificate: of("client.pem"),
            key: of("client.key"),
            crl: None,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::load(&self.files()).expect("an identity")
    }
}

/// Starts a mosquitto and waits until it listens.
pub(crate) fn run(program: &Path, settings: &Path, port: u16) -> Child {
    let child = Command::new(program)
        .arg("-c")
        .arg(settings)
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto starts");
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Where a program of mosquitto's is, if it is there.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .map(|folder| Path::new(folder).join(name))
        .into_iter()
        .find(|path| path.is_file())
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "bench");
    let key = KeyPair::generate().expect("a key");
    let ca = CertifiedIssuer::self_signed(params, key).expect("an authority");
    file::write(&folder.join("ca.pem"), ca.pem().as_bytes()).expect("a file");
    for (name, common_name, usage) in [
        ("broker", "localhost", ExtendedKeyUsagePurpose::ServerAuth),
        ("client", "gw-bench", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        let issued = params.signed_by(&key, &ca).expect("a certificate");
        let path = |end: &str| folder.join(format!("{name}.{end}"));
        file::write(&path("pem"), issued.pem().as_bytes()).expect("a file");
        file::write_private(&path("key"), key.serialize_pem().as_bytes()).expect("a file");
    }
}
