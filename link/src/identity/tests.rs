mod tls;

use super::*;
use rcgen::{CertificateParams, DnType, KeyPair};

struct Made {
    folder: tempfile::TempDir,
    files: Files,
}

/// A self-signed party; the days are counted from 1970-01-01.
fn made(begins: i64, ends: i64) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "gw-7");
    params.not_before = x509_time(begins);
    params.not_after = x509_time(ends);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let files = Files {
        ca: folder.path().join("ca.pem"),
        certificate: folder.path().join("gw.pem"),
        key: folder.path().join("gw.key"),
        crl: None,
    };
    file::write(&files.ca, certificate.pem().as_bytes()).unwrap();
    file::write(&files.certificate, certificate.pem().as_bytes()).unwrap();
    file::write_private(&files.key, key.serialize_pem().as_bytes()).unwrap();
    Made { folder, files }
}

fn x509_time(days: i64) -> ::time::OffsetDateTime {
    ::time::OffsetDateTime::UNIX_EPOCH + ::time::Duration::days(days)
}

#[test]
fn an_expired_certificate_still_loads_and_says_when_it_ended() {
    let made = made(10_000, 10_001);
    let identity = Identity::load(&made.files).unwrap();
    assert_eq!(identity.common_name(), "gw-7");
    assert_eq!(identity.not_after(), 10_001 * 86_400);
}

#[test]
fn the_key_of_another_certificate_is_refused_by_name() {
    let (ours, theirs) = (made(0, 40_000), made(0, 40_000));
    let files = Files {
        key: theirs.files.key,
        ..ours.files
    };
    let said = Identity::load(&files).unwrap_err().to_string();
    assert!(said.contains("gw.key is not the key of"), "{said}");
}

#[test]
fn missing_and_garbled_files_are_named() {
    let made = made(0, 40_000);
    std::fs::write(&made.files.ca, "nonsense").unwrap();
    let said = Identity::load(&made.files).unwrap_err().to_string();
    assert!(said.contains("ca.pem"), "{said}");
    std::fs::remove_file(&made.files.certificate).unwrap();
    let said = Identity::load(&made.files).unwrap_err().to_string();
    assert!(said.contains("gw.pem"), "{said}");
    drop(made.folder);
}
