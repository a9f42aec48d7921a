//! The contract of the wire: what its bytes are, what they stay, and what is refused.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops where it finds what it did not expect"
)]

mod bundle;
mod cddl;
mod examples;
mod fuzz;
mod golden;
mod hostile;
mod root;
mod roundtrip;
mod tamper;
