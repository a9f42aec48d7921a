//! Any value of a health characteristic is readings of known streams, or an error and nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardlink_firmware_shim::drivers::ble::Characteristic;

fuzz_target!(|value: &[u8]| {
    for characteristic in Characteristic::ALL {
        let known = characteristic.streams().len();
        let mut readings = Vec::new();
        let decoded = characteristic.decode(value, &mut readings);
        assert_eq!(decoded.is_ok(), !readings.is_empty());
        assert!(readings.iter().all(|reading| reading.stream < known));
    }
});
