//! Readings in words and as JSON.

use serde_json::{Value, json};
use wardlink_firmware_shim::reading::{Absence, Body, Quality, Reading, StreamSpec};
use wardlink_wire::decimal::Decimal;

/// What a reading says, without its stream's name: `97 %`, `no value: sensor off`.
pub(super) fn words(stream: &StreamSpec, reading: &Reading) -> String {
    let said = match &reading.body {
        Body::Numeric { value, .. } => {
            let value = Decimal::new(value.mantissa, value.exponent);
            format!("{value} {}", stream.unit)
        }
        Body::Samples { values, first } => format!("{} samples from {first} on", values.len()),
        Body::Absent { reason, .. } => format!("no value: {}", why(*reason)),
        Body::Alarm { text, active, .. } => {
            format!("alarm {}: {text}", if *active { "on" } else { "off" })
        }
    };
    let doubts = doubts(reading.quality);
    if doubts.is_empty() {
        said
    } else {
        format!("{said} ({})", doubts.join(", "))
    }
}

/// A reading as one JSON object.
pub(super) fn json(stream: &StreamSpec, reading: &Reading) -> Value {
    let mut object = json!({
        "stream": stream.name,
        "code": stream.code,
        "unit": stream.unit,
        "quality": doubts(reading.quality),
        "device_time": reading.device_time,
    });
    let (key, value) = match &reading.body {
        // As text: a decimal keeps its digits.
        Body::Numeric { value, .. } => (
            "value",
            json!(Decimal::new(value.mantissa, value.exponent).to_string()),
        ),
        Body::Samples { first, values } => ("samples", json!({"first": first, "values": values})),
        Body::Absent { reason, raw, .. } => ("absent", json!({"reason": why(*reason), "raw": raw})),
        Body::Alarm {
            code, active, text, ..
        } => (
            "alarm",
            json!({"code": code, "active": active, "text": text}),
        ),
    };
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
    object
}

/// An absence's reason, in words.
pub(super) const fn why(reason: Absence) -> &'static str {
    match reason {
        Absence::MissingSample => "missing sample",
        Absence::NotAvailable => "not available",
        Absence::SensorOff => "sensor off",
        Absence::LeadOff => "lead off",
        Absence::BadSignal => "bad signal",
        Absence::Overrun => "overrun",
        Absence::BusError => "bus error",
        Absence::NoResponse => "no response",
        Absence::Garbled => "not understood",
        Absence::DeviceOff => "device off",
    }
}

fn doubts(quality: Quality) -> Vec<&'static str> {
    [
        (quality.questionable, "questionable"),
        (quality.artefact, "artefact"),
        (quality.low_perfusion, "low perfusion"),
        (quality.over_range, "over range"),
        (quality.under_range, "under range"),
        (quality.calibrating, "calibrating"),
        (quality.demo, "demonstration"),
    ]
    .into_iter()
    .filter_map(|(said, word)| said.then_some(word))
    .collect()
}
