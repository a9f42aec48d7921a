//! `docs/wire.cddl` describes the bytes that are really made, and nothing else.

use cddl_cat::cbor::validate_cbor;
use cddl_cat::context::BasicContext;
use cddl_cat::flatten::flatten_from_str;
use ciborium::Value;
use serde::Serialize;
use wardlink_wire::batch::Batch;
use wardlink_wire::bundle::Parcel;
use wardlink_wire::codec;
use wardlink_wire::message::{Head, Message};
use wardlink_wire::state::{ConfigState, State};

use crate::examples;

const CONTRACT: &str = include_str!("../../../docs/wire.cddl");

fn validate(rule: &str, bytes: &[u8]) -> Result<(), String> {
    let contract =
        BasicContext::new(flatten_from_str(&in_the_words_of_the_validator(CONTRACT)).unwrap());
    let rule = contract.rules.get(rule).unwrap();
    let value: Value = ciborium::from_reader(bytes).map_err(|error| error.to_string())?;
    validate_cbor(rule, &untagged(value), &contract).map_err(|error| error.to_string())
}

/// Says the contract in the words that the validator knows: it has no tags, so contract and data both say
/// `#6.4(x)` as `["#6", 4, x]`; it does not anchor patterns, as RFC 8610 section 3.8.3 does; it knows no
/// sequences (section 3.8.4); and it does not read -2^63, the least number of all.
fn in_the_words_of_the_validator(contract: &str) -> String {
    let contract = contract
        .replace(
            "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
            "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        )
        .replace(".cborseq [+ batch]", ".cbor batch")
        .replace("-9223372036854775808", "-9223372036854775807");
    let line = |line: &str| match line.split_once("#6.") {
        None => format!("{line}\n"),
        Some((before, tagged)) => {
            let (number, rest) = tagged.split_once('(').unwrap();
            let (content, after) = rest.split_once(')').unwrap();
            format!("{before}[\"#6\", {number}, {content}]{after}\n")
        }
    };
    contract.lines().map(line).collect()
}

fn untagged(value: Value) -> Value {
    match value {
        Value::Tag(number, content) => Value::Array(vec![
            Value::from("#6"),
            Value::from(number),
            untagged(*content),
        ]),
        Value::Array(items) => Value::Array(items.into_iter().map(untagged).collect()),
        Value::Map(entries) => {
            let entries = entries.into_iter();
            Value::Map(entries.map(|(k, v)| (untagged(k), untagged(v))).collect())
        }
        other => other,
    }
}

#[track_caller]
fn holds(rule: &str, bytes: &[u8]) {
    if let Err(error) = validate(rule, bytes) {
        panic!("{rule} does not describe {}: {error}", hex(bytes));
    }
}

#[track_caller]
fn refuses(rule: &str, bytes: &[u8]) {
    assert!(
        validate(rule, bytes).is_err(),
        "{rule} also describes {}",
        hex(bytes)
    );
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    codec::encode(value).unwrap()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_contract_describes_every_message() {
    let batch = examples::batch();
    holds("batch", &encoded(&batch));
    let head = Head::of(&batch).unwrap();
    let message = Message::seal(head, &encoded(&batch), &examples::payload_key()).unwrap();
    holds("message", &message.encode().unwrap());
    let key = examples::signing_key(1);
    holds("signed-receipt", &examples::receipt().sign(&key).unwrap());
    holds("receipt", &encoded(&examples::receipt()));
    let keys = [2, 3].map(examples::signing_key);
    let bundle = examples::manifest().sign(&[&keys[0], &keys[1]]).unwrap();
    holds("signed-bundle", &bundle);
    holds("manifest", &encoded(&examples::manifest()));
    holds("signed-root", &examples::root().sign(&[&keys[0]]).unwrap());
    holds("root", &encoded(&examples::root()));
    holds("parcel", &examples::parcel().encode().unwrap());
    let (frame, _) = examples::head()
        .extend(1, "gw-0001", "confirmed", "")
        .unwrap();
    holds("audit-entry", &frame[4..]);
    holds("birth", &encoded(&examples::birth()));
    holds("state", &encoded(&examples::state()));
    holds("config-state", &encoded(&examples::config_state()));
    holds("config-state", &encoded(&examples::full_config_state()));
}

#[test]
fn the_contract_describes_messages_that_leave_out_what_they_may() {
    let offline = State {
        online: false,
        health: None,
        ..examples::state()
    };
    holds("state", &encoded(&offline));
    let fresh = ConfigState {
        bundle: None,
        ..examples::config_state()
    };
    holds("config-state", &encoded(&fresh));
    let mut unread = examples::config_state();
    if let Some(bundle) = &mut unread.bundle {
        bundle.version = None;
    }
    holds("config-state", &encoded(&unread));
    let mut plain = examples::manifest();
    (plain.stale, plain.rollout) = (None, None);
    holds("manifest", &encoded(&plain));
    let roots = Parcel {
        bundle: None,
        ..examples::parcel()
    };
    holds("parcel", &encoded(&roots));
    let mut audited = examples::state();
    if let Some(health) = &mut audited.health {
        health.audit = Some(examples::head());
    }
    holds("state", &encoded(&audited));
}

#[test]
fn the_contract_describes_every_body_alone() {
    for body in examples::bodies() {
        holds("body", &encoded(&body));
    }
}

/// Every rule is broken once in every way that its kind of value can be wrong.
#[test]
fn the_contract_refuses_what_is_not_in_it() {
    for (rule, bad) in BROKEN {
        refuses(rule, bad);
    }
}

#[test]
fn what_the_contract_refuses_the_decoder_refuses_too() {
    let limit = codec::Limit {
        bytes: 1 << 16,
        depth: 16,
    };
    let bodies = BROKEN.iter().filter(|(rule, _)| *rule == "body");
    for (_, bad) in bodies {
        let read = codec::decode::<wardlink_wire::record::Body>(bad, limit);
        assert!(read.is_err(), "{} was read as {read:?}", hex(bad));
    }
}

#[test]
fn a_batch_with_one_key_missing_or_too_many_is_refused_by_both() {
    let bytes = encoded(&examples::batch());
    for change in [remove_key as fn(&mut Vec<(Value, Value)>), add_key] {
        let Ok(Value::Map(mut entries)) = ciborium::from_reader(bytes.as_slice()) else {
            panic!("a batch is a map");
        };
        change(&mut entries);
        let mut broken = Vec::new();
        ciborium::into_writer(&Value::Map(entries), &mut broken).unwrap();
        refuses("batch", &broken);
        assert!(Batch::decode(&broken).is_err(), "{}", hex(&broken));
    }
}

fn remove_key(entries: &mut Vec<(Value, Value)>) {
    entries.remove(5);
}

fn add_key(entries: &mut Vec<(Value, Value)>) {
    entries.push((Value::from(8), Value::from(0)));
}

const BROKEN: &[(&str, &[u8])] = &[
    // numbers out of range or of another kind
    ("schema", &[0x02]),
    ("lane", &[0x04]),
    ("lane", &[0x20]),
    ("lane", b"\x65alarm"),
    ("u32", &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]),
    ("u32", &[0x20]),
    ("i32", &[0x1a, 0x80, 0, 0, 0]),
    ("i64", &[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ("u64", &[0xf9, 0x3c, 0x00]),
    ("ratio", &[0x82, 0x00, 0x01]),
    ("quality", &[0x20]),
    // names and ids
    ("gateway-id", b"\x60"),
    ("gateway-id", b"\x63a/b"),
    ("gateway-id", b"\x62-a"),
    ("gateway-id", b"\x61+"),
    ("gateway-id", b"\x41a"),
    ("epoch", b"\x4fepoch-of-a-stor"),
    ("epoch", b"\x70epoch-of-a-store"),
    // ranges and decimals
    ("sequence-range", &[0x81, 0x01]),
    ("sequence-range", &[0x83, 0x01, 0x02, 0x03]),
    ("decimal", &[0x82, 0x20, 0x19, 0x01, 0x6e]),
    ("decimal", &[0xc5, 0x82, 0x20, 0x19, 0x01, 0x6e]),
    ("decimal", &[0xc4, 0x82, 0x18, 0x80, 0x01]),
    ("decimal", &[0xc4, 0x81, 0x01]),
    // bodies: none, unknown, two at once, missing and unknown keys, wrong tags, floats
    ("body", &[0xa0]),
    ("body", &[0x82, 0x05, 0xa0]),
    ("body", &[0x00]),
    ("body", &[0x82, 0x00, 0xa0]),
    (
        "body",
        &[
            0x82, 0x00, 0xa1, 0x00, 0xfb, 0x40, 0x42, 0x4c, 0xcc, 0xcc, 0xcc, 0xcc, 0xcd,
        ],
    ),
    (
        "body",
        &[0x82, 0x00, 0xa2, 0x00, 0xc4, 0x82, 0x20, 0x01, 0x03, 0x00],
    ),
    (
        "body",
        &[0x82, 0x00, 0xa2, 0x00, 0xc4, 0x82, 0x20, 0x01, 0x01, 0xf6],
    ),
    (
        "body",
        &[0x82, 0x01, 0xa2, 0x00, 0x00, 0x01, 0x42, 0x01, 0x02],
    ),
    (
        "body",
        &[
            0x82, 0x01, 0xa2, 0x00, 0x00, 0x01, 0xd8, 0x4f, 0x42, 0x01, 0x02,
        ],
    ),
    (
        "body",
        &[0x82, 0x01, 0xa2, 0x00, 0x00, 0x01, 0x82, 0x01, 0x02],
    ),
    ("body", &[0x82, 0x02, 0xa2, 0x00, 0x0a, 0x02, 0x01]),
    ("body", &[0x82, 0x02, 0xa1, 0x00, 0x01]),
    ("body", &[0x82, 0x03, 0xa2, 0x00, 0x01, 0x03, 0x04]),
    ("body", &[0x82, 0x04, 0xa2, 0x00, 0x0e, 0x01, 0x60]),
    ("body", &[0x82, 0x04, 0xa2, 0x00, 0x17, 0x01, 0x60]),
    ("body", &[0x82, 0x04, 0xa1, 0x00, 0x00]),
    // the other form of enums: maps, keyed by number or word
    ("body", &[0xa1, 0x00, 0xa1, 0x00, 0xc4, 0x82, 0x20, 0x01]),
    ("body", b"\xa1\x67numeric\xa1\x00\xc4\x82\x20\x01"),
];
