//! A panic while the picture is drawn, on a terminal of its own: this test starts itself again on one.

use std::env;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use wardlink_firmware_shim::device::Fault;
use wardlink_firmware_shim::reading::StreamSpec;

use super::*;

#[test]
fn a_panic_leaves_the_terminal_as_it_was_and_its_words_on_it() {
    if env::var_os(ON_THE_TERMINAL).is_some() {
        let error = show(Box::new(Panics(0)), "a driver".to_owned()).unwrap_err();
        println!("then: {error}");
        return;
    }
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = rustix::fs::open(&*name, flags, Mode::empty()).unwrap();
    let size = Winsize {
        ws_row: 40,
        ws_col: 120,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&theirs, size).unwrap();
    let before = tcgetattr(&theirs).unwrap();
    let end = || Stdio::from(theirs.as_fd().try_clone_to_owned().unwrap());
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", THIS, "--nocapture"]);
    child.env(ON_THE_TERMINAL, "1");
    let mut child = child
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .unwrap();
    let (piece, pieces) = channel();
    let mut reads = File::from(ours.try_clone().unwrap());
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reads.read(&mut buffer) {
            if piece.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut shown = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    // The last words come after the screen was given back.
    while !String::from_utf8_lossy(&shown).contains("then: the driver panicked") {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it goes on: {}", String::from_utf8_lossy(&shown));
        }
        if let Ok(piece) = pieces.recv_timeout(FRAME) {
            shown.extend(piece);
        }
    }
    let status = child.wait().unwrap();
    let shown = String::from_utf8_lossy(&shown);
    assert!(status.success(), "{status}: {shown}");
    let taken = shown.find("\u{1b}[?1049h").expect("the picture was there");
    let given_back = shown.rfind("\u{1b}[?1049l").expect("it was taken away");
    let words = shown
        .rfind("the chip is on fire")
        .expect("the panic is said");
    assert!(
        taken < given_back && shown[taken..].contains("a driver"),
        "{shown}"
    );
    // Said on the screen that stays, with the cursor to be seen.
    let first_back = shown.find("\u{1b}[?1049l").unwrap();
    assert!(first_back < words, "{shown}");
    assert!(
        shown.rfind("\u{1b}[?25h") > shown.rfind("\u{1b}[?25l"),
        "{shown}"
    );
    let after = tcgetattr(&theirs).unwrap();
    assert_eq!(before.local_modes, after.local_modes);
    assert_eq!(before.input_modes, after.input_modes);
    assert_eq!(before.output_modes, after.output_modes);
}

/// A device whose driver panics after some polls.
struct Panics(u32);

impl Device for Panics {
    fn streams(&self) -> &[StreamSpec] {
        &[]
    }

    fn period(&self) -> Duration {
        FRAME
    }

    fn start(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn poll(&mut self, _readings: &mut Vec<Reading>) -> Result<(), Fault> {
        self.0 += 1;
        assert!(self.0 < 5, "the chip is on fire");
        Ok(())
    }

    fn flush(&mut self, _readings: &mut Vec<Reading>) {}
}

const THIS: &str =
    "commands::devices::watch::tests::a_panic_leaves_the_terminal_as_it_was_and_its_words_on_it";
const ON_THE_TERMINAL: &str = "WARDLINK_TEST_ON_THE_TERMINAL";
