//! What goes wrong in a world.

use crate::config::Delivery;

/// What goes wrong in a world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// Connections end at any moment.
    pub(super) cuts: bool,
    /// Some fall silent before.
    pub(super) withheld: bool,
    /// The broker cannot be reached for days.
    pub(super) outages: bool,
    /// The broker loses what it holds for the monitor.
    pub(super) forgets: bool,
    /// The broker is put back to what it was some time ago.
    pub(super) rolled_back: bool,
    /// Messages reach the monitor twice, and in another order.
    pub(super) disorder: bool,
    pub(super) slow: bool,
    /// The store has room for little.
    pub(super) evicts: bool,
    /// The broker closes the connection on messages that it finds too large.
    pub(super) picky: bool,
    /// The identity's files change.
    pub(super) renews: bool,
    /// Receipts come that nobody may believe.
    pub(super) forged: bool,
    /// Before anything is sent, the monitor itself says that it has everything.
    pub(super) promises: bool,
    pub(super) newest_first: bool,
    /// This place of the vital lane ends every connection.
    pub(super) poison: Option<u64>,
    pub(super) delivery: Delivery,
}

impl Plan {
    pub(super) const CALM: Self = Self {
        seed: 0,
        cuts: false,
        withheld: false,
        outages: false,
        forgets: false,
        rolled_back: false,
        disorder: false,
        slow: false,
        evicts: false,
        picky: false,
        renews: false,
        forged: false,
        promises: false,
        newest_first: false,
        poison: None,
        delivery: Delivery::EndToEnd,
    };
    pub(super) const STORM: Self = Self {
        cuts: true,
        withheld: true,
        outages: true,
        forgets: true,
        rolled_back: true,
        disorder: true,
        picky: true,
        renews: true,
        forged: true,
        ..Self::CALM
    };
}
