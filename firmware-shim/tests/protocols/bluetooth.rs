//! The health characteristics of the Bluetooth SIG, value by value.

use proptest::prelude::*;
use wardlink_firmware_shim::drivers::ble::{Characteristic, Malformed};
use wardlink_firmware_shim::reading::{Absence, Body, Decimal, Reading};

use super::{numbers, whole};

fn decode(characteristic: Characteristic, value: &[u8]) -> Vec<Reading> {
    let mut readings = Vec::new();
    characteristic.decode(value, &mut readings).unwrap();
    readings
}

#[test]
fn a_cuff_that_failed_gives_no_pressure_but_its_time() {
    // Real bytes of a failed measurement, which an application showed as 2047/2047 mmHg.
    let value = [
        0x16, 0xff, 0x07, 0xff, 0x07, 0xff, 0x07, 0xe8, 0x07, 0x06, 0x17, 0x0e, 0x23, 0x0a, 0xff,
        0x07, 0, 0,
    ];
    let readings = decode(Characteristic::BloodPressure, &value);
    assert_eq!(readings.len(), 4);
    for reading in &readings {
        assert_eq!(reading.device_time.as_deref(), Some("2024-06-23 14:35:10"));
        let Body::Absent {
            reason: Absence::NotAvailable,
            raw: Some(0x07ff),
            ..
        } = reading.body
        else {
            panic!("{reading:?}")
        };
    }
}

#[test]
fn every_special_number_is_an_absence_and_its_neighbours_are_values() {
    for (bytes, over, under) in [
        ([0xff, 0x07], false, false),
        ([0x00, 0x08], false, false),
        ([0xfe, 0x07], true, false),
        ([0x02, 0x08], false, true),
        ([0x01, 0x08], false, false),
    ] {
        let reading = &decode(
            Characteristic::PlxContinuous,
            &[0, bytes[0], bytes[1], 60, 0],
        )[0];
        assert!(matches!(reading.body, Body::Absent { .. }), "{reading:?}");
        assert_eq!(
            (reading.quality.over_range, reading.quality.under_range),
            (over, under)
        );
    }
    // 2045; -2045; the mantissa of "not a number" with another exponent: 204.7.
    for (bytes, value) in [
        ([0xfd, 0x07], Decimal::new(2045, 0)),
        ([0x03, 0x08], Decimal::new(-2045, 0)),
        ([0xff, 0xf7], Decimal::new(2047, -1)),
        ([0x62, 0x00], Decimal::new(98, 0)),
        ([0xd4, 0xf3], Decimal::new(980, -1)),
    ] {
        let readings = decode(
            Characteristic::PlxContinuous,
            &[0, bytes[0], bytes[1], 60, 0],
        );
        assert_eq!(numbers(&readings, 0), [Ok(value)]);
    }
    for special in [
        0x007f_ffff_u32,
        0x0080_0000,
        0x007f_fffe,
        0x0080_0002,
        0x0080_0001,
    ] {
        let value = [&[0][..], &special.to_le_bytes()].concat();
        let readings = decode(Characteristic::Temperature, &value);
        assert_eq!(
            numbers(&readings, 0),
            [Err(Absence::NotAvailable)],
            "{special:x}"
        );
    }
}

#[test]
fn a_thermometer_keeps_its_digits_and_its_unit() {
    // 36.60 with two places; 98.6 Fahrenheit in a stream of its own.
    let readings = decode(Characteristic::Temperature, &[0, 0x4c, 0x0e, 0, 0xfe]);
    assert_eq!(numbers(&readings, 0), [Ok(Decimal::new(3660, -2))]);
    let readings = decode(Characteristic::Temperature, &[5, 0xda, 0x03, 0, 0xff, 2]);
    assert_eq!(numbers(&readings, 1), [Ok(Decimal::new(986, -1))]);
    let kilopascal = decode(
        Characteristic::BloodPressure,
        &[1, 0xa0, 0xf0, 0x64, 0xf0, 0x78, 0xf0],
    );
    assert_eq!(numbers(&kilopascal, 0), []);
    assert_eq!(numbers(&kilopascal, 3), [Ok(Decimal::new(160, -1))]);
}

