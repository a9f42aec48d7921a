//! Any text is a profile or a list of faults.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardlink_wire::profile::Profile;

fuzz_target!(|text: &str| {
    if let Err(faults) = Profile::parse(text) {
        assert!(!faults.is_empty() && !faults.to_string().is_empty());
    }
});
