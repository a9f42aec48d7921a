//! After a rotation of the store key, what was delivered before it opens with no key that is left.

use std::sync::{Arc, Mutex};

use super::super::directory::Directory;
use super::super::log::inspect::openable;
use super::super::{KeyError, KeyFile, KeyProvider, Keys, Rotation};
use super::faulty::{Faulty, Mishap};
use super::*;

fn provider(folder: &Path) -> KeyFile {
    let path = folder.join("store.key");
    let text = wardlink_link::file::key_text(&[7; 32]);
    wardlink_link::file::write_private(&path, text.as_bytes()).unwrap();
    KeyFile::at(path)
}

fn open_with(directory: &Path, provider: &dyn KeyProvider) -> (Store, Recovery) {
    Store::open(settings(directory), &gateway(), provider).unwrap()
}

/// A store of 60 batches in many segments, of which all but the last 20 are acknowledged.
fn delivered_store(directory: &Path, provider: &dyn KeyProvider) -> Vec<StoredBatch> {
    let (store, _) = open_with(directory, provider);
    let mut appended = Vec::new();
    for number in 0..60_u8 {
        appended.push(put(&store, Lane::Vital, 2, &[number; 1500]).unwrap());
    }
    store.acknowledge(Lane::Vital, &appended[..40]).unwrap();
    drain(&store, Lane::Vital)
}

#[test]
fn no_current_key_opens_an_old_copy_or_what_was_delivered_before_the_rotation() {
    let (directory, folder) = (scratch(), scratch());
    let provider = provider(folder.path());
    let old_key = provider.keys().unwrap().current;
    let live = delivered_store(directory.path(), &provider);
    let old_copy = snapshot(directory.path());
    let of_old = |keys: &Keys| openable(old_copy.path(), &gateway(), keys);
    assert!(
        of_old(&provider.keys().unwrap()).len() >= 20,
        "the test sees what opens"
    );

    provider.draw_next().unwrap();
    let (store, recovery) = open_with(directory.path(), &provider);
    assert_eq!(
        (recovery.rotation, recovery.damage),
        (Rotation::Finished, vec![])
    );
    assert_eq!(drain(&store, Lane::Vital), live);
    drop(store);

    // Neither the old copy, nor any file that is still in the directory, gives anything retired.
    let keys = provider.keys().unwrap();
    assert!(keys.next.is_none());
    assert_eq!(of_old(&keys), []);
    let error = Store::open(settings(old_copy.path()), &gateway(), &provider).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    let first_live = live[0].range.first();
    let opens = openable(directory.path(), &gateway(), &keys);
    // A segment goes as a whole: one that still holds something live keeps what else is in it.
    let retired = opens.iter().filter(|(_, range)| range.last() < first_live);
    assert!(retired.count() < 6, "{opens:?}");
    assert!(opens.len() >= live.len());

    // The old key opens nothing here any more, and lies in no file beside the new one.
    let old_keys = old_key.keys().unwrap();
    assert_eq!(openable(directory.path(), &gateway(), &old_keys), []);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["store.key"]);
    let (store, recovery) = open_with(directory.path(), &provider);
    assert_eq!(recovery.rotation, Rotation::None);
    assert_eq!(drain(&store, Lane::Vital), live);
}

#[test]
fn what_was_delivered_as_a_whole_is_gone_with_its_key() {
    let (directory, folder) = (scratch(), scratch());
    let provider = provider(folder.path());
    delivered_store(directory.path(), &provider);
    let (store, _) = open_with(directory.path(), &provider);
    store.acknowledge(Lane::Vital, &[range(0, 119)]).unwrap();
    drop(store);
    provider.draw_next().unwrap();
    drop(open_with(directory.path(), &provider));
    let keys = provider.keys().unwrap();
    assert_eq!(openable(directory.path(), &gateway(), &keys), []);
}