#[test]
fn an_oximeters_status_takes_values_back_and_keeps_the_demonstration_mark() {
    // Sensor displaced (bit 13 of the sensor status).
    let off = decode(
        Characteristic::PlxContinuous,
        &[8, 97, 0, 60, 0, 0, 0x20, 0],
    );
    assert_eq!(numbers(&off, 0), [Err(Absence::SensorOff)]);
    // Measurement unavailable, and for demonstration.
    let demo = decode(Characteristic::PlxContinuous, &[4, 97, 0, 60, 0, 0, 0x24]);
    assert_eq!(numbers(&demo, 0), [Err(Absence::NotAvailable)]);
    assert!(demo.iter().all(|reading| reading.quality.demo));
    let test = decode(Characteristic::PlxSpotCheck, &[2, 97, 0, 60, 0, 0, 0x08]);
    assert_eq!(numbers(&test, 0), [whole(97)]);
    assert!(test[0].quality.demo);
    // A device whose clock was never set: no time.
    let value = [0x11, 97, 0, 60, 0, 0xea, 0x07, 1, 1, 0, 0, 0];
    assert_eq!(
        decode(Characteristic::PlxSpotCheck, &value)[0].device_time,
        None
    );
}

#[test]
fn heart_rates_of_one_and_two_bytes_and_a_belt_that_is_off() {
    for rate in [127_u8, 128, 255] {
        let readings = decode(Characteristic::HeartRate, &[0, rate]);
        assert_eq!(numbers(&readings, 0), [whole(i64::from(rate))]);
    }
    let readings = decode(Characteristic::HeartRate, &[0x11, 0, 1, 0, 4, 0, 4]);
    assert_eq!(numbers(&readings, 0), [whole(256)]);
    assert_eq!(
        numbers(&decode(Characteristic::HeartRate, &[0x04, 70]), 0),
        [Err(Absence::SensorOff)]
    );
    assert_eq!(
        numbers(&decode(Characteristic::HeartRate, &[0, 0]), 0),
        [Err(Absence::NotAvailable)]
    );
}

#[test]
fn a_scale_and_a_glucose_meter_in_their_units_exactly() {
    let weight = decode(Characteristic::Weight, &[0, 0xb8, 0x3d]);
    assert_eq!(numbers(&weight, 0), [Ok(Decimal::new(79_000, -3))]);
    let weight = decode(Characteristic::Weight, &[0, 0xff, 0xff]);
    assert_eq!(numbers(&weight, 0), [Err(Absence::BadSignal)]);
    let pounds = decode(Characteristic::Weight, &[1, 0x10, 0x27]);
    assert_eq!(numbers(&pounds, 1), [Ok(Decimal::new(10_000, -2))]);
    // 0.00110 kg/l are 110 mg/dl; 0.0061 mol/l are 6.1 mmol/l.
    let time = [1, 0, 0xea, 0x07, 1, 2, 3, 4, 5];
    let glucose = |flags: u8, rest: &[u8]| {
        decode(
            Characteristic::Glucose,
            &[&[flags][..], &time, rest].concat(),
        )
    };
    assert_eq!(
        numbers(&glucose(2, &[110, 0xb0, 0x11]), 0),
        [Ok(Decimal::new(110, 0))]
    );
    assert_eq!(
        numbers(&glucose(6, &[61, 0xc0, 0x11]), 1),
        [Ok(Decimal::new(61, -1))]
    );
    // The strip was pulled out.
    assert_eq!(
        numbers(&glucose(10, &[110, 0xb0, 0x11, 0, 2]), 0),
        [Err(Absence::BadSignal)]
    );
}

proptest! {
    /// Any bytes are readings of the characteristic's own streams, or an error and nothing.
    #[test]
    fn any_value_is_decoded_or_refused_whole(value in prop::collection::vec(any::<u8>(), 0..40)) {
        for characteristic in Characteristic::ALL {
            let mut readings = Vec::new();
            match characteristic.decode(&value, &mut readings) {
                Ok(()) => {
                    let streams = characteristic.streams().len();
                    prop_assert!(readings.iter().all(|reading| reading.stream < streams));
                    prop_assert!(!readings.is_empty());
                }
                Err(Malformed(length)) => {
                    prop_assert_eq!(length, value.len());
                    prop_assert!(readings.is_empty());
                }
            }
        }
    }
}
