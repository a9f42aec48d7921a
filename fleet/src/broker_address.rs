//! Where the broker listens: `host`, `host:port`, `[address]:port`.
//!
//! Promises a host that is a DNS name or an IP address, as the broker's certificate must carry it, so that
//! it can be written into a file without quoting rules.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use rustls_pki_types::DnsName;

/// Host and port of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    host: String,
    port: u16,
}

impl BrokerAddress {
    /// A host, a name or an address, and a port.
    ///
    /// # Errors
    /// When the host is neither a DNS name nor an IP address, or the port is 0.
    pub fn new(host: &str, port: u16) -> Result<Self, AddressError> {
        let known = host.parse::<IpAddr>().is_ok() || DnsName::try_from(host).is_ok();
        if !known {
            return Err(AddressError::Host(host.to_owned()));
        }
        if port == 0 {
            return Err(AddressError::Port("0".to_owned()));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// DNS name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for BrokerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None if text.parse::<Ipv6Addr>().is_ok() => (text, None),
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => port
                .parse()
                .map_err(|_| AddressError::Port(port.to_owned()))?,
            None => DEFAULT_PORT,
        };
        Self::new(host, port)
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a text is no broker's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No such host can be.
    #[error("{0:?} is neither a host name nor an IP address")]
    Host(String),
    /// Not a port.
    #[error("{0:?} is no TCP port: give 1 to 65535")]
    Port(String),
}

/// MQTT over TLS (IANA `secure-mqtt`).
pub const DEFAULT_PORT: u16 = 8883;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_being_written_and_read() {
        for (text, host, port) in [
            ("localhost", "localhost", 8883),
            ("broker.ward:1883", "broker.ward", 1883),
            ("127.0.0.1:9", "127.0.0.1", 9),
            ("::1", "::1", 8883),
            ("[::1]:9000", "::1", 9000),
        ] {
            let address: BrokerAddress = text.parse().unwrap();
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn what_could_break_out_of_a_file_or_name_no_host_is_refused() {
        for text in [
            "",
            ":1",
            "a b",
            "a\"b",
            "host:0",
            "host:65536",
            "host:x",
            "-",
            "a\n",
        ] {
            assert!(text.parse::<BrokerAddress>().is_err(), "{text:?}");
        }
    }
}
