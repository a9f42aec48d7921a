//! Tells the program the day it was built, below which no clock is believed (`src/floor.rs`).
//! `SOURCE_DATE_EPOCH` makes it repeatable, <https://reproducible-builds.org/specs/source-date-epoch/>.

use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = given
        .and_then(|text| text.parse().ok())
        .or_else(|| now.ok().map(|since| since.as_secs()));
    let seconds: u64 = seconds.unwrap_or(0);
    println!(
        "cargo:rustc-env=WARDLINK_BUILT={}",
        seconds - seconds % 86_400
    );
}
