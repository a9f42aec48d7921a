//! A broker with a script: it acknowledges out of order, cuts the connection, and resumes the session.
//!
//! Under that, rumqttc 0.25.1 by itself overwrites one publication that waits for its packet id with another
//! one and says nothing (docs/decisions/0002-mqtt-client.md).

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The broker; it listens until the process ends.
#[derive(Debug)]
pub struct Scripted {
    port: u16,
    seen: Arc<Mutex<BTreeSet<u64>>>,
}

impl Scripted {
    /// Listens on a port of the system's choice, with TLS if there is a configuration for it.
    #[must_use]
    pub fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let of_thread = Arc::clone(&seen);
        thread::spawn(move || {
            for number in 0_u32.. {
                let (stream, _) = listener.accept().expect("a client");
                let first = number == 0;
                // However a connection ends, the client comes again.
                drop(match &tls {
                    None => serve(stream, first, &of_thread),
                    Some(config) => {
                        let tls = ServerConnection::new(Arc::clone(config)).expect("a TLS server");
                        serve(StreamOwned::new(tls, stream), first, &of_thread)
                    }
                });
            }
        });
        Self { port, seen }
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How many different numbers it has seen and acknowledged, or left unacknowledged.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.seen.lock().expect("held").len()
    }
}

/// What has a socket below it.
trait Socket: Read + Write {
    fn socket(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Socket for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

fn serve(mut stream: impl Socket, first: bool, seen: &Mutex<BTreeSet<u64>>) -> io::Result<()> {
    packet(&mut stream)?;
    // CONNACK (MQTT 3.1.1 section 3.2): the session is there from the second connection on.
    stream.write_all(&[0x20, 2, u8::from(!first), 0])?;
    stream.flush()?;
    let mut waiting = Vec::new();
    loop {
        let (kind, body) = packet(&mut stream)?;
        match kind >> 4 {
            3 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let id = [body[2 + topic], body[3 + topic]];
                let number = body[4 + topic..12 + topic].try_into().expect("eight bytes");
                seen.lock()
                    .expect("held")
                    .insert(u64::from_le_bytes(number));
                if !first {
                    acknowledge(&mut stream, id)?;
                    continue;
                }
                waiting.push(id);
                if waiting.len() == AT_ONCE {
                    // All but the first, so that its packet id stays taken while others come free.
                    for id in waiting.drain(1..) {
                        acknowledge(&mut stream, id)?;
                    }
                    // What the client does with that comes now, or not at all; then the connection is cut.
                    stream
                        .socket()
                        .set_read_timeout(Some(Duration::from_millis(300)))?;
                }
            }
            12 => {
                stream.write_all(&[0xd0, 0])?;
                stream.flush()?;
            }
            14 => return Ok(()),
            _ => {}
        }
    }
}

fn acknowledge(stream: &mut impl Write, id: [u8; 2]) -> io::Result<()> {
    stream.write_all(&[0x40, 2, id[0], id[1]])?;
    stream.flush()
}

/// One control packet: its first byte, and what follows its length (MQTT 3.1.1 section 2.2).
pub(crate) fn packet(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let kind = byte[0];
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((kind, body))
}

/// Publications of which the first connection acknowledges all but one.
const AT_ONCE: usize = 10;
