//! `bus = "tcp:<address>:<port>"`: where devices of the network are awaited.
//!
//! Only an address of this machine alone or of a private network is taken, and never "every address": what
//! these devices send is neither encrypted nor signed.

use std::net::{IpAddr, SocketAddr};

use crate::document::{Faults, Section};

/// Reads what stands in `bus`.
pub(super) fn address(text: &str, section: &Section, faults: &mut Faults) -> Option<SocketAddr> {
    let said = text.strip_prefix(PREFIX).unwrap_or(text);
    let Ok(address) = said.parse::<SocketAddr>() else {
        faults.note_with_hint(
            section.path("bus"),
            format!("{said:?} is no address and port"),
            "\"tcp:127.0.0.1:2575\"",
        );
        return None;
    };
    if !is_near(address.ip()) {
        faults.note_with_hint(
            section.path("bus"),
            format!(
                "{} is no address of this machine alone or of a private network",
                address.ip()
            ),
            "the loopback address, or this machine's address in the ward's network",
        );
        return None;
    }
    Some(address)
}

const fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

pub(super) const PREFIX: &str = "tcp:";
