//! A real serial line: the agent reads an oximeter through the same path as `/dev/ttyUSB0`.

use wardlink_tests::oximeter::{NO_HEART_RATE, NO_SPO2, Oximeter, packet, packet_without_sensor};
use wardlink_tests::profile;
use wardlink_tests::series;
use wardlink_tests::ward::Ward;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::record::{Absence, EventKind};

#[test]
fn values_and_absences_of_an_oximeter_arrive_in_their_order() {
    let ward = Ward::open();
    let line = ward.folder.join("oximeter");
    let oximeter = Oximeter::plugged_in(&line);
    let mut gateway = ward.gateway("gw-1", &profile::oximeter(&line));
    gateway.until("the oximeter is heard", |report| {
        report.devices[0].readings > 0
    });

    let said: Vec<(u8, u16)> = (0..30)
        .map(|beat| (70 + beat, 40 + 9 * u16::from(beat)))
        .collect();
    for (spo2, rate) in &said {
        oximeter.send(packet(*spo2, *rate, 100 + *spo2));
    }
    for _ in 0..3 {
        oximeter.send(packet_without_sensor());
    }
    oximeter.send(packet(99, NO_HEART_RATE, 1));
    wait_for_values(&ward, "spo2", said.len() + 1);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);

    let archive = ward.monitor.archive();
    let spo2: Vec<_> = said
        .iter()
        .map(|(spo2, _)| i64::from(*spo2))
        .chain([99])
        .collect();
    let rates: Vec<_> = said.iter().map(|(_, rate)| i64::from(*rate)).collect();
    let heard = series::numbers(&archive, "oximeter", "spo2");
    assert_eq!(values(&heard), spo2);
    assert_eq!(
        values(&series::numbers(&archive, "oximeter", "pulse-rate")),
        rates
    );
    assert_eq!(
        heard
            .iter()
            .filter(|value| **value == Err(Absence::SensorOff))
            .count(),
        3
    );
    let idle = [Absence::NotAvailable, Absence::SensorOff].map(Err);
    assert!(
        heard
            .iter()
            .all(|value| value.is_ok() || idle.contains(value)),
        "{heard:?}"
    );
    assert_ne!(Decimal::new(i64::from(NO_SPO2), 0), Decimal::new(99, 0));

    // The wave: a measurement from a real line is marked as none of a simulation, and whole.
    let wave = series::measurements(&archive, "oximeter").remove(0);
    assert!(!wave.simulated);
    let samples = wave.samples();
    let beat = |pleth: i32| {
        samples
            .iter()
            .filter(|sample| **sample == Ok(pleth))
            .count()
    };
    assert!((170..200).all(|pleth| beat(pleth) == 25), "{samples:?}");
}

#[test]
fn garbage_on_the_line_is_skipped_and_no_value_is_made_of_it() {
    let ward = Ward::open();
    let line = ward.folder.join("oximeter");
    let oximeter = Oximeter::plugged_in(&line);
    let mut gateway = ward.gateway("gw-1", &profile::oximeter(&line));
    gateway.until("the oximeter is heard", |report| {
        report.devices[0].readings > 0
    });
    for round in 0..10_u8 {
        oximeter.send(packet(80 + round, 60, 50));
        let garbage = (0..round * 7).map(|byte| byte.wrapping_mul(97).wrapping_add(round));
        oximeter.send(garbage.collect());
        let mut torn = packet(10, 10, 10);
        torn.truncate(usize::from(round) * 12 + 3);
        oximeter.send(torn);
    }
    oximeter.send(packet(55, 55, 55));
    ward.monitor
        .until("the value after the garbage arrives", |_| {
            let heard = series::numbers(&ward.monitor.archive(), "oximeter", "spo2");
            values(&heard).contains(&55)
        });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    let archive = ward.monitor.archive();
    let heard = values(&series::numbers(&archive, "oximeter", "spo2"));
    // 10 is what the torn packets say in the frames that did come through.
    let said = |value: &i64| (80..90).contains(value) || [10, 55].contains(value);
    let (good, made_up): (Vec<i64>, Vec<i64>) = heard.iter().copied().partition(said);
    assert_eq!(
        made_up,
        Vec::<i64>::new(),
        "values that no packet said: {heard:?}"
    );
    assert!(good.len() > 1, "garbage silenced the oximeter: {heard:?}");
    series::assert_whole(&archive);
}

#[test]
fn an_oximeter_that_is_unplugged_is_lost_and_goes_on_when_it_is_back() {
    let ward = Ward::open();
    let line = ward.folder.join("oximeter");
    let oximeter = Oximeter::plugged_in(&line);
    let mut gateway = ward.gateway("gw-1", &profile::oximeter(&line));
    gateway.until("the oximeter is heard", |report| {
        report.devices[0].readings > 0
    });
    oximeter.send(packet(91, 61, 1));
    wait_for_values(&ward, "spo2", 1);

    drop(oximeter);
    let lost = gateway.until("the oximeter is lost", |report| {
        report.devices[0].state == "lost"
    });
    let fault = lost.devices[0].fault.clone().unwrap_or_default();
    assert!(
        fault.contains("oximeter") && fault.contains("plugged in"),
        "{fault:?}"
    );

    let oximeter = Oximeter::plugged_in(&line);
    gateway.until("the oximeter is back", |report| {
        report.devices[0].state == "reading"
    });
    oximeter.send(packet(92, 62, 2));
    wait_for_values(&ward, "spo2", 2);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);

    let archive = ward.monitor.archive();
    let heard = series::numbers(&archive, "oximeter", "spo2");
    assert_eq!(values(&heard), [91, 92]);
    assert!(
        heard.contains(&Err(Absence::BusError)),
        "no absence says that the line was gone: {heard:?}"
    );
    let kinds: Vec<_> = series::events(&archive, "oximeter")
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(
        kinds,
        [
            EventKind::DeviceStarted,
            EventKind::DeviceLost,
            EventKind::DeviceBack
        ]
    );
    series::assert_whole(&archive);
}

#[track_caller]
fn wait_for_values(ward: &Ward, stream: &str, count: usize) {
    ward.monitor
        .until(&format!("{count} values of {stream} arrive"), |_| {
            values(&series::numbers(
                &ward.monitor.archive(),
                "oximeter",
                stream,
            ))
            .len()
                >= count
        });
}

fn values(numbers: &[Result<Decimal, Absence>]) -> Vec<i64> {
    numbers
        .iter()
        .flatten()
        .map(|value| value.mantissa())
        .collect()
}
