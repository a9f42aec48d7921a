//! Connection after connection, and what outlives them.
//!
//! Owns the back-off, what was sent and is not known to be delivered, what seems to end connections, and
//! the looks at certificate and backlog that go on with and without a connection.

use std::collections::BTreeMap;

use tokio::time::{Duration, Instant, sleep_until};
use wardlink_link::floor;
use wardlink_wire::lane::Lane;
use wardlink_wire::record::EventKind;
use wardlink_wire::sequence::{SequenceRange, SequenceSet};

use super::expiry::Expiry;
use super::link::{Dial, Rest as _};
use super::marks::Marks;
use super::pace::Pace;
use super::serve::{self, Ended};
use super::source::Source;
use super::suspects::{Caught, Suspects};
use super::{Outside, PublisherError, Stop};
use crate::clock;
use crate::health::{Link, Part};
use crate::record::Capture;

/// The publisher over some network and some store.
#[derive(Debug)]
pub(super) struct Uplink<D, S> {
    pub(super) outside: Outside,
    pub(super) dial: D,
    pub(super) source: S,
    pub(super) pace: Pace,
    pub(super) marks: Marks,
    pub(super) suspects: Suspects,
    /// Delivered, and still to be said to the store.
    pub(super) delivered: BTreeMap<Lane, SequenceSet>,
    pub(super) certificate_ends: i64,
    /// Sent by this process, and not known to be delivered.
    sent: BTreeMap<Lane, SequenceSet>,
    expiry: Expiry,
    looked: Instant,
    /// When what was set aside of a lane is tried again.
    forgive: BTreeMap<Lane, Instant>,
    /// When larger joins are tried again.
    raise: Option<Instant>,
}

impl<D: Dial, S: Source> Uplink<D, S> {
    pub(super) fn new(outside: Outside, dial: D, source: S, pace: Pace) -> Self {
        Self {
            outside,
            dial,
            source,
            pace,
            marks: Marks::over(pace.live),
            suspects: Suspects::default(),
            delivered: BTreeMap::new(),
            certificate_ends: 0,
            sent: BTreeMap::new(),
            expiry: Expiry::default(),
            looked: Instant::now(),
            forgive: BTreeMap::new(),
            raise: None,
        }
    }

    pub(super) async fn run(mut self, stop: Stop) -> Result<(), PublisherError> {
        let mut rest = self.dial.rest(self.pace);
        self.look().await?;
        loop {
            let connected = tokio::select! {
                biased;
                () = stop.now.cancelled() => return Ok(()),
                connected = self.dial.dial() => connected,
            };
            let pause = match connected {
                Err(pause) => pause,
                Ok(link) => {
                    let since = Instant::now();
                    self.is_connected();
                    let ended = serve::serve(&mut self, link, &stop).await?;
                    self.outside
                        .health
                        .update(|snapshot| snapshot.link = Link::Connecting);
                    // A link that never was good for long has not earned a fresh start.
                    if since.elapsed() >= self.pace.proven {
                        rest.reset();
                    }
                    match ended {
                        Ended::Stopped => return Ok(()),
                        Ended::Renewed => continue,
                        Ended::Broken(reason) => {
                            self.outside.health.fault(Part::Link, reason.to_string());
                            Duration::ZERO
                        }
                    }
                }
            };
            if stop.drained.is_cancelled() && self.left() == 0 && self.is_done().await {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = stop.now.cancelled() => return Ok(()),
                waited = self.wait(rest.wait(pause)) => waited?,
            }
        }
    }

    fn is_connected(&mut self) {
        let health = &self.outside.health;
        health.update(|snapshot| snapshot.link = Link::Connected);
        health.well(Part::Link);
        tracing::info!(broker = %self.outside.broker, "connected");
    }

    /// Waits for the next try, and looks meanwhile.
    async fn wait(&mut self, rest: impl Future<Output = ()> + Send) -> Result<(), PublisherError> {
        tokio::pin!(rest);
        loop {
            self.mark(Instant::now());
            tokio::select! {
                biased;
                () = &mut rest => return Ok(()),
                () = sleep_until(self.looked + self.pace.look) => drop(self.look().await?),
                Ok(()) = self.outside.committed.changed() => {}
            }
        }
    }

    /// Notes what is committed by now.
    pub(super) fn mark(&mut self, now: Instant) {
        let source = &self.source;
        self.marks.note(now, |lane| source.next(lane));
    }

