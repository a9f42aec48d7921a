//! What crosses the network, and nothing else.
//!
//! Owns the shapes that a gateway, a broker, a monitor and an operator agree on: records and the
//! batches that carry them, topics, sealed messages, receipts, signed bundles and the profile inside
//! a bundle. Promises deterministic bytes (RFC 8949 section 4.2), integer keys and a `schema` number
//! in every message; `docs/wire.cddl` is the contract. Refuses to do I/O or to know the time: bytes
//! and times are handed in.
//!
//! The reader's map, in the order data flows:
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`id`] | who and what: gateway, epoch, boot, device |
//! | [`lane`], [`sequence`] | where a record stands |
//! | [`decimal`], [`stream`], [`time`], [`record`] | one reading and its meaning |
//! | [`batch`] | consecutive records of one lane |
//! | [`message`] | a batch sealed for the monitor |
//! | [`topic`] | the names on the broker |
//! | [`receipt`] | what the monitor has safely |
//! | [`birth`], [`state`] | what a gateway says of itself |
//! | [`document`], [`profile`] | reading TOML with every fault at once; the configuration a fleet may change |
//! | [`signature`], [`root`], [`bundle`] | what operators sign for gateways |
//! | [`audit`] | what was decided, in a chain that shows what is missing |
//! | [`enrolment`] | how a gateway joins a fleet and stays in it |
//! | [`codec`] | the one place that turns these into bytes and back |

pub mod audit;
pub mod batch;
pub mod birth;
pub mod bundle;
pub mod codec;
pub mod decimal;
pub mod document;
pub mod enrolment;
pub mod id;
pub mod lane;
pub mod message;
pub mod profile;
pub mod receipt;
pub mod record;
pub mod root;
pub mod sequence;
pub mod signature;
pub mod state;
pub mod stream;
pub mod time;
pub mod topic;

/// The `schema` number that every message of this version carries.
pub const SCHEMA: u16 = 1;
