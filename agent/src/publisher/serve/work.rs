//! What is done beside the connection: reading ahead, and letting the store let go.

use std::time::Duration;

use tokio::time::Instant;

use super::super::PublisherError;
use super::super::link::Dial;
use super::super::source::{Reading, Shape, Source};
use super::super::supply::Wish;
use super::Connection;

/// What was done beside the connection.
pub(super) enum Work {
    Read(Wish, Result<Reading, PublisherError>),
    Settled(Result<(), PublisherError>),
}

impl<D: Dial, S: Source> Connection<'_, D, S> {
    /// Has the next batches read, one reading at a time.
    pub(super) fn read(&mut self, now: Instant) {
        if self.reading || self.read_again.is_some_and(|again| now < again) {
            return;
        }
        self.read_again = None;
        let Some(wish) = self.supply.wish() else {
            return;
        };
        self.reading = true;
        let suspects = &self.uplink.suspects;
        let largest = self.bucket.largest().min(suspects.largest());
        let largest = largest.min(self.largest);
        let shape = Shape {
            largest,
            joined: JOINED
                .min(largest)
                .min(suspects.ceiling())
                .min(self.window.worth_joining()),
            apart: suspects.apart(wish.class.lane),
        };
        let read = self.uplink.source.clone().read(wish, shape);
        self.work.spawn(async move { Work::Read(wish, read.await) });
    }

    /// Lets the store let go of what is delivered, all lanes at once and one time after the other.
    pub(super) fn settle(&mut self) {
        if self.settling || self.uplink.delivered.is_empty() {
            return;
        }
        self.settling = true;
        let (source, delivered) = (
            self.uplink.source.clone(),
            std::mem::take(&mut self.uplink.delivered),
        );
        self.work.spawn(async move {
            for (lane, set) in delivered {
                let noted = source.clone().acknowledge(lane, set.runs().collect()).await;
                if noted.is_err() {
                    return Work::Settled(noted);
                }
            }
            Work::Settled(Ok(()))
        });
    }

    pub(super) fn worked(&mut self, work: Work) -> Result<(), PublisherError> {
        match work {
            Work::Read(wish, reading) => {
                self.reading = false;
                match reading? {
                    Reading::Read { batches, done } => self.supply.arrived(wish, batches, done),
                    Reading::Refused => self.read_again = Some(Instant::now() + READ_AGAIN),
                }
                Ok(())
            }
            Work::Settled(noted) => {
                self.settling = false;
                noted
            }
        }
    }
}

const READ_AGAIN: Duration = Duration::from_secs(1);
/// Batches are joined to no more than this: larger messages would spare the broker little.
const JOINED: usize = 64 << 10;
