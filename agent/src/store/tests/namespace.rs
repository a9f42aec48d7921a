//! File systems of a test's own, in a mount namespace of its own: they go with its process, whatever happens.

use std::path::PathBuf;
use std::process::Command;

const PLACE: &str = "WARDLINK_STORE_TEST_PLACE";

/// Where to mount; none in the process that only starts the real one. `test` is the test's full name.
///
/// A test that may not make a namespace says so and is not run.
pub(super) fn private(test: &str) -> Option<PathBuf> {
    if let Some(place) = std::env::var_os(PLACE) {
        return Some(place.into());
    }
    let unshare = ["--mount", "--propagation", "private"];
    let allowed = Command::new("unshare").args(unshare).arg("true").output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        println!("NOT RUN: a file system of its own takes root, and `unshare`");
        return None;
    }
    let place = tempfile::tempdir().unwrap();
    let ran = Command::new("unshare")
        .args(unshare)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PLACE, place.path())
        .status();
    assert!(ran.unwrap().success(), "{test} failed in its namespace");
    None
}

/// Runs a program of the system.
pub(super) fn system(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
