//! A free loopback port, kept from others until the broker takes it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A port that nobody else listens on while this value lives.
#[derive(Debug)]
pub(super) struct Reservation {
    listener: TcpListener,
    address: SocketAddr,
}

impl Reservation {
    /// Takes a port that the system chooses.
    ///
    /// # Errors
    /// When the loopback interface has none left.
    pub(super) fn take() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives it up for somebody who listens there right away.
    pub(super) fn release(self) -> SocketAddr {
        drop(self.listener);
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_taken_until_it_is_released() {
        let reservation = Reservation::take().unwrap();
        assert!(TcpListener::bind(reservation.address()).is_err());
        let address = reservation.release();
        assert!(address.ip().is_loopback());
        TcpListener::bind(address).unwrap();
    }
}
