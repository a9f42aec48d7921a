//! A gateway takes the right bundle, and no other.

use wardlink_wire::bundle::{Bundle, BundleError, Manifest, Parcel, Trial, Version};
use wardlink_wire::codec;
use wardlink_wire::receipt::{Receipt, ReceiptError};
use wardlink_wire::signature::{Purpose, VerifyError};
use wardlink_wire::state::Reason;

use crate::examples::{NOW, gateway, manifest, parcel, receipt, root, signing_key, trust};

fn verify(bytes: &[u8]) -> Result<Bundle, BundleError> {
    Bundle::verify(bytes, &trust(&[2], 1))
}

fn admit(manifest: &Manifest, floor: u64, now: i64) -> Result<(), BundleError> {
    let bytes = manifest.sign(&[&signing_key(2)]).unwrap();
    let floor = Version {
        root: 1,
        number: floor,
    };
    verify(&bytes)
        .unwrap()
        .admit(&gateway(), &trust(&[2], 1), floor, now)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, BundleError>, reason: Reason) {
    let error = outcome.unwrap_err();
    assert_eq!(error.reason(), reason, "{error}");
}

#[test]
fn a_newer_bundle_for_this_gateway_by_enough_operators_is_taken() {
    assert!(admit(&manifest(), 6, NOW).is_ok());
    let keys = [2, 3].map(signing_key);
    let both = manifest().sign(&[&keys[0], &keys[1]]).unwrap();
    let bundle = Bundle::verify(&both, &trust(&[2, 3, 4], 2)).unwrap();
    let prints = keys.map(|key| key.verifying_key().fingerprint());
    assert_eq!(bundle.signers(), prints.join(", "));
}

#[test]
fn too_few_operators_are_not_enough() {
    let one = manifest().sign(&[&signing_key(2)]).unwrap();
    let outcome = Bundle::verify(&one, &trust(&[2, 3, 4], 2));
    refused(outcome, Reason::TooFewSignatures);
}

#[test]
fn an_operator_and_a_stranger_are_nobody() {
    let keys = [2, 9].map(signing_key);
    let mixed = manifest().sign(&[&keys[0], &keys[1]]).unwrap();
    refused(
        Bundle::verify(&mixed, &trust(&[2, 3], 1)),
        Reason::UnknownKey,
    );
}

#[test]
fn an_unsigned_bundle_is_refused() {
    let bare = codec::encode(&manifest()).unwrap();
    refused(verify(&bare), Reason::Malformed);
    refused(verify(&[]), Reason::Malformed);
    refused(verify(manifest().profile.as_bytes()), Reason::Malformed);
    let single = signing_key(2).sign(Purpose::Bundle, bare).unwrap();
    refused(verify(&single), Reason::Malformed);
}

#[test]
fn a_bundle_that_only_claims_an_operator_s_key_is_refused() {
    let pinned = signing_key(2).verifying_key();
    let mut bytes = manifest().sign(&[&signing_key(9)]).unwrap();
    let claimed = signing_key(9).verifying_key().key_id();
    let at = bytes
        .windows(8)
        .position(|window| window == claimed)
        .unwrap();
    bytes[at..at + 8].copy_from_slice(&pinned.key_id());
    refused(verify(&bytes), Reason::BadSignature);
}

#[test]
fn a_bundle_for_another_gateway_is_refused() {
    let mut other = manifest();
    other.gateway = "gw-0002".parse().unwrap();
    refused(admit(&other, 0, NOW), Reason::OtherGateway);
}

#[test]
fn a_bundle_that_was_applied_or_is_older_is_refused() {
    for floor in [7, 8, u64::MAX] {
        refused(admit(&manifest(), floor, NOW), Reason::NotNewer);
    }
}

#[test]
fn a_bundle_is_refused_from_the_second_it_expires() {
    let ends = manifest().expires;
    assert!(admit(&manifest(), 0, ends - 1).is_ok());
    for now in [ends, ends + 1, i64::MAX] {
        refused(admit(&manifest(), 0, now), Reason::Expired);
    }
}

#[test]
fn a_bundle_larger_than_64_kib_is_refused_before_it_is_read() {
    let mut large = manifest();
    large.profile = "#".repeat(64 << 10);
    let bytes = large.sign(&[&signing_key(2)]).unwrap();
    refused(verify(&bytes), Reason::TooLarge);
    refused(Parcel::decode(&vec![0; (192 << 10) + 1]), Reason::TooLarge);
}

#[test]
fn a_bundle_of_another_schema_or_without_a_sensible_trial_is_refused() {
    let trials = [(0, 0), (2, 1), (1, 86_401)];
    let with_trial = |(soak, deadline)| Manifest {
        trial: Trial { soak, deadline },
        ..manifest()
    };
    let mut wrong: Vec<_> = trials.into_iter().map(with_trial).collect();
    wrong.push(Manifest {
        schema: 1,
        ..manifest()
    });
    wrong.push(Manifest {
        rollout: Some("x".repeat(65)),
        ..manifest()
    });
    for manifest in wrong {
        let bytes = manifest.sign(&[&signing_key(2)]).unwrap();
        refused(verify(&bytes), Reason::Malformed);
    }
    let mut newer = parcel();
    newer.schema = 3;
    refused(Parcel::decode(&newer.encode().unwrap()), Reason::Malformed);
}

#[test]
fn a_receipt_never_passes_for_a_bundle_nor_a_bundle_for_a_receipt() {
    let key = signing_key(2);
    refused(verify(&receipt().sign(&key).unwrap()), Reason::Malformed);
    refused(verify(&root().sign(&[&key]).unwrap()), Reason::BadSignature);
    let bundle = manifest().sign(&[&key]).unwrap();
    let refused = Receipt::verify(&bundle, &gateway(), &[key.verifying_key()]).unwrap_err();
    assert!(
        matches!(refused, ReceiptError::Verify(VerifyError::Envelope)),
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
