//! Bytes made to harm are refused with a clear error, at once and in bounded memory.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wardlink_wire::SCHEMA;
use wardlink_wire::audit;
use wardlink_wire::batch::{Batch, BatchError};
use wardlink_wire::birth::Birth;
use wardlink_wire::bundle::{Bundle, Manifest, Parcel};
use wardlink_wire::codec::{self, DecodeError, Limit};
use wardlink_wire::lane::Lane;
use wardlink_wire::message::Message;
use wardlink_wire::receipt::Receipt;
use wardlink_wire::record::Body;
use wardlink_wire::root::Root;
use wardlink_wire::state::{ConfigState, State};

use crate::examples::{self, gateway, signing_key};

const LIMIT: Limit = Limit {
    bytes: 4 << 20,
    depth: 16,
};

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    codec::decode(bytes, LIMIT)
}

/// Hands bytes to every reader there is; each must refuse.
fn everybody_refuses(bytes: &[u8], what: &str) {
    let keys = [signing_key(1).verifying_key()];
    let refused = [
        decode::<Batch>(bytes).is_err(),
        decode::<Body>(bytes).is_err(),
        decode::<Receipt>(bytes).is_err(),
        decode::<Manifest>(bytes).is_err(),
        decode::<Birth>(bytes).is_err(),
        decode::<State>(bytes).is_err(),
        decode::<ConfigState>(bytes).is_err(),
        Batch::decode(bytes).is_err(),
        Message::decode(bytes).is_err(),
        Receipt::verify(bytes, &gateway(), &keys).is_err(),
        Bundle::verify(bytes, &examples::trust(&[1], 1)).is_err(),
        Parcel::decode(bytes).is_err(),
        Root::unverified(bytes).is_err(),
        Manifest::unverified(bytes).is_err(),
        examples::trust(&[1], 1).follow(bytes).is_err(),
        audit::verify([bytes]).map_or(true, |chain| chain.entries.is_empty()),
    ];
    assert_eq!(refused, [true; 16], "{what} was read");
}

#[test]
fn a_million_levels_of_nesting_are_refused() {
    for (opening, what) in [
        (&[0x81][..], "arrays"),
        (&[0xa1, 0x00], "maps"),
        (&[0xc4], "tags"),
        (&[0x9f], "endless arrays"),
        (&[0xbf, 0x00], "endless maps"),
        (&[0x82, 0x00], "arrays of two"),
    ] {
        everybody_refuses(&opening.repeat(1_000_000), what);
    }
    let nested = [0x81].repeat(20);
    assert!(matches!(
        decode::<Batch>(&nested),
        Err(DecodeError::TooDeep)
    ));
}

#[test]
fn a_claimed_length_reserves_no_memory() {
    let before = resident_kib();
    for major in [0x40, 0x60, 0x80, 0xa0] {
        for claimed in [1 << 20, 1 << 32, 1 << 40, 1 << 63, u64::MAX] {
            let mut bytes = vec![major | 27];
            bytes.extend(u64::to_be_bytes(claimed));
            everybody_refuses(&bytes, "a claimed length");
            bytes.extend([0; 64]);
            everybody_refuses(&bytes, "a claimed length with a little behind it");
        }
    }
    // and as the samples of a record
    let block = [
        &[0x82, 0x01, 0xa2, 0x00, 0x00, 0x01, 0xd8, 77, 0x5b][..],
        &[0x7f; 8],
    ]
    .concat();
    assert!(matches!(
        decode::<Body>(&block),
        Err(DecodeError::Truncated)
    ));
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "grew by {grown} KiB");
}

/// Resident memory of this process, KiB (proc(5), `VmRSS`).
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().split_whitespace().next();
    number.unwrap().parse().unwrap()
}

#[test]
fn a_message_cut_at_any_byte_is_refused() {
    let bytes = examples::batch().encode().unwrap();
    for cut in 0..bytes.len() {
        assert!(Batch::decode(&bytes[..cut]).is_err(), "cut to {cut} bytes");
    }
    for whole in [
        codec::encode(&examples::birth()).unwrap(),
        codec::encode(&examples::state()).unwrap(),
        codec::encode(&examples::config_state()).unwrap(),
    ] {
        for cut in 0..whole.len() {
            everybody_refuses(&whole[..cut], "a message cut short");
        }
    }
}

