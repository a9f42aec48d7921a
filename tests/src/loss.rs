//! MQTT clients under the publisher's ledger: a fresh client for each connection, everything that is not
//! acknowledged sent again. For the table of `make loss`.

mod old;
pub mod scripted;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use wardlink_link::identity::Identity;
use wardlink_link::session::{Options, Publication, Session, Version};

pub use self::old::Verifier;

/// A client.
#[derive(Debug, Clone, Copy)]
pub enum Line {
    /// rumqttc 0.25.1, plain TCP.
    Old(Version),
    /// The maintained line, as this house uses it.
    Ours(Version),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Old(version) => write!(f, "rumqttc 0.25.1, MQTT {version}"),
            Self::Ours(version) => write!(f, "maintained line 0.34, MQTT {version}"),
        }
    }
}

/// What is published and what of it is acknowledged, connection after connection.
#[derive(Debug, Default)]
struct Book {
    next: u64,
    open: BTreeSet<u64>,
    acknowledged: u64,
    /// Nothing new any more.
    last: bool,
}

/// The ledger of one publisher.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Book>>);

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("nobody panics while holding it")
    }

    /// How many were published so far.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.book().next
    }

    /// How many of them the broker acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.book().acknowledged
    }

    /// Whether the broker acknowledged this one.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        !self.book().open.contains(&number)
    }

    /// Only so many are published.
    pub fn finish_at(&self, count: u64) {
        let mut book = self.book();
        book.open.extend(0..count);
        (book.next, book.last) = (count, true);
    }

    /// Nothing new is published any more; what is open still is.
    pub fn finish(&self) {
        self.book().last = true;
    }
}

/// One connection's view: first what is open from before, then what is new.
struct Turn {
    ledger: Ledger,
    again: VecDeque<u64>,
}

impl Turn {
    fn begin(ledger: &Ledger) -> Self {
        let again = ledger.book().open.iter().copied().collect();
        Self {
            ledger: ledger.clone(),
            again,
        }
    }

    fn next(&mut self) -> Option<u64> {
        if let Some(number) = self.again.pop_front() {
            return Some(number);
        }
        let mut ledger = self.ledger.book();
        if ledger.last {
            return None;
        }
        let number = ledger.next;
        ledger.next += 1;
        ledger.open.insert(number);
        Some(number)
    }

    fn settle(&self, number: u64) {
        let mut ledger = self.ledger.book();
        if ledger.open.remove(&number) {
            ledger.acknowledged += 1;
        }
    }

    fn is_done(&self) -> bool {
        let ledger = self.ledger.book();
        ledger.last && ledger.open.is_empty()
    }
}

/// How clients connect.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Where to.
    pub port: u16,
    /// Whether the broker forgets the session.
    pub clean: bool,
    /// Publications on their way at once.
    pub window: u16,
}

/// Publishes until the ledger is finished and everything in it is acknowledged.
#[must_use]
pub fn publish(line: Line, identity: Identity, manner: Manner, ledger: &Ledger) -> JoinHandle<()> {
    let ledger = ledger.clone();
    thread::spawn(move || {
        runtime().block_on(async {
            loop {
                let mut turn = Turn::begin(&ledger);
                if turn.is_done() {
                    return;
                }
                match line {
                    Line::Old(Version::V311) => {
                        old::serve(old::V311::new(manner), manner.window, &mut turn).await
                    }
                    Line::Old(Version::V5) => {
                        old::serve(old::V5::new(manner), manner.window, &mut turn).await
                    }
                    Line::Ours(version) => ours(version, &identity, manner, &mut turn).await,
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    })
}

async fn ours(version: Version, identity: &Identity, manner: Manner, turn: &mut Turn) {
    let options = Options {
        version,
        host: "localhost".to_owned(),
        port: manner.port,
        client_id: "gw-1".to_owned(),
        keep_alive: Duration::from_secs(5),
        clean: manner.clean,
        in_flight: manner.window,
        will: None,
    };
    let Ok(mut session) = Session::open(identity, options).await else {
        return;
    };
    let mut on_their_way = JoinSet::new();
    loop {
        while on_their_way.len() < usize::from(manner.window)
            && let Some(number) = turn.next()
        {
            let publication = Publication {
                topic: TOPIC.to_owned(),
                payload: payload(number),
                retain: false,
            };
            let Ok(delivery) = session.publish(publication) else {
                return;
            };
            on_their_way.spawn(async move { delivery.acknowledged().await.map(|()| number) });
        }
        if turn.is_done() {
            return session.close().await;
        }
        tokio::select! {
            _ended = session.next() => return,
            Some(done) = on_their_way.join_next() => match done {
                Ok(Ok(number)) => turn.settle(number),
                _ => return,
            },
            () = tokio::time::sleep(Duration::from_millis(20)), if on_their_way.is_empty() => {}
        }
    }
}

/// What publication of this number carries.
fn payload(number: u64) -> Vec<u8> {
    let mut payload = vec![0; 256];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    payload
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

const TOPIC: &str = "wardlink/loss";
