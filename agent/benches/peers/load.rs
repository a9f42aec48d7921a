//! What is stored: encoded batches of vital signs, as the recorder makes them.

use wardlink_wire::batch::Batch;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::id::{BootId, Epoch};
use wardlink_wire::lane::Lane;
use wardlink_wire::record::{Body, Numeric, Quality, Record};
use wardlink_wire::sequence::Sequence;
use wardlink_wire::stream::{Stream, StreamKind};
use wardlink_wire::time::{Clock, ClockState, Timestamp};

use super::counters;

/// Records of one commit.
pub(crate) const RECORDS: [u32; 3] = [1, 16, 256];
/// Records of one commit while a backlog grows.
pub(crate) const OUTAGE: u32 = 256;

/// A batch of this many records, encoded.
pub(crate) fn encoded(records: u32) -> anyhow::Result<Vec<u8>> {
    Ok(batch(records)?.encode()?)
}

/// Microseconds of CPU for encoding one record.
pub(crate) fn cpu_of_encoding(records: u32) -> anyhow::Result<f64> {
    let batch = batch(records)?;
    let rounds = 100_000_u32.div_ceil(records);
    let before = counters::cpu();
    for _ in 0..rounds {
        std::hint::black_box(std::hint::black_box(&batch).encode()?);
    }
    let spent = counters::cpu().saturating_sub(before);
    Ok(spent.as_secs_f64() * 1e6 / f64::from(rounds) / f64::from(records))
}

fn batch(records: u32) -> anyhow::Result<Batch> {
    let record = |index: u32| Record {
        stream: 3,
        time: Timestamp {
            utc_ns: 1_795_000_000_000_000_000 + i64::from(index) * 1_000_000_007,
            monotonic_ns: 86_400_000_000_000 + u64::from(index) * 1_000_000_007,
            clock: Clock {
                state: ClockState::Unsynchronised,
                error_ms: None,
            },
            device: None,
        },
        body: Body::Numeric(Numeric {
            value: Decimal::new(36_000 + i64::from(index % 997), -3),
            index: None,
            raw: None,
        }),
        quality: Quality::SIMULATED,
    };
    Ok(Batch {
        schema: wardlink_wire::SCHEMA,
        gateway: "gw-0001".parse()?,
        epoch: Epoch::from_bytes([1; 16]),
        lane: Lane::Vital,
        first: Sequence(1_000_000),
        boot: BootId::from_bytes([2; 16]),
        streams: vec![Stream {
            number: 3,
            device: "bedside-7".parse()?,
            name: "temperature".to_owned(),
            code: 150_364,
            unit: "Cel".to_owned(),
            kind: StreamKind::Numeric,
            sampling: None,
            simulated: true,
            since_ns: 1_795_000_000_000_000_000,
        }],
        records: (0..records).map(record).collect(),
    })
}