#[test]
fn each_kind_of_bad_encoding_is_called_by_its_name() {
    type Is = fn(&DecodeError) -> bool;
    let cases: [(&[u8], Is); 12] = [
        (&[], |e| matches!(e, DecodeError::Truncated)),
        (&[0x00, 0x00], |e| matches!(e, DecodeError::Trailing(1))),
        (&[0x9f, 0x00, 0xff], |e| {
            matches!(e, DecodeError::Indefinite)
        }),
        (&[0x5f, 0x41, 0x00, 0xff], |e| {
            matches!(e, DecodeError::Indefinite)
        }),
        (&[0xbf, 0xff], |e| matches!(e, DecodeError::Indefinite)),
        (&[0x1c], |e| matches!(e, DecodeError::Indefinite)),
        (&[0xf9, 0x3c, 0x00], |e| {
            matches!(e, DecodeError::Unsupported(0xf9))
        }),
        (&[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], |e| {
            matches!(
                e,
                DecodeError::Unsupported(_) | DecodeError::NotDeterministic
            )
        }),
        (&[0xf7], |e| matches!(e, DecodeError::Unsupported(0xf7))),
        (&[0x18, 0x01], |e| {
            matches!(e, DecodeError::NotDeterministic)
        }),
        (&[0x19, 0x00, 0x01], |e| {
            matches!(e, DecodeError::NotDeterministic)
        }),
        (&[0x1b, 0, 0, 0, 0, 0, 0, 0, 1], |e| {
            matches!(e, DecodeError::NotDeterministic)
        }),
    ];
    for (bytes, is) in cases {
        let error = decode::<Lane>(bytes).unwrap_err();
        assert!(is(&error), "{bytes:02x?} gave {error:?}");
        everybody_refuses(bytes, "a bad encoding");
    }
}

#[test]
fn one_value_has_one_encoding() {
    // what serde_cbor by itself also takes: words for numbers, variants as arrays, nulls, unknown keys
    for other in [&b"\x65alarm"[..], &[0x81, 0x00], &[0xa1, 0x00, 0xf6]] {
        assert!(decode::<Lane>(other).is_err(), "{other:02x?}");
    }
    let state = codec::encode(&examples::state()).unwrap();
    let spelled = replace(&state, &[0xa4, 0x00, 0x01], b"\xa4\x66schema\x01");
    assert!(matches!(
        decode::<State>(&spelled),
        Err(DecodeError::NotDeterministic)
    ));
    let offline = [0xa3, 0x00, 0x01, 0x01, 0x61, b'g', 0x02, 0xf4];
    assert!(decode::<State>(&offline).is_ok());
    let null = [&[0xa4], &offline[1..], &[0x03, 0xf6]].concat();
    assert!(matches!(
        decode::<State>(&null),
        Err(DecodeError::NotDeterministic)
    ));
    let unknown = [&[0xa4], &offline[1..], &[0x17, 0x00]].concat();
    assert!(matches!(
        decode::<State>(&unknown),
        Err(DecodeError::NotDeterministic)
    ));
    let disordered = [0xa3, 0x01, 0x61, b'g', 0x00, 0x01, 0x02, 0xf4];
    assert!(matches!(
        decode::<State>(&disordered),
        Err(DecodeError::NotDeterministic)
    ));
    let twice = [&[0xa4], &offline[1..], &[0x02, 0xf4]].concat();
    assert!(decode::<State>(&twice).is_err());
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let rest = bytes.strip_prefix(from).unwrap();
    [to, rest].concat()
}

#[test]
fn samples_that_end_within_a_sample_are_refused() {
    let odd = [0x82, 0x01, 0xa2, 0x00, 0x00, 0x01, 0xd8, 77, 0x41, 0x01];
    assert!(matches!(decode::<Body>(&odd), Err(DecodeError::Shape(_))));
    let three = [
        0x82, 0x01, 0xa2, 0x00, 0x00, 0x01, 0xd8, 78, 0x43, 0x01, 0x02, 0x03,
    ];
    assert!(matches!(decode::<Body>(&three), Err(DecodeError::Shape(_))));
}

#[test]
fn more_than_the_limit_is_refused_before_it_is_walked() {
    let limit = Limit { bytes: 8, depth: 4 };
    let read = codec::decode::<Lane>(&[0; 9], limit);
    assert!(matches!(
        read,
        Err(DecodeError::TooLarge {
            found: 9,
            allowed: 8
        })
    ));
    let read = Batch::decode(&vec![0; (8 << 20) + 1]);
    assert!(matches!(
        read,
        Err(BatchError::Decode(DecodeError::TooLarge { .. }))
    ));
}

#[test]
fn a_batch_that_contradicts_itself_is_refused() {
    let refusal = |change: fn(&mut Batch)| {
        let mut batch = examples::batch();
        change(&mut batch);
        Batch::decode(&batch.encode().unwrap()).unwrap_err()
    };
    let newer = refusal(|batch| batch.schema = SCHEMA + 1);
    assert!(matches!(newer, BatchError::Schema(2)), "{newer}");
    let empty = refusal(|batch| batch.records.clear());
    assert!(matches!(empty, BatchError::Empty), "{empty}");
    let past_the_end = refusal(|batch| batch.first.0 = u64::MAX);
    assert!(matches!(past_the_end, BatchError::Empty), "{past_the_end}");
    let unknown = refusal(|batch| batch.records[0].stream = 99);
    assert!(
        matches!(unknown, BatchError::UnknownStream(99)),
        "{unknown}"
    );
    let twice = refusal(|batch| batch.streams[1].number = 1);
    assert!(matches!(twice, BatchError::StreamTwice(1)), "{twice}");
}
