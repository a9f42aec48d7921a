//! How this gateway becomes a member of a fleet, and stays one.
//!
//! Owns the gateway's private keys: they are made here and never leave. Promises that a directory is a
//! member's whole or not yet (`agent.toml` comes last), that a power cut leaves either the old or the new
//! certificate with its key, and that nothing is believed that was not sealed to this gateway's own request.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`pending`] | keys that were made, and the request for them |
//! | [`grant`] | opening and installing what the operator granted |
//! | [`claim`] | enrolling by a claim file, over MQTT |
//! | [`exchange`] | one question and its answer |
//! | [`renewal`] | a new certificate before the old one ends |
//! | [`command`] | `wardlink-agent enrol` |

pub mod claim;
pub mod command;
mod error;
pub mod exchange;
mod files;
pub mod grant;
pub mod pending;
pub mod renewal;

pub use error::EnrolmentError;
