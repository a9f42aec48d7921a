//! The operator's side of Wardlink.
#[cfg(feature = "demo")]
pub mod demo;
