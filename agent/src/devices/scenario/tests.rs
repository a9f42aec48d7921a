//! The scenarios of `configs/scenarios`, played to the drivers on a clock moved by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wardlink_firmware_shim::drivers::ble::Characteristic;
use wardlink_firmware_shim::reading::{Absence, Body};
use wardlink_firmware_shim::sim::{self, SimBus, SimClock, World};

use super::*;

#[test]
fn an_electrode_that_comes_off_makes_its_lead_absent_for_as_long_and_no_other() {
    let stage = Stage::new("lead-off", Kind::Ads1292r);
    let readings = stage.play(sim::ads1292r(&stage.world, 250), 50, 20);
    let absences = |stream| absences(&readings, stream);
    let off = |first, count| (Absence::LeadOff, Some(first), count);
    // From the sample on that is converted at the time, which is the one after it began.
    assert_eq!(joined(&absences(0)), [off(2500, 1250), off(7500, 2500)]);
    assert_eq!(joined(&absences(1)), [off(7500, 2500)]);
}

#[test]
fn an_overflow_is_as_long_as_the_chip_says_and_the_place_of_every_sample_is_kept() {
    let stage = Stage::new("fifo-overflow", Kind::Max30102);
    let readings = stage.play(sim::max30102(&stage.world, 100), 30, 100);
    let overruns = absences(&readings, 0);
    let [short, long, unknown] = &overruns[..] else {
        panic!("{overruns:?}")
    };
    // Half a second at 100 a second, and what is due by the next poll, less the 32 that the FIFO holds.
    assert_eq!(short.0, Absence::Overrun);
    assert!((18..=38).contains(&short.2), "{short:?}");
    assert_eq!((long.2, unknown.2), (31, 0));
    // Where the second one begins nothing has been lost uncounted yet.
    let before = long.1.unwrap();
    let given = values(&readings, 0).len() as u64;
    assert!((2000..2100).contains(&before), "{before}");
    assert!(
        given + short.2 + 31 < 3000 && given + short.2 > 2700,
        "{given}"
    );
}

#[test]
fn conversions_that_nobody_fetched_are_counted_by_their_edges() {
    let stage = Stage::new("fifo-overflow", Kind::Ads1292r);
    let readings = stage.play(sim::ads1292r(&stage.world, 250), 30, 20);
    let overruns = joined(&absences(&readings, 0));
    let lost: u64 = overruns.iter().map(|one| one.2).sum();
    assert_eq!(values(&readings, 0).len() as u64 + lost, 30 * 250);
    assert!(overruns.iter().all(|one| one.0 == Absence::Overrun));
    assert_eq!(overruns.len(), 2);
}

#[test]
fn a_flipped_bit_is_an_absence_and_never_a_temperature() {
    let stage = Stage::new("bad-bus", Kind::Tmp117);
    let mut device = sim::mlx90614(&stage.world, 0x5a, Duration::from_millis(100));
    let mut readings = Vec::new();
    let mut faults = Vec::new();
    let mut running = false;
    for _ in 0..600 {
        stage.advance(Duration::from_millis(100));
        let outcome = if running {
            device.poll(&mut readings)
        } else {
            device.start()
        };
        running = outcome.is_ok();
        faults.extend(outcome.err().map(|fault| (stage.second(), fault.kind)));
    }
    for celsius in numbers(&readings, 0) {
        assert!((36.4..36.8).contains(&celsius), "{celsius}");
    }
    let of_kind = |wanted| {
        let seconds = faults.iter().filter(|(_, kind)| *kind == wanted);
        seconds.map(|(second, _)| *second).collect::<Vec<_>>()
    };
    let silent = of_kind(FaultKind::NoResponse);
    assert!(silent.contains(&20) && silent.contains(&40), "{faults:?}");
    assert!(
        of_kind(FaultKind::Bus)
            .iter()
            .all(|at| (30..32).contains(at))
    );
    assert!(of_kind(FaultKind::Bus).contains(&30), "{faults:?}");
    let garbled = absences(&readings, 0);
    assert!(garbled.iter().any(|one| one.0 == Absence::Garbled));
    assert!(running, "it measures again at the end");
}

