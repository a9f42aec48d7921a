//! Sample by sample: what was held, what was said to be absent, and what is missing.

use std::fs;

use wardlink_wire::batch::Batch;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::id::{BootId, Epoch};
use wardlink_wire::lane::Lane;
use wardlink_wire::record::{
    Absence, Absent, Body, Event, EventKind, Gap, GapCause, Numeric, Quality, Record, SampleBlock,
    Samples,
};
use wardlink_wire::sequence::{Sequence, SequenceRange};
use wardlink_wire::stream::{Ratio, Sampling, Stream, StreamKind};
use wardlink_wire::time::{Clock, ClockState, Timestamp};

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
    archive: Archive,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("data")).unwrap();
        Self { folder, archive }
    }

    fn put(&mut self, first: u64, records: Vec<Record>) {
        self.put_of("gw-1", (1, 1), first, records);
    }

    fn put_of(&mut self, gateway: &str, (epoch, boot): (u8, u8), first: u64, records: Vec<Record>) {
        let sampling = Sampling {
            rate: Ratio::new(250, 1).unwrap(),
            scale: Decimal::new(1, -3),
            offset: Decimal::new(0, 0),
        };
        let stream = |number, name: &str, unit: &str, sampling| Stream {
            number,
            device: "dev".parse().unwrap(),
            name: name.to_owned(),
            code: 0,
            unit: unit.to_owned(),
            kind: StreamKind::Numeric,
            sampling,
            simulated: false,
            since_ns: i64::from(boot),
        };
        let batch = Batch {
            schema: wardlink_wire::SCHEMA,
            gateway: gateway.parse().unwrap(),
            epoch: Epoch::from_bytes([epoch; 16]),
            lane: Lane::Wave,
            first: Sequence(first),
            boot: BootId::from_bytes([boot; 16]),
            streams: vec![
                stream(WAVE, "ecg", "mV", Some(sampling)),
                stream(RATE, "rate", "/min", None),
            ],
            records,
        };
        self.archive
            .insert(&batch, &batch.encode().unwrap(), 1)
            .unwrap();
    }

    fn export(&self) -> Vec<String> {
        let written = export(&self.archive, None, &self.out()).unwrap();
        written.into_iter().map(|file| file.name).collect()
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.out().join(name)).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

const WAVE: u32 = 1;
const RATE: u32 = 2;

fn record(stream: u32, body: Body, quality: Quality) -> Record {
    Record {
        stream,
        time: Timestamp {
            utc_ns: 1_700_000_000_000_000_000,
            monotonic_ns: 0,
            clock: Clock {
                state: ClockState::Unsynchronised,
                error_ms: None,
            },
            device: None,
        },
        body,
        quality,
    }
}

fn block(first: u64, values: &[i32]) -> Record {
    let samples = Samples::pack(values);
    record(
        WAVE,
        Body::Samples(SampleBlock { first, samples }),
        Quality::GOOD,
    )
}

fn absent(stream: u32, first: Option<u64>, count: u64) -> Record {
    let body = Body::Absent(Absent {
        reason: Absence::LeadOff,
        first,
        count,
        raw: Some(-32768),
    });
    record(stream, body, Quality::GOOD)
}

fn gap(range: Option<(u64, u64)>, cause: GapCause) -> Record {
    let range =
        range.map(|(first, last)| SequenceRange::between(Sequence(first), Sequence(last)).unwrap());
    let body = Body::Gap(Gap {
        lane: Lane::Wave,
        range,
        count: None,
        cause,
    });
    record(RATE, body, Quality::GOOD)
}

#[test]
fn every_sample_index_has_its_line() {
    let mut fixture = Fixture::new();
    let numeric = Numeric {
        value: Decimal::new(70, -3),
        index: Some(7),
        raw: Some(70),
    };
    fixture.put(
        0,
        vec![
            block(0, &[-5, 0, 40_000]),
            absent(WAVE, Some(3), 2),
            record(
                WAVE,
                Body::Samples(SampleBlock {
                    first: 5,
                    samples: Samples::pack(&[1, 2]),
                }),
                Quality::ARTEFACT.with(Quality::SIMULATED),
            ),
            record(WAVE, Body::Numeric(numeric), Quality::GOOD),
        ],
    );
    assert_eq!(fixture.export(), ["dev.ecg.csv"]);
    assert_eq!(
        fixture.lines("dev.ecg.csv"),
        [
            "index,raw,status",
            "0,-5,valid",
            "1,0,valid",
            "2,40000,valid",
            "3,,lead-off",
            "4,,lead-off",
            "5,1,valid+artefact+simulated",
            "6,2,valid+artefact+simulated",
            "7,70,valid",
        ]
    );
}

