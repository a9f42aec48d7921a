//! Subcommands that need more than a line.

pub(crate) mod devices;
pub(crate) mod store;
