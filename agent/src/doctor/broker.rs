//! Who this gateway is to the broker, and whether the broker takes it: as far as TLS goes.
//!
//! No MQTT session is opened: a second one under the gateway's name would end that of an agent which runs.

use std::io::{self, ErrorKind, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use rustix::fs::{Access, access};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use wardlink_link::identity::Identity;

use super::Finding;
use super::storage::existing;
use crate::clock;
use crate::config::{Broker, Settings};

pub(super) fn identity(settings: &Settings) -> Finding {
    let what = "certificate";
    let identity = match Identity::load(&settings.broker.files) {
        Ok(identity) => identity,
        Err(error) => return Finding::wrong(what, error.to_string(), RENEW),
    };
    let left = identity.not_after().saturating_sub(clock::utc_seconds());
    let days = left.div_euclid(DAY);
    if left <= 0 {
        Finding::wrong(what, "expired: records are kept and not delivered", RENEW)
    } else if identity.not_before() > clock::utc_seconds() {
        let advice = "set the clock: it is likelier wrong than the certificate";
        Finding::wrong(what, "not valid yet", advice)
    } else if days < SOON {
        Finding::doubtful(what, format!("expires in {days} days"), RENEW)
    } else {
        Finding::well(
            what,
            format!("of {}, {days} days left", identity.common_name()),
        )
    }
}

/// Whether a renewed certificate and key could take the place of the ones in force.
pub(super) fn renewal(settings: &Settings) -> Finding {
    let files = &settings.broker.files;
    let closed = [&files.certificate, &files.key]
        .into_iter()
        .filter_map(|file| existing(file))
        .find(|folder| access(*folder, Access::WRITE_OK | Access::EXEC_OK).is_err());
    match closed {
        None => Finding::well("renewal", "certificate and key can be renewed"),
        Some(folder) => Finding::doubtful(
            "renewal",
            format!("{} cannot be written", folder.display()),
            "give it to the user of the agent, or renew certificate and key by hand before they expire",
        ),
    }
}

pub(super) fn reach(broker: &Broker) -> Finding {
    let place = format!("{}:{}", broker.host, broker.port);
    match greet(broker) {
        Ok(()) => Finding::well(
            "broker",
            format!("{place} shows a certificate of the fleet and takes ours"),
        ),
        Err((error, advice)) => Finding::wrong("broker", format!("{place}: {error}"), advice),
    }
}

fn greet(broker: &Broker) -> Result<(), (String, &'static str)> {
    let identity = Identity::load(&broker.files).map_err(|error| (error.to_string(), RENEW))?;
    let address = (broker.host.as_str(), broker.port)
        .to_socket_addrs()
        .map_err(|error| (error.to_string(), "is the name right, does DNS answer?"))?
        .next()
        .ok_or_else(|| ("the name has no address".to_owned(), "ask who runs the DNS"))?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| {
        let advice = "is the broker running, does a firewall let this gateway through?";
        (error.to_string(), advice)
    })?;
    for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
        set(&stream, Some(PATIENCE)).map_err(|error| (error.to_string(), "report this"))?;
    }
    let name = ServerName::try_from(broker.host.clone()).map_err(|error| {
        (
            error.to_string(),
            "broker.host must be a name or an address",
        )
    })?;
    let session = ClientConnection::new(identity.tls(), name)
        .map_err(|error| (error.to_string(), "report this"))?;
    let mut tls = StreamOwned::new(session, stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock).map_err(refused)?;
    }
    // In TLS 1.3 the broker's word on our certificate comes after the handshake; silence is consent.
    tls.sock
        .set_read_timeout(Some(CONSENT))
        .map_err(|error| (error.to_string(), "report this"))?;
    match tls.read(&mut [0]) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        Ok(0) => Err(("it closed the connection".to_owned(), TRUST)),
        Ok(_) => Err((
            "it speaks before it is spoken to: no MQTT broker".to_owned(),
            TRUST,
        )),
        Err(error) => Err(refused(error)),
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the signature that map_err wants"
)]
fn refused(error: io::Error) -> (String, &'static str) {
    (error.to_string(), TRUST)
}

const RENEW: &str = "renew it: `wardlink renew` or `wardlink enrol`";
const TRUST: &str = "both ends must believe the same fleet CA, and the name must be the one in the broker's certificate";
const PATIENCE: Duration = Duration::from_secs(10);
const CONSENT: Duration = Duration::from_secs(2);
const DAY: i64 = 86_400;

/// Days before its end from which on a certificate is doubtful.
const SOON: i64 = 30;
