//! Any bytes are frames of a sensor board, or are skipped; however they are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardlink_firmware_shim::drivers::board::Board;
use wardlink_fuzz::same_in_pieces;

fuzz_target!(|input: (usize, &[u8])| same_in_pieces(|| Box::new(Board::default()), input.1, input.0));
