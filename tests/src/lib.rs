//! The house in motion: real programs, a real broker and real files, for the tests beside this library.
//!
//! Owns processes, ports and folders of a test. Promises that whatever a test started is ended by its id,
//! that nothing is waited for without a deadline, and that a test which fails prints what its programs
//! said. Refuses to look inside the programs: they are run as they are delivered. A failure is a panic.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`folder`], [`disk`], [`port`], [`seed`], [`wait`] | room, ports, chance and patience |
//! | [`program`] | one running process |
//! | [`broker`], [`fleet`], [`monitor`], [`gateway`] | the parties |
//! | [`ward`] | all of them, set up |
//! | [`client`] | one MQTT client that does what a test tells it |
//! | [`proxy`] | a bad network between clients and a broker |
//! | [`network`] | a bad network of the kernel's: namespaces, a router, a cable |
//! | [`stranger`] | somebody without a certificate |
//! | [`impostor`] | something on the port of the broker that is none |
//! | [`loss`] | MQTT clients under the publisher's ledger |
//! | [`light`] | many gateways without devices |
//! | [`forgery`] | bundles that no gateway may take |
//! | [`operators`] | who signs, and what gateways answer |
//! | [`series`] | what the archive holds, sample by sample |
//! | [`profile`], [`recording`], [`oximeter`], [`bluez`] | what gateways measure |

pub mod bluez;
pub mod broker;
pub mod client;
pub mod disk;
pub mod fleet;
pub mod folder;
pub mod forgery;
pub mod gateway;
pub mod impostor;
pub mod light;
pub mod loss;
pub mod monitor;
pub mod network;
pub mod operators;
pub mod oximeter;
pub mod port;
pub mod profile;
pub mod program;
pub mod proxy;
pub mod recording;
pub mod seed;
pub mod series;
pub mod stranger;
pub mod wait;
pub mod ward;