#[test]
fn a_bus_that_one_chip_holds_down_is_down_for_its_neighbour() {
    let stage = Stage::new("bad-bus", Kind::Tmp117);
    let bus = SimBus::default();
    let holding = World {
        bus: bus.clone(),
        ..stage.world.clone()
    };
    let healthy = World {
        bus,
        scenario: Arc::default(),
        ..stage.world.clone()
    };
    let _holding = sim::tmp117(&holding, 0x48, Duration::from_secs(1));
    let mut neighbour = sim::tmp117(&healthy, 0x49, Duration::from_secs(1));
    let mut alone = sim::tmp117(
        &World {
            bus: SimBus::default(),
            ..healthy.clone()
        },
        0x49,
        Duration::from_secs(1),
    );
    stage.advance(Duration::from_secs(31));
    assert_eq!(neighbour.start().unwrap_err().kind, FaultKind::Bus);
    alone.start().unwrap();
    stage.advance(Duration::from_secs(2));
    neighbour.start().unwrap();
}

#[test]
fn an_oximeter_on_a_rough_line_gives_true_values_or_none() {
    let stage = Stage::new("rough-line", Kind::Nonin);
    let mut device = sim::nonin(&stage.world, 2);
    device.start().unwrap();
    let mut readings = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    stage.advance(Duration::from_secs(20));
    let is_done = |readings: &[Reading]| {
        let off = absences(readings, 0)
            .iter()
            .any(|one| one.0 == Absence::SensorOff);
        off && numbers(readings, 0).len() >= 24
    };
    while !is_done(&readings) {
        assert!(Instant::now() < deadline, "too little: {readings:?}");
        device.poll(&mut readings).unwrap();
    }
    assert!(
        numbers(&readings, 0)
            .iter()
            .all(|spo2| (spo2 - 97.0).abs() < 1e-9)
    );
    assert!(
        numbers(&readings, 1)
            .iter()
            .all(|rate| (rate - 72.0).abs() < 1e-9)
    );
}

#[test]
fn a_monitor_on_the_network_is_off_and_gone_for_exactly_as_long_and_loses_nothing_else() {
    let stage = Stage::new("monitor", Kind::Hl7);
    let mut device = sim::hl7(&stage.world);
    device.start().unwrap();
    let mut readings = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    // Four values a second, but for the five seconds in which it is switched off.
    while readings.len() < 4 * 45 {
        assert!(Instant::now() < deadline, "too little: {readings:?}");
        stage.advance(Duration::from_millis(100));
        device.poll(&mut readings).unwrap();
    }
    readings.truncate(4 * 45);
    let streams = device.streams();
    let spo2 = streams.iter().position(|stream| stream.name == "spo2");
    let of_spo2 = readings.iter().filter(|one| Some(one.stream) == spo2);
    let told: Vec<(u32, bool)> = of_spo2
        .map(|reading| {
            let second = reading.device_time.as_deref().unwrap()[12..14].parse();
            (second.unwrap(), matches!(reading.body, Body::Absent { .. }))
        })
        .collect();
    let seconds = (0..30).chain(35..50);
    let expected: Vec<_> = seconds.map(|one| (one, (10..15).contains(&one))).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_device_on_bluetooth_that_goes_out_of_reach_is_one_loss_and_comes_back() {
    let stage = Stage::new("radio", Kind::Bluetooth);
    let mut device = sim::bluetooth(&stage.world, Characteristic::PlxContinuous);
    device.start().unwrap();
    let (mut readings, mut lost, mut running) = (Vec::new(), 0, true);
    for _ in 0..300 {
        stage.advance(Duration::from_millis(100));
        if running {
            running = device.poll(&mut readings).is_ok();
            lost += u32::from(!running);
        } else {
            running = device.start().is_ok();
        }
    }
    assert!(running && lost == 1, "{lost}");
    // The tenth value is due when the link breaks; fifteen come after it is connected again.
    let off = absences(&readings, 0);
    assert_eq!(off.len() + numbers(&readings, 0).len(), 9 + 15);
    assert_eq!(off.len(), 5);
    assert!(off.iter().all(|one| one.0 == Absence::SensorOff), "{off:?}");
}

#[test]
fn an_arrhythmia_shows_in_the_intervals_of_the_ecg() {
    let stage = Stage::new("arrhythmia", Kind::Ads1292r);
    let readings = stage.play(sim::ads1292r(&stage.world, 250), 210, 1000);
    let potential = values(&readings, 1);
    let step = 2420.0 / 6.0 / f64::from((1 << 23) - 1);
    let mut beats = Vec::new();
    for (place, pair) in potential.windows(2).enumerate() {
        let [before, after] = [pair[0], pair[1]].map(|raw| f64::from(raw) * step);
        let seconds = place as f64 / 250.0;
        if before < 0.6 && after >= 0.6 && beats.last().is_none_or(|last| seconds - last > 0.2) {
            beats.push(seconds);
        }
    }
    let intervals = |from: f64, to: f64| {
        let within = beats
            .windows(2)
            .filter(move |pair| from <= pair[0] && pair[1] < to);
        within.map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    };
    let nominal = 60.0 / 72.0;
    let furthest = |intervals: Vec<f64>| {
        let far = intervals.into_iter().map(|one| (one - nominal).abs());
        far.fold(0.0, f64::max)
    };
    assert!(furthest(intervals(1.0, 59.0)) < 0.12 * nominal);
    assert!(furthest(intervals(60.0, 120.0)) > 0.25 * nominal);
    assert!(furthest(intervals(120.0, 180.0)) > 0.25 * nominal);
    let longest = intervals(180.0, 210.0).into_iter().fold(0.0, f64::max);
    assert!(longest > 4.0, "{longest}");
}

#[test]
fn a_clock_that_runs_fast_gives_more_samples_in_the_same_time() {
    let stage = Stage::new("clock-drift", Kind::Ads1292r);
    let readings = stage.play(sim::ads1292r(&stage.world, 250), 60, 100);
    assert_eq!(values(&readings, 0).len(), 60 * 250 + 75);
}

#[test]
fn a_scenario_with_faults_is_a_device_that_says_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    std::fs::write(
        &path,
        "schema = 1\n[[fault]]\nkind = \"stuck\"\nfor = \"1s\"\n",
    )
    .unwrap();
    let fault = read(&path, Kind::Tmp117, false).unwrap_err();
    assert!(fault.detail.contains("bad.toml"), "{fault}");
    for says in ["fault[0].kind", "fault[0].at"] {
        assert!(fault.detail.contains(says), "{fault}");
    }
    let fault = read(&folder.path().join("none.toml"), Kind::Tmp117, false).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unopened);
}

