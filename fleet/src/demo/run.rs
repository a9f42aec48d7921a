//! The run itself: from the first record to the account.
//!
//! Looks at agent and archive four times a second, cuts the broker off when it is time, and ends in order:
//! the agent first, which commits and delivers what it has, then, once the archive has everything or a
//! limit has passed, the monitor and the broker. Only then is counted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};
use wardlink_wire::lane::Lane;

use super::DemoError;
use super::agent::AgentStatus;
use super::archive::Delivered;
use super::child::{ChildError, End};
use super::display::Display;
use super::interrupts::Interrupts;
use super::outage::{Outage, Step};
use super::processes::{GRACE, Processes, Programs, Rest};
use super::progress::Progress;
use super::stage::Stage;
use super::tally::{LaneTally, Tally};
use crate::clock;

/// What a run needs to know.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) programs: &'a Programs,
    pub(super) stage: &'a Stage,
    pub(super) address: SocketAddr,
    pub(super) planned: Option<Duration>,
    pub(super) outage: Option<Outage>,
}

/// How a run went, before the archive is counted.
struct Course {
    progress: Progress,
    outage: Option<Outage>,
    lasted: Duration,
}

impl Run<'_> {
    /// Plays it to the end.
    ///
    /// # Errors
    /// When a process fails, nothing is recorded, or it is interrupted twice.
    pub(super) async fn play(
        self,
        display: &mut Display,
        interrupts: &mut Interrupts,
    ) -> Result<Tally, DemoError> {
        let mut processes = Processes::start(self.programs, self.stage, self.address).await?;
        tokio::select! {
            begun = self.first_record(&mut processes) => begun?,
            () = interrupts.next() => return Err(DemoError::Interrupted),
        }
        let course = self.watch(&mut processes, display, interrupts).await?;
        display.say("stopping: the agent commits what it has read and delivers what is left");
        tokio::select! {
            tally = self.finish(processes, course) => tally,
            () = interrupts.next() => Err(DemoError::Interrupted),
        }
    }

    /// Waits until the agent has committed something.
    async fn first_record(&self, processes: &mut Processes) -> Result<(), DemoError> {
        let begun = Instant::now();
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            processes.check()?;
            let status = AgentStatus::ask(&self.stage.socket()).await;
            if status.as_ref().is_ok_and(|status| status.recorded > 0) {
                return Ok(());
            }
            if begun.elapsed() > FIRST {
                return Err(DemoError::NothingRecorded {
                    within: FIRST,
                    why: match status {
                        Ok(status) => status.faults.join("; "),
                        Err(error) => error.to_string(),
                    },
                    tail: processes.agent_tail(),
                });
            }
        }
    }

    /// Shows how it goes until the time is over or somebody stops it.
    async fn watch(
        &self,
        processes: &mut Processes,
        display: &mut Display,
        interrupts: &mut Interrupts,
    ) -> Result<Course, DemoError> {
        let begun = Instant::now();
        let mut progress = Progress::default();
        let mut outage = self.outage;
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut second_look = false;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = interrupts.next() => break,
            }
            let elapsed = begun.elapsed();
            if self.planned.is_some_and(|planned| elapsed >= planned) {
                break;
            }
            processes.check()?;
            if let Some(outage) = &mut outage {
                self.advance(outage, processes, elapsed).await?;
            }
            // An agent too busy to answer for a moment is asked again at the next look.
            if let Ok(status) = AgentStatus::ask(&self.stage.socket()).await {
                progress.agent_said(begun.elapsed(), status);
            }
            second_look = !second_look;
            if second_look {
                if let Ok(delivered) = Delivered::look(self.stage.root()) {
                    progress.archive_has(delivered);
                }
                let mut snapshot = progress.snapshot(elapsed, clock::now_ns());
                snapshot.planned = self.planned;
                snapshot.outage_left = outage.and_then(|outage| outage.left(elapsed));
                display.show(&snapshot);
            }
        }
        let lasted = begun.elapsed();
        if let Some(outage) = outage.as_mut().filter(|outage| outage.is_on()) {
            self.restore(outage, processes).await?;
        }
        Ok(Course {
            progress,
            outage,
            lasted,
        })
    }

    async fn advance(
        &self,
        outage: &mut Outage,
        processes: &mut Processes,
        elapsed: Duration,
    ) -> Result<(), ChildError> {
        match outage.due(elapsed) {
            Some(Step::Cut) => {
                outage.begin(elapsed);
                processes.cut_broker().await
            }
            Some(Step::Restore) => self.restore(outage, processes).await,
            None => Ok(()),
        }
    }

    async fn restore(
        &self,
        outage: &mut Outage,
        processes: &mut Processes,
    ) -> Result<(), ChildError> {
        processes
            .restore_broker(self.programs, self.stage, self.address)
            .await?;
        outage.end();
        Ok(())
    }

    /// Ends everything in order and counts.
    async fn finish(&self, processes: Processes, course: Course) -> Result<Tally, DemoError> {
        let (end, mut rest) = processes.stop_agent(GRACE + STOP).await?;
        let agent = AgentStatus::last_of(&end.output)?;
        self.arrival(&agent, &mut rest).await?;
        rest.stop(STOP).await?;
        self.count(&agent, &end, &course)
    }

    /// Waits until the archive has as many records as the agent committed, for a while.
    async fn arrival(&self, agent: &AgentStatus, rest: &mut Rest) -> Result<(), DemoError> {
        let begun = Instant::now();
        let mut looks = interval(LOOK);
        while begun.elapsed() < ARRIVAL {
            looks.tick().await;
            rest.check()?;
            if Delivered::look(self.stage.root())?.total() >= agent.recorded {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, agent: &AgentStatus, end: &End, course: &Course) -> Result<Tally, DemoError> {
        let delivered = Delivered::look(self.stage.root())?;
        let lanes = Lane::ALL.into_iter().map(|lane| LaneTally {
            lane: lane.to_string(),
            recorded: agent.lane(lane.as_str()).map_or(0, |lane| lane.recorded),
            delivered: delivered.records(lane),
        });
        Ok(Tally {
            duplicates: Delivered::stored_twice(self.stage.root())?,
            gaps: delivered.gaps,
            outage_seconds: seconds(
                course
                    .outage
                    .map_or(Duration::ZERO, |outage| outage.lasted()),
            ),
            max_backlog_records: course.progress.largest_backlog(),
            resent_duplicates: delivered.resent,
            conflicts: delivered.conflicts,
            refused: delivered.refused,
            seconds: seconds(course.lasted),
            agent_peak_rss_kib: end.peak_memory,
            gateway: agent.gateway.clone(),
            epoch: agent.epoch.clone(),
            mute_devices: agent.mute_devices(),
            ..Tally::of_lanes(lanes.collect())
        })
    }
}

/// Whole milliseconds, so that what is printed has no false precision.
fn seconds(duration: Duration) -> f64 {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
}

/// Between two looks at agent and archive.
const LOOK: Duration = Duration::from_millis(250);
/// An agent that works has recorded something well within this time.
const FIRST: Duration = Duration::from_secs(30);
/// How long the archive may take to have it, after the agent is done.
const ARRIVAL: Duration = Duration::from_secs(30);
/// How long a process may take to stop when it has nothing left to do.
const STOP: Duration = Duration::from_secs(20);