#[test]
fn a_rotation_survives_a_power_cut_at_every_step() {
    let mut finished = false;
    for step in 0.. {
        let medium = Faulty::new(step);
        let directory = || Directory::on(Path::new("medium"), Arc::new(medium.clone()));
        let provider = Turning::default();
        let open = || {
            let settings = settings(Path::new("medium"));
            Store::open_in(directory(), settings, &gateway(), &provider)
        };
        let (store, _) = open().unwrap();
        for number in 0..30_u8 {
            put(&store, Lane::Vital, 2, &[number; 1500]).unwrap();
        }
        store.acknowledge(Lane::Vital, &[range(0, 19)]).unwrap();
        let live = drain(&store, Lane::Vital);
        drop(store);

        provider.draw_next().unwrap();
        medium.plan(step, Mishap::PowerCut);
        let opened = open();
        if medium.is_powered() {
            assert_eq!(opened.unwrap().1.rotation, Rotation::Finished);
            finished = step > 20;
        } else {
            drop(opened);
        }
        medium.restart();
        let (store, recovery) = open().unwrap();
        assert_eq!(recovery.damage, [], "step {step}");
        let found = drain(&store, Lane::Vital);
        // The note of the acknowledgement was not synced: it may be forgotten, and nothing else.
        assert!(found.ends_with(&live), "step {step}");
        let keys = provider.keys().unwrap();
        assert!(
            keys.next.is_none(),
            "step {step}: the rotation was finished by the next start"
        );
        if finished {
            break;
        }
    }
    assert!(finished);
}

#[test]
fn a_rotation_that_the_provider_cannot_end_leaves_a_store_that_works() {
    let directory = scratch();
    let keys = |next: Option<[u8; 32]>| {
        Fixed(Keys {
            current: key(),
            next: next.map(StoreKey::from_bytes),
        })
    };
    let (store, _) = open_with(directory.path(), &keys(None));
    put(&store, Lane::Vital, 2, b"old key").unwrap();
    drop(store);
    for _ in 0..2 {
        let (store, recovery) = open_with(directory.path(), &keys(Some([9; 32])));
        assert!(
            matches!(recovery.rotation, Rotation::Unfinished(_)),
            "{recovery:?}"
        );
        put(&store, Lane::Vital, 2, b"new key").unwrap();
    }
    // Handed the new key alone, as `LoadCredential=` would after the change.
    let (store, recovery) = open_with(directory.path(), &StoreKey::from_bytes([9; 32]));
    assert_eq!(
        (recovery.rotation, recovery.damage),
        (Rotation::None, vec![])
    );
    assert_eq!(drain(&store, Lane::Vital).len(), 3);
    let error = Store::open(settings(directory.path()), &gateway(), &key()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(store);
    let error = Store::open(settings(directory.path()), &gateway(), &key()).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
}

#[test]
fn no_provider_shows_its_key() {
    let folder = scratch();
    let provider = provider(folder.path());
    provider.draw_next().unwrap();
    let keys = provider.keys().unwrap();
    let shown = format!("{provider:?} {keys:?}");
    let digits = std::fs::read_to_string(folder.path().join("store.key.next")).unwrap();
    assert!(
        !shown.contains(digits.trim()) && !shown.contains("0707"),
        "{shown}"
    );
    assert!(shown.contains("StoreKey(***)"), "{shown}");
}

/// Keeps its keys in memory.
#[derive(Debug)]
struct Turning(Mutex<Keys>);

impl Default for Turning {
    fn default() -> Self {
        Self(Mutex::new(Keys {
            current: key(),
            next: None,
        }))
    }
}

impl KeyProvider for Turning {
    fn keys(&self) -> Result<Keys, KeyError> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn draw_next(&self) -> Result<(), KeyError> {
        self.0.lock().unwrap().next = Some(StoreKey::from_bytes([0x24; 32]));
        Ok(())
    }

    fn destroy_current(&self) -> Result<(), KeyError> {
        let mut keys = self.0.lock().unwrap();
        keys.current = keys.next.take().unwrap();
        Ok(())
    }
}

/// Has what it has, like a credential.
#[derive(Debug)]
struct Fixed(Keys);

impl KeyProvider for Fixed {
    fn keys(&self) -> Result<Keys, KeyError> {
        Ok(self.0.clone())
    }

    fn draw_next(&self) -> Result<(), KeyError> {
        Err(KeyError::Fixed)
    }

    fn destroy_current(&self) -> Result<(), KeyError> {
        Err(KeyError::Fixed)
    }
}
