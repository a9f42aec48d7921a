//! Whatever was measured arrives exactly once, whatever happens to broker, monitor or agent meanwhile.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use wardlink_agent::status::Report;
use wardlink_tests::profile;
use wardlink_tests::seed::Seed;
use wardlink_tests::series;
use wardlink_tests::ward::Ward;

#[test]
fn everything_recorded_arrives_exactly_once() {
    let ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(4));
    let before = gateway.until("all four devices measure", |report| {
        report.devices.len() == 4 && report.devices.iter().all(|device| device.readings > 20)
    });
    assert!(
        before
            .devices
            .iter()
            .all(|device| device.state == "reading"),
        "{before:#?}"
    );
    let last = gateway.stop();
    assert!(
        last.recorded > before.recorded,
        "nothing was committed while stopping"
    );
    assert!(last.receipts > 0);
    ward.monitor.assert_has_all_of_without_gaps(&last);

    let archive = ward.monitor.archive();
    series::assert_whole(&archive);
    let measurements = series::measurements(&archive, "");
    assert!(measurements.iter().all(|measurement| measurement.simulated));
    for device in ["temperature", "ppg", "ecg", "oximeter"] {
        let (started, _) = series::events(&archive, device).remove(0);
        assert_eq!(
            started,
            wardlink_wire::record::EventKind::DeviceStarted,
            "{device}"
        );
    }
    let stopped = series::events(&archive, wardlink_wire::profile::GATEWAY).pop();
    assert_eq!(
        stopped.map(|(kind, _)| kind),
        Some(wardlink_wire::record::EventKind::Stopped)
    );
}

#[test]
fn a_broker_that_is_restarted_under_load_loses_and_doubles_nothing() {
    let mut seed = Seed::of("broker restarts");
    let mut ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(10));
    for round in 0..5 {
        // In the middle of whatever is on its way then.
        let before = gateway.until_more_is_recorded();
        ward.monitor.until("something arrives", |summary| {
            summary.delivered > before.recorded / 2
        });
        thread::sleep(seed.moment(Duration::from_millis(500)));
        if round % 2 == 0 {
            ward.broker.kill();
        } else {
            ward.broker.stop();
        }
        gateway.until_more_is_recorded();
        ward.broker.come_back();
        gateway.until("the agent is connected again", |report| {
            report.link == "connected"
        });
    }
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

#[test]
fn an_agent_that_is_killed_under_load_loses_nothing_it_had_recorded() {
    let mut seed = Seed::of("agent kills");
    let ward = Ward::open();
    let mut gateway = ward.enrol("gw-1", &profile::four_devices(20));
    let mut recorded: BTreeMap<String, u64> = BTreeMap::new();
    let mut epoch = None;
    for round in 0..KILLS {
        let first = gateway.start();
        let epoch = epoch.get_or_insert_with(|| first.epoch.clone());
        assert_eq!(
            first.epoch, *epoch,
            "round {round}: the store was made anew"
        );
        remember(&mut recorded, &first, round);
        // Some rounds end before anything was committed, the others in the middle of many commits.
        if seed.below(4) > 0 {
            let more = first.recorded + 1 + seed.below(80);
            gateway.until("more is recorded", |report| report.recorded >= more);
            thread::sleep(seed.moment(Duration::from_millis(200)));
        }
        if let Some(report) = gateway.report() {
            remember(&mut recorded, &report, round);
        }
        gateway.kill();
    }
    let first = gateway.start();
    remember(&mut recorded, &first, KILLS);
    gateway.until_more_is_recorded();
    let last = gateway.stop();
    remember(&mut recorded, &last, KILLS + 1);
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
    println!("agent kills: {KILLS} rounds, {} records", last.recorded);
}

/// A lane never goes back below what the agent once said was recorded.
fn remember(recorded: &mut BTreeMap<String, u64>, report: &Report, round: u32) {
    for lane in &report.lanes {
        let known = recorded.entry(lane.lane.clone()).or_default();
        assert!(
            lane.recorded >= *known,
            "round {round}: {} records of lane {} were recorded, {} are left",
            known,
            lane.lane,
            lane.recorded
        );
        *known = lane.recorded;
    }
}

#[test]
fn a_monitor_that_is_killed_and_comes_back_loses_nothing() {
    let mut seed = Seed::of("monitor kills");
    let mut ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(10));
    for _ in 0..4 {
        let before = ward.monitor.summary().delivered;
        ward.monitor
            .until("something arrives", |summary| summary.delivered > before);
        thread::sleep(seed.moment(Duration::from_millis(300)));
        ward.monitor.kill();
        gateway.until_more_is_recorded();
        ward.monitor.come_back();
    }
    ward.monitor.stop();
    gateway.until_more_is_recorded();
    ward.monitor.come_back();
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

#[test]
fn recording_goes_on_while_the_broker_is_away_and_the_backlog_drains() {
    let mut ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(10));
    let before = gateway.until("something is delivered", |report| {
        report.link == "connected" && report.recorded > report.backlog
    });
    ward.broker.stop();
    let away = gateway.until("the backlog grows", |report| {
        report.link == "connecting" && report.backlog > 400
    });
    assert!(away.recorded > before.recorded);
    assert!(away.backlog <= away.recorded);
    assert!(
        !away.faults.is_empty(),
        "an unreachable broker is no fault: {away:#?}"
    );
    assert!(
        away.devices.iter().all(|device| device.state == "reading"),
        "a broker's absence stopped a device: {away:#?}"
    );
    ward.broker.come_back();
    // New records come all the time: it is drained once little more than those is left.
    gateway.until("the backlog drains", |report| {
        report.backlog < away.backlog / 4
    });
    let drained = gateway.stop();
    assert_eq!(drained.faults, Vec::<String>::new());
    ward.monitor.assert_has_all_of_without_gaps(&drained);
    series::assert_whole(&ward.monitor.archive());
}

#[test]
fn what_was_recorded_without_a_broker_arrives_after_a_restart_of_the_agent() {
    let mut ward = Ward::open();
    ward.broker.stop();
    let mut gateway = ward.enrol("gw-1", &profile::four_devices(4));
    gateway.start();
    let alone = gateway.until("a backlog is there", |report| report.backlog > 100);
    gateway.kill();
    ward.broker.come_back();
    let again = gateway.start();
    assert_eq!(again.epoch, alone.epoch);
    assert!(again.recorded >= alone.recorded, "{again:#?}");
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

/// Kills of the agent in one run.
const KILLS: u32 = 24;
