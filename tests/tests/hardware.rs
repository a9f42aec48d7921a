//! The agent on ARM boards, emulated down to the I2C bus: `make test-hardware` (docs/hardware.md).
//!
//! Kernel, init, drivers, bus, card and network of the board are what they would be; the program is the one
//! that `make cross` built. Broker and monitor are on this machine.

#[path = "hardware/board.rs"]
mod board;
#[path = "hardware/image.rs"]
mod image;
#[path = "hardware/kind.rs"]
mod kind;

use board::{Board, make_disk};
use kind::{Kind, MCIMX6UL, RASPI3B, VIRT};
use wardlink_agent::status::Report;
use wardlink_tests::broker::Broker;
use wardlink_tests::gateway::Gateway;
use wardlink_tests::profile;
use wardlink_tests::seed::Seed;
use wardlink_tests::series;
use wardlink_tests::ward::Ward;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::record::{Absence, EventKind, Quality};
use wardlink_wire::time::ClockState;

#[test]
#[ignore = "boots a board: make test-hardware"]
fn a_raspberry_pi_3_reads_its_thermometer_and_delivers_without_ever_having_had_the_time() {
    a_board_measures_and_delivers(
        &RASPI3B,
        "/dev/i2c-1",
        ClockState::Unset,
        Absence::NoResponse,
    );
}

#[test]
#[ignore = "boots a board: make test-hardware"]
fn an_i_mx_6ul_reads_its_thermometer_and_delivers() {
    // Its clock is in the emulated chip; its bus, as QEMU has it, times out where nobody acknowledges.
    a_board_measures_and_delivers(
        &MCIMX6UL,
        "/dev/i2c-0",
        ClockState::Unsynchronised,
        Absence::BusError,
    );
}

fn a_board_measures_and_delivers(kind: &Kind, bus: &str, clock: ClockState, silence: Absence) {
    let ward = ward();
    let mut profile = profile::lanes("500ms");
    for (id, address) in [("skin", "0x48"), ("nobody", "0x4a")] {
        profile += &format!(
            "[[device]]\nid = \"{id}\"\ndriver = \"tmp105\"\nbus = \"{bus}\"\naddress = {address}\nperiod = \"500ms\"\n"
        );
    }
    let gateway = on_board(&ward, &profile);
    let disk = ward.folder.join("disk");
    make_disk(&disk);
    let mut board = Board::boot(kind, &gateway, &disk);

    board.until_report("the thermometer is read", |report| {
        state(report, "skin") == "reading"
    });
    println!("{}: reading {:?} after power came", kind.name, board.up());
    // What it powers up with is 0, and in its own mode of 9 bits the second would read 38.0.
    for (thousandths, step) in [(36_500, 365_000), (38_250, 382_500)] {
        board.warm(thousandths);
        let new = Ok(Decimal::new(step, -4));
        board.until("the monitor has the new temperature", |_| {
            let numbers = series::numbers(&ward.monitor.archive(), "skin", "temperature");
            (numbers.last() == Some(&new)).then_some(())
        });
        println!(
            "{}: {step} delivered {:?} after power came",
            kind.name,
            board.up()
        );
    }
    board.until("the monitor has why the other one is not there", |_| {
        let absent = series::numbers(&ward.monitor.archive(), "nobody", "temperature");
        absent.contains(&Err(silence)).then_some(())
    });
    let archive = ward.monitor.archive();
    let events = series::events(&archive, "nobody");
    let lost = events
        .iter()
        .find(|(kind, _)| *kind == EventKind::DeviceLost);
    let (_, why) = lost.unwrap_or_else(|| panic!("no loss is stated: {events:?}"));
    assert!(why.contains("tmp105 at 0x4a") && why.contains(bus), "{why}");
    assert!(
        !series::numbers(&archive, "nobody", "temperature")
            .iter()
            .any(Result::is_ok)
    );

    let clocks = series::clocks(&archive);
    assert!(
        !clocks.is_empty() && clocks.iter().all(|state| *state == clock),
        "{clocks:?}"
    );
    let report = board.report().expect("it was read");
    let unset = report
        .faults
        .iter()
        .any(|fault| fault.contains("clock was never set"));
    assert_eq!(unset, clock == ClockState::Unset, "{report:#?}");
    assert_eq!(report.link, "connected", "{report:#?}");
    assert!(
        !series::qualities(&archive, "skin", "temperature")
            .iter()
            .any(|quality| quality.says(Quality::SIMULATED))
    );
    println!(
        "{}: {} records by {:?}",
        kind.name,
        report.recorded,
        board.up()
    );
}

