//! The operator's side of Wardlink: enrol gateways, sign and push profiles, run the monitor.
//!
//! Owns everything that is not on a gateway: the fleet's certificate authority and keys, the archive of
//! what arrived, and the signed statements that go back. Promises that secrets are written once, for their
//! owner only, and that nothing received can stop the monitor. Never part of what is flashed.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`directory`], [`staging`], [`broker_address`] | the fleet directory and how it comes into being |
//! | [`pki`], [`keyring`], [`passphrase`] | certificates and keys |
//! | [`init`], [`enrol`], [`claim`], [`certificate`] | `wardlink init`, `enrol`, `claim`, `revoke` and `renew` |
//! | [`rollout`] | `wardlink profile` |
//! | [`gateways`] | `wardlink gateways`: who is in the fleet, and how each does |
//! | [`watch`] | `wardlink watch`: the fleet as a live table |
//! | [`audit`] | what operators did, in a chain that shows what is missing |
//! | [`roster`] | what the operator knows of the fleet |
//! | [`archive`] | what arrived, each place once |
//! | [`monitor`] | `wardlink monitor`: from the broker into the archive, receipts back |
//! | [`export`], [`show`] | the archive as CSV files and as a short table |
//! | `demo` | `wardlink demo`, behind the feature of that name |
//! | [`exit`], [`clock`] | how commands end; the time |

pub mod archive;
pub mod audit;
pub mod broker_address;
pub mod certificate;
pub mod claim;
pub mod clock;
#[cfg(feature = "demo")]
pub mod demo;
pub mod directory;
pub mod enrol;
pub mod exit;
pub mod export;
pub mod gateways;
pub mod init;
pub mod keyring;
pub mod monitor;
pub mod passphrase;
pub mod pki;
pub mod rollout;
pub mod roster;
pub mod show;
pub mod staging;
pub mod watch;
