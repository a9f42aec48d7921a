//! The image of `make image`: its own boot loader, its slots, and what survives them (docs/image.md).

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use wardlink_tests::folder::Folder;
use wardlink_tests::profile;
use wardlink_tests::program::run_well;
use wardlink_tests::ward::Ward;

use crate::board::Board;
use crate::ward;

#[test]
#[ignore = "boots an image some times: make test-image"]
fn an_update_is_taken_a_broken_one_is_left_again_and_the_store_survives_both() {
    let ward = ward();
    let _serve = ward.fleet.serve(ward.broker.port());
    let disk = ward.folder.join("disk");
    flash(&disk);
    put_claim(&ward, &disk);

    let mut board = Board::boot_from(EDK2, &disk, None, ward.folder.path());
    board.until_it_says("wardlink: slot A");
    let good = board.until_it_says(GOOD);
    println!("image: slot A good {good:?} after power came");
    let first = delivered(&ward, &mut board, 0);

    // The cord is pulled, a medium put in, power comes back.
    drop(board);
    let medium = medium(&ward, "next");
    let mut board = Board::boot_from(EDK2, &disk, Some(&medium), ward.folder.path());
    let installed = board.until_it_says("wardlink-update: installed next.raucb");
    board.until_it_says("wardlink: slot B");
    let good = board.until_it_says("wardlink-slot: next: good");
    println!("image: update installed {installed:?}, slot B good {good:?} after power came");
    let second = delivered(&ward, &mut board, first);

    drop(board);
    let medium = self::medium(&ward, "broken");
    let mut board = Board::boot_from(EDK2, &disk, Some(&medium), ward.folder.path());
    board.until_it_says("wardlink-update: installed broken.raucb");
    board.until_it_says("wardlink-slot: broken: not good");
    board.until_it_says("wardlink-slot: broken: going back");
    let back = board.until("slot B again", |board| {
        let console = board.console();
        let left = console
            .iter()
            .position(|line| line.contains("broken: going back"))?;
        let after = console.get(left..)?;
        let again = after
            .iter()
            .any(|line| line.contains("wardlink-slot: next: good"));
        again.then(|| board.up())
    });
    println!("image: broken slot left, slot B good again {back:?} after power came");
    delivered(&ward, &mut board, second);

    let summary = ward.monitor.summary();
    let epochs = summary.lanes.iter().map(|lane| lane.epoch);
    assert_eq!(
        epochs.collect::<HashSet<_>>().len(),
        1,
        "another store: {summary:#?}"
    );
    assert_eq!(
        (summary.holes, summary.conflicts, summary.refused),
        (0, 0, 0),
        "{summary:#?}"
    );
}

#[test]
#[ignore = "boots an image: make test-image"]
fn the_same_disk_starts_under_u_boot_and_is_good_before_anybody_enrols_it() {
    let folder = Folder::new();
    let disk = folder.join("disk");
    flash(&disk);
    let mut board = Board::boot_from(U_BOOT, &disk, None, folder.path());
    board.until_it_says("U-Boot");
    board.until_it_says("wardlink: slot A");
    let good = board.until_it_says(GOOD);
    println!("image: under U-Boot, slot A good {good:?} after power came");
}

/// Waits until the monitor has more than `before` records, and gives out how many.
#[track_caller]
fn delivered(ward: &Ward, board: &mut Board, before: u64) -> u64 {
    board.until("more is delivered", |_| {
        let has = ward.monitor.summary().delivered;
        (has > before + 20).then_some(has)
    })
}

/// The image on a card that is larger than it.
fn flash(disk: &Path) {
    run_well(
        Command::new("cp")
            .arg("--sparse=always")
            .arg(made("wardlink.img"))
            .arg(disk),
    );
    let card = File::options().write(true).open(disk).expect("a card");
    card.set_len(2 << 30).expect("room for a card");
}

/// Puts a claim on the boot partition, as one does on any computer.
fn put_claim(ward: &Ward, disk: &Path) {
    let profile = ward.folder.join("profile.toml");
    fs::write(&profile, profile::thermometer()).expect("the profile is written");
    let broker = format!("10.0.2.2:{}", ward.broker.port());
    let plain = |path: &Path| path.display().to_string();
    ward.fleet.does(&[
        "claim",
        "new",
        "gw-1",
        "--out",
        &plain(ward.folder.path()),
        "--profile",
        &plain(&profile),
        "--broker",
        &broker,
    ]);
    // the first partition begins at one MiB
    run_well(
        Command::new("mcopy")
            .arg("-i")
            .arg(format!("{}@@1M", disk.display()))
            .arg(ward.folder.join("gw-1.claim"))
            .arg("::/enrolment.claim"),
    );
}

/// A medium with one update.
fn medium(ward: &Ward, name: &str) -> PathBuf {
    let (content, medium) = (
        ward.folder.join(name),
        ward.folder.join(&format!("{name}.medium")),
    );
    fs::create_dir(&content).expect("a folder");
    let bundle = format!("{name}.raucb");
    fs::copy(made(&bundle), content.join(bundle)).expect("a copy");
    run_well(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-L", "WARDLINK", "-d"])
            .arg(&content)
            .arg(&medium)
            .arg("256M"),
    );
    medium
}

fn made(name: &str) -> PathBuf {
    let out = std::env::var_os("WARDLINK_IMAGE");
    PathBuf::from(out.expect("WARDLINK_IMAGE is not set: use make test-image")).join(name)
}

/// What `wardlink-slot` says; `image.sh test` calls the image so.
const GOOD: &str = "wardlink-slot: first: good";
const EDK2: &str = "qemu-efi-aarch64.all/usr/share/qemu-efi-aarch64/QEMU_EFI.fd";
const U_BOOT: &str = "u-boot-qemu.all/usr/lib/u-boot/qemu_arm64/u-boot.bin";
