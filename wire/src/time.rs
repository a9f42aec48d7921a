//! When something was measured, by which clocks, and how far those can be trusted.

use serde::{Deserialize, Serialize};

/// The times of one record. Order comes from the sequence, never from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// Gateway time, UTC, nanoseconds since 1970-01-01. For a block: of its first sample.
    pub utc_ns: i64,
    /// Monotonic time of the gateway since its boot, nanoseconds; compares within one boot.
    pub monotonic_ns: u64,
    /// What is known of the gateway's UTC clock at that moment.
    pub clock: Clock,
    /// The device's own time, as it was received and never corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// The state of the gateway's UTC clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Whether somebody keeps it right.
    pub state: ClockState,
    /// Greatest error the kernel's discipline admits, milliseconds; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_ms: Option<u32>,
}

/// Whether the gateway's UTC clock is kept right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockState {
    /// Disciplined by a time source now.
    Synchronised,
    /// No time source keeps it: it may be wrong by any amount.
    Unsynchronised,
    /// It shows a time before this agent was built: it was never set.
    Unset,
}
