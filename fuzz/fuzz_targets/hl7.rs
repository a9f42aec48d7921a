//! Any bytes are messages or none; any message is readings of known streams and an answer that is a message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardlink_firmware_shim::drivers::hl7::{Framer, Piece, Session, streams};

fuzz_target!(|bytes: &[u8]| {
    let known = streams().len();
    let mut readings = Vec::new();
    let mut session = Session::default();
    let mut framer = Framer::default();
    for byte in bytes {
        if let Some(Piece::Message(message)) = framer.push(*byte) {
            let _answer = session.take(&message, &mut readings);
        }
    }
    if let Some(answer) = session.take(bytes, &mut readings) {
        assert!(answer.starts_with("MSH|") && answer.contains("\rMSA|A"));
    }
    assert!(readings.iter().all(|reading| reading.stream < known));
});
