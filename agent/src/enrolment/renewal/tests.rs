//! A power cut at any step of a renewal leaves a pair that fits.

use std::fs;

use rcgen::{CertificateParams, DnType, KeyPair};

use super::*;

fn pair() -> (String, String) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "gw-1");
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn after_a_power_cut_at_any_step_certificate_and_key_belong_together() {
    let (old, new) = (pair(), pair());
    for step in 0..=4 {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            ca: folder.path().join("ca.pem"),
            certificate: folder.path().join("gateway.pem"),
            key: folder.path().join("gateway.key"),
            crl: None,
        };
        let next = next(&files);
        files::put(&files.ca, old.0.as_bytes()).unwrap();
        files::put(&files.certificate, old.0.as_bytes()).unwrap();
        files::put_private(&files.key, old.1.as_bytes()).unwrap();
        let steps: [&dyn Fn() -> Result<(), EnrolmentError>; 4] = [
            &|| files::put_private(&next.key, new.1.as_bytes()),
            &|| files::put(&next.certificate, new.0.as_bytes()),
            &|| files::rename(&next.key, &files.key),
            &|| files::rename(&next.certificate, &files.certificate),
        ];
        for work in steps.iter().take(step) {
            work().unwrap();
        }
        settle(&files);
        assert!(Identity::load(&files).is_ok(), "after step {step}");
        let renewed = fs::read_to_string(&files.certificate).unwrap() == new.0;
        assert_eq!(renewed, step >= 3, "after step {step}");
        assert!(!next.key.exists() && !next.certificate.exists(), "{step}");
    }
}

#[test]
fn a_certificate_is_renewed_after_two_thirds_of_its_life_and_before_its_last_tenth() {
    let (certificate, key) = pair();
    let folder = tempfile::tempdir().unwrap();
    let files = Files {
        ca: folder.path().join("ca.pem"),
        certificate: folder.path().join("gateway.pem"),
        key: folder.path().join("gateway.key"),
        crl: None,
    };
    files::put(&files.ca, certificate.as_bytes()).unwrap();
    files::put(&files.certificate, certificate.as_bytes()).unwrap();
    files::put_private(&files.key, key.as_bytes()).unwrap();
    let identity = Identity::load(&files).unwrap();
    let life = lifetime(&identity);
    for spread in [-100, 0, 100] {
        let lived = due(&identity, spread) - identity.not_before();
        assert!(
            lived > life / 2 && lived < life / 10 * 8,
            "{lived} of {life}"
        );
    }
    assert!((-100..=100).contains(&spread()));
}
