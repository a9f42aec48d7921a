//! `wardlink watch`, as an operator sees it: on a terminal of its own, and given back at the end.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use wardlink_tests::profile;
use wardlink_tests::program::ours;
use wardlink_tests::wait;
use wardlink_tests::ward::Ward;

#[test]
fn the_fleet_is_watched_until_q_is_pressed_and_the_terminal_is_given_back() {
    let mut ward = Ward::open();
    let mut gateway = ward.gateway("gw-1", &profile::thermometer());
    let _never_came = ward.enrol("gw-2", &profile::thermometer());
    let mut watch = Watched::begin(&ward);
    watch.until("online");
    watch.until("gw-2");
    watch.until("2 gateways");
    gateway.stop();
    watch.until("offline");
    ward.broker.stop();
    watch.until("no news");
    rustix::io::write(&watch.ours, b"q").expect("a key is pressed");
    let status = wait::until("it ends", || watch.child.try_wait().expect("a child"));
    assert!(status.success(), "{status}");
    watch.until("\u{1b}[?1049l");
    let (before, after) = (&watch.before, tcgetattr(&watch.theirs).expect("modes"));
    assert_eq!(before.local_modes, after.local_modes);
    assert_eq!(before.input_modes, after.input_modes);
    assert_eq!(before.output_modes, after.output_modes);
}

#[test]
fn without_a_terminal_it_says_what_to_use_in_its_place() {
    let ward = Ward::open();
    let said = ward.fleet.run(&["watch"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.stderr.contains("no terminal") && said.stderr.contains("gateways list"),
        "{said:?}"
    );
}

/// The program on a terminal of its own.
struct Watched {
    child: Child,
    ours: OwnedFd,
    theirs: OwnedFd,
    before: Termios,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Watched {
    fn begin(ward: &Ward) -> Self {
        let ours_end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo terminal");
        grantpt(&ours_end).expect("it is ours");
        unlockpt(&ours_end).expect("it opens");
        let name = ptsname(&ours_end, Vec::new()).expect("it has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(&*name, flags, Mode::empty()).expect("its other end");
        let size = Winsize {
            ws_row: 24,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size).expect("it has a size");
        let before = tcgetattr(&theirs).expect("modes");
        let end = || Stdio::from(theirs.as_fd().try_clone_to_owned().expect("a descriptor"));
        let child = ours("wardlink")
            .args(["watch", "--fleet"])
            .arg(ward.fleet.path())
            .args(["--broker", &format!("localhost:{}", ward.broker.port())])
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("it starts");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let mut reads = File::from(ours_end.try_clone().expect("a descriptor"));
        let writes = Arc::clone(&shown);
        // Ends when the last other end is closed.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reads.read(&mut buffer) {
                writes.lock().expect("no panic").extend(&buffer[..count]);
            }
        });
        Self {
            child,
            ours: ours_end,
            theirs,
            before,
            shown,
        }
    }

    /// Waits until something was drawn.
    #[track_caller]
    fn until(&self, words: &str) {
        wait::until(format!("{words:?} is drawn"), || {
            let shown = self.shown.lock().expect("no panic");
            String::from_utf8_lossy(&shown)
                .contains(words)
                .then_some(())
        });
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
