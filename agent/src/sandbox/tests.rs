use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::net::{AddressFamily, SocketType};

use super::{Access, Files, Grants, confine};

/// Runs something under the grants on a thread of its own, which alone is confined by Landlock.
fn confined<T: Send>(grants: &Grants, then: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let confined = scope.spawn(|| {
            let found = confine(grants).expect("the kernel applies what it has");
            assert_ne!(found.files, Files::Open, "these tests need Landlock");
            then()
        });
        confined.join().expect("it does not panic")
    })
}

fn refused<T: std::fmt::Debug>(outcome: std::io::Result<T>) {
    let error = outcome.expect_err("it must be refused");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

#[test]
fn a_file_that_is_not_granted_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    for place in [&ours, &theirs] {
        fs::create_dir(place).unwrap();
        fs::write(place.join("file"), "text").unwrap();
    }
    let mut grants = Grants::of_the_machine();
    grants.allow(&ours, Access::Read);
    confined(&grants, || {
        assert_eq!(fs::read(ours.join("file")).unwrap(), b"text");
        refused(File::open(theirs.join("file")));
        refused(fs::read_dir(&theirs));
        refused(File::create(ours.join("another")));
        refused(fs::write(ours.join("file"), "changed"));
    });
}

#[test]
fn a_file_that_is_renamed_into_a_granted_folder_can_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.pem");
    fs::write(&file, "old").unwrap();
    let mut grants = Grants::of_the_machine();
    grants.allow_beside(&file, Access::Write);
    confined(&grants, || {
        let new = folder.path().join("new");
        fs::write(&new, "new").unwrap();
        fs::rename(&new, &file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        fs::remove_file(&file).unwrap();
    });
}

#[test]
fn no_program_is_started_and_no_strange_socket_opened() {
    confined(&Grants::of_the_machine(), || {
        refused(Command::new("/bin/true").status());
        refused(rustix::process::chroot("/").map_err(Into::into));
        let packets = rustix::net::socket(AddressFamily::PACKET, SocketType::RAW, None);
        refused(packets.map_err(Into::into));
        std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    });
}

#[test]
fn a_grant_for_what_is_not_there_is_no_fault() {
    let mut grants = Grants::of_the_machine();
    grants.allow(Path::new("/nowhere/at/all"), Access::Write);
    confined(&grants, || refused(File::open("/root")));
}
