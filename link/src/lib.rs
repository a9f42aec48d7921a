//! Mutually authenticated MQTT sessions, for the agent, the monitor and the operator alike.
//!
//! Owns the identity files, the TLS that is made of them and the one place that names MQTT clients. Promises
//! TLS 1.3 with a client certificate and a server verified against the pinned fleet CA, or no session.
//! Refuses to resend, to queue or to reconnect: a session lives once, and its owner keeps the ledger.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`mod@file`] | reading secrets only from files that others cannot read |
//! | [`identity`] | CA, certificate and key of one party, and the TLS made of them |
//! | [`sealing`] | bytes that one key holder can open |
//! | [`floor`] | the time below which no clock is believed |
//! | [`session`] | one connection to a broker |
//! | [`backoff`] | when to try again |
//! | [`roads`] | whether the network has come up |

pub mod backoff;
pub mod file;
pub mod floor;
pub mod identity;
pub mod roads;
pub mod sealing;
pub mod session;
