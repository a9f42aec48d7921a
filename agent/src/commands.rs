//! Subcommands that need more than a line.

pub(crate) mod devices;
