//! One connection, from its first message to its end.

mod hear;
mod send;
mod watch;
mod work;

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use wardlink_link::session::SessionError;
use wardlink_wire::topic::Subject;

use self::work::Work;
use super::bucket::Bucket;
use super::dial::offline;
use super::link::{Delivery as _, Dial, Link};
use super::messages::Described;
use super::order::Order;
use super::source::Source;
use super::supply::Supply;
use super::window::Window;
use super::{PublisherError, Stop, Uplink};
use crate::config::Delivery;

/// How a connection ended.
pub(super) enum Ended {
    /// We were told to stop.
    Stopped,
    /// It is to be made anew, with what is in the identity's files now.
    Renewed,
    /// It broke, for this reason.
    Broken(SessionError),
}

/// Serves one connection until it breaks or the publisher is told to stop.
pub(super) async fn serve<D: Dial, S: Source>(
    uplink: &mut Uplink<D, S>,
    link: D::Link,
    stop: &Stop,
) -> Result<Ended, PublisherError> {
    let now = Instant::now();
    let limits = link.limits();
    let in_flight = uplink.outside.in_flight.min(limits.in_flight);
    let profile = uplink.outside.profile.borrow().uplink;
    let supply = Supply::new(profile.newest_first, |lane| {
        uplink.suspects.aside(lane).collect()
    });
    let mut connection = Connection {
        window: Window::new(in_flight, uplink.pace, now),
        bucket: Bucket::new(uplink.outside.rate, now),
        order: Order::new(profile.backlog_share),
        supply,
        largest: limits.largest.min(LARGEST),
        link,
        on_their_way: JoinSet::new(),
        work: JoinSet::new(),
        reading: false,
        settling: false,
        alone: false,
        read_again: None,
        uplink,
    };
    let ended = match connection.open().await {
        Ok(()) => connection.run(stop).await?,
        Err(error) => Ended::Broken(error),
    };
    connection.end(ended).await
}

struct Connection<'u, D: Dial, S: Source> {
    uplink: &'u mut Uplink<D, S>,
    link: D::Link,
    window: Window,
    bucket: Bucket,
    order: Order,
    supply: Supply,
    /// Bytes of the largest message.
    largest: usize,
    /// Each waits for the broker's acknowledgement of one batch.
    on_their_way: JoinSet<(u64, Result<(), SessionError>)>,
    work: JoinSet<Work>,
    reading: bool,
    settling: bool,
    /// What went last has to go alone.
    alone: bool,
    /// The medium refused to read: when to ask it again.
    read_again: Option<Instant>,
}

