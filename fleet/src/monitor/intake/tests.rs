//! What is believed, and what is refused without holding up the others.

use wardlink_wire::batch::Batch;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::id::{BootId, Epoch};
use wardlink_wire::message::{Head, Sealer};
use wardlink_wire::receipt::Receipt;
use wardlink_wire::record::{Body, Numeric, Quality, Record};
use wardlink_wire::sequence::{Sequence, SequenceRange};
use wardlink_wire::signature::SigningKey;
use wardlink_wire::stream::{Stream, StreamKind};
use wardlink_wire::time::{Clock, ClockState, Timestamp};

use super::*;

fn master() -> PayloadMasterKey {
    PayloadMasterKey::from_bytes([3; 32])
}

fn gateway(name: &str) -> GatewayId {
    name.parse().unwrap()
}

fn batch(first: u64, value: i64) -> Batch {
    let record = Record {
        stream: 1,
        time: Timestamp {
            utc_ns: 1,
            monotonic_ns: 1,
            clock: Clock {
                state: ClockState::Synchronised,
                error_ms: Some(1),
            },
            device: None,
        },
        body: Body::Numeric(Numeric {
            value: Decimal::new(value, 0),
            index: None,
            raw: None,
        }),
        quality: Quality::GOOD,
    };
    Batch {
        schema: SCHEMA,
        gateway: gateway("gw-1"),
        epoch: Epoch::from_bytes([1; 16]),
        lane: Lane::Vital,
        first: Sequence(first),
        boot: BootId::from_bytes([1; 16]),
        streams: vec![Stream {
            number: 1,
            device: "d".parse().unwrap(),
            name: "s".to_owned(),
            code: 0,
            unit: "1".to_owned(),
            kind: StreamKind::Numeric,
            sampling: None,
            simulated: false,
            since_ns: 0,
        }],
        records: vec![record; 3],
    }
}

fn sealed(batch: &Batch, head: Head, master: &PayloadMasterKey) -> Vec<u8> {
    let key = master.for_gateway(&batch.gateway).unwrap();
    let message = Message::seal(head, &batch.encode().unwrap(), &key).unwrap();
    message.encode().unwrap()
}

fn honest(batch: &Batch) -> Vec<u8> {
    sealed(batch, Head::of(batch).unwrap(), &master())
}

const TOPIC: &str = "wardlink/1/gw-1/vital";

#[test]
fn nothing_hostile_is_stored_or_stops_what_comes_after() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    let good = batch(0, 7);
    let mut broken = honest(&good);
    *broken.last_mut().unwrap() ^= 1;
    let head = Head::of(&good).unwrap();
    let moved = Head {
        range: SequenceRange::starting(Sequence(100), 3).unwrap(),
        ..head.clone()
    };
    let future = Head {
        schema: 2,
        ..head.clone()
    };
    let empty = Batch {
        streams: Vec::new(),
        ..good.clone()
    };
    let stranger = PayloadMasterKey::from_bytes([4; 32]);
    let far = batch(u64::MAX - 2, 7);
    let deep = vec![0x81; 100_000];
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("elsewhere", honest(&good), "topic"),
        ("wardlink/1/gw-1/receipt", honest(&good), "topic"),
        (TOPIC, Vec::new(), "shape"),
        (TOPIC, b"hello".to_vec(), "shape"),
        (TOPIC, deep, "shape"),
        (TOPIC, broken, "seal"),
        (TOPIC, sealed(&good, head.clone(), &stranger), "seal"),
        ("wardlink/1/gw-2/vital", honest(&good), "other-topic"),
        ("wardlink/1/gw-1/wave", honest(&good), "other-topic"),
        (TOPIC, sealed(&good, moved, &master()), "other-batch"),
        (TOPIC, sealed(&good, future, &master()), "schema"),
        (TOPIC, sealed(&empty, head, &master()), "batch"),
        (TOPIC, honest(&far), "not-storable"),
        ("wardlink/1/gw-1/birth", b"x".to_vec(), "shape"),
        ("wardlink/1/gw-1/state", offline("gw-2"), "other-topic"),
    ];
    let last = honest(&good);
    let arrivals = cases
        .iter()
        .map(|(topic, payload, _)| Arrival { topic, payload });
    let arrivals = arrivals.chain([Arrival {
        topic: TOPIC,
        payload: &last,
    }]);
    let stored = store(&mut archive, &master(), arrivals, 5).unwrap();
    let reasons: Vec<_> = stored
        .refusals
        .iter()
        .map(|refusal| refusal.reason)
        .collect();
    let expected: Vec<_> = cases.iter().map(|(_, _, reason)| *reason).collect();
    assert_eq!(reasons, expected);
    assert_eq!((stored.new, stored.duplicates), (3, 0));
    let summary = archive.summary().unwrap();
    assert_eq!((summary.delivered, summary.refused), (3, 15));
}

