//! A store that is too small for what is measured, by its budget or by its disk: what is missing is told.

use std::path::Path;

use wardlink_tests::disk::SmallDisk;
use wardlink_tests::folder::Folder;
use wardlink_tests::gateway::Gateway;
use wardlink_tests::profile;
use wardlink_tests::recording::{File, Signal, write};
use wardlink_tests::seed::Seed;
use wardlink_tests::series;
use wardlink_tests::ward::Ward;
use wardlink_wire::lane::Lane;
use wardlink_wire::record::GapCause;

#[test]
fn a_store_that_reaches_its_budget_says_so_and_names_every_record_that_makes_room() {
    let ward = Ward::open();
    overfilled(ward, None, |ward, gateway| {
        let full = gateway.until_fault("is full");
        assert!(full.store_bytes <= full.store_budget, "{full:#?}");
        let more = gateway.until("it says so as long as it is so", |report| {
            report.devices.iter().all(|device| device.state == "ended")
        });
        assert!(
            more.faults.iter().any(|fault| fault.contains("is full")),
            "{more:#?}"
        );
        ward.broker.come_back();
    });
}

#[test]
fn a_disk_that_is_full_says_so_and_recording_goes_on_once_there_is_room() {
    let ward = Ward::open();
    let room = Folder::new();
    let Some(disk) = SmallDisk::mount(&room.join("disk"), 14) else {
        eprintln!(
            "DID NOT RUN: a full disk needs a file system of its own, and only root can mount one"
        );
        return;
    };
    overfilled(ward, Some(&room.join("disk/store")), |ward, gateway| {
        gateway.until("waves are recorded", |report| {
            report
                .lanes
                .iter()
                .any(|lane| lane.lane == "wave" && lane.recorded > 20)
        });
        disk.fill_but(0);
        let full = gateway.until_fault("is full");
        let readings = full.devices[0].readings;
        gateway.until("more is measured", |report| {
            report.devices[0].readings > readings + 40
        });
        let fault = full
            .faults
            .iter()
            .find(|fault| fault.contains("is full"))
            .expect("just seen");
        assert!(
            fault.contains("disk/store"),
            "the fault does not name the store: {fault}"
        );
        disk.empty();
        let recovered = gateway.until("recording goes on", |report| {
            report.recorded > full.recorded
                && !report.faults.iter().any(|fault| fault.contains("is full"))
        });
        assert_eq!(recovered.link, "connecting");
        ward.broker.come_back();
    });
    drop(disk);
}

/// Plays recordings into a store that is too small for them while the broker is away, lets `meanwhile`
/// fill it up and bring the broker back, and holds the archive to the recordings: a sample that is not
/// there must be counted by a gap record.
fn overfilled(
    mut ward: Ward,
    store: Option<&Path>,
    meanwhile: impl FnOnce(&mut Ward, &mut Gateway),
) {
    let mut seed = Seed::of("an overfilled store");
    let recordings = Folder::new();
    let signals: Vec<_> = (0..SIGNALS).map(|_| noise(&mut seed)).collect();
    let header = write(
        recordings.path(),
        "noise",
        RATE,
        &[File {
            format: 16,
            offset: 0,
            signals,
        }],
    );
    let mut gateway = ward.enrol("gw-1", &profile::recording(&header, 10));
    let store = store.map_or_else(|| "store".to_owned(), |path| path.display().to_string());
    let place = format!("path = {store:?}\nbudget_mib = 16");
    gateway.reconfigure(&[("path = \"store\"", &place)]);
    ward.broker.stop();
    gateway.start();
    meanwhile(&mut ward, &mut gateway);
    gateway.until("the recordings are played to their end", |report| {
        report.devices.iter().all(|device| device.state == "ended")
    });
    let last = gateway.stop();
    ward.monitor.assert_has_all_of(&last);

    let archive = ward.monitor.archive();
    let held: u64 = series::measurements(&archive, "")
        .iter()
        .map(series::Measurement::held)
        .sum();
    let missing = (SIGNALS * SAMPLES) as u64 - held;
    let counted = |gap: &wardlink_wire::record::Gap| match gap.cause {
        // Never stored, so without places.
        GapCause::StoreFull => {
            assert_eq!(gap.range, None, "{gap:#?}");
            let waves = gap.lane == Lane::Wave;
            if waves {
                gap.count.expect("a number")
            } else {
                0
            }
        }
        // Stored, and evicted for newer ones. The monitor counts those that it has not: what was on its way
        // to it may have arrived.
        GapCause::Retention => {
            let range = gap.range.expect("the places are known");
            assert_eq!(gap.count, Some(range.count()), "{gap:#?}");
            assert_eq!(gap.lane, Lane::Wave, "waves make room first");
            0
        }
        _ => panic!("{gap:#?}"),
    };
    let summary = ward.monitor.summary();
    let explained: u64 = summary.lanes.iter().map(|lane| lane.explained).sum();
    let gaps: u64 = series::gaps(&archive).iter().map(counted).sum::<u64>() + explained;
    println!("{held} samples arrived, {missing} were lost in {gaps} records, as the gaps say");
    assert!(missing > 0, "the store was not overfilled");
    // Each record holds one second of one signal.
    assert_eq!(
        missing,
        gaps * u64::from(RATE),
        "samples are missing that no gap counts"
    );
}

fn noise(seed: &mut Seed) -> Signal {
    let sample = |_| Some(i32::try_from(seed.below(60_000)).expect("small") - 30_000);
    Signal {
        name: "noise",
        calibration: "1/NU 16",
        per_frame: 1,
        samples: (0..SAMPLES).map(sample).collect(),
    }
}

/// 20 MB of noise, for stores of 16 MiB and less.
const SIGNALS: usize = 4;
const RATE: u32 = 25_000;
const SAMPLES: usize = 100 * 25_000;