impl<D: Dial, S: Source> Connection<'_, D, S> {
    /// Hears what is for us, and says who we are.
    async fn open(&mut self) -> Result<(), SessionError> {
        let filters = [Subject::Receipt, Subject::Config].map(|subject| self.topic(subject));
        self.link.subscribe(&filters).await?;
        let outside = &mut self.uplink.outside;
        let devices = outside.attached.borrow_and_update().clone();
        let config_state = outside.config_state.borrow_and_update().clone();
        self.describe(&self.uplink.birth(devices))?;
        if let Some(state) = config_state {
            self.describe(&Described::ConfigState(state))?;
        }
        self.describe(&self.uplink.state())
    }

    async fn run(&mut self, stop: &Stop) -> Result<Ended, PublisherError> {
        let pace = self.uplink.pace;
        let (mut state, mut look) = (interval(pace.state), interval(pace.look));
        for ticks in [&mut state, &mut look] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.reset();
        }
        loop {
            let wake = match self.go_on() {
                Ok(wake) => wake,
                Err(error) => return Ok(Ended::Broken(error)),
            };
            if stop.drained.is_cancelled() && self.is_drained() {
                if self.uplink.is_done().await {
                    return Ok(Ended::Stopped);
                }
                continue;
            }
            let outcome = tokio::select! {
                biased;
                () = stop.now.cancelled() => return Ok(Ended::Stopped),
                Some(work) = self.work.join_next() => { self.worked(work.map_err(|_| PublisherError::Worker)?)?; Ok(()) }
                changed = self.uplink.outside.attached.changed() => {
                    let devices = self.uplink.outside.attached.borrow_and_update().clone();
                    changed.map_or(Ok(()), |()| self.describe(&self.uplink.birth(devices)))
                }
                changed = self.uplink.outside.config_state.changed() => {
                    let state = self.uplink.outside.config_state.borrow_and_update().clone();
                    match (changed, state) {
                        (Ok(()), Some(state)) => self.describe(&Described::ConfigState(state)),
                        _ => Ok(()),
                    }
                }
                _ = state.tick() => self.describe(&self.uplink.state()),
                _ = look.tick() => {
                    if self.look().await? {
                        return Ok(Ended::Renewed);
                    }
                    Ok(())
                }
                () = sleep_until(wake) => self.overdue(),
                _ = self.uplink.outside.committed.changed(), if !stop.drained.is_cancelled() => Ok(()),
                () = stop.drained.cancelled(), if !stop.drained.is_cancelled() => Ok(()),
                heard = self.link.next() => heard.and_then(|heard| self.hear(&heard)),
                Some(done) = self.on_their_way.join_next() => {
                    // Acknowledgements come in flocks: what there is to do now is looked for once a flock.
                    let mut outcome = self.answered(done);
                    while outcome.is_ok() && let Some(done) = self.on_their_way.try_join_next() {
                        outcome = self.answered(done);
                    }
                    outcome
                }
            };
            if let Err(error) = outcome {
                return Ok(Ended::Broken(error));
            }
        }
    }

    /// Does whatever can be done now; says when there may be more to do.
    fn go_on(&mut self) -> Result<Instant, SessionError> {
        let now = Instant::now();
        self.uplink.mark(now);
        let source = &self.uplink.source;
        self.supply
            .refresh(|lane| source.next(lane), &self.uplink.marks, now);
        self.bucket.refill(now);
        let paid = self.fill(now)?;
        self.read(now);
        self.settle();
        let times = [
            paid,
            self.read_again,
            self.window.deadline(),
            self.window.wedged(),
        ];
        Ok(times
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + self.uplink.pace.state))
    }

    fn is_drained(&self) -> bool {
        let uplink = &self.uplink;
        self.window.is_clear()
            && !self.settling
            && uplink.delivered.is_empty()
            && uplink.left() == 0
    }

    /// Whatever was acknowledged counts, and whatever was not is remembered.
    async fn end(self, ended: Ended) -> Result<Ended, PublisherError> {
        let broke = Instant::now();
        if matches!(ended, Ended::Stopped) {
            // After an orderly end the broker does not publish the last will, so we do.
            if let Some(offline) = offline(&self.uplink.outside.gateway) {
                match self.link.publish(offline) {
                    Ok(delivery) => drop(timeout(GOODBYE, delivery.acknowledged()).await),
                    Err(error) => tracing::debug!(%error, "no goodbye"),
                }
            }
        }
        let Self {
            uplink,
            link,
            mut window,
            mut on_their_way,
            mut work,
            settling,
            ..
        } = self;
        if matches!(ended, Ended::Broken(_)) {
            drop(link);
        } else {
            link.close().await;
        }
        // All of them end now: those that came, with what came, the others with the session.
        while let Ok(Some(done)) = timeout(GOODBYE, on_their_way.join_next()).await {
            let Ok((number, Ok(()))) = done else { continue };
            let Some((lane, range, bytes)) = window.taken(number, Instant::now()) else {
                continue;
            };
            uplink.suspects.taken(lane, range, bytes);
            if uplink.outside.delivery == Delivery::Broker {
                uplink.is_delivered(lane, [range]);
            }
        }
        while settling && let Some(done) = work.join_next().await {
            if let Ok(Work::Settled(noted)) = done {
                noted?;
                break;
            }
        }
        uplink.settle_rest().await?;
        if matches!(ended, Ended::Broken(_)) {
            let caught = window.caught(broke);
            uplink.broke(&caught);
        }
        Ok(ended)
    }
}

/// Larger messages are cut: what is live waits for at most one of them.
const LARGEST: usize = 256 << 10;
/// What a broker gets to take the goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
