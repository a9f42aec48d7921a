//! One example of every message and every kind of record, the same at every run.

use wardlink_wire::SCHEMA;
use wardlink_wire::audit::Head;
use wardlink_wire::batch::Batch;
use wardlink_wire::birth::{Birth, Device};
use wardlink_wire::bundle::{self, Manifest, Parcel, Trial, Version};
use wardlink_wire::decimal::Decimal;
use wardlink_wire::id::{BootId, Epoch, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::message::PayloadKey;
use wardlink_wire::receipt::{LaneReceipt, Receipt};
use wardlink_wire::record::{
    Absence, Absent, Body, Event, EventKind, Gap, GapCause, Numeric, Priority, Quality, Record,
    SampleBlock, Samples,
};
use wardlink_wire::root::{Root, Trust};
use wardlink_wire::sequence::{Sequence, SequenceRange};
use wardlink_wire::signature::SigningKey;
use wardlink_wire::state::{
    BundleOutcome, ConfigState, Health, Held, LaneHealth, Outcome, Reason, State,
};
use wardlink_wire::stream::{Ratio, Sampling, Stream, StreamKind};
use wardlink_wire::time::{Clock, ClockState, Timestamp};

pub(crate) const NOW_NS: i64 = 1_760_000_000_123_456_789;
pub(crate) const NOW: i64 = 1_760_000_000;

pub(crate) fn gateway() -> GatewayId {
    "gw-0001".parse().unwrap()
}

pub(crate) fn epoch() -> Epoch {
    Epoch::from_bytes(*b"epoch-of-a-store")
}

pub(crate) fn payload_key() -> PayloadKey {
    PayloadKey::from_bytes([7; 32])
}

/// An Ed25519 key whose seed is one byte, repeated (PKCS#8, RFC 8410 section 7).
pub(crate) fn signing_key(seed: u8) -> SigningKey {
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03];
    der.extend([0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20]);
    der.extend([seed; 32]);
    SigningKey::from_pkcs8(&der).unwrap()
}

/// A batch with every kind of record and every kind of stream.
pub(crate) fn batch() -> Batch {
    Batch {
        schema: SCHEMA,
        gateway: gateway(),
        epoch: epoch(),
        lane: Lane::Vital,
        first: Sequence(1000),
        boot: BootId::from_bytes([0xb0; 16]),
        streams: vec![
            stream(1, "tmp117-1", "body-temp", "Cel", StreamKind::Numeric),
            Stream {
                sampling: Some(sampling()),
                ..stream(2, "ecg-1", "ecg-i", "mV", StreamKind::Waveform)
            },
            stream(3, "nonin-1", "", "1", StreamKind::Event),
        ],
        records: bodies().into_iter().enumerate().map(record).collect(),
    }
}

fn record((number, body): (usize, Body)) -> Record {
    let odd = number % 2 == 1;
    Record {
        stream: 1 + u32::try_from(number % 3).unwrap(),
        time: Timestamp {
            utc_ns: NOW_NS,
            monotonic_ns: 5_000_000_000,
            clock: Clock {
                state: if odd {
                    ClockState::Unsynchronised
                } else {
                    ClockState::Synchronised
                },
                error_ms: (!odd).then_some(12),
            },
            device: odd.then(|| "2025-10-09T08:53:20".to_owned()),
        },
        body,
        quality: Quality::SIMULATED.with(Quality::EARLY),
    }
}

/// Every variant of a record's body, of absences, causes, events and priorities.
pub(crate) fn bodies() -> Vec<Body> {
    let mut bodies = vec![
        Body::Numeric(Numeric {
            value: Decimal::new(366, -1),
            index: None,
            raw: None,
        }),
        Body::Numeric(Numeric {
            value: Decimal::new(i64::MIN + 1, i8::MIN),
            index: Some(u64::MAX),
            raw: Some(i32::MIN),
        }),
        samples(Samples::I16(vec![0, -1, 32767, -32768])),
        samples(Samples::I32(vec![i32::MIN, 0, i32::MAX])),
        samples(Samples::I16(Vec::new())),
    ];
    bodies.extend(ABSENCES.map(|reason| {
        let given = reason == Absence::NotAvailable;
        Body::Absent(Absent {
            reason,
            first: given.then_some(250),
            count: 1,
            raw: given.then_some(-32768),
        })
    }));
    bodies.extend(CAUSES.map(|cause| {
        let known = cause == GapCause::Retention;
        Body::Gap(Gap {
            lane: Lane::Wave,
            range: known.then(|| range(10, 19)),
            count: known.then_some(10),
            cause,
        })
    }));
    let alarms = PRIORITIES.map(|priority| EventKind::Alarm {
        code: 196_670,
        priority,
        active: priority != Priority::None,
    });
    bodies.extend(EVENTS.into_iter().chain(alarms).map(|kind| {
        Body::Event(Event {
            kind,
            text: "sensor \u{b5}-1 unplugged".to_owned(),
        })
    }));
    bodies
}

fn samples(samples: Samples) -> Body {
    Body::Samples(SampleBlock {
        first: 500,
        samples,
    })
}

fn stream(number: u32, device: &str, name: &str, unit: &str, kind: StreamKind) -> Stream {
    Stream {
        number,
        device: device.parse().unwrap(),
        name: name.to_owned(),
        code: 150_364,
        unit: unit.to_owned(),
        kind,
        sampling: None,
        simulated: true,
        since_ns: 1_790_000_000_000_000_000,
    }
}

fn sampling() -> Sampling {
    Sampling {
        rate: Ratio::new(500, 1).unwrap(),
        scale: Decimal::new(5, -3),
        offset: Decimal::new(0, 0),
    }
}

