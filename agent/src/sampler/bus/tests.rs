//! A bus against a device whose every call is scripted.

use std::time::Duration;

use tokio::time::timeout;
use wardlink_firmware_shim::reading::{Decimal, StreamKind, StreamSpec};
use wardlink_wire::profile::{Bus as ProfileBus, DeviceSettings, Driver, Kind, Simulation};

use super::*;
use crate::devices;
use crate::health::DeviceHealth;

/// Fails or reads as its script says; after the script it reads for ever.
struct Scripted {
    streams: Vec<StreamSpec>,
    starts: Vec<Result<(), Fault>>,
    polls: Vec<Result<(), Fault>>,
}

impl Device for Scripted {
    fn streams(&self) -> &[StreamSpec] {
        &self.streams
    }

    fn period(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn start(&mut self) -> Result<(), Fault> {
        self.starts.pop().unwrap_or(Ok(()))
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let outcome = self.polls.pop().unwrap_or(Ok(()));
        if outcome.is_ok() {
            let value = Decimal::new(366, -1);
            readings.push(Reading::good(
                0,
                Body::Numeric {
                    value,
                    index: None,
                    raw: None,
                },
            ));
        }
        outcome
    }

    fn flush(&mut self, _: &mut Vec<Reading>) {}
}

fn scripted(starts: Vec<Result<(), Fault>>, polls: Vec<Result<(), Fault>>) -> Box<dyn Device> {
    let streams = vec![StreamSpec {
        name: "temperature".to_owned(),
        code: 150_364,
        unit: "Cel".to_owned(),
        kind: StreamKind::Numeric,
        sampling: None,
    }];
    Box::new(Scripted {
        streams,
        starts,
        polls,
    })
}

fn attached() -> Arc<Attached> {
    let settings = DeviceSettings {
        id: "probe".parse().unwrap(),
        bus: ProfileBus::Simulated(Simulation::default()),
        driver: Driver::new(Kind::Nonin),
    };
    let streams = vec![devices::event_stream(settings.id.clone(), 1, true, 0); 2];
    Arc::new(Attached { settings, streams })
}

fn health() -> Health {
    let health = Health::new(0);
    let device = DeviceHealth {
        driver: "nonin",
        state: DeviceState::Starting,
        readings: 0,
        fault: None,
    };
    health.update(|snapshot| {
        snapshot.devices.insert("probe".parse().unwrap(), device);
    });
    health
}

/// The next things that happened, in words; readings of one kind in a row are one word.
async fn story(captures: &mut mpsc::Receiver<Capture>, words: usize) -> Vec<String> {
    let mut story: Vec<String> = Vec::new();
    while story.len() < words {
        let capture = timeout(Duration::from_secs(30), captures.recv()).await;
        let word = match capture
            .expect("no capture within 30 s")
            .expect("the bus ended")
            .content
        {
            Content::Event(kind, _) => format!("{kind:?}"),
            Content::Readings(readings) => match readings.first().map(|reading| &reading.body) {
                Some(Body::Absent { reason, .. }) => format!("{reason:?}"),
                Some(_) => "value".to_owned(),
                None => continue,
            },
        };
        if story.last() != Some(&word) {
            story.push(word);
        }
    }
    story
}

#[tokio::test]
async fn a_fault_becomes_an_absence_and_an_event_and_the_device_is_tried_again() {
    let (sender, mut captures) = mpsc::channel(4);
    let mut threads = JoinSet::new();
    let health = health();
    let bus = BusThread::start(&mut threads, sender, health.clone());
    let broken = Err(Fault::new(FaultKind::Bus, "NAK"));
    bus.send(Command::Add(
        scripted(vec![], vec![broken, Ok(())]),
        attached(),
    ));
    let seen = story(&mut captures, 6).await;
    assert_eq!(
        seen,
        [
            "DeviceStarted",
            "value",
            "BusError",
            "DeviceLost",
            "DeviceBack",
            "value"
        ]
    );
    let device = health.snapshot().devices.into_values().next().unwrap();
    assert_eq!((device.state, device.fault), (DeviceState::Reading, None));
    drop(bus);
    drop(captures);
    threads.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_device_that_never_answers_is_reported_lost_once() {
    let (sender, mut captures) = mpsc::channel(4);
    let mut threads = JoinSet::new();
    let bus = BusThread::start(&mut threads, sender, health());
    let silent = || Err(Fault::new(FaultKind::NoResponse, "address 0x48"));
    bus.send(Command::Add(
        scripted(vec![silent(), silent()], vec![]),
        attached(),
    ));
    let seen = story(&mut captures, 4).await;
    assert_eq!(seen, ["NoResponse", "DeviceLost", "DeviceStarted", "value"]);
    drop(bus);
    drop(captures);
    threads.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_device_taken_out_leaves_the_others_reading() {
    let (sender, mut captures) = mpsc::channel(4);
    let mut threads = JoinSet::new();
    let bus = BusThread::start(&mut threads, sender, health());
    let other = DeviceSettings {
        id: "other".parse().unwrap(),
        ..attached().settings.clone()
    };
    let streams = attached().streams.clone();
    bus.send(Command::Add(scripted(vec![], vec![]), attached()));
    bus.send(Command::Add(
        scripted(vec![], vec![]),
        Arc::new(Attached {
            settings: other,
            streams,
        }),
    ));
    bus.send(Command::Remove("probe".parse().unwrap()));
    let removed =
        |capture: &Capture| matches!(capture.content, Content::Event(EventKind::DeviceRemoved, _));
    let next = async || {
        timeout(Duration::from_secs(30), captures.recv())
            .await
            .unwrap()
            .unwrap()
    };
    let mut next = next;
    while !removed(&next().await) {}
    for _ in 0..10 {
        let device = next().await.device.unwrap();
        assert_eq!(device.settings.id.as_str(), "other");
    }
    drop(bus);
    drop(captures);
    threads.join_next().await.unwrap().unwrap();
}