    /// Looks at what changes without anybody saying so; gives what is to be tried again.
    pub(super) async fn look(&mut self) -> Result<Vec<(Lane, SequenceRange)>, PublisherError> {
        self.looked = Instant::now();
        let oldest = self.source.clone().oldest().await?;
        self.outside.health.update(|snapshot| {
            snapshot.oldest = oldest
                .into_iter()
                .filter_map(|(lane, since)| Some((lane, since?)))
                .collect();
        });
        let utc = clock::utc_seconds();
        if floor::is_unset(utc) {
            let text = "the clock was never set: records say so, and certificates are judged as of the day this \
                        agent was built";
            self.outside.health.fault(Part::Clock, text.to_owned());
        } else {
            self.outside.health.well(Part::Clock);
        }
        if let Some(ends) = self.dial.certificate_ends() {
            self.certificate_ends = ends;
            if let Some(words) = self.expiry.notice(ends, floor::judged_at(utc)) {
                tracing::warn!("{words}");
                self.tell(EventKind::CertificateExpiry, words);
            }
        }
        let mut again = Vec::new();
        let now = Instant::now();
        let due: Vec<_> = self.forgive.extract_if(.., |_, at| *at <= now).collect();
        for (lane, _) in due {
            let forgiven = self.suspects.forgive(lane);
            again.extend(forgiven.into_iter().map(|range| (lane, range)));
        }
        if self.raise.take_if(|at| *at <= now).is_some() {
            self.suspects.raise_ceiling();
        }
        if self.suspects.count() == 0 {
            self.outside.health.well(Part::Delivery);
        }
        Ok(again)
    }

    /// Notes what was handed to a connection.
    pub(super) fn was_sent(&mut self, lane: Lane, range: SequenceRange) {
        self.sent.entry(lane).or_default().insert(range);
    }

    /// Notes as delivered what is named and was sent; gives what that is. What this process never sent is
    /// not believed to have arrived, whoever says so: a store that was put back gives the same places to
    /// other records.
    pub(super) fn is_delivered(
        &mut self,
        lane: Lane,
        named: impl IntoIterator<Item = SequenceRange>,
    ) -> SequenceSet {
        let mut delivered = SequenceSet::new();
        let Some(sent) = self.sent.get_mut(&lane) else {
            return delivered;
        };
        for range in named {
            sent.within(range).for_each(|part| delivered.insert(part));
        }
        for range in delivered.runs() {
            sent.remove(range);
            self.suspects.settled(lane, range);
            self.delivered.entry(lane).or_default().insert(range);
        }
        if self.suspects.count() == 0 {
            self.outside.health.well(Part::Delivery);
        }
        delivered
    }

    /// Says to the store what it was not told yet.
    pub(super) async fn settle_rest(&mut self) -> Result<(), PublisherError> {
        for (lane, set) in std::mem::take(&mut self.delivered) {
            let source = self.source.clone();
            source.acknowledge(lane, set.runs().collect()).await?;
        }
        Ok(())
    }

    /// A connection broke with these on their way.
    pub(super) fn broke(&mut self, caught: &[Caught]) {
        if caught.iter().any(|caught| caught.joined) {
            self.raise = Some(Instant::now() + self.pace.ceiling);
        }
        if let Some(aside) = self.suspects.broken(caught) {
            self.put_aside(aside.lane, aside.range, aside.bytes);
        }
    }

    /// Sets a batch aside for a while, and says so.
    pub(super) fn put_aside(&mut self, lane: Lane, range: SequenceRange, bytes: usize) {
        self.suspects.put_aside(lane, range);
        let pause = match lane {
            Lane::Alarm => self.pace.wedged,
            Lane::Vital | Lane::Event | Lane::Wave => self.pace.aside,
        };
        self.forgive
            .entry(lane)
            .or_insert_with(|| Instant::now() + pause);
        let (first, last) = (range.first(), range.last());
        let text = format!(
            "the broker does not take {lane} records {first} to {last} ({bytes} bytes): \
             they are set aside, stay in the store and are tried again later"
        );
        self.outside.health.fault(Part::Delivery, text.clone());
        self.tell(EventKind::BatchSetAside, text);
    }

    fn tell(&self, kind: EventKind, text: String) {
        // While the agent stops nobody records any more; the log has it then.
        let Some(captures) = self.outside.captures.upgrade() else {
            return;
        };
        if let Err(error) = captures.try_send(Capture::of_gateway(kind, text)) {
            tracing::warn!(%error, "an event was not recorded");
        }
    }

    /// Records that are to be delivered and not set aside.
    pub(super) fn left(&self) -> u64 {
        let pending: u64 = Lane::ALL.map(|lane| self.source.backlog(lane)).iter().sum();
        pending.saturating_sub(self.suspects.count())
    }

    /// Whether the recorder has nothing to add.
    pub(super) async fn is_done(&self) -> bool {
        !self.outside.last_words.ask().await
    }
}
