//! What others check in these certificates: extensions, chain, and a real TLS handshake.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::*;

const NOW: i64 = 1_800_000_000;

fn authority() -> Authority {
    Authority::generate("test fleet", Validity::days_from(NOW, 3650).unwrap()).unwrap()
}

fn der(text: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(text.as_bytes()).unwrap()
}

fn days(count: u32) -> Validity {
    Validity::days_from(NOW, count).unwrap()
}

fn server(names: &[&str]) -> Subject {
    Subject::Server {
        common_name: "broker".to_owned(),
        names: names.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_authority_may_sign_certificates_and_nothing_else() {
    let authority = authority();
    let der = der(authority.certificate());
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let constraints = certificate.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
    assert!(certificate.extended_key_usage().unwrap().is_none());
    assert_eq!(certificate.validity().not_before.timestamp(), NOW - 300);
    assert_eq!(
        certificate.validity().not_after.timestamp(),
        NOW + 3650 * 86_400
    );
}

#[test]
fn a_gateway_certificate_names_the_gateway_only_and_serves_clients_only() {
    let authority = authority();
    let issued = authority
        .issue(&Subject::Client("gw-0001".to_owned()), days(365))
        .unwrap();
    let der = der(&issued.certificate);
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(certificate.subject().to_string(), "CN=gw-0001");
    assert!(!certificate.is_ca());
    let uses = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(uses.client_auth && !uses.server_auth && !uses.any);
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    assert!(certificate.subject_alternative_name().unwrap().is_none());
    assert_eq!(certificate.raw_serial().len(), 16);
    assert_eq!(hex(certificate.raw_serial()), issued.serial);
    assert_eq!(hex(digest(&SHA256, &der).as_ref()), issued.fingerprint);
}

#[test]
fn every_leaf_points_at_the_key_that_signed_it() {
    let authority = authority();
    let ca = der(authority.certificate());
    let (_, ca) = X509Certificate::from_der(&ca).unwrap();
    let subject_key =
        ca.iter_extensions()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                _ => None,
            });
    // Also after the authority was written to files and read back.
    let again = Authority::from_pem(authority.certificate(), &authority.key()).unwrap();
    for signer in [&authority, &again] {
        let issued = signer.issue(&server(&["localhost"]), days(1)).unwrap();
        let leaf = der(&issued.certificate);
        let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
        let authority_key = leaf
            .iter_extensions()
            .find_map(|e| match e.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    id.key_identifier.as_ref().map(|id| id.0.to_vec())
                }
                _ => None,
            });
        let own = leaf.iter_extensions().any(|extension| {
            matches!(
                extension.parsed_extension(),
                ParsedExtension::SubjectKeyIdentifier(_)
            )
        });
        assert!(own && subject_key.is_some());
        assert_eq!(authority_key, subject_key);
        assert_eq!(leaf.issuer(), ca.subject());
    }
}

#[test]
fn a_broker_certificate_carries_each_name_in_its_kind() {
    let issued = authority()
        .issue(&server(&["localhost", "127.0.0.1", "::1"]), days(1))
        .unwrap();
    let der = der(&issued.certificate);
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let names = &certificate
        .subject_alternative_name()
        .unwrap()
        .unwrap()
        .value
        .general_names;
    assert!(matches!(names[0], GeneralName::DNSName("localhost")));
    assert!(matches!(names[1], GeneralName::IPAddress([127, 0, 0, 1])));
    assert!(matches!(names[2], GeneralName::IPAddress(address) if address.len() == 16));
}

#[test]
fn no_leaf_outlives_its_authority_and_no_stranger_signs() {
    let authority = authority();
    let longer = authority.issue(&Subject::Client("gw".to_owned()), days(3651));
    assert!(matches!(longer, Err(PkiError::PastAuthority(_))));
    let other = self::authority();
    assert!(matches!(
        Authority::from_pem(authority.certificate(), &other.key()),
        Err(PkiError::AuthorityPair)
    ));
    let leaf = authority
        .issue(&Subject::Client("gw".to_owned()), days(1))
        .unwrap();
    assert!(matches!(
        Authority::from_pem(&leaf.certificate, &leaf.key),
        Err(PkiError::AuthorityCertificate)
    ));
}

#[test]
fn broker_and_gateway_of_one_fleet_shake_hands_and_strangers_do_not() {
    let now = crate::clock::now_seconds();
    let day = Validity::days_from(now, 1).unwrap();
    let fleet = Authority::generate("fleet", day).unwrap();
    let stranger = Authority::generate("fleet", day).unwrap();
    let broker = fleet.issue(&server(&["localhost"]), day).unwrap();
    let gateway = fleet.issue(&Subject::Client("gw".to_owned()), day).unwrap();
    let forged = stranger
        .issue(&Subject::Client("gw".to_owned()), day)
        .unwrap();
    assert!(handshake(&fleet, &broker, &gateway).is_ok());
    assert!(handshake(&fleet, &broker, &forged).is_err());
    assert!(
        handshake(&fleet, &gateway, &gateway).is_err(),
        "a gateway played the broker"
    );
    assert!(
        handshake(&fleet, &broker, &broker).is_err(),
        "the broker played a gateway"
    );
}

fn handshake(fleet: &Authority, server: &Issued, client: &Issued) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(der(fleet.certificate())).unwrap();
    let roots = Arc::new(roots);
    let provider = Arc::new(default_provider());
    let key = |issued: &Issued| PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![der(&server.certificate)], key(server))?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![der(&client.certificate)], key(client))?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(())
}

#[test]
fn signing_keys_survive_their_files() {
    let key = SigningKey::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (private, public) = (folder.path().join("a.key"), folder.path().join("a.pub"));
    wardlink_link::file::write_private(&private, signing_key_pem(&key).unwrap().as_bytes())
        .unwrap();
    wardlink_link::file::write(&public, verifying_key_pem(&key.verifying_key()).as_bytes())
        .unwrap();
    let read = wardlink_link::file::read_signing_key(&private).unwrap();
    assert_eq!(read.verifying_key(), key.verifying_key());
    assert_eq!(
        wardlink_link::file::read_verifying_key(&public).unwrap(),
        key.verifying_key()
    );
}
