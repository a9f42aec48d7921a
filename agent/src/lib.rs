//! The agent.

pub mod store;
