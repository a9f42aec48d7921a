//! What a device gave, as records with their lane and time.

use std::sync::Arc;

use wardlink_firmware_shim::reading::{self, Reading};
use wardlink_wire::lane::Lane;
use wardlink_wire::record::{
    Absence, Absent, Body, Event, EventKind, Numeric, Priority, Quality, Record, SampleBlock,
    Samples,
};
use wardlink_wire::stream::{Stream, StreamKind};
use wardlink_wire::time::{Clock, Timestamp};

use crate::clock::{self, Moment};
use crate::devices::{self, Attached};

/// What one poll of one device gave, or what happened to it.
#[derive(Debug)]
pub struct Capture {
    /// Of which device; none for the gateway itself.
    pub device: Option<Arc<Attached>>,
    /// When it was captured.
    pub at: Moment,
    /// What is known of the clock then.
    pub clock: Clock,
    /// What was captured.
    pub content: Content,
}

impl Capture {
    /// Something happened to the gateway itself, now.
    #[must_use]
    pub fn of_gateway(kind: EventKind, text: String) -> Self {
        Self {
            device: None,
            at: clock::now(),
            clock: clock::discipline(),
            content: Content::Event(kind, text),
        }
    }
}

/// What was captured.
#[derive(Debug)]
pub enum Content {
    /// Readings of the device.
    Readings(Vec<Reading>),
    /// Something happened.
    Event(EventKind, String),
}

/// A record that has its lane but no place yet.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The lane it goes to.
    pub lane: Lane,
    /// What it is about.
    pub stream: Stream,
    /// The record.
    pub record: Record,
}

/// Turns a capture into records. `gateway` is the gateway's own event stream.
pub fn records(capture: Capture, gateway: &Stream) -> Vec<Placed> {
    let Capture {
        device,
        at,
        clock,
        content,
    } = capture;
    match content {
        Content::Event(kind, text) => {
            let stream = device
                .as_ref()
                .and_then(|device| device.events())
                .unwrap_or(gateway);
            let body = Body::Event(Event { kind, text });
            let record = record(stream, body, Quality::GOOD, time(at, clock, None));
            vec![Placed {
                lane: Lane::Event,
                stream: stream.clone(),
                record,
            }]
        }
        Content::Readings(readings) => readings
            .into_iter()
            .filter_map(|reading| {
                let stream = device.as_ref()?.stream(reading.stream)?;
                Some(place(reading, stream, at, clock))
            })
            .collect(),
    }
}

fn place(reading: Reading, stream: &Stream, at: Moment, clock: Clock) -> Placed {
    let began = at.before(duration_ns(&reading.body, stream));
    let quality = quality(reading.quality);
    let lane = match &reading.body {
        reading::Body::Alarm { .. } => Lane::Alarm,
        _ => match stream.kind {
            StreamKind::Numeric => Lane::Vital,
            StreamKind::Waveform => Lane::Wave,
            StreamKind::Event => Lane::Event,
        },
    };
    let record = record(
        stream,
        body(reading.body),
        quality,
        time(began, clock, reading.device_time),
    );
    Placed {
        lane,
        stream: stream.clone(),
        record,
    }
}

/// Nothing may clear the mark of a simulated device, so it is set in one place.
fn record(stream: &Stream, body: Body, quality: Quality, time: Timestamp) -> Record {
    let quality = if stream.simulated {
        quality.with(Quality::SIMULATED)
    } else {
        quality
    };
    Record {
        stream: stream.number,
        time,
        body,
        quality,
    }
}

const fn time(at: Moment, clock: Clock, device: Option<String>) -> Timestamp {
    Timestamp {
        utc_ns: at.utc_ns,
        monotonic_ns: at.monotonic_ns,
        clock,
        device,
    }
}

/// How long a block of samples took, by its stream's rate.
fn duration_ns(body: &reading::Body, stream: &Stream) -> u64 {
    let reading::Body::Samples { values, .. } = body else {
        return 0;
    };
    let Some(sampling) = stream.sampling else {
        return 0;
    };
    let samples = u128::try_from(values.len()).unwrap_or(0);
    let nanos = samples * 1_000_000_000 * u128::from(sampling.rate.denominator());
    u64::try_from(nanos / u128::from(sampling.rate.numerator())).unwrap_or(0)
}

