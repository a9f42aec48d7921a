//! The listener for HL7 over MLLP: several connections, one session.
//!
//! Owns a listening socket and what is connected to it. Promises that nothing here waits: a peer that sends half
//! a message, takes no answer or sends without end is cut off by a deadline or a bound, and the others do not
//! notice; and that when no message came for a while every stream that had values says so once. An answer says
//! that a message was understood and taken, not that it is on a medium yet.

use std::io::{self, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::device::{Device, Fault, FaultKind};
use crate::drivers::hl7::{self, Framer, Piece, Session};
use crate::reading::{Absence, Body, Reading, StreamSpec};

/// A listening address as a device.
#[derive(Debug)]
pub(crate) struct Mllp {
    address: SocketAddr,
    streams: Vec<StreamSpec>,
    session: Session,
    listener: Option<TcpListener>,
    peers: Vec<Peer>,
    /// Which streams had a value since the last silence.
    alive: Vec<bool>,
    last: Instant,
}

/// One connection.
#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    framer: Framer,
    /// Answers that found no room yet.
    unsent: Vec<u8>,
    /// When it last did something.
    active: Instant,
}

impl Mllp {
    pub(crate) fn new(address: SocketAddr, sender: Option<&str>) -> Self {
        let streams = hl7::streams();
        Self {
            address,
            alive: vec![false; streams.len()],
            streams,
            session: Session::new(sender.map(str::to_owned)),
            listener: None,
            peers: Vec::new(),
            last: Instant::now(),
        }
    }

    /// Where it listens, with the port that the system chose if none was asked for.
    pub(crate) fn listens_at(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    fn accept(&mut self, now: Instant) -> Result<(), Fault> {
        let Some(listener) = &self.listener else {
            let text = format!("{}: start it first", self.address);
            return Err(Fault::new(FaultKind::Unopened, text));
        };
        // What does not find a place waits in the system's queue.
        while self.peers.len() < MOST_PEERS {
            match listener.accept() {
                Ok((stream, _)) => {
                    if stream.set_nonblocking(true).is_ok() {
                        self.peers.push(Peer {
                            stream,
                            framer: Framer::default(),
                            unsent: Vec::new(),
                            active: now,
                        });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // A connection that ended before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    let text = format!("{}: no connection can be taken: {error}", self.address);
                    return Err(Fault::new(FaultKind::Bus, text));
                }
            }
        }
        Ok(())
    }

    fn say_silence(&mut self, readings: &mut Vec<Reading>) {
        for (stream, alive) in self.alive.iter_mut().enumerate() {
            if !mem::take(alive) {
                continue;
            }
            let body = Body::Absent {
                reason: Absence::NoResponse,
                first: None,
                count: 0,
                raw: None,
            };
            readings.push(Reading::good(stream, body));
        }
    }
}

impl Device for Mllp {
    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn period(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn start(&mut self) -> Result<(), Fault> {
        self.listener = None;
        self.peers.clear();
        let refuse = |error: io::Error| {
            let text = match error.kind() {
                io::ErrorKind::AddrInUse => "in use by another program".to_owned(),
                io::ErrorKind::AddrNotAvailable => "no address of this machine".to_owned(),
                io::ErrorKind::PermissionDenied => {
                    "permission denied: take a port above 1023".to_owned()
                }
                _ => error.to_string(),
            };
            Fault::new(FaultKind::Unopened, format!("{}: {text}", self.address))
        };
        let listener = TcpListener::bind(self.address).map_err(refuse)?;
        listener.set_nonblocking(true).map_err(refuse)?;
        self.listener = Some(listener);
        self.last = Instant::now();
        Ok(())
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let now = Instant::now();
        self.accept(now).inspect_err(|_| self.listener = None)?;
        let before = readings.len();
        let session = &mut self.session;
        self.peers
            .retain_mut(|peer| peer.serve(now, session, readings));
        for reading in readings.get(before..).unwrap_or_default() {
            self.last = now;
            if let Some(alive) = self.alive.get_mut(reading.stream) {
                *alive = true;
            }
        }
        if now.duration_since(self.last) > SILENCE {
            self.say_silence(readings);
        }
        Ok(())
    }

    fn flush(&mut self, _readings: &mut Vec<Reading>) {}
}

impl Peer {
    /// Takes what it sent and answers; false when it is to be let go.
    fn serve(&mut self, now: Instant, session: &mut Session, readings: &mut Vec<Reading>) -> bool {
        let mut buffer = [0; 4096];
        for _ in 0..MOST_READS {
            // A peer that takes no answers is read no further.
            if !self.unsent.is_empty() {
                break;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    self.active = now;
                    let bytes = buffer.get(..count).unwrap_or_default();
                    if !self.take(bytes, session, readings) {
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
            if !self.answer() {
                return false;
            }
        }
        let waits = self.framer.is_inside() || !self.unsent.is_empty();
        let patience = if waits { HALF_MESSAGE } else { IDLE };
        self.answer() && now.duration_since(self.active) <= patience
    }

    fn take(&mut self, bytes: &[u8], session: &mut Session, readings: &mut Vec<Reading>) -> bool {
        for byte in bytes {
            match self.framer.push(*byte) {
                Some(Piece::Message(message)) => {
                    let answer = session.take(&message, readings);
                    self.unsent
                        .extend(answer.iter().flat_map(|text| hl7::frame(text)));
                }
                Some(Piece::TooLong) => return false,
                None => {}
            }
        }
        // Whoever sends this much without a message speaks another protocol.
        self.framer.skipped() <= MOST_SKIPPED
    }

    /// Sends what there is room for; false when the peer is gone.
    fn answer(&mut self) -> bool {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return false,
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        true
    }
}

const MOST_PEERS: usize = 16;
/// Reads of one poll from one peer: 64 KiB.
const MOST_READS: usize = 16;
const MOST_SKIPPED: u64 = 64 * 1024;
/// How long a message may take from its first byte to its last, and an answer to be taken.
const HALF_MESSAGE: Duration = Duration::from_secs(10);
/// How long a peer may be connected and say nothing.
const IDLE: Duration = Duration::from_secs(600);
/// When a ward's monitor that sends once a minute has been silent for two of its turns.
const SILENCE: Duration = Duration::from_secs(120);
