//! Any bytes in any two pieces give the same readings: Nonin data formats 2, 7, 8 and 13.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardlink_firmware_shim::drivers::line::Protocol;
use wardlink_firmware_shim::drivers::nonin::{Format8, Format13, Layout, Packets};

fuzz_target!(|input: (usize, &[u8])| {
    let (cut, bytes) = input;
    let makers: [fn() -> Box<dyn Protocol>; 4] = [
        || Box::new(Packets::new(Layout::Format2)),
        || Box::new(Packets::new(Layout::Format7)),
        || Box::new(Format8::default()),
        || Box::new(Format13::default()),
    ];
    for make in makers {
        wardlink_fuzz::same_in_pieces(make, bytes, cut);
    }
});
