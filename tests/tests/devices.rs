//! Every simulated serial and network device, through the real agent, store, broker and monitor: what the
//! simulated patient has is what the monitor holds.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use wardlink_tests::port::Port;
use wardlink_tests::profile;
use wardlink_tests::series;
use wardlink_tests::ward::Ward;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::profile::{DeviceSettings, Profile};
use wardlink_wire::record::{Absence, Quality};

/// Device id, what its table says, and the streams whose numbers the patient decides.
const DEVICES: [(&str, &str, Streams); 10] = [
    ("nonin-2", "driver = \"nonin\"", OXIMETER),
    ("nonin-7", "driver = \"nonin\"\nformat = 7", OXIMETER),
    ("nonin-8", "driver = \"nonin\"\nformat = 8", OXIMETER),
    ("nonin-13", "driver = \"nonin\"\nformat = 13", OXIMETER),
    ("cms50d", "driver = \"cms50d\"", OXIMETER),
    (
        "masimo",
        "driver = \"masimo\"",
        &[
            ("spo2", Expected::Spo2),
            ("pulse-rate", Expected::Rate),
            ("perfusion-index", Expected::Exactly(250, -2)),
        ],
    ),
    (
        "ivy",
        "driver = \"ivy450c\"",
        &[
            ("heart-rate", Expected::Rate),
            ("spo2", Expected::Spo2),
            ("pulse-rate", Expected::Rate),
            ("respiration-rate", Expected::Exactly(15, 0)),
            ("nibp-systolic", Expected::Exactly(121, 0)),
        ],
    ),
    (
        "bedside",
        "driver = \"hl7\"",
        &[
            ("heart-rate", Expected::Rate),
            ("spo2", Expected::Spo2),
            ("pulse-rate", Expected::Rate),
            ("temperature", Expected::Exactly(36_600, -3)),
        ],
    ),
    (
        "finger",
        "driver = \"bluetooth\"\ncharacteristic = \"plx-continuous\"",
        &[
            ("spo2", Expected::Spo2),
            ("pulse-rate", Expected::Rate),
            ("perfusion-index", Expected::Exactly(25, -1)),
        ],
    ),
    (
        "cuff",
        "driver = \"bluetooth\"\ncharacteristic = \"blood-pressure\"",
        &[
            ("systolic", Expected::Exactly(121, 0)),
            ("pulse-rate", Expected::Rate),
        ],
    ),
];
type Streams = &'static [(&'static str, Expected)];
const OXIMETER: Streams = &[("spo2", Expected::Spo2), ("pulse-rate", Expected::Rate)];

#[derive(Debug, Clone, Copy)]
enum Expected {
    Rate,
    Spo2,
    Exactly(i64, i8),
}

impl Expected {
    /// 254 beats is the most that the eight bits of one of the devices hold, and above 128 for all.
    fn of(self) -> Decimal {
        match self {
            Self::Rate => Decimal::new(201, 0),
            Self::Spo2 => Decimal::new(93, 0),
            Self::Exactly(mantissa, exponent) => Decimal::new(mantissa, exponent),
        }
    }
}

