//! Records -> batches -> the store: the last to finish when the agent stops.
//!
//! Owns the open batch of every lane. Promises that what it reported as recorded is durable, that one
//! group commit covers every lane that is due, and that a record which could not be stored leaves a gap
//! record that says how many and why. Refuses to keep what the store refused: there is no second queue.

mod lanes;
mod last_words;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wardlink_wire::batch::Batch;
use wardlink_wire::codec::EncodeError;
use wardlink_wire::id::{BootId, GatewayId};
use wardlink_wire::lane::Lane;
use wardlink_wire::profile::Profile;
use wardlink_wire::record::{Body, EventKind, Gap, GapCause, Quality, Record};
use wardlink_wire::sequence::SequenceRange;
use wardlink_wire::stream::Stream;
use wardlink_wire::time::Timestamp;

use crate::clock::{self, StepDetector};
use crate::health::{Health, Part};
use crate::record::{self, Capture, Placed};
use crate::store::{Damage, Fault, NewBatch, Store, StoreError};
use lanes::{Lanes, Open};
pub use last_words::{Asked, LastWords, last_words};

/// The recorder.
#[derive(Debug)]
pub struct Recorder {
    /// Where everything goes.
    pub store: Arc<Store>,
    /// Who measures.
    pub gateway: GatewayId,
    /// The gateway's own event stream.
    pub events: Stream,
    /// Told after each commit.
    pub committed: watch::Sender<u64>,
    /// The profile in force, for the lanes' policies.
    pub profile: watch::Receiver<Arc<Profile>>,
    /// What opening the store found damaged.
    pub damage: Vec<Damage>,
    /// Where it says how it does.
    pub health: Health,
}

impl Recorder {
    /// Runs until every sender of captures is gone, commits what is left and cancels `recorded`. From then
    /// on it states what deliveries bring to light or make room for, until nobody can ask any more.
    ///
    /// # Errors
    /// When a record cannot be encoded, or the store's worker is gone: both end the agent.
    pub async fn run(
        self,
        mut captures: mpsc::Receiver<Capture>,
        recorded: CancellationToken,
        asked: Asked,
    ) -> Result<(), RecorderError> {
        let mut work = Work {
            boot: clock::boot_id(),
            lanes: Lanes::default(),
            lost: Vec::new(),
            steps: StepDetector::starting(clock::now()),
            tried: Instant::now(),
            recorder: self,
        };
        let damage = std::mem::take(&mut work.recorder.damage);
        work.state(damage);
        loop {
            let due = work.lanes.due(&work.recorder.profile.borrow());
            tokio::select! {
                capture = captures.recv() => match capture {
                    Some(capture) => work.take(capture),
                    None => break,
                },
                () = sleep_until(due.unwrap_or_else(|| Instant::now() + TICK)) => {}
            }
            // Whatever else is waiting goes into the same commit.
            while let Ok(capture) = captures.try_recv() {
                work.take(capture);
            }
            work.notice_clock_step();
            work.notice_damage();
            let due = work.lanes.take_due(&work.recorder.profile.borrow());
            work.commit(due).await?;
            work.recorder.health.turn();
        }
        let rest = work.lanes.take_all();
        work.commit(rest).await?;
        work.state_losses().await?;
        recorded.cancel();
        work.have_last_words(asked).await
    }
}

struct Work {
    boot: BootId,
    lanes: Lanes,
    /// Losses that are not yet stated by a committed gap record.
    lost: Vec<Gap>,
    steps: StepDetector,
    /// When the store was last asked to take something.
    tried: Instant,
    recorder: Recorder,
}

impl Work {
    fn take(&mut self, capture: Capture) {
        for placed in record::records(capture, &self.recorder.events) {
            self.lanes.push(placed);
        }
    }

    fn notice_clock_step(&mut self) {
        let at = clock::now();
        if let Some(step) = self.steps.step(at) {
            let text = format!("UTC was stepped by {} ms", step / 1_000_000);
            tracing::warn!("{text}");
            self.take(Capture::of_gateway(EventKind::ClockStepped, text));
        }
    }

    fn notice_damage(&mut self) {
        let damage = self.recorder.store.take_damage();
        self.state(damage);
    }

    /// The next commit that succeeds carries the gaps; only then does the store count them as settled.
    fn state(&mut self, damage: Vec<Damage>) {
        for Damage { lane, range, fault } in damage {
            let (first, last) = (range.first(), range.last());
            let text = format!("store: {lane} records {first} to {last} are lost: {fault}");
            let cause = if fault == Fault::Evicted {
                // That the store is full is a fault for as long as it lasts: see `commit`.
                tracing::warn!("{text}");
                GapCause::Retention
            } else {
                self.recorder.health.fault(Part::Store, text);
                GapCause::StoreDamaged
            };
            self.lost.push(gap(lane, Some(range), range.count(), cause));
        }
    }