fn body(body: reading::Body) -> Body {
    match body {
        reading::Body::Numeric { value, index, raw } => Body::Numeric(Numeric {
            value: devices::decimal(value),
            index,
            raw,
        }),
        reading::Body::Samples { first, values } => Body::Samples(SampleBlock {
            first,
            samples: Samples::pack(&values),
        }),
        reading::Body::Absent {
            reason,
            first,
            count,
            raw,
        } => Body::Absent(Absent {
            reason: absence(reason),
            first,
            count,
            raw,
        }),
        reading::Body::Alarm {
            code,
            priority,
            active,
            text,
        } => Body::Event(Event {
            kind: EventKind::Alarm {
                code,
                priority: match priority {
                    reading::Priority::High => Priority::High,
                    reading::Priority::Medium => Priority::Medium,
                    reading::Priority::Low => Priority::Low,
                    reading::Priority::None => Priority::None,
                },
                active,
            },
            text,
        }),
    }
}

const fn absence(reason: reading::Absence) -> Absence {
    match reason {
        reading::Absence::MissingSample => Absence::MissingSample,
        reading::Absence::NotAvailable => Absence::NotAvailable,
        reading::Absence::SensorOff => Absence::SensorOff,
        reading::Absence::LeadOff => Absence::LeadOff,
        reading::Absence::BadSignal => Absence::BadSignal,
        reading::Absence::Overrun => Absence::Overrun,
        reading::Absence::BusError => Absence::BusError,
        reading::Absence::NoResponse => Absence::NoResponse,
        reading::Absence::Garbled => Absence::Garbled,
        reading::Absence::DeviceOff => Absence::DeviceOff,
    }
}

fn quality(quality: reading::Quality) -> Quality {
    [
        (quality.questionable, Quality::QUESTIONABLE),
        (quality.artefact, Quality::ARTEFACT),
        (quality.low_perfusion, Quality::LOW_PERFUSION),
        (quality.over_range, Quality::OVER_RANGE),
        (quality.under_range, Quality::UNDER_RANGE),
        (quality.calibrating, Quality::CALIBRATING),
        (quality.demo, Quality::DEMO),
    ]
    .into_iter()
    .filter(|(said, _)| *said)
    .fold(Quality::GOOD, |all, (_, flag)| all.with(flag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wardlink_wire::decimal::Decimal;
    use wardlink_wire::stream::{Ratio, Sampling};

    fn stream(kind: StreamKind, simulated: bool) -> Stream {
        Stream {
            kind,
            sampling: Some(Sampling {
                rate: Ratio::new(250, 1).unwrap(),
                scale: Decimal::new(1, 0),
                offset: Decimal::new(0, 0),
            }),
            ..devices::event_stream("d".parse().unwrap(), 4, simulated, 0)
        }
    }

    fn placed(body: reading::Body, kind: StreamKind, simulated: bool) -> Placed {
        let at = Moment {
            utc_ns: 2_000_000_000,
            monotonic_ns: 2_000_000_000,
        };
        place(
            Reading::good(0, body),
            &stream(kind, simulated),
            at,
            clock::discipline(),
        )
    }

    fn samples(count: usize) -> reading::Body {
        reading::Body::Samples {
            first: 0,
            values: vec![1; count],
        }
    }

    #[test]
    fn a_block_is_dated_by_its_first_sample() {
        let placed = placed(samples(250), StreamKind::Waveform, false);
        assert_eq!(placed.lane, Lane::Wave);
        assert_eq!(placed.record.time.utc_ns, 1_000_000_000);
        assert_eq!(placed.record.time.monotonic_ns, 1_000_000_000);
    }

    #[test]
    fn whatever_comes_from_a_simulated_device_says_so() {
        let absent = reading::Body::Absent {
            reason: reading::Absence::LeadOff,
            first: Some(9),
            count: 3,
            raw: None,
        };
        for body in [samples(1), absent] {
            assert!(
                placed(body.clone(), StreamKind::Waveform, true)
                    .record
                    .quality
                    .says(Quality::SIMULATED)
            );
            assert_eq!(
                placed(body, StreamKind::Waveform, false).record.quality,
                Quality::GOOD
            );
        }
    }

    #[test]
    fn an_alarm_takes_the_alarm_lane_with_the_priority_the_device_gave() {
        let alarm = reading::Body::Alarm {
            code: 196_670,
            priority: reading::Priority::Medium,
            active: true,
            text: "SpO2 low".to_owned(),
        };
        let placed = placed(alarm, StreamKind::Event, false);
        assert_eq!(placed.lane, Lane::Alarm);
        let Body::Event(Event {
            kind: EventKind::Alarm { priority, .. },
            ..
        }) = placed.record.body
        else {
            panic!("not an alarm: {:?}", placed.record.body);
        };
        assert_eq!(priority, Priority::Medium);
    }
}
