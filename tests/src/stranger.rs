//! Somebody without a certificate.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

/// Panics if a broker answers MQTT without TLS.
#[track_caller]
pub fn assert_wants_tls(port: u16) {
    // A broker may close, or say in TLS that this is none (RFC 8446 section 6); CONNACK begins with 0x20.
    let answer = exchange(&mut connect(port)).unwrap_or_default();
    assert_ne!(answer.first(), Some(&0x20), "an answer without TLS");
}

/// Panics if a broker of the fleet with this CA answers a client that has no certificate.
#[track_caller]
pub fn assert_wants_a_certificate(ca: &Path, port: u16) {
    let mut nobody = StreamOwned::new(nobody(ca), connect(port));
    let error =
        exchange(&mut nobody).expect_err("the broker answered a client without certificate");
    // The alert of TLS 1.3 (RFC 8446 section 6), or the one that NATS sends.
    let alerts = ["CertificateRequired", "BadCertificate"];
    let said = error.to_string();
    assert!(alerts.iter().any(|alert| said.contains(alert)), "{said}");
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time-out");
    stream
}

/// Says CONNECT (MQTT 3.1.1 section 3.1) and hears what comes back.
fn exchange(stream: &mut (impl Read + Write)) -> io::Result<Vec<u8>> {
    let client = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc";
    stream.write_all(client)?;
    stream.flush()?;
    let mut answer = vec![0; 64];
    let count = stream.read(&mut answer)?;
    answer.truncate(count);
    Ok(answer)
}

/// A TLS client that believes the fleet and has nothing to show.
fn nobody(ca: &Path) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    let pem = fs::read(ca).expect("the fleet's CA");
    roots
        .add(CertificateDer::from_pem_slice(&pem).expect("a certificate"))
        .expect("a CA");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a TLS client")
}
