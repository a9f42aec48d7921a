//! The demo's broker as a process: who gets in, what it keeps, and that it comes back where it was.
//!
//! Every client here is the one that agent and monitor use.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use wardlink::directory::{FleetDirectory, identity_files};
use wardlink::passphrase::PassphraseArguments;
use wardlink::{enrol, init};
use wardlink_link::identity::{Files, Identity};
use wardlink_link::session::{Incoming, Options, Publication, Session, SessionError, Version};

/// A fleet with one gateway.
struct Fleet {
    folder: TempDir,
}

impl Fleet {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fleet = folder.path().join("fleet");
        let arguments = init::Arguments {
            fleet: fleet.clone(),
            broker_names: vec!["127.0.0.1".to_owned()],
            port: 1,
            days: 1,
            ca_days: 2,
            passphrase: PassphraseArguments::default(),
            no_passphrase: true,
        };
        init::run(&arguments, &mut std::io::sink()).unwrap();
        let arguments = enrol::OneArguments {
            gateway: Some(GATEWAY.parse().unwrap()),
            csr: None,
            fleet,
            out: None,
            broker: None,
            profile: None,
            groups: Vec::new(),
            days: 1,
            passphrase: PassphraseArguments::default(),
        };
        enrol::run(&arguments, &mut std::io::sink()).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("fleet")
    }

    fn monitor(&self) -> Files {
        identity_files(&self.path().join("monitor"))
    }

    fn gateway(&self) -> Files {
        let folder = FleetDirectory::at(&self.path()).gateway(&GATEWAY.parse().unwrap());
        Files {
            ca: folder.join("ca.pem"),
            certificate: folder.join("gateway.pem"),
            key: folder.join("gateway.key"),
            crl: None,
        }
    }

    fn broker(&self, listen: &str) -> Broker {
        let folder = self.path().join("broker");
        Broker::start(&folder, listen)
    }
}

/// A running broker; dropped, it is killed.
struct Broker {
    process: Child,
    address: SocketAddr,
}