/// A world with one of the scenarios, and its clock.
struct Stage {
    nanos: Arc<AtomicU64>,
    world: World,
}

impl Stage {
    fn new(scenario: &str, kind: Kind) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../configs/scenarios");
        let nanos = Arc::new(AtomicU64::new(0));
        let source = Arc::clone(&nanos);
        let now = move || Duration::from_nanos(source.load(Ordering::SeqCst));
        let mut world = World::new(SimClock::new(now, 1.0), 42);
        let file = folder.join(scenario).with_extension("toml");
        world.scenario = Arc::new(read(&file, kind, false).unwrap());
        Self { nanos, world }
    }

    fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap();
        self.nanos.fetch_add(by, Ordering::SeqCst);
    }

    fn second(&self) -> u64 {
        self.world.clock.now().as_secs()
    }

    /// Polls a healthy device every so many milliseconds of so many seconds.
    fn play(&self, mut device: Box<dyn Device>, seconds: u64, step_ms: u64) -> Vec<Reading> {
        device.start().unwrap();
        let mut readings = Vec::new();
        for _ in 0..seconds * 1000 / step_ms {
            self.advance(Duration::from_millis(step_ms));
            device.poll(&mut readings).unwrap();
        }
        device.flush(&mut readings);
        readings
    }
}

fn values(readings: &[Reading], stream: usize) -> Vec<i32> {
    let of_stream = readings.iter().filter(|reading| reading.stream == stream);
    of_stream
        .flat_map(|reading| match &reading.body {
            Body::Samples { values, .. } => values.clone(),
            _ => Vec::new(),
        })
        .collect()
}

fn numbers(readings: &[Reading], stream: usize) -> Vec<f64> {
    let of_stream = readings.iter().filter(|reading| reading.stream == stream);
    of_stream
        .filter_map(|reading| match reading.body {
            Body::Numeric { value, .. } => {
                Some(value.mantissa as f64 * 10_f64.powi(value.exponent.into()))
            }
            _ => None,
        })
        .collect()
}

type Stated = (Absence, Option<u64>, u64);

fn absences(readings: &[Reading], stream: usize) -> Vec<Stated> {
    let of_stream = readings.iter().filter(|reading| reading.stream == stream);
    of_stream
        .filter_map(|reading| match reading.body {
            Body::Absent {
                reason,
                first,
                count,
                ..
            } => Some((reason, first, count)),
            _ => None,
        })
        .collect()
}

/// Absences that follow one another without a sample between them, as one.
fn joined(absences: &[Stated]) -> Vec<Stated> {
    let mut joined: Vec<Stated> = Vec::new();
    for one in absences {
        match joined.last_mut() {
            Some(last) if last.1.map(|first| first + last.2) == one.1 => last.2 += one.2,
            _ => joined.push(*one),
        }
    }
    joined
}