pub(crate) fn range(first: u64, last: u64) -> SequenceRange {
    SequenceRange::between(Sequence(first), Sequence(last)).unwrap()
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        schema: SCHEMA,
        gateway: gateway(),
        issued_ns: NOW_NS,
        lanes: Lane::ALL
            .map(|lane| LaneReceipt {
                epoch: epoch(),
                lane,
                ranges: vec![range(0, 9), range(20, u64::MAX)],
            })
            .to_vec(),
    }
}

pub(crate) fn manifest() -> Manifest {
    Manifest {
        schema: bundle::SCHEMA,
        gateway: gateway(),
        version: Version { root: 1, number: 7 },
        issued: NOW - 60,
        not_before: NOW,
        expires: NOW + 3600,
        stale: Some(NOW + 86_400),
        trial: Trial {
            soak: 10,
            deadline: 300,
        },
        rollout: Some("icu-2025-10/canary".to_owned()),
        profile: "schema = 1\n".to_owned(),
    }
}

/// The operators whose keys have these seeds, as root 1.
pub(crate) fn trust(seeds: &[u8], threshold: u16) -> Trust {
    let keys = seeds
        .iter()
        .map(|seed| signing_key(*seed).verifying_key())
        .collect();
    Trust::pinned(keys, threshold, 1).unwrap()
}

/// A root of two operators, one of whom is enough.
pub(crate) fn root() -> Root {
    Root {
        schema: SCHEMA,
        version: 2,
        threshold: 1,
        operators: [2, 3]
            .map(|seed| signing_key(seed).verifying_key())
            .to_vec(),
        issued: NOW - 60,
        expires: NOW + 86_400,
    }
}

pub(crate) fn parcel() -> Parcel {
    let bundle = manifest().sign(&[&signing_key(2)]).unwrap();
    let root = root().sign(&[&signing_key(2)]).unwrap();
    Parcel::of(bundle).with_roots([root])
}

pub(crate) fn head() -> Head {
    let (_, head) = Head::default()
        .extend(NOW_NS, "gw-0001", "refused", "bundle expired")
        .unwrap();
    head
}

pub(crate) fn birth() -> Birth {
    Birth {
        schema: SCHEMA,
        gateway: gateway(),
        epoch: epoch(),
        boot: BootId::from_bytes([0xb0; 16]),
        agent: "0.1.0".to_owned(),
        profile: 0,
        utc_ns: NOW_NS,
        devices: vec![Device {
            id: "ecg-1".parse().unwrap(),
            driver: "ads1292r".to_owned(),
            bus: "/dev/spidev0.0".to_owned(),
            streams: batch().streams,
        }],
    }
}

pub(crate) fn state() -> State {
    State {
        schema: SCHEMA,
        gateway: gateway(),
        online: true,
        health: Some(Health {
            utc_ns: NOW_NS,
            clock: Clock {
                state: ClockState::Unsynchronised,
                error_ms: None,
            },
            epoch: epoch(),
            lanes: Lane::ALL
                .map(|lane| LaneHealth {
                    lane,
                    next: Sequence(1001),
                    backlog: 1,
                    oldest_ns: None,
                })
                .to_vec(),
            devices_lost: vec!["nonin-1".to_owned()],
            faults: vec!["store nearly full".to_owned()],
            certificate_ends: NOW + 86_400,
            audit: None,
        }),
    }
}

pub(crate) fn config_state() -> ConfigState {
    ConfigState {
        schema: SCHEMA,
        gateway: gateway(),
        utc_ns: NOW_NS,
        profile: 6,
        bundle: Some(BundleOutcome {
            digest: vec![0xd1; 32],
            version: Some(7),
            outcome: Outcome::Refused,
            reason: "bundle expired".to_owned(),
            code: None,
            rollout: None,
        }),
        held: None,
    }
}

/// As [`config_state`], with everything that it may leave out.
pub(crate) fn full_config_state() -> ConfigState {
    let mut state = config_state();
    if let Some(bundle) = &mut state.bundle {
        bundle.outcome = Outcome::RolledBack;
        bundle.code = Some(Reason::DeviceSilent);
        bundle.rollout = manifest().rollout;
    }
    state.held = Some(Held {
        good: Version { root: 1, number: 6 },
        floor: Version { root: 1, number: 7 },
        root: 1,
        stale: false,
        audit: Some(head()),
    });
    state
}

const ABSENCES: [Absence; 10] = [
    Absence::MissingSample,
    Absence::NotAvailable,
    Absence::SensorOff,
    Absence::LeadOff,
    Absence::BadSignal,
    Absence::Overrun,
    Absence::BusError,
    Absence::NoResponse,
    Absence::Garbled,
    Absence::DeviceOff,
];
const CAUSES: [GapCause; 4] = [
    GapCause::StoreDamaged,
    GapCause::StoreFull,
    GapCause::StoreFailed,
    GapCause::Retention,
];
const EVENTS: [EventKind; 14] = [
    EventKind::Started,
    EventKind::Stopped,
    EventKind::DeviceStarted,
    EventKind::DeviceLost,
    EventKind::DeviceBack,
    EventKind::DeviceRemoved,
    EventKind::RecordingEnded,
    EventKind::ClockStepped,
    EventKind::StoreNearlyFull,
    EventKind::StoreFailed,
    EventKind::StoreDamaged,
    EventKind::CertificateExpiry,
    EventKind::ProfileApplied,
    EventKind::ProfileRefused,
];
const PRIORITIES: [Priority; 4] = [
    Priority::High,
    Priority::Medium,
    Priority::Low,
    Priority::None,
];
