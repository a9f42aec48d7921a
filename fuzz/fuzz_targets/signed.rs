//! No receipt, no bundle and no root that was not signed by a trusted key is believed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wardlink_wire::bundle::Bundle;
use wardlink_wire::receipt::Receipt;
use wardlink_wire::root::Trust;
use wardlink_wire::signature::{SigningKey, VerifyingKey};

static TRUSTED: LazyLock<[VerifyingKey; 1]> =
    LazyLock::new(|| [SigningKey::generate().unwrap().verifying_key()]);

static OPERATORS: LazyLock<Trust> = LazyLock::new(|| Trust::pinned(TRUSTED.to_vec(), 1, 1).unwrap());

fuzz_target!(|bytes: &[u8]| {
    assert!(Bundle::verify(bytes, &OPERATORS).is_err());
    assert!(OPERATORS.follow(bytes).is_err());
    let gateway = "gw-0001".parse().unwrap();
    assert!(Receipt::verify(bytes, &gateway, TRUSTED.as_slice()).is_err());
});
