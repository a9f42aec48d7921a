//! Nonin formats 7, 8 and 13, Contec CMS50D+ and Masimo ASCII 1, with their traps.

use wardlink_firmware_shim::drivers::cms50d::Cms50d;
use wardlink_firmware_shim::drivers::masimo::Masimo;
use wardlink_firmware_shim::drivers::nonin::{Format8, Format13, Layout, Packets};
use wardlink_firmware_shim::reading::{Absence, Body, Decimal};

use super::{listen, numbers, whole};

pub(crate) fn format2(heart_rate: u16, spo2: u8) -> Vec<u8> {
    packet(heart_rate, spo2, |status| [1, status, 60])
}

pub(crate) fn format7(heart_rate: u16, spo2: u8, pleth: u16) -> Vec<u8> {
    let [high, low] = pleth.to_be_bytes();
    packet(heart_rate, spo2, |status| [status, high, low])
}

fn packet(heart_rate: u16, spo2: u8, front: impl Fn(u8) -> [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for place in 0..25 {
        let other = match place {
            0 => u8::try_from(heart_rate >> 7).unwrap(),
            1 => u8::try_from(heart_rate & 0x7f).unwrap(),
            2 => spo2,
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

pub(crate) fn format13(heart_rate: u16, spo2: u8, status: u8) -> Vec<u8> {
    let [high, low] = heart_rate.to_be_bytes();
    let data = [20, 26, 11, 25, 14, 35, 10, 0, status, 0, high, low, 0, spo2];
    let sum = data.into_iter().fold(0, u8::wrapping_add);
    [&[0, 2, 0, 13, 0, 14][..], &data, &[sum, 3]].concat()
}

pub(crate) fn masimo(spo2: &str, rate: &str, index: &str, alarm: u32, exceptions: u32) -> Vec<u8> {
    format!(
        "03/19/16 13:37:12 SN=0000093112 SPO2={spo2}% BPM={rate} PI={index}% DESAT=-- PIDELTA=+-- \
         ALARM={alarm:04X} EXC={exceptions:06X}\r\n"
    )
    .into_bytes()
}

#[test]
fn heart_rates_on_both_sides_of_a_bit_border_are_right_in_every_format() {
    for rate in [18_u16, 127, 128, 255, 256, 300] {
        let expected = vec![whole(i64::from(rate))];
        let bytes = [
            format7(rate, 97, 1000),
            format7(rate, 97, 1000)[..5].to_vec(),
        ]
        .concat();
        let readings = listen(Packets::new(Layout::Format7), &bytes);
        assert_eq!(numbers(&readings, 1), expected, "format 7");
        let low = u8::try_from(rate & 0x7f).unwrap();
        let high = u8::try_from(rate >> 7).unwrap();
        let readings = listen(Format8::default(), &[0x80 | high, low, 97, 0]);
        assert_eq!(numbers(&readings, 1), expected, "format 8");
        let readings = listen(Format13::default(), &format13(rate, 97, 0));
        assert_eq!(numbers(&readings, 1), expected, "format 13");
    }
    for rate in [30_u8, 127, 128, 254] {
        let frame = [0x85, 60, rate >> 7 << 6, rate & 0x7f, 97];
        let readings = listen(Cms50d::default(), &frame);
        assert_eq!(numbers(&readings, 1), [whole(i64::from(rate))], "CMS50D+");
    }
}

#[test]
fn format_7_carries_sixteen_bits_of_pulse_wave() {
    let bytes = [format7(72, 97, 40_000), format7(72, 97, 0)[..5].to_vec()].concat();
    let readings = listen(Packets::new(Layout::Format7), &bytes);
    let wave = readings.iter().find(|reading| reading.stream == 2).unwrap();
    let Body::Samples { first: 0, values } = &wave.body else {
        panic!("{wave:?}")
    };
    assert_eq!(*values, [40_000; 25]);
}

#[test]
fn the_oximeters_words_for_none_are_never_values() {
    let none = [Err(Absence::NotAvailable)];
    let readings = listen(Format8::default(), &[0x83, 0x7f, 0x7f, 0]);
    assert_eq!(
        (numbers(&readings, 0), numbers(&readings, 1)),
        (none.to_vec(), none.to_vec())
    );
    let readings = listen(Format13::default(), &format13(511, 127, 0));
    assert_eq!(
        (numbers(&readings, 0), numbers(&readings, 1)),
        (none.to_vec(), none.to_vec())
    );
    for [rate_high, rate, spo2] in [[0, 0, 0], [0x40, 0x7f, 0x7f]] {
        let readings = listen(Cms50d::default(), &[0x80, 0, rate_high, rate, spo2]);
        assert_eq!(
            (numbers(&readings, 0), numbers(&readings, 1)),
            (none.to_vec(), none.to_vec())
        );
    }
    let readings = listen(Masimo::default(), &masimo("---", "---", "--.--", 0, 0));
    for stream in 0..3 {
        assert_eq!(numbers(&readings, stream), none);
    }
}

#[test]
fn a_sensor_that_is_off_gives_no_value_in_any_stream() {
    let off = [Err(Absence::SensorOff)];
    let readings = listen(Format8::default(), &[0xc0, 72, 97, 0]);
    assert_eq!(
        (numbers(&readings, 0), numbers(&readings, 1)),
        (off.to_vec(), off.to_vec())
    );
    // Finger out, then a probe error.
    for frame in [[0x95, 60, 0, 72, 97], [0x85, 60, 0x10, 72, 97]] {
        let readings = listen(Cms50d::default(), &frame);
        assert_eq!(
            (numbers(&readings, 0), numbers(&readings, 1)),
            (off.to_vec(), off.to_vec())
        );
        let Body::Absent {
            reason: Absence::SensorOff,
            first: Some(0),
            count: 1,
            ..
        } = readings
            .iter()
            .find(|reading| reading.stream == 2)
            .unwrap()
            .body
        else {
            panic!("{readings:?}")
        };
    }
    for exception in [0x01, 0x02, 0x20, 0x80] {
        let readings = listen(
            Masimo::default(),
            &masimo("098", "072", "05.52", 0, exception),
        );
        for stream in 0..3 {
            assert_eq!(numbers(&readings, stream), off, "exception {exception:x}");
        }
    }
}

#[test]
fn a_wrong_sum_or_a_byte_that_is_missing_gives_no_number() {
    let mut bytes = format13(72, 97, 0);
    bytes[16] ^= 1;
    assert_eq!(listen(Format13::default(), &bytes), []);
    let mut bytes = format13(72, 97, 0);
    bytes.remove(9);
    assert_eq!(listen(Format13::default(), &bytes), []);
    // Formats without a sum: a frame with a hole is not filled from the next one.
    let frames = [[0x80, 72, 97, 0], [0x80, 73, 98, 0]].concat();
    for hole in 0..4 {
        let mut bytes = frames.clone();
        bytes.remove(hole);
        let readings = listen(Format8::default(), &bytes);
        assert_eq!(numbers(&readings, 0), [whole(98)], "hole at {hole}");
    }
    let frames = [[0x85, 60, 0, 72, 97], [0x85, 60, 0, 73, 98]].concat();
    for hole in 0..5 {
        let mut bytes = frames.clone();
        bytes.remove(hole);
        let readings = listen(Cms50d::default(), &bytes);
        assert_eq!(numbers(&readings, 0), [whole(98)], "hole at {hole}");
    }
}

#[test]
fn a_spot_check_keeps_the_oximeters_own_time_and_says_when_it_failed() {
    let readings = listen(Format13::default(), &format13(72, 97, 0));
    assert_eq!(
        readings[0].device_time.as_deref(),
        Some("2026-11-25 14:35:10")
    );
    let failed = listen(Format13::default(), &format13(72, 97, 1));
    assert_eq!(numbers(&failed, 0), [Err(Absence::BadSignal)]);
}

#[test]
fn numbers_repeated_sixty_times_a_second_are_given_once_a_second_or_when_they_change() {
    let mut bytes = [0x85, 60, 0, 72, 97].repeat(150);
    bytes.extend([0x85, 60, 0, 73, 97].repeat(2));
    let readings = listen(Cms50d::default(), &bytes);
    let expected = [72, 72, 72, 73].map(whole);
    assert_eq!(numbers(&readings, 1), expected);
    let samples: usize = readings
        .iter()
        .map(|reading| match &reading.body {
            Body::Samples { values, .. } => values.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(samples, 152);
}

#[test]
fn masimo_digits_time_doubts_and_alarms_are_kept() {
    let readings = listen(Masimo::default(), &masimo("098", "072", "05.52", 2, 0x404));
    assert_eq!(numbers(&readings[..3], 0), [whole(98)]);
    assert_eq!(numbers(&readings[..3], 2), [Ok(Decimal::new(552, -2))]);
    assert!(readings[0].quality.questionable && readings[0].quality.low_perfusion);
    assert_eq!(
        readings[0].device_time.as_deref(),
        Some("03/19/16 13:37:12")
    );
    let Body::Alarm {
        code: 2,
        active: true,
        ..
    } = readings[3].body
    else {
        panic!("{readings:?}")
    };
    // The same alarm again is none that is new; its end is said.
    let line = |alarm| masimo("098", "072", "05.52", alarm, 0);
    let readings = listen(Masimo::default(), &[line(2), line(2), line(0)].concat());
    let alarms: Vec<_> = readings
        .iter()
        .filter_map(|reading| match reading.body {
            Body::Alarm { active, .. } => Some(active),
            _ => None,
        })
        .collect();
    assert_eq!(alarms, [true, false]);
}

#[test]
fn a_masimo_line_that_was_cut_or_spoilt_gives_nothing_that_it_does_not_say() {
    let line = masimo("098", "072", "05.52", 0, 0);
    for cut in 0..line.len() - 2 {
        let bytes = [&line[cut..], &b"x"[..]].concat();
        for reading in listen(Masimo::default(), &bytes[..bytes.len() - 1]) {
            assert!(
                [whole(98), whole(72), Ok(Decimal::new(552, -2))]
                    .contains(&numbers(std::slice::from_ref(&reading), reading.stream)[0]),
                "{reading:?}"
            );
        }
    }
    let spoilt = masimo("0x8", "072", "05.52", 0, 0);
    assert_eq!(
        numbers(&listen(Masimo::default(), &spoilt), 0),
        [Err(Absence::Garbled)]
    );
}
