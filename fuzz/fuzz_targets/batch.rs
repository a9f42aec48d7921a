//! A batch that is read is written again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardlink_wire::batch::Batch;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(batch) = Batch::decode(bytes) {
        assert_eq!(batch.encode().unwrap(), bytes);
    }
});
