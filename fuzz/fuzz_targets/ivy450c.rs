//! Any bytes in any two pieces give the same readings: the protocol of `ivy450c`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardlink_firmware_shim::drivers::ivy450c::Ivy450c;

fuzz_target!(|input: (usize, &[u8])| {
    let (cut, bytes) = input;
    wardlink_fuzz::same_in_pieces(|| Box::new(Ivy450c::default()), bytes, cut);
});
