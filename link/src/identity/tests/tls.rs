//! What an identity's TLS believes and shows: handshakes in memory, both sides rustls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use time::{Duration, OffsetDateTime};

use crate::file;
use crate::floor;
use crate::identity::verifier::verifier;
use crate::identity::{Files, Identity};

#[test]
fn after_a_rotation_no_session_of_the_old_identity_is_resumed() {
    let fleet = Fleet::make();
    let server = fleet.server();
    let files = fleet.gateway("gw-1");
    let identity = Identity::load(&files).unwrap();
    let (first, shown) = handshake(&identity.tls(), &server);
    let (again, _) = handshake(&identity.tls(), &server);
    assert_eq!([first, again], [HandshakeKind::Full, HandshakeKind::Full]);

    fleet.renew(&files, "gw-1");
    let renewed = Identity::load(&files).unwrap();
    let (kind, shown_then) = handshake(&renewed.tls(), &server);
    assert_eq!(kind, HandshakeKind::Full);
    assert_ne!(shown, shown_then, "the old certificate was shown");

    // This server does resume, and then sees the certificate of the first handshake: what is ruled out above.
    let mut resuming = ClientConfig::clone(&identity.tls());
    resuming.resumption = rustls::client::Resumption::in_memory_sessions(8);
    let resuming = Arc::new(resuming);
    handshake(&resuming, &server);
    assert_eq!(handshake(&resuming, &server).0, HandshakeKind::Resumed);
}

#[test]
fn a_revoked_broker_is_turned_away_from_the_next_connection_on() {
    let fleet = Fleet::make();
    let server = fleet.server();
    let mut files = fleet.gateway("gw-1");
    files.crl = Some(fleet.path("crl.pem"));
    fleet.revoke(&[], day(1));
    let identity = Identity::load(&files).unwrap();
    assert_eq!(try_handshake(&identity.tls(), &server), Ok(()));

    fleet.revoke(&[BROKER], day(1));
    let identity = Identity::load(&files).unwrap();
    let said = try_handshake(&identity.tls(), &server).unwrap_err();
    assert!(said.contains("Revoked"), "{said}");

    // A list that should have been replaced by now still revokes.
    fleet.revoke(&[BROKER], day(-1));
    let identity = Identity::load(&files).unwrap();
    let said = try_handshake(&identity.tls(), &server).unwrap_err();
    assert!(said.contains("Revoked"), "{said}");
}