    /// A gap as a record of the lane that misses something, or of the events.
    fn stated(&self, gap: Gap) -> Placed {
        let at = clock::now();
        // Waves make room first: what is said of them must not go with them.
        let lane = match gap.lane {
            Lane::Wave => Lane::Event,
            lane => lane,
        };
        Placed {
            lane,
            stream: self.recorder.events.clone(),
            record: Record {
                stream: self.recorder.events.number,
                time: Timestamp {
                    utc_ns: at.utc_ns,
                    monotonic_ns: at.monotonic_ns,
                    clock: clock::discipline(),
                    device: None,
                },
                body: Body::Gap(gap),
                quality: Quality::GOOD,
            },
        }
    }

    /// Makes every given lane durable, in one group commit.
    async fn commit(&mut self, mut due: Vec<Open>) -> Result<(), RecorderError> {
        let losses_wait = !self.lost.is_empty() && self.tried.elapsed() >= TICK;
        if due.is_empty() && !losses_wait {
            return Ok(());
        }
        self.tried = Instant::now();
        for lost in std::mem::take(&mut self.lost) {
            let placed = self.stated(lost);
            match due.iter_mut().find(|open| open.lane == placed.lane) {
                Some(open) => open.push(placed),
                None => due.push(Open::with(placed)),
            }
        }
        let batches = self.encode(&due)?;
        match self.append(batches).await? {
            Ok(()) => {
                let gaps = due.iter().map(Open::gaps).sum::<u64>();
                self.recorder
                    .health
                    .update(|snapshot| snapshot.gaps += gaps);
                match self.recorder.store.shortage() {
                    Some(shortage) => self
                        .recorder
                        .health
                        .fault(Part::Store, shortage.to_string()),
                    None => self.recorder.health.well(Part::Store),
                }
                self.recorder
                    .committed
                    .send_modify(|count| *count = count.wrapping_add(1));
            }
            Err(error) => self.lose(&due, &error),
        }
        Ok(())
    }

    fn encode(&self, due: &[Open]) -> Result<Vec<(Lane, SequenceRange, Vec<u8>)>, RecorderError> {
        let mut batches = Vec::with_capacity(due.len());
        for open in due {
            let first = self.recorder.store.next_sequence(open.lane);
            let batch = Batch {
                schema: wardlink_wire::SCHEMA,
                gateway: self.recorder.gateway.clone(),
                epoch: self.recorder.store.epoch(),
                lane: open.lane,
                first,
                boot: self.boot,
                streams: open.streams(),
                records: open.records(),
            };
            if let Some(range) = batch.range() {
                batches.push((open.lane, range, batch.encode()?));
            }
        }
        Ok(batches)
    }

    async fn append(
        &self,
        batches: Vec<(Lane, SequenceRange, Vec<u8>)>,
    ) -> Result<Result<(), StoreError>, RecorderError> {
        let store = Arc::clone(&self.recorder.store);
        tokio::task::spawn_blocking(move || {
            let new: Vec<_> = batches
                .iter()
                .map(|(lane, range, bytes)| NewBatch {
                    lane: *lane,
                    range: *range,
                    bytes,
                })
                .collect();
            store.append(&new)
        })
        .await
        .map_err(|_| RecorderError::Worker)
    }

    /// What the store refused is counted, and said as soon as it takes records again.
    fn lose(&mut self, due: &[Open], error: &StoreError) {
        self.recorder.health.fault(Part::Store, error.to_string());
        let cause = if matches!(error, StoreError::Full { .. }) {
            GapCause::StoreFull
        } else {
            GapCause::StoreFailed
        };
        for open in due {
            for mut lost in open.losses(cause) {
                match self.lost.iter_mut().find(|known| {
                    known.lane == lost.lane
                        && known.cause == lost.cause
                        && known.range == lost.range
                }) {
                    Some(known) => {
                        known.count = Some(
                            known
                                .count
                                .unwrap_or(0)
                                .saturating_add(lost.count.take().unwrap_or(0)),
                        )
                    }
                    None => self.lost.push(lost),
                }
            }
        }
    }

    /// At the end: losses that no later commit carried are stated on their own. Says whether any were.
    async fn state_losses(&mut self) -> Result<bool, RecorderError> {
        self.notice_damage();
        let Some(lost) = self.lost.pop() else {
            return Ok(false);
        };
        self.commit(vec![Open::with(self.stated(lost))]).await?;
        Ok(self.lost.is_empty())
    }
}

const fn gap(lane: Lane, range: Option<SequenceRange>, count: u64, cause: GapCause) -> Gap {
    Gap {
        lane,
        range,
        count: Some(count),
        cause,
    }
}

/// Why the recorder ended early.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// A batch could not be written down.
    #[error("a batch cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// The thread that writes died.
    #[error("the store's writer ended unexpectedly")]
    Worker,
}

/// How often damage and clock are looked at when nothing is recorded.
const TICK: Duration = Duration::from_secs(1);
