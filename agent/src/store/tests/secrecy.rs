//! Nobody without the key reads, nobody else's store opens, no nonce comes twice.

use std::os::unix::fs::PermissionsExt;

use super::super::Cipher;
use super::super::sealing::witness;
use super::*;

#[test]
fn another_key_is_refused_in_words_a_person_can_act_on() {
    let directory = scratch();
    drop(open(directory.path()));
    let other = StoreKey::from_bytes([0x43; 32]);
    let error = Store::open(settings(directory.path()), &gateway(), &other).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("store key does not fit this store: "),
        "{text}"
    );
    assert!(text.contains(directory.path().to_str().unwrap()), "{text}");
    let (store, recovery) = open(directory.path());
    assert!(!recovery.created);
    put(&store, Lane::Vital, 1, b"still works").unwrap();
}

#[test]
fn another_gateways_store_is_refused_with_both_names() {
    let directory = scratch();
    drop(open(directory.path()));
    let other: GatewayId = "gw-2".parse().unwrap();
    let error = Store::open(settings(directory.path()), &other, &key()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("belongs to gateway gw-1, this is gw-2"),
        "{text}"
    );
}

#[test]
fn a_second_opener_is_refused_and_the_first_goes_on() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let error = Store::open(settings(directory.path()), &gateway(), &key()).unwrap_err();
    assert!(
        error.to_string().contains("is in use by another process"),
        "{error}"
    );
    put(&store, Lane::Vital, 1, b"first").unwrap();
    drop(store);
    assert_eq!(drain(&open(directory.path()).0, Lane::Vital).len(), 1);
}

#[test]
fn files_are_for_the_owner_alone() {
    let directory = scratch();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (store, _) = open(directory.path());
    put(&store, Lane::Vital, 1, b"x").unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(directory.path()), 0o700);
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn no_file_of_the_store_holds_a_payload_in_the_clear() {
    for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
        let directory = scratch();
        let settings = Settings {
            cipher,
            ..settings(directory.path())
        };
        let (store, _) = Store::open(settings, &gateway(), &key()).unwrap();
        let canary = b"patient 4711 heart rate 142";
        for lane in Lane::ALL {
            for _ in 0..30 {
                put(&store, lane, 2, &canary.repeat(40)).unwrap();
            }
        }
        assert_eq!(drain(&store, Lane::Wave)[29].bytes, canary.repeat(40));
        drop(store);
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(12).any(|window| window == &canary[..12]);
            assert!(!found, "{}", path.display());
        }
    }
}

#[test]
fn a_store_keeps_its_cipher_whatever_the_settings_say_later() {
    let directory = scratch();
    let with = |cipher| Settings {
        cipher,
        ..settings(directory.path())
    };
    let (store, _) = Store::open(with(Cipher::ChaCha20Poly1305), &gateway(), &key()).unwrap();
    put(&store, Lane::Vital, 1, b"one").unwrap();
    drop(store);
    let (store, _) = Store::open(with(Cipher::Aes256Gcm), &gateway(), &key()).unwrap();
    put(&store, Lane::Vital, 1, b"two").unwrap();
    drop(store);
    let (store, _) = Store::open(with(Cipher::ChaCha20Poly1305), &gateway(), &key()).unwrap();
    assert_eq!(drain(&store, Lane::Vital).len(), 2);
}

/// Every seal of the process is watched: see [`witness`]. This drives it where counters go wrong: many
/// restarts, and an old copy that is opened again and goes on from where it was.
#[test]
fn no_key_and_nonce_come_twice_over_restarts_and_restored_copies() {
    let directory = scratch();
    drop(open(directory.path()));
    let mut copy = snapshot(directory.path());
    let before = witness::seen();
    for round in 0..150 {
        let (store, _) = open(directory.path());
        for _ in 0..4 {
            let range = put(&store, Lane::Vital, 3, &[5; 900]).unwrap();
            store.acknowledge(Lane::Vital, &[range]).unwrap();
        }
        let (restored, _) = open(copy.path());
        for _ in 0..4 {
            put(&restored, Lane::Vital, 3, &[6; 900]).unwrap();
        }
        drop(restored);
        if round % 10 == 0 {
            copy = snapshot(directory.path());
        }
    }
    let after = witness::seen();
    let (pairs, keys) = (after.0 - before.0, after.1 - before.1);
    println!("{pairs} (key, nonce) pairs under {keys} keys, none twice");
    assert!(pairs >= 1500 && keys >= 300, "the witness saw too little");
}

#[test]
fn an_entry_cannot_be_moved_to_another_place_lane_or_segment() {
    let directory = scratch();
    let (store, _) = open(directory.path());
    let epoch = store.epoch();
    put(&store, Lane::Vital, 5, &[1; 500]).unwrap();
    put(&store, Lane::Vital, 5, &[2; 500]).unwrap();
    put(&store, Lane::Alarm, 5, &[3; 500]).unwrap();
    drop(store);
    let seen = super::super::log::inspect::entries(directory.path(), epoch);
    let file = &seen[0].file;
    let original = std::fs::read(file).unwrap();
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let (first, second) = (at(seen[0].offset), at(seen[1].offset));

    // The sealed body of the second under the head of the first, checksums made right.
    let mut forged = original.clone();
    let body = original[second + 36..second + 36 + 516].to_vec();
    forged[first + 36..first + 36 + 516].copy_from_slice(&body);
    let checksum = crc32fast::hash(&body).to_le_bytes();
    forged[first + 24..first + 28].copy_from_slice(&checksum);
    let head = crc32fast::hash(&forged[first..first + 32]).to_le_bytes();
    forged[first + 32..first + 36].copy_from_slice(&head);
    std::fs::write(file, &forged).unwrap();
    let (store, _) = open(directory.path());
    assert_eq!(ranges_of(&drain(&store, Lane::Vital)), [range(5, 9)]);
    assert_eq!(ranges(&store.take_damage()), [(Lane::Vital, range(0, 4))]);
    drop(store);

    // The first entry claims another lane, checksums made right.
    let mut forged = original;
    forged[first + 28] = Lane::Alarm.number();
    let head = crc32fast::hash(&forged[first..first + 32]).to_le_bytes();
    forged[first + 32..first + 36].copy_from_slice(&head);
    std::fs::write(file, &forged).unwrap();
    let (store, _) = open(directory.path());
    let alarms = drain(&store, Lane::Alarm);
    assert!(
        alarms.iter().all(|batch| batch.bytes == [3; 500]),
        "a vital came as an alarm"
    );
    assert_eq!(ranges_of(&drain(&store, Lane::Vital)), [range(5, 9)]);
}

fn ranges_of(batches: &[StoredBatch]) -> Vec<SequenceRange> {
    batches.iter().map(|batch| batch.range).collect()
}
