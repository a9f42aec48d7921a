//! A batch as a line of JSON: lane, range, streams, and the records decoded.
//!
//! Numbers are exact decimals, as text; samples are what the device sent, to be scaled as the stream says.

use anyhow::Context;
use serde_json::{Value, json};
use wardlink_agent::store::StoredBatch;
use wardlink_wire::batch::Batch;
use wardlink_wire::record::{Body, Record};
use wardlink_wire::stream::Stream;

pub(super) fn line(stored: &StoredBatch) -> anyhow::Result<Value> {
    let (lane, range) = (stored.lane, stored.range);
    let batch = Batch::decode(&stored.bytes).with_context(|| {
        format!(
            "lane {lane}, place {}: sealed by us and yet no batch",
            range.first()
        )
    })?;
    let streams: Result<Vec<_>, _> = batch.streams.iter().map(stream).collect();
    let records: Result<Vec<_>, _> = batch.records.iter().map(record).collect();
    Ok(json!({
        "gateway": batch.gateway.to_string(),
        "epoch": batch.epoch.to_string(),
        "lane": lane.to_string(),
        "first": range.first().0,
        "last": range.last().0,
        "streams": streams?,
        "records": records?,
    }))
}

fn stream(stream: &Stream) -> serde_json::Result<Value> {
    let mut shown = serde_json::to_value(stream)?;
    if let Some(sampling) = &stream.sampling {
        put(
            &mut shown,
            "/sampling/scale",
            sampling.scale.to_string().into(),
        );
        put(
            &mut shown,
            "/sampling/offset",
            sampling.offset.to_string().into(),
        );
    }
    Ok(shown)
}

fn record(record: &Record) -> serde_json::Result<Value> {
    let mut shown = serde_json::to_value(record)?;
    match &record.body {
        Body::Numeric(numeric) => {
            put(
                &mut shown,
                "/body/numeric/value",
                numeric.value.to_string().into(),
            );
        }
        Body::Samples(block) => {
            let values: Vec<_> = block.samples.values().collect();
            put(&mut shown, "/body/samples/samples", values.into());
        }
        Body::Absent(_) | Body::Gap(_) | Body::Event(_) => {}
    }
    Ok(shown)
}

/// What the wire writes as a tagged array is text or a plain list here.
fn put(shown: &mut Value, place: &str, value: Value) {
    if let Some(old) = shown.pointer_mut(place) {
        *old = value;
    }
}
