//! No bit of what was sealed or signed can change unnoticed, and no byte of it can be missing.

use wardlink_wire::bundle::Bundle;
use wardlink_wire::id::Epoch;
use wardlink_wire::lane::Lane;
use wardlink_wire::message::{Head, Message, PayloadKey, PayloadMasterKey};
use wardlink_wire::receipt::Receipt;

use crate::examples;

/// Flips every bit, cuts at every byte and adds a byte: `reads` must refuse each.
fn refuses_every_change(original: &[u8], reads: impl Fn(&[u8]) -> bool) {
    assert!(reads(original), "the original itself is refused");
    for place in 0..original.len() {
        for bit in 0..8 {
            let mut changed = original.to_vec();
            changed[place] ^= 1 << bit;
            assert!(
                !reads(&changed),
                "bit {bit} of byte {place} was flipped and nobody noticed"
            );
        }
        assert!(
            !reads(&original[..place]),
            "cut to {place} bytes and nobody noticed"
        );
    }
    let longer = [original, &[0]].concat();
    assert!(!reads(&longer), "a byte was added and nobody noticed");
}

fn sealed() -> Vec<u8> {
    seal(&examples::payload_key())
}

fn seal(key: &PayloadKey) -> Vec<u8> {
    let batch = examples::batch();
    let head = Head::of(&batch).unwrap();
    let message = Message::seal(head, &batch.encode().unwrap(), key).unwrap();
    message.encode().unwrap()
}

fn opens(bytes: &[u8], key: &PayloadKey) -> bool {
    Message::decode(bytes).is_ok_and(|message| message.open(key).is_ok())
}

#[test]
fn every_changed_bit_of_a_sealed_message_is_noticed() {
    refuses_every_change(&sealed(), |bytes| opens(bytes, &examples::payload_key()));
}

#[test]
fn every_changed_bit_of_a_signed_receipt_is_noticed() {
    let key = examples::signing_key(1);
    let trusted = [key.verifying_key()];
    refuses_every_change(&examples::receipt().sign(&key).unwrap(), |bytes| {
        Receipt::verify(bytes, &examples::gateway(), &trusted).is_ok()
    });
}

#[test]
fn every_changed_bit_of_a_signed_bundle_is_noticed() {
    let keys = [2, 3].map(examples::signing_key);
    let trust = examples::trust(&[2, 3], 2);
    let bundle = examples::manifest().sign(&[&keys[0], &keys[1]]).unwrap();
    refuses_every_change(&bundle, |bytes| Bundle::verify(bytes, &trust).is_ok());
}

#[test]
fn every_changed_bit_of_a_signed_root_is_noticed() {
    let trust = examples::trust(&[2], 1);
    let root = examples::root().sign(&[&examples::signing_key(2)]).unwrap();
    refuses_every_change(&root, |bytes| trust.follow(bytes).is_ok());
}

#[test]
fn a_message_sealed_for_another_gateway_does_not_open() {
    let master = PayloadMasterKey::from_bytes([9; 32]);
    let own = master.for_gateway(&examples::gateway()).unwrap();
    let other = master.for_gateway(&"gw-0002".parse().unwrap()).unwrap();
    let bytes = seal(&own);
    assert!(opens(&bytes, &own));
    assert!(!opens(&bytes, &other));
    assert!(!opens(&bytes, &examples::payload_key()));
}

#[test]
fn a_sealed_batch_cannot_be_announced_under_another_head() {
    let batch = examples::batch();
    let plain = batch.encode().unwrap();
    let head = Head::of(&batch).unwrap();
    let range = |first, last| Head {
        range: examples::range(first, last),
        ..head.clone()
    };
    let (first, last) = (head.range.first().0, head.range.last().0);
    let heads = [
        Head {
            gateway: "gw-0002".parse().unwrap(),
            ..head.clone()
        },
        Head {
            epoch: Epoch::from_bytes([1; 16]),
            ..head.clone()
        },
        Head {
            lane: Lane::Alarm,
            ..head.clone()
        },
        Head {
            schema: 2,
            ..head.clone()
        },
        range(first + 1, last + 1),
        range(first, last - 1),
        range(first, last + 1),
    ];
    for head in heads {
        let message = Message::seal(head.clone(), &plain, &examples::payload_key()).unwrap();
        let opened = message.open(&examples::payload_key());
        assert!(opened.is_err(), "announced as {head:?} and opened");
    }
}

#[test]
fn the_same_batch_sealed_twice_is_never_the_same_message() {
    assert_ne!(sealed(), sealed());
}