#[test]
fn batches_joined_in_one_message_are_stored_each_as_if_it_had_come_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    let known = honest(&batch(3, 8));
    let batches = [batch(0, 7), batch(3, 7), batch(6, 7)].map(|batch| batch.encode().unwrap());
    let parts = batches.each_ref().map(Vec::as_slice);
    let key = master().for_gateway(&gateway("gw-1")).unwrap();
    let sealer = Sealer::new(gateway("gw-1"), Epoch::from_bytes([1; 16]), &key).unwrap();
    let range = SequenceRange::starting(Sequence(0), 9).unwrap();
    let joined = sealer.seal(Lane::Vital, range, &parts).unwrap();
    let arrivals = [&known, &joined, &joined].map(|payload| Arrival {
        topic: TOPIC,
        payload,
    });
    let stored = store(&mut archive, &master(), arrivals.into_iter(), 5).unwrap();
    // The one in the middle contradicts what is held; its neighbours do not suffer for it.
    assert_eq!((stored.new, stored.duplicates, stored.conflicts), (9, 6, 6));
    assert_eq!(stored.refusals.len(), 2);
    let held = archive.held(&gateway("gw-1")).unwrap();
    assert_eq!(held[0].ranges, [range]);
}

#[test]
fn a_conflict_is_refused_loudly_and_the_first_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    let (first, second) = (honest(&batch(0, 7)), honest(&batch(0, 8)));
    let arrivals = [&first, &second, &first].map(|payload| Arrival {
        topic: TOPIC,
        payload,
    });
    let stored = store(&mut archive, &master(), arrivals.into_iter(), 5).unwrap();
    assert_eq!((stored.new, stored.duplicates, stored.conflicts), (3, 3, 3));
    assert_eq!(stored.refusals[0].reason, "conflict");
    assert_eq!(
        archive.summary().unwrap().refusals,
        [("conflict".to_owned(), 1)]
    );
}

#[test]
fn a_receipt_of_the_archive_is_believed_by_its_gateway_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    for first in [0, 3, 10] {
        let payload = honest(&batch(first, 7));
        let arrival = Arrival {
            topic: TOPIC,
            payload: &payload,
        };
        store(&mut archive, &master(), std::iter::once(arrival), 5).unwrap();
    }
    let key = SigningKey::generate().unwrap();
    let receipt = Receipt {
        schema: SCHEMA,
        gateway: gateway("gw-1"),
        issued_ns: 1,
        lanes: archive.held(&gateway("gw-1")).unwrap(),
    };
    let bytes = receipt.sign(&key).unwrap();
    let trusted = [key.verifying_key()];
    let read = Receipt::verify(&bytes, &gateway("gw-1"), &trusted).unwrap();
    let range = |first, last| SequenceRange::between(Sequence(first), Sequence(last)).unwrap();
    assert_eq!(read.lanes[0].ranges, [range(0, 5), range(10, 12)]);
    assert!(Receipt::verify(&bytes, &gateway("gw-2"), &trusted).is_err());
    let other = [SigningKey::generate().unwrap().verifying_key()];
    assert!(Receipt::verify(&bytes, &gateway("gw-1"), &other).is_err());
}

#[test]
fn the_newest_word_of_a_gateway_about_itself_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = Archive::open(folder.path()).unwrap();
    let said = offline("gw-1");
    let arrival = Arrival {
        topic: "wardlink/1/gw-1/state",
        payload: &said,
    };
    let stored = store(&mut archive, &master(), std::iter::once(arrival), 5).unwrap();
    assert_eq!(stored, Stored::default());
    let summary = archive.summary().unwrap();
    assert_eq!(summary.gateways[0].state.as_ref(), Some(&said));
}

fn offline(name: &str) -> Vec<u8> {
    let state = State {
        schema: SCHEMA,
        gateway: gateway(name),
        online: false,
        health: None,
    };
    codec::encode(&state).unwrap()
}
