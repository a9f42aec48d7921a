//! No message that was not sealed under the key opens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardlink_wire::message::{Message, PayloadKey};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(message.encode().unwrap(), bytes);
        assert!(message.open(&PayloadKey::from_bytes([7; 32])).is_err());
    }
});