#[test]
fn every_simulated_line_arrives_at_the_monitor_with_the_patients_numbers() {
    let ward = Ward::open();
    let mut text = profile::lanes("100ms");
    for (id, table, _) in DEVICES {
        text += &profile::simulated(id, table, 2);
        text += "heart_rate = 201\nspo2 = 93\n";
    }
    let mut gateway = ward.gateway("gw-1", &text);
    // What a device says at once holds each of its numbers.
    let heard = gateway.until("every device is heard", |report| {
        report.devices.iter().all(|device| device.readings > 0)
    });
    assert_eq!(heard.devices.len(), DEVICES.len());
    ward.monitor.until("what was heard arrives", |summary| {
        summary.lanes.iter().map(|lane| lane.records).sum::<u64>() >= heard.recorded
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    let archive = ward.monitor.archive();
    let numbers = series::all_numbers(&archive);
    for (id, _, streams) in DEVICES {
        for (stream, expected) in streams {
            let heard = numbers
                .get(&(id.to_owned(), (*stream).to_owned()))
                .unwrap_or_else(|| panic!("{id}.{stream}: nothing arrived"));
            assert!(
                heard.contains(&Ok(expected.of())),
                "{id}.{stream}: {heard:?}"
            );
            // A machine that stands still for seconds makes a line silent for the driver: that is no value.
            let right = [Ok(expected.of()), Err(Absence::NoResponse)];
            assert!(
                heard.iter().all(|number| right.contains(number)),
                "{id}.{stream}: {heard:?}"
            );
        }
    }
    series::assert_whole(&archive);
}

#[test]
fn a_demonstration_reaches_the_monitor_as_one_and_a_second_bed_does_not() {
    let ward = Ward::open();
    let port = Port::free();
    let address = SocketAddr::from(([127, 0, 0, 1], port.number()));
    let table =
        format!("[[device]]\nid = \"bedside\"\ndriver = \"hl7\"\nbus = \"tcp:{address}\"\n");
    let mut gateway = ward.gateway("gw-1", &(profile::lanes("100ms") + &table));
    gateway.until("the gateway listens", |report| {
        report.devices[0].state == "reading"
    });
    // Two connections at once: one monitor that demonstrates, one that stands at another bed.
    let (mut first, mut second) = (Peer::connect(address), Peer::connect(address));
    assert!(first.say("ICU^1^4", "97", "DEMO").contains("MSA|AA|"));
    assert!(second.say("ICU^1^5", "55", "").contains("MSA|AR|"));
    assert!(first.say("ICU^1^4", "0", "INV~DEMO").contains("MSA|AA|"));
    assert!(first.say("ICU^1^4", "96", "").contains("MSA|AA|"));
    ward.monitor.until("the last value arrives", |_| {
        series::numbers(&ward.monitor.archive(), "bedside", "spo2").len() >= 3
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    let archive = ward.monitor.archive();
    let (value, none) = (|value| Ok(Decimal::new(value, 0)), Err(Absence::BadSignal));
    assert_eq!(
        series::numbers(&archive, "bedside", "spo2"),
        [value(97), none, value(96)]
    );
    let marks: Vec<_> = series::qualities(&archive, "bedside", "spo2")
        .iter()
        .map(|quality| {
            (
                quality.says(Quality::DEMO),
                quality.says(Quality::SIMULATED),
            )
        })
        .collect();
    assert_eq!(marks, [(true, false), (true, false), (false, false)]);
}

#[test]
fn the_example_of_lines_is_a_profile_that_holds_every_driver_tested_here() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../configs/simulation-lines.toml"
    );
    let text = fs::read_to_string(path).expect("the example");
    let profile = Profile::parse(&text).expect("a profile without faults");
    for (_, table, _) in DEVICES {
        let named = |device: &DeviceSettings| table.contains(device.driver.name());
        assert!(profile.devices.iter().any(named), "{table}");
    }
}

/// A monitor on the network.
struct Peer(TcpStream);

impl Peer {
    #[track_caller]
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway takes the connection");
        let patience = Some(Duration::from_secs(60));
        stream.set_read_timeout(patience).expect("a deadline");
        Self(stream)
    }

    /// Sends one saturation and gives back the answer.
    #[track_caller]
    fn say(&mut self, bed: &str, spo2: &str, flags: &str) -> String {
        let message = format!(
            "\x0bMSH|^~\\&|MONITOR||||20261125143510||ORU^R01^ORU_R01|1|P|2.6\rPV1||I|{bed}\rOBR|1\r\
             OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|{spo2}|262688^MDC_DIM_PERCENT^MDC||{flags}|||R\r\
             \x1c\r"
        );
        self.0.write_all(message.as_bytes()).expect("it is sent");
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\x1c\r") {
            self.0.read_exact(&mut byte).expect("an answer");
            answer.extend(byte);
        }
        String::from_utf8(answer).expect("an answer in ASCII")
    }
}