#[test]
fn what_never_arrived_is_said_with_its_cause_where_it_is_known() {
    let mut fixture = Fixture::new();
    // Places 1 and 2 were lost, and the gateway says why; places 5 and 6 are just not here.
    fixture.put(0, vec![block(0, &[10])]);
    fixture.put(
        3,
        vec![gap(Some((1, 2)), GapCause::StoreFull), block(3, &[13])],
    );
    fixture.put(7, vec![block(5, &[15])]);
    // Lost before they had a place: the gap stands between its neighbours.
    fixture.put(8, vec![gap(None, GapCause::StoreFailed), block(7, &[17])]);
    assert_eq!(fixture.export(), ["dev.ecg.csv", "dev.rate.csv"]);
    assert_eq!(
        fixture.lines("dev.ecg.csv")[1..],
        [
            "0,10,valid",
            "1,,gap:store-full",
            "2,,gap:store-full",
            "3,13,valid",
            "4,,gap",
            "5,15,valid",
            "6,,gap:store-failed",
            "7,17,valid",
        ]
    );
    assert!(fixture.lines("dev.rate.csv")[1].ends_with(",,,gap:store-full:wave:1-2"));
}

#[test]
fn what_arrived_late_stands_where_it_was_measured() {
    let mut fixture = Fixture::new();
    fixture.put(2, vec![block(4, &[4, 5])]);
    fixture.put(0, vec![block(0, &[0, 1]), block(2, &[2, 3])]);
    fixture.put(0, vec![block(0, &[0, 1]), block(2, &[2, 3])]);
    fixture.export();
    let lines = fixture.lines("dev.ecg.csv");
    let expected: Vec<_> = (0..6)
        .map(|index| format!("{index},{index},valid"))
        .collect();
    assert_eq!(lines[1..], expected);
}

#[test]
fn a_measurement_that_starts_again_is_not_mixed_with_the_one_before() {
    let mut fixture = Fixture::new();
    fixture.put(0, vec![block(0, &[1, 2]), block(0, &[3])]);
    fixture.put_of("gw-1", (1, 2), 2, vec![block(5, &[4])]);
    fixture.put_of("gw-1", (2, 2), 0, vec![block(6, &[5])]);
    let names = fixture.export();
    assert_eq!(
        names,
        [
            "dev.ecg.csv",
            "dev.ecg.2.csv",
            "dev.ecg.3.csv",
            "dev.ecg.4.csv"
        ]
    );
    assert_eq!(fixture.lines("dev.ecg.csv").len(), 3);
    assert_eq!(fixture.lines("dev.ecg.2.csv")[1], "0,3,valid");
    assert_eq!(fixture.lines("dev.ecg.3.csv")[1], "5,4,valid");
    assert_eq!(fixture.lines("dev.ecg.4.csv")[1], "6,5,valid");
}

#[test]
fn readings_and_events_have_one_line_each_and_nothing_is_left_out() {
    let mut fixture = Fixture::new();
    let numeric = Numeric {
        value: Decimal::new(720, -1),
        index: None,
        raw: None,
    };
    let alarm = Event {
        kind: EventKind::Alarm {
            code: 12,
            priority: wardlink_wire::record::Priority::High,
            active: true,
        },
        text: "rate, \"low\"".to_owned(),
    };
    fixture.put(
        0,
        vec![
            record(RATE, Body::Numeric(numeric), Quality::LOW_PERFUSION),
            absent(RATE, None, 1),
            record(RATE, Body::Event(alarm), Quality::GOOD),
            // Of a sampled stream, but without an index, or with one that cannot be.
            absent(WAVE, None, 3),
            absent(WAVE, Some(0), u64::MAX),
            block(u64::MAX, &[1, 2]),
        ],
    );
    assert_eq!(fixture.export(), ["dev.ecg.unindexed.csv", "dev.rate.csv"]);
    let time = "2023-11-14T22:13:20.000000000Z";
    assert_eq!(
        fixture.lines("dev.rate.csv"),
        [
            "sequence,utc,value,unit,status".to_owned(),
            format!("0,{time},72.0,/min,valid+low-perfusion"),
            format!("1,{time},,/min,lead-off"),
            format!("2,{time},\"rate, \"\"low\"\"\",,alarm:12:high:active"),
        ]
    );
    assert_eq!(
        fixture.lines("dev.ecg.unindexed.csv")[1..],
        [
            format!("3,{time},,mV,lead-off:3"),
            format!("4,{time},,mV,lead-off:{}", u64::MAX),
            format!("5,{time},,mV,samples:2"),
        ]
    );
}

#[test]
fn an_index_that_jumps_out_of_all_reason_fills_no_disk() {
    let mut fixture = Fixture::new();
    fixture.put(0, vec![block(0, &[1]), block(1 << 60, &[2])]);
    assert_eq!(fixture.export(), ["dev.ecg.csv", "dev.ecg.2.csv"]);
    assert_eq!(fixture.lines("dev.ecg.csv").len(), 2);
}

#[test]
fn several_gateways_do_not_share_files() {
    let mut fixture = Fixture::new();
    for gateway in ["gw-1", "gw-2"] {
        fixture.put_of(gateway, (1, 1), 0, vec![block(0, &[1])]);
    }
    assert_eq!(fixture.export(), ["gw-1.dev.ecg.csv", "gw-2.dev.ecg.csv"]);
    let only = "gw-2".parse().unwrap();
    let written = export(&fixture.archive, Some(&only), &fixture.out()).unwrap();
    assert_eq!(written[0].name, "dev.ecg.csv");
    let nobody = "gw-3".parse().unwrap();
    assert!(matches!(
        export(&fixture.archive, Some(&nobody), &fixture.out()),
        Err(ExportError::Nothing)
    ));
}
