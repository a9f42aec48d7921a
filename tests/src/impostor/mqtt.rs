//! MQTT 3.1.1 as far as a broker needs it that takes nothing.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::loss::scripted::packet;
use crate::wait;

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// TLS on a connection.
pub(super) fn over(config: &Arc<ServerConfig>, stream: &TcpStream) -> Tls {
    let connection = ServerConnection::new(Arc::clone(config)).expect("a TLS server");
    let stream = stream.try_clone().expect("a second handle");
    stream
        .set_read_timeout(Some(wait::LONG))
        .expect("a time-out");
    StreamOwned::new(connection, stream)
}

/// CONNACK with a return code (section 3.2), and the end of the connection.
pub(super) fn refuse(stream: &mut Tls, code: u8) -> io::Result<()> {
    packet(stream)?;
    say(stream, &[0x20, 2, 0, code])?;
    stream.conn.send_close_notify();
    stream.flush()?;
    stream.sock.shutdown(std::net::Shutdown::Both)
}

/// Everything that keeps a session alive, and no PUBACK.
pub(super) fn take_nothing(stream: &mut Tls) -> io::Result<()> {
    packet(stream)?;
    say(stream, &[0x20, 2, 0, 0])?;
    loop {
        let (kind, body) = packet(stream)?;
        match (kind >> 4, body.as_slice()) {
            (SUBSCRIBE, [high, low, filters @ ..]) => {
                let mut granted = vec![*high, *low];
                granted.resize(2 + count(filters), 1);
                let length = u8::try_from(granted.len()).expect("a few filters");
                say(stream, &[&[0x90, length], granted.as_slice()].concat())?;
            }
            (PINGREQ, _) => say(stream, &[0xd0, 0])?,
            (DISCONNECT, _) => return Ok(()),
            _ => {}
        }
    }
}

/// How many filters a SUBSCRIBE asks for (section 3.8): each has its length, its text and its QoS.
fn count(mut filters: &[u8]) -> usize {
    let mut count = 0;
    while let [high, low, rest @ ..] = filters {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        filters = &rest[length + 1..];
        count += 1;
    }
    count
}

fn say(stream: &mut Tls, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

const SUBSCRIBE: u8 = 8;
const PINGREQ: u8 = 12;
const DISCONNECT: u8 = 14;
