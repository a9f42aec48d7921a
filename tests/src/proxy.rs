//! A bad network of the tests' own, between clients and a broker: slow, narrow, stalled, half open, or cut
//! in the middle of a packet.
//!
//! Every fault is made, none is left to chance: what a method promises has happened when it returns, or
//! happens to the bytes that come next.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::port::Port;

/// What the network is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// How long every piece takes, at least.
    pub latency: Duration,
    /// What it may take longer; how much of it is drawn for each piece.
    pub jitter: Duration,
    /// Bytes in a second; none is as many as the machine can.
    pub bandwidth: Option<u64>,
    /// Nothing goes through, and nothing is lost.
    pub stalled: bool,
    /// Nothing comes back from the broker, and nothing is lost.
    pub withheld: bool,
    /// Whoever connects is sent away at once.
    pub closed: bool,
}

/// A network. It goes away when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: Ipv4Addr,
    port: Port,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Where connections go: to the first of these that takes them.
    brokers: Vec<u16>,
    weather: Mutex<Weather>,
    connections: Mutex<Vec<Arc<Connection>>>,
    /// Bytes until a cut, once that is asked for.
    until_cut: AtomicI64,
    chance: AtomicU64,
    accepted: AtomicU64,
    gone: AtomicBool,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    broker: TcpStream,
    frozen: AtomicBool,
}

impl Proxy {
    /// Stands before the brokers on these ports; the first that takes a connection has it.
    #[must_use]
    pub fn before(brokers: &[u16]) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, brokers)
    }

    /// Stands at another address of this machine before brokers that listen on loopback only.
    #[must_use]
    pub fn at(address: Ipv4Addr, brokers: &[u16]) -> Self {
        let port = Port::free();
        let listener = TcpListener::bind((address, port.number())).expect("a port for the proxy");
        let shared = Arc::new(Shared {
            brokers: brokers.to_vec(),
            weather: Mutex::default(),
            connections: Mutex::default(),
            until_cut: AtomicI64::new(i64::MAX),
            chance: AtomicU64::new(1),
            accepted: AtomicU64::new(0),
            gone: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        let listener = thread::spawn(move || of_thread.accept(&listener));
        Self {
            address,
            port,
            shared,
            listener: Some(listener),
        }
    }

    /// Where clients connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// Changes the weather.
    pub fn weather(&self, weather: Weather) {
        *hold(&self.shared.weather) = weather;
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Resets every connection now.
    pub fn cut(&self) {
        for connection in hold(&self.shared.connections).drain(..) {
            connection.reset();
        }
    }

    /// Resets a connection as soon as so many more bytes went through, wherever in a packet that is.
    pub fn cut_after(&self, bytes: u32) {
        self.shared
            .until_cut
            .store(i64::from(bytes), Ordering::SeqCst);
    }

    /// Leaves every connection half open: neither side hears of the other any more, nor of its end.
    pub fn freeze(&self) {
        for connection in hold(&self.shared.connections).iter() {
            connection.frozen.store(true, Ordering::SeqCst);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.gone.store(true, Ordering::SeqCst);
        self.weather(Weather::default());
        self.cut();
        drop(TcpStream::connect((self.address, self.port())));
        if let Some(listener) = self.listener.take() {
            drop(listener.join());
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            let Ok((client, _)) = listener.accept() else {
                continue;
            };
            if self.gone.load(Ordering::SeqCst) {
                return;
            }
            self.accepted.fetch_add(1, Ordering::SeqCst);
            // Without a broker the connection is taken and closed, as a load balancer does.
            let closed = hold(&self.weather).closed;
            let mut brokers = self.brokers.iter().filter(|_| !closed);
            let Some(broker) =
                brokers.find_map(|port| TcpStream::connect(("127.0.0.1", *port)).ok())
            else {
                continue;
            };
            for side in [&client, &broker] {
                side.set_write_timeout(Some(PATIENCE)).expect("a time-out");
            }
            let connection = Arc::new(Connection {
                client,
                broker,
                frozen: AtomicBool::new(false),
            });
            hold(&self.connections).push(Arc::clone(&connection));
            for up in [true, false] {
                let (shared, connection) = (Arc::clone(self), Arc::clone(&connection));
                thread::spawn(move || shared.carry(&connection, up));
            }
        }
    }

    /// Carries bytes one way until one side ends.
    fn carry(&self, connection: &Arc<Connection>, up: bool) {
        let (mut from, mut to) = if up {
            (&connection.client, &connection.broker)
        } else {
            (&connection.broker, &connection.client)
        };
        let mut piece = vec![0; PIECE];
        loop {
            let read = from.read(&mut piece);
            if connection.frozen.load(Ordering::SeqCst) {
                return;
            }
            let count = match read {
                Ok(count) if count > 0 => count,
                _ => break,
            };
            self.weather_takes(count, up);
            if connection.frozen.load(Ordering::SeqCst) {
                return;
            }
            let left = self.take(count);
            if to.write_all(&piece[..left]).is_err() {
                break;
            }
            if left < count {
                self.forget(connection);
                connection.reset();
                return;
            }
        }
        self.forget(connection);
        drop(connection.client.shutdown(Shutdown::Both));
        drop(connection.broker.shutdown(Shutdown::Both));
    }

    /// Lets a connection be closed once nobody carries for it any more.
    fn forget(&self, connection: &Arc<Connection>) {
        hold(&self.connections).retain(|known| !Arc::ptr_eq(known, connection));
    }

    /// How many of these bytes may still pass before the cut that was asked for.
    fn take(&self, count: usize) -> usize {
        let count = i64::try_from(count).expect("a small piece");
        let mut passes = count;
        let change = |until: i64| {
            if until == i64::MAX {
                passes = count;
                return Some(i64::MAX);
            }
            passes = count.min(until);
            Some(if passes < count {
                i64::MAX
            } else {
                until - count
            })
        };
        let _always: Result<i64, i64> =
            self.until_cut
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
        usize::try_from(passes).expect("not negative")
    }

    fn weather_takes(&self, bytes: usize, up: bool) {
        let weather = *hold(&self.weather);
        let jitter = u64::try_from(weather.jitter.as_micros()).unwrap_or(u64::MAX);
        let drawn = self
            .chance
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut takes =
            weather.latency + Duration::from_micros(drawn.checked_rem(jitter).unwrap_or(0));
        if let Some(bandwidth) = weather.bandwidth {
            let bytes = u64::try_from(bytes).expect("a small piece");
            takes += Duration::from_micros(bytes * 1_000_000 / bandwidth.max(1));
        }
        thread::sleep(takes);
        let holds_back = |weather: Weather| weather.stalled || (weather.withheld && !up);
        while holds_back(*hold(&self.weather)) && !self.gone.load(Ordering::SeqCst) {
            thread::sleep(GLANCE);
        }
    }
}

impl Connection {
    /// Ends both sides with a reset (SO_LINGER of zero, socket(7)), once nobody holds it any more.
    fn reset(&self) {
        self.frozen.store(true, Ordering::SeqCst);
        for side in [&self.client, &self.broker] {
            set_socket_linger(side, Some(Duration::ZERO)).expect("a socket");
            drop(side.shutdown(Shutdown::Read));
        }
    }
}

fn hold<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("nobody panics while holding it")
}

/// As much as goes through at once.
const PIECE: usize = 4096;
/// A peer that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(5);
