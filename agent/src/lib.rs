//! The medical-device telemetry agent: sensor to sealed store to broker.
//!
//! The reader's map, in the order data flows:
//!
//! | module | what it does |
//! | --- | --- |
//! | [`config`] | what the local file says, as settings |
//! | [`clock`] | wall time, monotonic time, boot id: the only caller of now() |
//! | [`devices`] | a profile's device tables as devices of the shim |
//! | [`sampler`] | polls devices, one thread a bus -> captures |
//! | [`record`] | a capture as records of lanes |
//! | [`recorder`] | records -> batches -> the store, durable |
//! | [`store`] | sealed, first in first out, survives power cuts |
//! | [`publisher`] | store -> broker; what is acknowledged leaves the store |
//! | [`update`] | broker -> verified bundle -> the profile in force, on trial at first |
//! | [`audit`] | what was decided about the configuration, in a chain |
//! | [`enrolment`] | keys made here, certificate from the operator, renewed in time |
//! | [`health`], [`status`] | what is going on, for people |
//! | [`supervision`] | what the service manager is told |
//! | [`sandbox`] | what the running agent gives up: files, system calls |
//! | [`doctor`] | would this gateway measure, keep and deliver? |
//! | [`agent`] | opens, starts, supervises, stops |

pub mod agent;
pub mod audit;
pub mod clock;
pub mod config;
pub mod devices;
pub mod doctor;
pub mod enrolment;
pub mod health;
pub mod publisher;
pub mod record;
pub mod recorder;
pub mod sampler;
pub mod sandbox;
pub mod status;
pub mod store;
pub mod supervision;
pub mod update;
