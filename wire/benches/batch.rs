//! Encoding, sealing and opening batches: `make bench`.
//!
//! The peer in the same run is a plain copy of the same bytes: figures are to be read as ratios to it.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use wardlink_wire::batch::Batch;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::id::{BootId, Epoch};
use wardlink_wire::lane::Lane;
use wardlink_wire::message::{Head, Message, PayloadKey};
use wardlink_wire::record::{Body, Numeric, Quality, Record, SampleBlock, Samples};
use wardlink_wire::sequence::Sequence;
use wardlink_wire::stream::{Stream, StreamKind};
use wardlink_wire::time::{Clock, ClockState, Timestamp};

fn main() {
    divan::main();
}

const SIZES: [usize; 3] = [1, 16, 256];

#[divan::bench(args = SIZES)]
fn encode_vitals(bencher: Bencher<'_, '_>, records: usize) {
    let batch = vitals(records);
    bencher
        .counter(ItemsCount::new(records))
        .bench(|| black_box(&batch).encode());
}

#[divan::bench(args = SIZES)]
fn decode_vitals(bencher: Bencher<'_, '_>, records: usize) {
    let bytes = vitals(records).encode().unwrap_or_default();
    bencher
        .counter(ItemsCount::new(records))
        .bench(|| Batch::decode(black_box(&bytes)));
}

/// Blocks of one second of one lead at 250 Hz.
#[divan::bench(args = SIZES)]
fn encode_waves(bencher: Bencher<'_, '_>, blocks: usize) {
    let batch = waves(blocks);
    bencher
        .counter(ItemsCount::new(blocks))
        .bench(|| black_box(&batch).encode());
}

#[divan::bench(args = SIZES)]
fn seal_waves(bencher: Bencher<'_, '_>, blocks: usize) {
    let batch = waves(blocks);
    let bytes = batch.encode().unwrap_or_default();
    let key = PayloadKey::from_bytes([7; 32]);
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        let head = Head::of(&batch)?;
        Message::seal(head, black_box(&bytes), &key).ok()
    });
}

#[divan::bench(args = SIZES)]
fn open_waves(bencher: Bencher<'_, '_>, blocks: usize) {
    let batch = waves(blocks);
    let bytes = batch.encode().unwrap_or_default();
    let key = PayloadKey::from_bytes([7; 32]);
    let message = Head::of(&batch).and_then(|head| Message::seal(head, &bytes, &key).ok());
    bencher.counter(BytesCount::new(bytes.len())).bench(|| {
        black_box(&message)
            .as_ref()
            .map(|message| message.open(&key))
    });
}

/// The peer: the same bytes, copied.
#[divan::bench(args = SIZES)]
fn copy_waves(bencher: Bencher<'_, '_>, blocks: usize) {
    let bytes = waves(blocks).encode().unwrap_or_default();
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| black_box(&bytes).clone());
}

fn vitals(records: usize) -> Batch {
    let body = Body::Numeric(Numeric {
        value: Decimal::new(36_625, -3),
        index: None,
        raw: None,
    });
    batch(Lane::Vital, vec![record(body); records])
}

fn waves(blocks: usize) -> Batch {
    let samples: Vec<i32> = (0..250).map(|index| (index * 37) % 4096 - 2048).collect();
    let body = Body::Samples(SampleBlock {
        first: 1_000_000,
        samples: Samples::pack(&samples),
    });
    batch(Lane::Wave, vec![record(body); blocks])
}

fn record(body: Body) -> Record {
    let time = Timestamp {
        utc_ns: 1_795_000_000_000_000_000,
        monotonic_ns: 86_400_000_000_000,
        clock: Clock {
            state: ClockState::Unsynchronised,
            error_ms: None,
        },
        device: None,
    };
    Record {
        stream: 3,
        time,
        body,
        quality: Quality::SIMULATED,
    }
}

#[expect(clippy::unwrap_used, reason = "constant names; a benchmark may stop")]
fn batch(lane: Lane, records: Vec<Record>) -> Batch {
    let stream = Stream {
        number: 3,
        device: "bedside-7".parse().unwrap(),
        name: "temperature".to_owned(),
        code: 150_364,
        unit: "Cel".to_owned(),
        kind: StreamKind::Numeric,
        sampling: None,
        simulated: true,
        since_ns: 1_795_000_000_000_000_000,
    };
    Batch {
        schema: wardlink_wire::SCHEMA,
        gateway: "gw-0001".parse().unwrap(),
        epoch: Epoch::from_bytes([1; 16]),
        lane,
        first: Sequence(1_000_000),
        boot: BootId::from_bytes([2; 16]),
        streams: vec![stream],
        records,
    }
}