#[test]
fn a_revocation_list_that_is_named_must_be_there_and_be_the_fleets() {
    let fleet = Fleet::make();
    let mut files = fleet.gateway("gw-1");
    files.crl = Some(fleet.path("crl.pem"));
    let said = Identity::load(&files).unwrap_err().to_string();
    assert!(said.contains("crl.pem"), "{said}");
    std::fs::write(fleet.path("crl.pem"), "nothing of the kind").unwrap();
    let said = Identity::load(&files).unwrap_err().to_string();
    assert!(
        said.contains("crl.pem") && said.contains("X509 CRL"),
        "{said}"
    );

    // Of another authority, under another name and under the same.
    for (name, words) in [
        ("other", "UnknownRevocationStatus"),
        ("fleet", "invalid certificate revocation list"),
    ] {
        let others = Fleet::called(name);
        others.revoke(&[], day(1));
        files.crl = Some(others.path("crl.pem"));
        let identity = Identity::load(&files).unwrap();
        let said = try_handshake(&identity.tls(), &fleet.server()).unwrap_err();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_gateway_whose_clock_was_never_set_believes_the_broker_but_no_certificate_that_has_ended() {
    let fleet = Fleet::make();
    let verdict = |begins: OffsetDateTime, ends: OffsetDateTime, at: u64| {
        let (certificate, _) = fleet.issue("localhost", 40, begins, ends);
        let files = fleet.gateway("gw-1");
        let believed = verifier(&files, &Arc::new(aws_lc_rs::default_provider())).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
        believed
            .verify_server_cert(certificate.der(), &[], &name, &[], at)
            .map(drop)
    };
    let floor = OffsetDateTime::from_unix_timestamp(floor::FLOOR).unwrap();
    let week = Duration::days(7);
    // 1970: judged at the floor.
    verdict(floor - week, floor + week, 0).unwrap();
    verdict(floor - week * 2, floor - week, 0).unwrap_err();
    // Issued after the program was built: it is at least as late as that.
    verdict(floor + week, floor + week * 2, 0).unwrap();
    // A clock that was turned back into the life of a certificate that has ended.
    let back = u64::try_from((floor - week - Duration::DAY).unix_timestamp()).unwrap();
    verdict(floor - week * 2, floor - week, back).unwrap_err();
    // A clock that can be right is believed.
    let later = u64::try_from((floor + week).unix_timestamp()).unwrap() + 1;
    verdict(floor - week, floor + week, later).unwrap_err();
    verdict(floor - week, floor + week * 2, later).unwrap();
    verdict(floor + week * 2, floor + week * 3, later).unwrap_err();
}

/// An authority, a broker and gateways, in files.
struct Fleet {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    ca: CertificateDer<'static>,
}

impl Fleet {
    fn make() -> Self {
        Self::called("fleet")
    }

    fn called(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = named(name, day(-3000), day(3000));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        file::write(&folder.path().join("ca.pem"), certificate.pem().as_bytes()).unwrap();
        Self {
            folder,
            issuer: Issuer::new(params, key),
            ca: certificate.der().clone(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn issue(
        &self,
        name: &str,
        serial: u64,
        begins: OffsetDateTime,
        ends: OffsetDateTime,
    ) -> (Certificate, KeyPair) {
        let mut params = named(name, begins, ends);
        params.serial_number = Some(SerialNumber::from(serial));
        params.subject_alt_names =
            vec![rcgen::SanType::DnsName(name.to_owned().try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    fn gateway(&self, name: &str) -> Files {
        let files = Files {
            ca: self.path("ca.pem"),
            certificate: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
            crl: None,
        };
        self.renew(&files, name);
        files
    }

    fn renew(&self, files: &Files, name: &str) {
        let (certificate, key) = self.issue(name, 7, day(-1), day(1));
        for path in [&files.certificate, &files.key] {
            if Path::exists(path) {
                std::fs::remove_file(path).unwrap();
            }
        }
        file::write(&files.certificate, certificate.pem().as_bytes()).unwrap();
        file::write_private(&files.key, key.serialize_pem().as_bytes()).unwrap();
    }

    fn revoke(&self, serials: &[u64], next_update: OffsetDateTime) {
        let list = CertificateRevocationListParams {
            this_update: day(-2),
            next_update,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|serial| RevokedCertParams {
                    serial_number: SerialNumber::from(*serial),
                    revocation_time: day(-2),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).unwrap();
        std::fs::write(self.path("crl.pem"), list.pem().unwrap()).unwrap();
    }

    /// A broker that wants certificates and lets sessions be resumed.
    fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let (certificate, key) = self.issue("localhost", BROKER, day(-1), day(1));
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }
}

fn named(name: &str, begins: OffsetDateTime, ends: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (begins, ends);
    params
}

/// Now and so many days.
fn day(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(days)
}

/// One handshake and the tickets after it: of which kind it was, and the certificate that the server saw.
fn handshake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> (HandshakeKind, Vec<CertificateDer<'static>>) {
    let (client, server) = connect(client, server).unwrap();
    let shown = server.peer_certificates().unwrap_or_default().to_vec();
    (client.handshake_kind().unwrap(), shown)
}

fn try_handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Result<(), String> {
    connect(client, server).map(drop)
}

fn connect(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), String> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    // Until neither has anything to say.
    loop {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut there).unwrap();
        }
        let mut rest = there.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            // What the client says of the server is asked for here, alerts included.
            let taken = server.process_new_packets();
            taken.map_err(|error| format!("the server: {error}"))?;
        }
        while server.wants_write() {
            server.write_tls(&mut back).unwrap();
        }
        let mut rest = back.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            let taken = client.process_new_packets();
            taken.map_err(|error| error.to_string())?;
        }
        if there.is_empty() && back.is_empty() {
            return Ok((client, server));
        }
    }
}

/// The serial number of the broker's certificate.
const BROKER: u64 = 3;
