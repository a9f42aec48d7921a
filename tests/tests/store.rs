//! What was committed is safe: sealed, bound to its gateway and key, and lost only where it is damaged.

#[path = "store/full.rs"]
mod full;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::Path;

use wardlink_agent::status::Report;
use wardlink_tests::client::{Client, topic};
use wardlink_tests::disk::{contains, files_below, flip, fullest_file, holds, inside_an_entry};
use wardlink_tests::gateway::Gateway;
use wardlink_tests::profile;
use wardlink_tests::program::{ours, run};
use wardlink_tests::seed::Seed;
use wardlink_tests::series;
use wardlink_tests::ward::Ward;
use wardlink_wire::lane::Lane;
use wardlink_wire::record::GapCause;
use wardlink_wire::topic::Subject;

#[test]
fn a_tampered_entry_is_reported_as_a_gap_and_the_rest_arrives() {
    let mut seed = Seed::of("a tampered entry");
    let (mut ward, mut gateway, alone) = recorded_alone();
    let (segment, used) = fullest_file(&gateway.join("store"));
    // In the second half there are entries for certain, and no head of a segment.
    let at = inside_an_entry(&segment, used / 2 + seed.below(used / 4));
    println!("{} of {used} bytes: byte {at} is turned", segment.display());
    flip(&segment, at, 1);

    ward.broker.come_back();
    let again = gateway.start();
    assert!(again.recorded >= alone.recorded, "{again:#?}");
    // Stopped at once: the damage shows only while the backlog is delivered, after the last record.
    let last = gateway.stop();
    ward.monitor.assert_has_all_of(&last);
    let gaps = series::gaps(&ward.monitor.archive());
    let [gap] = gaps.as_slice() else {
        panic!("one gap was to be expected: {gaps:#?}")
    };
    assert_eq!(gap.cause, GapCause::StoreDamaged);
    let range = gap.range.expect("the places are known");
    assert_eq!(gap.count, Some(range.count()));
    let summary = ward.monitor.summary();
    assert_eq!(
        summary.lanes.iter().map(|lane| lane.explained).sum::<u64>(),
        range.count()
    );
    assert_eq!(summary.delivered + range.count(), last.recorded);
}

#[test]
fn a_store_that_is_damaged_in_many_places_still_opens_and_explains_every_loss() {
    let mut seed = Seed::of("much damage");
    let (mut ward, mut gateway, alone) = recorded_alone();
    let (segment, used) = fullest_file(&gateway.join("store"));
    for _ in 0..6 {
        flip(
            &segment,
            seed.below(used - 64),
            1 + usize::try_from(seed.below(64)).expect("small"),
        );
    }
    // And the end is cut off in the middle of an entry.
    let file = OpenOptions::new()
        .write(true)
        .open(&segment)
        .expect("a segment");
    file.set_len(used - used / 10).expect("a shorter segment");

    ward.broker.come_back();
    let again = gateway.start();
    assert!(
        again.recorded >= alone.recorded,
        "a place could be given out twice: {again:#?}"
    );
    // All of it is read and judged once the backlog is gone; what was found then is stated.
    gateway.until("the backlog drains", |report| {
        report.backlog < alone.backlog / 4 && report.gaps > 0
    });
    gateway.until_more_is_recorded();
    let last = gateway.stop();
    ward.monitor.assert_has_all_of(&last);
    let gaps = series::gaps(&ward.monitor.archive());
    assert!(!gaps.is_empty());
    assert!(
        gaps.iter().all(|gap| gap.cause == GapCause::StoreDamaged),
        "{gaps:#?}"
    );
}

#[test]
fn nobody_reads_a_measurement_in_the_store_or_on_its_way() {
    let ward = Ward::open();
    // The canaries: words that stand in every batch of these devices.
    let gateway_profile = profile::four_devices(4).replace("\"temperature\"", "\"canary-device\"");
    let mut gateway = ward.enrol("gw-1", &gateway_profile);
    let mut ear = Client::of_party(&ward.fleet.join("monitor"), ward.broker.port());
    let lanes: BTreeMap<_, _> = Lane::ALL
        .map(|lane| (topic(&gateway.id(), Subject::Lane(lane)), 0))
        .into();
    let mut heard = lanes;
    for name in heard.keys() {
        ear.subscribe(name).expect("the lanes of the gateway");
    }
    gateway.start();
    let canaries: [&[u8]; 6] = [
        b"canary-device",
        b"Cel",
        b"oximeter",
        b"spo2",
        b"events",
        b"tmp117 on sim",
    ];
    while heard
        .iter()
        .any(|(name, count)| *count < 5 && !name.ends_with("alarm") && !name.ends_with("event"))
    {
        let (name, payload) = ear.hear();
        for canary in canaries {
            assert!(
                !contains(&payload, canary),
                "{name} carries {:?}",
                String::from_utf8_lossy(canary)
            );
        }
        *heard.get_mut(&name).expect("a lane") += 1;
    }
    gateway.kill();
    let store = gateway.join("store");
    for canary in canaries {
        assert_eq!(
            holds(&store, canary),
            None,
            "{:?}",
            String::from_utf8_lossy(canary)
        );
    }
    // The monitor, who may read it, finds every canary: they would have been seen.
    let archive = ward.folder.join("monitor");
    for canary in canaries {
        assert!(
            holds(&archive, canary).is_some(),
            "{:?} is no canary",
            String::from_utf8_lossy(canary)
        );
    }
    // Nor does any key lie in the store.
    for name in ["store.key", "payload.key"] {
        let key = fs::read(gateway.join(name)).expect("a key");
        assert_eq!(holds(&store, key.trim_ascii()), None, "{name}");
        let bytes = wardlink_link::file::parse_key(&key).expect("a key");
        assert_eq!(holds(&store, &*bytes), None, "{name}");
    }
}

