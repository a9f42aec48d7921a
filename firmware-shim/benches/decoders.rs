//! What the decoders of serial and network protocols cost: bytes and records a second, allocations a line.
//!
//! Each is given ten seconds (or ten messages) of what its device sends, in one piece; `item` is one record.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench that meets what it does not expect must stop there"
)]

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use wardlink_firmware_shim::drivers::ble::Characteristic;
use wardlink_firmware_shim::drivers::cms50d::Cms50d;
use wardlink_firmware_shim::drivers::hl7::{Framer, Piece, Session, frame};
use wardlink_firmware_shim::drivers::ivy450c::Ivy450c;
use wardlink_firmware_shim::drivers::line::Protocol;
use wardlink_firmware_shim::drivers::masimo::Masimo;
use wardlink_firmware_shim::drivers::nonin::{Format8, Format13, Layout, Packets};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = ["nonin 2", "nonin 7", "nonin 8", "nonin 13", "cms50d", "masimo", "ivy450c"])]
fn line(bencher: Bencher<'_, '_>, device: &str) {
    let (mut protocol, bytes): (Box<dyn Protocol>, Vec<u8>) = match device {
        "nonin 2" => (
            Box::new(Packets::new(Layout::Format2)),
            packet(|status| [1, status, 60]).repeat(30),
        ),
        "nonin 7" => (
            Box::new(Packets::new(Layout::Format7)),
            packet(|status| [status, 0x9c, 0x40]).repeat(30),
        ),
        "nonin 8" => (Box::new(Format8::default()), [0x80, 72, 97, 0].repeat(10)),
        "nonin 13" => (Box::new(Format13::default()), spot_check().repeat(10)),
        "cms50d" => (
            Box::new(Cms50d::default()),
            [0x85, 60, 4, 72, 97].repeat(600),
        ),
        "masimo" => (
            Box::new(Masimo::default()),
            b"03/19/16 13:37:12 SN=0000093112 SPO2=098% BPM=072 PI=05.52% DESAT=-- PIDELTA=+-- \
              ALARM=0000 EXC=000000\r\n"
                .repeat(10),
        ),
        _ => (Box::new(Ivy450c::default()), bedside().repeat(10)),
    };
    let mut readings = Vec::with_capacity(4096);
    protocol.push(&bytes, &mut readings);
    readings.clear();
    // Its second hearing, when nothing is new to it.
    protocol.push(&bytes, &mut readings);
    assert!(!readings.is_empty());
    bencher
        .counter(BytesCount::new(bytes.len()))
        .counter(ItemsCount::new(readings.len()))
        .bench_local(|| {
            readings.clear();
            protocol.push(&bytes, &mut readings);
        });
}

/// Ten messages of four observations, over MLLP.
#[divan::bench]
fn hl7(bencher: Bencher<'_, '_>) {
    let bytes = frame(MESSAGE).repeat(10);
    let mut session = Session::default();
    let mut framer = Framer::default();
    let mut readings = Vec::with_capacity(4096);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .counter(ItemsCount::new(40_usize))
        .bench_local(|| {
            readings.clear();
            for byte in &bytes {
                if let Some(Piece::Message(message)) = framer.push(*byte) {
                    session.take(&message, &mut readings).unwrap();
                }
            }
            assert_eq!(readings.len(), 40);
        });
}

/// Ten values of a characteristic: a blood pressure with time, pulse and status; a saturation; a heart rate.
#[divan::bench(args = ["blood-pressure", "plx-continuous", "heart-rate"])]
fn bluetooth(bencher: Bencher<'_, '_>, characteristic: &str) {
    let (characteristic, value): (_, &[u8]) = match characteristic {
        "blood-pressure" => (
            Characteristic::BloodPressure,
            &[
                0x16, 120, 0, 80, 0, 93, 0, 0xe8, 0x07, 0x06, 0x17, 0x0e, 0x23, 0x0a, 72, 0, 0, 0,
            ],
        ),
        "plx-continuous" => (
            Characteristic::PlxContinuous,
            &[0x18, 97, 0, 72, 0, 0, 0, 0, 25, 0xf0],
        ),
        _ => (Characteristic::HeartRate, &[0x16, 72, 0x55, 0x03]),
    };
    let mut readings = Vec::with_capacity(4096);
    characteristic.decode(value, &mut readings).unwrap();
    let records = readings.len() * 10;
    bencher
        .counter(BytesCount::new(value.len() * 10))
        .counter(ItemsCount::new(records))
        .bench_local(|| {
            readings.clear();
            for _ in 0..10 {
                characteristic.decode(value, &mut readings).unwrap();
            }
        });
}

/// A third of a second of a Nonin OEM III.
fn packet(front: impl Fn(u8) -> [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for place in 0..25 {
        let other = match place {
            1 => 72,
            2 => 97,
            _ => 0,
        };
        let [first, second, third] = front(0x80 | u8::from(place == 0));
        let sum = [first, second, third, other]
            .into_iter()
            .fold(0, u8::wrapping_add);
        bytes.extend([first, second, third, other, sum]);
    }
    bytes
}

fn spot_check() -> Vec<u8> {
    let data = [20, 26, 11, 25, 14, 35, 10, 0, 0, 0, 0, 72, 0, 97];
    let sum = data.into_iter().fold(0, u8::wrapping_add);
    [&[0, 2, 0, 13, 0, 14][..], &data, &[sum, 3]].concat()
}

/// A second of an Ivy 450C.
fn bedside() -> Vec<u8> {
    let mut bytes = b"\xfe\xffANSAR-B ".to_vec();
    bytes.extend((0..350_u16).map(|place| u8::try_from(place % 250).unwrap()));
    bytes.extend([0xfb; 50]);
    bytes.extend(
        b"HR=1;80;ECG-II-DIAG;\rRR=1;35;APNEA: 20 SEC;\rETCO2=1;;;\rSPO2=1;97;PR=80 ;\r\
          NIBP=4;121;75;92;80;;\rP1=3;111;73;88;;\rP2=3;;;;NO TRANSDUCER;\rT1=1;;;\rT2=1;;;\r",
    );
    bytes
}

const MESSAGE: &str = "MSH|^~\\&|MONITOR^0012^EUI-64|ICU|GATEWAY|WARD|20261125143510+0100||ORU^R01^ORU_R01|\
     MSG7|P|2.6\rPV1||I|ICU^1^4\r\
     OBR|1||5|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20261125143500+0100\r\
     OBX|1|NM|147842^MDC_ECG_HEART_RATE^MDC|1.1.1.1|61|/min^/min^UCUM||N|||R\r\
     OBX|2|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.1|97|262688^MDC_DIM_PERCENT^MDC|||||R\r\
     OBX|3|NM|150364^MDC_TEMP_BODY^MDC|1.2.1.1|36.60|268192^MDC_DIM_DEGC^MDC^Cel^Cel^UCUM|||||R\r\
     OBX|4|NM|150364^MDC_TEMP_BODY^MDC|1.2.1.2|36.7|Cel^Cel^UCUM|||||R\r";