#[test]
#[ignore = "boots a board twenty times: make test-hardware"]
fn a_power_cord_pulled_in_the_middle_of_writing_takes_nothing_that_was_committed() {
    let cuts = std::env::var("WARDLINK_BOARD_CUTS").ok();
    let cuts: u64 = cuts.map_or(20, |text| text.parse().expect("a number of cuts"));
    let mut seed = Seed::of("power cord");
    let mut ward = ward();
    let mut profile = profile::lanes("100ms");
    for (id, settings) in [
        ("temperature", "driver = \"tmp117\"\nperiod = \"50ms\""),
        ("ppg", "driver = \"max30102\"\nrate = 100"),
        ("ecg", "driver = \"ads1292r\"\nrate = 250"),
    ] {
        profile += &profile::simulated(id, settings, 1);
    }
    let gateway = on_board(&ward, &profile);
    let disk = ward.folder.join("disk");
    make_disk(&disk);
    let mut said: Option<Report> = None;
    for cut in 1..=cuts {
        // Every other time what is written stays on the board, and goes out after the next boot.
        if cut.is_multiple_of(2) {
            ward.broker.stop();
        } else if cut > 1 {
            ward.broker.come_back();
        }
        let mut board = Board::boot(&VIRT, &gateway, &disk);
        let first = board.until_report("the agent runs", |_| true);
        let ready = board.up();
        assert_kept(said.as_ref(), &first);
        let enough = first.recorded + 20 + seed.below(150);
        board.until_report("it commits", |report| report.recorded >= enough);
        let last = board.cut();
        println!(
            "cut {cut}: up {ready:?}, {} found, {} said before the cut, {} not delivered",
            first.recorded, last.recorded, last.backlog
        );
        said = Some(last);
    }
    if cuts.is_multiple_of(2) {
        ward.broker.come_back();
    }
    let mut board = Board::boot(&VIRT, &gateway, &disk);
    let last = board.until_report("the agent runs", |_| true);
    assert_kept(said.as_ref(), &last);
    board.until("the monitor has everything", |_| {
        has_all(&ward, &last).then_some(())
    });
    println!(
        "{cuts} cuts: {} records committed, all delivered, once",
        last.recorded
    );
}

/// Panics unless a boot found what was committed before the cut.
#[track_caller]
fn assert_kept(said: Option<&Report>, found: &Report) {
    let Some(said) = said else { return };
    assert_eq!(said.epoch, found.epoch, "it began another store");
    for (before, after) in said.lanes.iter().zip(&found.lanes) {
        // What was acknowledged right before may go out again: the monitor knows it.
        let kept = after.recorded >= before.recorded;
        assert!(kept, "lane {}: {before:?} became {after:?}", before.lane);
    }
}

/// Whether the monitor has every record of a report, each of them once, and none explained away.
fn has_all(ward: &Ward, report: &Report) -> bool {
    let summary = ward.monitor.summary();
    assert_eq!((summary.conflicts, summary.refused), (0, 0), "{summary:#?}");
    report
        .lanes
        .iter()
        .filter(|lane| lane.recorded > 0)
        .all(|lane| {
            let mut held = summary.lanes.iter();
            let held = held.find(|held| held.lane.as_str() == lane.lane);
            held.is_some_and(|held| {
                assert_eq!(held.explained, 0, "{held:?}");
                held.holes.is_empty() && held.records >= lane.recorded
            })
        })
}

/// A ward whose broker may call itself what a guest of QEMU calls this machine.
fn ward() -> Ward {
    let names = ["localhost", "127.0.0.1", "10.0.2.2"];
    Ward::open_for("3.1.1", &names, Broker::start)
}

/// A gateway whose files are for a board under QEMU, where this machine is 10.0.2.2.
fn on_board(ward: &Ward, profile: &str) -> Gateway {
    let gateway = ward.enrol("gw-1", profile);
    gateway.reconfigure(&[("\"localhost\"", "\"10.0.2.2\"")]);
    gateway
}

fn state<'a>(report: &'a Report, device: &str) -> &'a str {
    let found = report.devices.iter().find(|found| found.id == device);
    found.map_or("", |found| found.state.as_str())
}
