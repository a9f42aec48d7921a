//! The bytes of schema 1, for ever: what was once written can always be read, and means the same.
//!
//! The files in `golden/` are never changed. A new shape is a new schema, with files of its own; a key that
//! may be left out may be added at the end.

use ciborium::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wardlink_wire::audit;
use wardlink_wire::batch::Batch;
use wardlink_wire::bundle::{Bundle, Parcel};
use wardlink_wire::codec::{self, Limit};
use wardlink_wire::message::Message;
use wardlink_wire::receipt::Receipt;
use wardlink_wire::state::Reason;

use crate::cddl::hex;
use crate::examples;

const BATCH: &str = include_str!("golden/batch.hex");
const MESSAGE: &str = include_str!("golden/message.hex");
const SIGNED_RECEIPT: &str = include_str!("golden/signed-receipt.hex");
const SIGNED_BUNDLE: &str = include_str!("golden/signed-bundle.hex");
const SIGNED_BUNDLE_2: &str = include_str!("golden/signed-bundle-2.hex");
const PARCEL_2: &str = include_str!("golden/parcel-2.hex");
const SIGNED_ROOT: &str = include_str!("golden/signed-root.hex");
const AUDIT: &str = include_str!("golden/audit.hex");
const FULL_CONFIG_STATE: &str = include_str!("golden/full-config-state.hex");
const BIRTH: &str = include_str!("golden/birth.hex");
const STATE: &str = include_str!("golden/state.hex");
const CONFIG_STATE: &str = include_str!("golden/config-state.hex");

fn bytes(golden: &str) -> Vec<u8> {
    let digits: Vec<u8> = golden.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// Reads the bytes as the expected value, writes them again, and has a second codec do the same.
#[track_caller]
fn stays<T>(golden: &str, expected: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let golden = bytes(golden);
    let limit = Limit {
        bytes: 1 << 20,
        depth: 16,
    };
    let made = codec::encode(expected).unwrap();
    assert_eq!(
        hex(&made),
        hex(&golden),
        "the encoding of {expected:?} changed"
    );
    assert_eq!(&codec::decode::<T>(&golden, limit).unwrap(), expected);
    second_codec_agrees(&golden);
}

fn second_codec_agrees(golden: &[u8]) -> Value {
    let value: Value = ciborium::from_reader(golden).unwrap();
    let mut again = Vec::new();
    ciborium::into_writer(&value, &mut again).unwrap();
    assert_eq!(hex(&again), hex(golden), "ciborium writes it otherwise");
    value
}

#[test]
fn a_batch_of_schema_1_stays_readable() {
    stays(BATCH, &examples::batch());
    assert_eq!(Batch::decode(&bytes(BATCH)).unwrap(), examples::batch());
}

#[test]
fn a_sealed_message_of_schema_1_still_opens() {
    let golden = bytes(MESSAGE);
    let message = Message::decode(&golden).unwrap();
    let opened = message.open(&examples::payload_key()).unwrap();
    assert_eq!(opened, [(examples::batch(), bytes(BATCH))]);
    assert_eq!(hex(&message.encode().unwrap()), hex(&golden));
    second_codec_agrees(&golden);
}

#[test]
fn a_signed_receipt_of_schema_1_still_verifies() {
    let (golden, key) = (bytes(SIGNED_RECEIPT), examples::signing_key(1));
    let trusted = [key.verifying_key()];
    let receipt = Receipt::verify(&golden, &examples::gateway(), &trusted).unwrap();
    assert_eq!(receipt, examples::receipt());
    assert_eq!(hex(&receipt.sign(&key).unwrap()), hex(&golden));
    second_codec_agrees(&golden);
}

/// It has one signature and no trial: what a threshold protects, it could get around.
#[test]
fn a_signed_bundle_of_schema_1_is_refused() {
    let golden = bytes(SIGNED_BUNDLE);
    let refused = Bundle::verify(&golden, &examples::trust(&[2], 1)).unwrap_err();
    assert_eq!(refused.reason(), Reason::Malformed, "{refused}");
    assert!(Parcel::decode(&golden).is_err());
}

#[test]
fn a_signed_bundle_of_schema_2_still_verifies() {
    let golden = bytes(SIGNED_BUNDLE_2);
    let bundle = Bundle::verify(&golden, &examples::trust(&[2, 3], 2)).unwrap();
    assert_eq!(bundle.manifest(), &examples::manifest());
    let keys = [2, 3].map(examples::signing_key);
    let again = examples::manifest().sign(&[&keys[0], &keys[1]]).unwrap();
    assert_eq!(hex(&again), hex(&golden));
    second_codec_agrees(&golden);
}

#[test]
fn a_parcel_of_schema_2_stays_readable() {
    stays(PARCEL_2, &examples::parcel());
    assert_eq!(
        Parcel::decode(&bytes(PARCEL_2)).unwrap(),
        examples::parcel()
    );
}

#[test]
fn a_signed_root_of_schema_1_is_still_followed() {
    let golden = bytes(SIGNED_ROOT);
    let trust = examples::trust(&[2, 4], 1).follow(&golden).unwrap();
    assert_eq!(
        (trust.version(), trust.threshold(), trust.expires()),
        (2, 1, Some(examples::root().expires))
    );
    assert_eq!(trust.operators(), examples::root().operators);
    let again = examples::root().sign(&[&examples::signing_key(2)]).unwrap();
    assert_eq!(hex(&again), hex(&golden));
    second_codec_agrees(&golden);
}

#[test]
fn an_audit_log_of_schema_1_still_verifies() {
    let golden = bytes(AUDIT);
    let chain = audit::verify([golden.as_slice()]).unwrap();
    assert_eq!(chain.head, examples::head());
    assert_eq!(chain.entries[0].detail, "bundle expired");
}

#[test]
fn what_a_gateway_says_of_itself_in_schema_1_stays_readable() {
    stays(BIRTH, &examples::birth());
    stays(STATE, &examples::state());
    stays(CONFIG_STATE, &examples::config_state());
    stays(FULL_CONFIG_STATE, &examples::full_config_state());
}

/// Two codecs that agree could still both be read wrongly, so some values are looked up by hand.
#[test]
fn a_second_codec_finds_the_values_where_the_contract_puts_them() {
    let batch = second_codec_agrees(&bytes(BATCH));
    assert_eq!(at(&batch, &[0]), &Value::from(1));
    assert_eq!(at(&batch, &[1]), &Value::from("gw-0001"));
    assert_eq!(at(&batch, &[4]), &Value::from(1000));
    let numeric = at(&batch, &[7, 0, 2, 1, 0]);
    let tenths = Value::Array(vec![Value::from(-1), Value::from(366)]);
    assert_eq!(numeric, &Value::Tag(4, Box::new(tenths)));
    let samples = at(&batch, &[7, 2, 2, 1, 1]);
    let little_endian = vec![0x00, 0x00, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x80];
    assert_eq!(
        samples,
        &Value::Tag(77, Box::new(Value::Bytes(little_endian)))
    );
}

/// Follows map keys and array places.
fn at<'v>(value: &'v Value, path: &[usize]) -> &'v Value {
    path.iter().fold(value, |value, step| match value {
        Value::Array(items) => &items[*step],
        Value::Map(entries) => {
            let key = Value::from(u64::try_from(*step).unwrap());
            &entries.iter().find(|(found, _)| *found == key).unwrap().1
        }
        other => panic!("{other:?} has no parts"),
    })
}