#[test]
fn a_store_is_refused_with_a_wrong_key_or_by_another_gateway_and_loses_nothing() {
    let (mut ward, mut gateway, alone) = recorded_alone();
    let other = ward.enrol("gw-2", &profile::thermometer());
    let before = contents(&gateway);

    let (key, kept) = (gateway.join("store.key"), gateway.join("store.key.kept"));
    fs::rename(&key, &kept).expect("moved");
    fs::copy(other.join("store.key"), &key).expect("copied");
    refuses(
        &gateway,
        &[
            "store key does not fit this store",
            "gw-1/store",
            "move the directory away",
        ],
    );
    fs::rename(&kept, &key).expect("moved back");

    fs::rename(gateway.join("store"), other.join("store")).expect("moved");
    fs::copy(&key, other.join("store.key")).expect("copied");
    refuses(
        &other,
        &["gw-2/store belongs to gateway gw-1, this is gw-2"],
    );
    fs::rename(other.join("store"), gateway.join("store")).expect("moved back");

    fs::write(other.join("store"), "a file").expect("written");
    refuses(&other, &["gw-2/store"]);
    assert_eq!(contents(&gateway), before, "a refusal changed the store");

    ward.broker.come_back();
    let again = gateway.start();
    assert_eq!(again.epoch, alone.epoch);
    assert!(again.recorded >= alone.recorded);
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
}

#[test]
fn a_second_agent_on_the_same_store_is_refused_and_disturbs_nobody() {
    let ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(2));
    gateway.until_more_is_recorded();
    refuses(
        &gateway,
        &[
            "gw-1/store is in use by another process",
            "stop that agent first",
        ],
    );
    gateway.until_more_is_recorded();
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    series::assert_whole(&ward.monitor.archive());
}

#[test]
fn an_older_copy_of_the_store_that_is_put_back_is_told_to_the_monitor_and_explained() {
    let mut ward = Ward::open();
    ward.broker.stop();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(10));
    gateway.until("a backlog is there", |report| report.backlog > 100);
    gateway.kill();
    let (store, copy) = (gateway.join("store"), gateway.join("copy"));
    copy_files(&store, &copy);
    gateway.start();
    gateway.until("more is recorded", |report| report.backlog > 400);
    let further = gateway.report().expect("a report");
    gateway.kill();
    fs::remove_dir_all(&store).expect("removed");
    fs::rename(&copy, &store).expect("put back");

    gateway.start();
    let told = gateway.until_fault("an older copy of the store was put back");
    assert!(
        told.recorded >= further.recorded,
        "places would be given out twice: {told:#?}"
    );
    ward.broker.come_back();
    gateway.until_more_is_recorded();
    let last = gateway.stop();
    ward.monitor.assert_has_all_of(&last);
    let archive = ward.monitor.archive();
    let events = series::events(&archive, "gateway");
    let event = events
        .iter()
        .find(|(_, text)| text.contains("an older copy of the store was put back"));
    assert!(event.is_some(), "{events:#?}");
    let gaps = series::gaps(&archive);
    assert!(!gaps.is_empty());
    assert!(
        gaps.iter()
            .all(|gap| gap.cause == GapCause::StoreDamaged && gap.range.is_some()),
        "{gaps:#?}"
    );
}

#[test]
fn a_store_key_that_was_drawn_takes_the_place_of_the_old_one_at_the_next_start() {
    let (mut ward, mut gateway, alone) = recorded_alone();
    let (key, next) = (gateway.join("store.key"), gateway.join("store.key.next"));
    let old = fs::read(&key).expect("the old key");
    let drawn = wardlink_link::file::key_text(&[0x5c; 32]);
    wardlink_link::file::write_private(&next, drawn.as_bytes()).expect("the next key");
    ward.broker.come_back();
    let again = gateway.start();
    assert!(again.recorded >= alone.recorded, "{again:#?}");
    assert_eq!(fs::read(&key).expect("the new key"), drawn.as_bytes());
    assert!(!next.exists(), "the old key was not replaced");
    let last = gateway.stop();
    ward.monitor.assert_has_all_of_without_gaps(&last);
    fs::write(&key, old).expect("written");
    refuses(&gateway, &["store key does not fit this store"]);
}

/// A ward without broker whose gateway has recorded something and was killed then.
fn recorded_alone() -> (Ward, Gateway, Report) {
    let mut ward = Ward::open();
    ward.broker.stop();
    let mut gateway = ward.gateway("gw-1", &profile::four_devices(10));
    let alone = gateway.until("a backlog is there", |report| report.backlog > 600);
    gateway.kill();
    (ward, gateway, alone)
}

/// The agent does not start, ends with 1, and says why.
#[track_caller]
fn refuses(gateway: &Gateway, words: &[&str]) {
    let said = run(ours("wardlink-agent")
        .arg("run")
        .arg("--config")
        .arg(gateway.config()));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    for word in words {
        assert!(
            said.stderr.contains(word),
            "{word:?} is not said:\n{}",
            said.stderr
        );
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for file in files_below(from) {
        let name = file.file_name().expect("a name");
        fs::copy(&file, to.join(name)).expect("copied");
    }
}

fn contents(gateway: &Gateway) -> BTreeMap<String, Vec<u8>> {
    let files = files_below(&gateway.join("store")).into_iter();
    files
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file")))
        .collect()
}
