//! `wardlink-agent devices`, as an integrator uses it: what it says, what it refuses, and the terminal it gives back.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use wardlink_tests::folder::Folder;
use wardlink_tests::oximeter::{Oximeter, packet};
use wardlink_tests::program::{Said, ours, run};
use wardlink_tests::wait;

#[test]
fn one_reading_of_a_described_device_is_printed_and_as_json() {
    let described = [
        "read-once",
        "--driver",
        "nonin",
        "--bus",
        "sim",
        "--set",
        "format=8",
    ];
    let said = devices(&described);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.contains("spo2") && said.stdout.contains("97 %"),
        "{said:?}"
    );
    let said = devices(&[&described[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&said.stdout).expect("one JSON object");
    assert_eq!(json["driver"], "nonin");
    assert_eq!(json["readings"][0]["stream"], "spo2");
    assert_eq!(json["readings"][0]["value"], "97");
    assert_eq!(json["readings"][0]["unit"], "%");
}

#[test]
fn what_is_wrong_is_named_and_has_its_exit_status() {
    let folder = Folder::new();
    let missing = folder.join("not-there").display().to_string();
    let no_config = folder.join("agent.toml").display().to_string();
    for (arguments, code, says) in [
        (
            vec!["read-once", "--driver", "nonin", "--bus", &missing],
            4,
            "no such file",
        ),
        (
            vec![
                "read-once",
                "--driver",
                "hl7",
                "--bus",
                "tcp:192.0.2.1:2575",
            ],
            2,
            "private network",
        ),
        (
            vec![
                "read-once",
                "--driver",
                "nonin",
                "--bus",
                "sim",
                "--set",
                "format=3",
            ],
            2,
            "2, 7, 8, 13",
        ),
        (vec!["read-once", "--driver", "nonin"], 2, "--bus"),
        (
            vec!["read-once", "--config", &no_config, "--device", "x"],
            2,
            "agent.toml",
        ),
        (vec!["read-once"], 2, "--config"),
        (vec!["list", "--config", &no_config], 2, "agent.toml"),
        (vec!["probe", &missing], 4, "not-there"),
        (vec!["probe", "/dev/null"], 4, "/dev/null"),
        (
            vec!["watch", "--driver", "nonin", "--bus", "sim"],
            2,
            "no terminal",
        ),
    ] {
        let said = devices(&arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(says), "{arguments:?}: {said:?}");
    }
}

#[test]
fn the_buses_of_this_machine_are_listed() {
    let said = devices(&["list", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let json: serde_json::Value = serde_json::from_str(&said.stdout).expect("one JSON object");
    for kind in ["i2c", "spi", "gpio", "serial-by-id", "serial"] {
        assert!(json["machine"][kind].is_array(), "{kind}: {json}");
    }
}

#[test]
fn a_line_is_probed_by_listening_until_a_driver_understands_it() {
    let folder = Folder::new();
    let line = folder.join("oximeter");
    let oximeter = Oximeter::plugged_in(&line);
    // More than the drivers before it listen to.
    for _ in 0..2000 {
        oximeter.send(packet(93, 61, 50));
    }
    let said = devices(&["probe", &line.display().to_string()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.stdout.contains("nonin 2") && said.stdout.contains("spo2"),
        "{said:?}"
    );
}

#[test]
fn the_terminal_is_given_back_when_watch_is_asked_to_end() {
    for end in [
        End::Signal(Signal::TERM),
        End::Signal(Signal::HUP),
        End::Key,
    ] {
        let mut watch = Watched::begin();
        wait::until("the picture shows a value", || {
            let screen = watch.screen();
            (screen.contains("\u{1b}[?1049h") && screen.contains("97 %")).then_some(())
        });
        match end {
            End::Signal(signal) => {
                let id = Pid::from_child(&watch.child);
                kill_process(id, signal).expect("it is told to end");
            }
            End::Key => {
                rustix::io::write(&watch.ours, b"q").expect("a key is pressed");
            }
        }
        let status = wait::until("it ends", || watch.child.try_wait().expect("a child"));
        assert!(status.success(), "{status}");
        wait::until("the screen is given back", || {
            watch.screen().contains("\u{1b}[?1049l").then_some(())
        });
        let (before, after) = (&watch.before, tcgetattr(&watch.theirs).expect("modes"));
        assert_eq!(before.local_modes, after.local_modes);
        assert_eq!(before.input_modes, after.input_modes);
        assert_eq!(before.output_modes, after.output_modes);
    }
}

enum End {
    Signal(Signal),
    Key,
}

/// `devices watch` on a terminal of its own.
struct Watched {
    child: Child,
    ours: OwnedFd,
    theirs: OwnedFd,
    before: Termios,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Watched {
    fn begin() -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo terminal");
        grantpt(&ours).expect("it is ours");
        unlockpt(&ours).expect("it opens");
        let name = ptsname(&ours, Vec::new()).expect("it has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(&*name, flags, Mode::empty()).expect("its other end");
        let size = Winsize {
            ws_row: 40,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size).expect("it has a size");
        let before = tcgetattr(&theirs).expect("modes");
        let end = || Stdio::from(theirs.as_fd().try_clone_to_owned().expect("a descriptor"));
        let child = ours_watching()
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("it starts");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut reads, writes) = (
            File::from(ours.try_clone().expect("a descriptor")),
            Arc::clone(&shown),
        );
        // Ends when the last other end is closed.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reads.read(&mut buffer) {
                writes.lock().expect("no panic").extend(&buffer[..count]);
            }
        });
        Self {
            child,
            ours,
            theirs,
            before,
            shown,
        }
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("no panic")).into_owned()
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

fn ours_watching() -> std::process::Command {
    let mut command = ours("wardlink-agent");
    command.args([
        "devices", "watch", "--driver", "nonin", "--bus", "sim", "--set", "format=8",
    ]);
    command
}

#[track_caller]
fn devices(arguments: &[&str]) -> Said {
    run(ours("wardlink-agent").arg("devices").args(arguments))
}