impl Broker {
    fn start(folder: &Path, listen: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_wardlink"))
            .args(["demo-broker", "--listen", listen, "--gateway", GATEWAY])
            .arg("--ca")
            .arg(folder.join("ca.pem"))
            .arg("--certificate")
            .arg(folder.join("broker.pem"))
            .arg("--key")
            .arg(folder.join("broker.key"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = wardlink::demo::broker::listening_address(&line);
        let address = address.unwrap_or_else(|| panic!("the broker did not listen: {line:?}"));
        Self { process, address }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

struct Client<'a> {
    files: &'a Files,
    id: &'a str,
    clean: bool,
    will: bool,
}

impl Client<'_> {
    async fn open(&self, broker: &Broker) -> Result<Session, SessionError> {
        let options = Options {
            version: Version::default(),
            host: "127.0.0.1".to_owned(),
            port: broker.address.port(),
            client_id: self.id.to_owned(),
            keep_alive: Duration::from_secs(5),
            clean: self.clean,
            in_flight: 100,
            will: self.will.then(|| publication("state", b"offline", true)),
        };
        Session::open(&Identity::load(self.files).unwrap(), options).await
    }
}

fn client<'a>(files: &'a Files, id: &'a str) -> Client<'a> {
    Client {
        files,
        id,
        clean: true,
        will: false,
    }
}

fn publication(subject: &str, payload: &[u8], retain: bool) -> Publication {
    Publication {
        topic: format!("wardlink/1/{GATEWAY}/{subject}"),
        payload: payload.to_vec(),
        retain,
    }
}

async fn deliver(session: &Session, publication: Publication) -> Result<(), SessionError> {
    let delivery = session.publish(publication)?;
    tokio::time::timeout(DEADLINE, delivery.acknowledged())
        .await
        .expect("the broker acknowledges in time")
}

async fn next(session: &mut Session) -> Incoming {
    let incoming = tokio::time::timeout(DEADLINE, session.next()).await;
    let incoming = incoming.expect("a message arrives in time").unwrap();
    session.acknowledge(&incoming).unwrap();
    incoming
}

#[tokio::test]
async fn a_client_of_another_ca_is_refused_by_the_broker() {
    let (ours, theirs) = (Fleet::make(), Fleet::make());
    let broker = ours.broker("127.0.0.1:0");
    // It believes our broker, and shows a certificate for the same gateway that another fleet issued.
    let intruder = Files {
        ca: ours.gateway().ca,
        ..theirs.gateway()
    };
    let said = client(&intruder, GATEWAY).open(&broker).await.unwrap_err();
    // Both authorities have the same name, so it is the signature that gives the intruder away.
    let said = said.to_string();
    assert!(
        said.contains("alert: DecryptError") || said.contains("alert: UnknownCA"),
        "{said}"
    );
    client(&ours.gateway(), GATEWAY)
        .open(&broker)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_by_the_broker() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    let fleet = Fleet::make();
    let broker = fleet.broker("127.0.0.1:0");
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(fleet.gateway().ca).unwrap())
        .unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut tls = rustls::ClientConnection::new(config.into(), name).unwrap();
    let mut socket = std::net::TcpStream::connect(broker.address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    // In TLS 1.3 the refusal comes after the client's side of the handshake is done, so read on.
    let mut stream = rustls::Stream::new(&mut tls, &mut socket);
    let said = std::io::Read::read(&mut stream, &mut [0; 16]).unwrap_err();
    assert!(said.to_string().contains("CertificateRequired"), "{said}");
}

#[tokio::test]
async fn a_client_is_who_its_certificate_says() {
    let fleet = Fleet::make();
    let broker = fleet.broker("127.0.0.1:0");
    let monitor = fleet.monitor();
    let said = client(&monitor, GATEWAY).open(&broker).await.unwrap_err();
    assert!(matches!(said, SessionError::Refused(_)), "{said}");
    let session = client(&monitor, "monitor").open(&broker).await.unwrap();
    // Records of a gateway come from that gateway alone.
    deliver(&session, publication("wave", b"forged", false))
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_gateway_hears_only_what_is_said_to_it() {
    let fleet = Fleet::make();
    let broker = fleet.broker("127.0.0.1:0");
    let files = fleet.gateway();
    let mut session = client(&files, GATEWAY).open(&broker).await.unwrap();
    let own = format!("wardlink/1/{GATEWAY}/receipt");
    session.subscribe(&[own]).await.unwrap();
    for foreign in ["#", "wardlink/1/+/receipt", "wardlink/1/other/config"] {
        let said = session.subscribe(&[foreign.to_owned()]).await;
        assert!(
            matches!(said, Err(SessionError::Subscription(..))),
            "{foreign}: {said:?}"
        );
    }
}

#[tokio::test]
async fn what_was_retained_and_the_last_will_reach_a_later_monitor() {
    let fleet = Fleet::make();
    let broker = fleet.broker("127.0.0.1:0");
    let (gateway, monitor) = (fleet.gateway(), fleet.monitor());
    let device = Client {
        will: true,
        ..client(&gateway, GATEWAY)
    };
    let device = device.open(&broker).await.unwrap();
    deliver(&device, publication("birth", b"streams", true))
        .await
        .unwrap();
    let mut watcher = client(&monitor, "monitor").open(&broker).await.unwrap();
    let filters = ["wardlink/1/+/birth", "wardlink/1/+/state"].map(ToOwned::to_owned);
    watcher.subscribe(&filters).await.unwrap();
    let birth = next(&mut watcher).await;
    assert_eq!(
        (birth.payload.as_slice(), birth.retain),
        (&b"streams"[..], true)
    );
    drop(device);
    assert_eq!(next(&mut watcher).await.payload, b"offline");
}

#[tokio::test]
async fn a_monitor_that_was_away_gets_what_came_meanwhile_within_one_run() {
    let fleet = Fleet::make();
    let broker = fleet.broker("127.0.0.1:0");
    let (gateway, monitor) = (fleet.gateway(), fleet.monitor());
    let lasting = Client {
        clean: false,
        ..client(&monitor, "monitor")
    };
    let mut session = lasting.open(&broker).await.unwrap();
    session
        .subscribe(&["wardlink/1/+/wave".to_owned()])
        .await
        .unwrap();
    session.close().await;
    let device = client(&gateway, GATEWAY).open(&broker).await.unwrap();
    // More than the library's own queue of 1000 would have held.
    for number in 0..1500_u32 {
        deliver(&device, publication("wave", &number.to_be_bytes(), false))
            .await
            .unwrap();
    }
    let mut session = lasting.open(&broker).await.unwrap();
    assert!(session.was_present());
    for number in 0..1500_u32 {
        assert_eq!(next(&mut session).await.payload, number.to_be_bytes());
    }
}

#[tokio::test]
async fn after_a_kill_a_new_broker_takes_the_same_port_at_once() {
    let fleet = Fleet::make();
    let files = fleet.gateway();
    let mut broker = fleet.broker("127.0.0.1:0");
    for _ in 0..3 {
        let session = client(&files, GATEWAY).open(&broker).await.unwrap();
        deliver(&session, publication("vital", b"x", false))
            .await
            .unwrap();
        let address = broker.address;
        drop(broker);
        broker = fleet.broker(&address.to_string());
        assert_eq!(broker.address, address);
    }
}

#[test]
fn no_other_machine_can_reach_the_demos_broker() {
    let fleet = Fleet::make();
    let folder = fleet.path().join("broker");
    let output = Command::new(env!("CARGO_BIN_EXE_wardlink"))
        .args(["demo-broker", "--listen", "0.0.0.0:0", "--gateway", GATEWAY])
        .arg("--ca")
        .arg(folder.join("ca.pem"))
        .arg("--certificate")
        .arg(folder.join("broker.pem"))
        .arg("--key")
        .arg(folder.join("broker.key"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no loopback address"), "{said}");
}

const GATEWAY: &str = "gw-1";
const DEADLINE: Duration = Duration::from_secs(20);
