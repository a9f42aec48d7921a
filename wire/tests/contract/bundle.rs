//! A gateway takes the right bundle, and no other.

use wardlink_wire::bundle::{Bundle, BundleError, Manifest, Target};
use wardlink_wire::codec;
use wardlink_wire::receipt::{Receipt, ReceiptError};
use wardlink_wire::signature::{Purpose, VerifyError};

use crate::examples::{NOW, gateway, manifest, receipt, signing_key};

fn verify(bytes: &[u8]) -> Result<Bundle, BundleError> {
    Bundle::verify(bytes, &[signing_key(2).verifying_key()])
}

fn admit(manifest: &Manifest, floor: u64, now: i64) -> Result<(), BundleError> {
    let bytes = manifest.sign(&signing_key(2)).unwrap();
    verify(&bytes).unwrap().admit(&gateway(), floor, now)
}

#[test]
fn a_newer_bundle_for_this_gateway_by_a_pinned_key_is_taken() {
    assert!(admit(&manifest(), 6, NOW).is_ok());
    let bytes = manifest().sign(&signing_key(3)).unwrap();
    let pinned = [2, 3].map(|seed| signing_key(seed).verifying_key());
    let bundle = Bundle::verify(&bytes, &pinned).unwrap();
    assert_eq!(bundle.signer(), pinned[1].fingerprint());
}

#[test]
fn an_unsigned_bundle_is_refused() {
    let bare = codec::encode(&manifest()).unwrap();
    let refused = verify(&bare).unwrap_err();
    assert!(
        matches!(refused, BundleError::Verify(VerifyError::Envelope)),
        "{refused}"
    );
    assert!(verify(&[]).is_err());
    assert!(verify(manifest().profile.as_bytes()).is_err());
}

#[test]
fn a_bundle_with_an_empty_signature_is_refused() {
    let mut bytes = manifest().sign(&signing_key(2)).unwrap();
    bytes.truncate(bytes.len() - 66);
    bytes.push(0x40);
    let refused = verify(&bytes).unwrap_err();
    assert!(
        matches!(refused, BundleError::Verify(VerifyError::Signature)),
        "{refused}"
    );
}

#[test]
fn a_bundle_by_a_key_that_is_not_pinned_is_refused() {
    let bytes = manifest().sign(&signing_key(9)).unwrap();
    let refused = verify(&bytes).unwrap_err();
    assert!(
        matches!(refused, BundleError::Verify(VerifyError::UnknownKey)),
        "{refused}"
    );
    assert!(Bundle::verify(&bytes, &[]).is_err());
}

#[test]
fn a_bundle_that_only_claims_a_pinned_key_is_refused() {
    let pinned = signing_key(2).verifying_key();
    let mut bytes = manifest().sign(&signing_key(9)).unwrap();
    let claimed = signing_key(9).verifying_key().key_id();
    let at = bytes
        .windows(8)
        .position(|window| window == claimed)
        .unwrap();
    bytes[at..at + 8].copy_from_slice(&pinned.key_id());
    let refused = verify(&bytes).unwrap_err();
    assert!(
        matches!(refused, BundleError::Verify(VerifyError::Signature)),
        "{refused}"
    );
}

#[test]
fn a_bundle_for_another_gateway_or_a_group_is_refused() {
    let mut other = manifest();
    other.target = Target::Gateway("gw-0002".parse().unwrap());
    let refused = admit(&other, 0, NOW).unwrap_err();
    assert!(matches!(refused, BundleError::OtherGateway(_)), "{refused}");
    other.target = Target::Group("gw-0001".to_owned());
    let refused = admit(&other, 0, NOW).unwrap_err();
    assert!(matches!(refused, BundleError::OtherGroup(_)), "{refused}");
}

#[test]
fn a_bundle_that_was_applied_or_is_older_is_refused() {
    for floor in [7, 8, u64::MAX] {
        let refused = admit(&manifest(), floor, NOW).unwrap_err();
        assert!(matches!(refused, BundleError::NotNewer { .. }), "{refused}");
    }
}

#[test]
fn a_bundle_is_refused_from_the_second_it_expires() {
    let ends = manifest().expires;
    assert!(admit(&manifest(), 0, ends - 1).is_ok());
    for now in [ends, ends + 1, i64::MAX] {
        let refused = admit(&manifest(), 0, now).unwrap_err();
        assert!(matches!(refused, BundleError::Expired(_)), "{refused}");
    }
}

#[test]
fn a_bundle_larger_than_64_kib_is_refused_before_it_is_read() {
    let mut large = manifest();
    large.profile = "#".repeat(64 << 10);
    let bytes = large.sign(&signing_key(2)).unwrap();
    let refused = verify(&bytes).unwrap_err();
    assert!(matches!(refused, BundleError::TooLarge(_)), "{refused}");
}

#[test]
fn a_bundle_of_another_schema_is_refused() {
    let mut newer = manifest();
    newer.schema = 2;
    let bytes = newer.sign(&signing_key(2)).unwrap();
    let refused = verify(&bytes).unwrap_err();
    assert!(matches!(refused, BundleError::Schema(2)), "{refused}");
}

#[test]
fn a_receipt_never_passes_for_a_bundle_nor_a_bundle_for_a_receipt() {
    let key = signing_key(2);
    let refused = verify(&receipt().sign(&key).unwrap()).unwrap_err();
    assert!(
        matches!(refused, BundleError::Verify(VerifyError::Signature)),
        "{refused}"
    );
    // not even when its content is a manifest
    let payload = codec::encode(&manifest()).unwrap();
    let refused = verify(&key.sign(Purpose::Receipt, payload).unwrap()).unwrap_err();
    assert!(
        matches!(refused, BundleError::Verify(VerifyError::Signature)),
        "{refused}"
    );
    let bundle = manifest().sign(&key).unwrap();
    let refused = Receipt::verify(&bundle, &gateway(), &[key.verifying_key()]).unwrap_err();
    assert!(
        matches!(refused, ReceiptError::Verify(VerifyError::Signature)),
        "{refused}"
    );
}

#[test]
fn a_receipt_for_another_gateway_by_another_key_or_of_any_size_is_refused() {
    let key = signing_key(1);
    let trusted = [key.verifying_key()];
    let bytes = receipt().sign(&key).unwrap();
    let refused = Receipt::verify(&bytes, &"gw-0002".parse().unwrap(), &trusted).unwrap_err();
    assert!(
        matches!(refused, ReceiptError::OtherGateway(_)),
        "{refused}"
    );
    let others = [signing_key(9).verifying_key()];
    let refused = Receipt::verify(&bytes, &gateway(), &others).unwrap_err();
    assert!(
        matches!(refused, ReceiptError::Verify(VerifyError::UnknownKey)),
        "{refused}"
    );
    let refused = Receipt::verify(&vec![0; 2 << 20], &gateway(), &trusted).unwrap_err();
    assert!(matches!(refused, ReceiptError::TooLarge(_)), "{refused}");
}
