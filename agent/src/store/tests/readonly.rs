//! A file system that turns read-only under a running store, as ext4 does when its device fails.

use super::namespace::{private, system};
use super::*;

#[test]
fn a_file_system_that_turns_read_only_costs_nothing_that_was_promised() {
    let test = "store::tests::readonly::a_file_system_that_turns_read_only_costs_nothing_that_was_promised";
    let Some(place) = private(test) else {
        return;
    };
    let (image, mount) = (place.join("image"), place.join("mount"));
    std::fs::create_dir(&mount).unwrap();
    let file = std::fs::File::create(&image).unwrap();
    file.set_len(16 << 20).unwrap();
    let (image, mount) = (image.to_str().unwrap(), mount.to_str().unwrap());
    system("mkfs.ext4", &["-q", image]);
    if !std::process::Command::new("mount")
        .args(["-o", "loop", image, mount])
        .status()
        .unwrap()
        .success()
    {
        println!("NOT RUN: there is no loop device here");
        return;
    }
    let directory = Path::new(mount).join("store");
    let (store, _) = open(&directory);
    let mut promised: Vec<_> = (0..40_u8)
        .map(|n| put(&store, Lane::Vital, 3, &[n; 900]).unwrap())
        .collect();

    // What the kernel does on an error of the device: from here on every write is refused.
    system("mount", &["-o", "remount,abort", mount]);
    for _ in 0..3 {
        let error = put(&store, Lane::Vital, 3, b"refused").unwrap_err();
        assert!(matches!(error, StoreError::Medium { .. }), "{error}");
        assert_eq!(ranges_of(&store), promised, "what is there is still read");
    }
    // Noted or not, it holds while the process lives.
    drop(store.acknowledge(Lane::Vital, &promised[..10]));
    assert_eq!(ranges_of(&store), promised[10..]);
    drop(store);
    // A start finds all of it as well, and says what it cannot do.
    let (store, recovery) = open(&directory);
    assert_eq!(recovery.damage, []);
    let found = ranges_of(&store);
    assert!(found == promised || found == promised[10..], "{found:?}");
    let error = put(&store, Lane::Vital, 3, b"refused").unwrap_err();
    assert!(error.to_string().contains(mount), "{error}");
    drop(store);

    system("umount", &[mount]);
    // 1: errors were corrected.
    let checked = std::process::Command::new("e2fsck")
        .args(["-p", "-f", image])
        .status();
    assert!(checked.unwrap().code().is_some_and(|code| code <= 1));
    system("mount", &["-o", "loop", image, mount]);
    let (store, recovery) = open(&directory);
    assert_eq!(recovery.damage, []);
    let found = ranges_of(&store);
    assert!(found == promised || found == promised[10..], "{found:?}");
    promised.push(put(&store, Lane::Vital, 3, b"goes on").unwrap());
    assert_eq!(ranges_of(&store).last(), promised.last());
}

fn ranges_of(store: &Store) -> Vec<SequenceRange> {
    drain(store, Lane::Vital).iter().map(|b| b.range).collect()
}
