//! An emulated board: its disk, its serial line, its sensor, and its power cord.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wardlink_agent::status::Report;
use wardlink_tests::gateway::Gateway;
use wardlink_tests::program::run_well;
use wardlink_tests::wait;

use crate::kind::Kind;

/// A board under power. Dropping it pulls the cord.
#[derive(Debug)]
pub(crate) struct Board {
    qemu: Child,
    heard: Arc<Mutex<Vec<String>>>,
    listener: Option<JoinHandle<()>>,
    monitor: PathBuf,
    since: Instant,
}

impl Board {
    /// Boots it as `gateway`, with its store on `disk`.
    #[track_caller]
    pub(crate) fn boot(kind: &Kind, gateway: &Gateway, disk: &Path) -> Self {
        let kernel = room().join(kind.kernel);
        let mut command = emulator(kind.qemu);
        command
            .args(kind.machine)
            .arg("-no-reboot")
            .arg("-kernel")
            .arg(only_file(&kernel.join("boot"), "vmlinuz-"))
            .arg("-initrd")
            .arg(initrd(kind, gateway))
            .arg("-append")
            .arg(format!("panic=1 quiet {}", kind.command_line));
        if let Some(tree) = kind.tree {
            let trees = only_file(&kernel.join("usr/lib"), "linux-image-");
            command.arg("-dtb").arg(trees.join(tree));
        }
        let (file, before) = kind.disk.split_last().expect("a disk");
        command
            .args(before)
            .arg(format!("{file}{}", disk.display()));
        Self::start(command, gateway.folder())
    }

    /// Boots it from `disk` alone, by its firmware (a file of a package) and the boot loader that is on it, with a
    /// second disk as a medium put in.
    #[track_caller]
    pub(crate) fn boot_from(
        firmware: &str,
        disk: &Path,
        medium: Option<&Path>,
        folder: &Path,
    ) -> Self {
        let mut command = emulator("qemu-system-aarch64");
        command
            .args(["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "1G"])
            .arg("-bios")
            .arg(room().join(firmware))
            .args(["-netdev", "user,id=net"])
            .args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        for (name, path) in [("disk", Some(disk)), ("medium", medium)] {
            let Some(path) = path else { continue };
            command
                .args(["-device", &format!("virtio-blk-pci,drive={name}"), "-drive"])
                .arg(format!(
                    "if=none,id={name},format=raw,file={}",
                    path.display()
                ));
        }
        Self::start(command, folder)
    }

    #[track_caller]
    fn start(mut command: Command, folder: &Path) -> Self {
        let monitor = folder.join("qemu.sock");
        command
            .args(["-display", "none", "-monitor", "none"])
            .args(["-serial", "stdio", "-qmp"])
            .arg(format!("unix:{},server,nowait", monitor.display()));
        let mut qemu = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("qemu.log")).expect("a log"))
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        let (heard, listener) = follow(qemu.stdout.take().expect("piped"));
        Self {
            qemu,
            heard,
            listener: Some(listener),
            monitor,
            since: Instant::now(),
        }
    }

    /// How long it has had power.
    pub(crate) fn up(&self) -> Duration {
        self.since.elapsed()
    }

    /// Everything that came over its serial line.
    pub(crate) fn console(&self) -> Vec<String> {
        self.heard
            .lock()
            .expect("a thread that does not panic")
            .clone()
    }

    /// The last thing that the agent said of itself in this boot.
    pub(crate) fn report(&self) -> Option<Report> {
        let heard = self.console();
        // The kernel may speak in the middle of a line; the next one is whole.
        let said = |line: &String| serde_json::from_str(line.split_once("status ")?.1).ok();
        heard.iter().rev().find_map(said)
    }

    /// Waits until there is something to see, while it runs.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        wait::within(LIMIT * 2, what, || {
            let seen = look(self);
            if seen.is_none() {
                let ended = self.qemu.try_wait().expect("a process of ours");
                let late = Instant::now() > deadline
                    || self
                        .console()
                        .iter()
                        .any(|line| line.contains("Kernel panic"));
                assert!(
                    ended.is_none() && !late,
                    "{what}: {ended:?}\n{}",
                    self.tail()
                );
            }
            seen
        })
    }

    /// Waits until the agent says of itself what is wanted.
    #[track_caller]
    pub(crate) fn until_report(&mut self, what: &str, is_so: impl Fn(&Report) -> bool) -> Report {
        self.until(what, |board| board.report().filter(&is_so))
    }

    /// Sets what its thermometer feels, thousandths of a degree Celsius.
    #[track_caller]
    pub(crate) fn warm(&self, thousandths: i32) {
        let stream = UnixStream::connect(&self.monitor).expect("QEMU's socket");
        let mut answers = BufReader::new(stream.try_clone().expect("a socket")).lines();
        let mut say = |words: &str| {
            writeln!(&stream, "{words}").expect("QEMU listens");
            // Events come between the answers.
            let answer = answers.by_ref().map(|line| line.expect("QEMU answers"));
            let answer = answer.into_iter().find(|line| !line.contains("\"event\""));
            answer.unwrap_or_default()
        };
        assert!(say("{\"execute\":\"qmp_capabilities\"}").contains("QMP"));
        let answer = say(&format!(
            "{{\"execute\":\"qom-set\",\"arguments\":{{\"path\":\"/machine/peripheral/sensor\",\
             \"property\":\"temperature\",\"value\":{thousandths}}}}}"
        ));
        assert!(answer.contains("\"return\""), "{answer}");
        let answer = say("{\"execute\":\"query-status\"}");
        assert!(answer.contains("\"return\""), "{answer}");
    }

    /// Pulls the cord, and gives out the last thing that the agent had said of itself.
    #[track_caller]
    pub(crate) fn cut(mut self) -> Report {
        self.qemu.kill().expect("a process of ours");
        self.qemu.wait().expect("a process of ours");
        let listener = self.listener.take().expect("taken once");
        listener.join().expect("it only reads");
        self.report().expect("the agent has said something")
    }

    /// Waits until a line on its serial line holds these words, and gives out how long it had power by then.
    #[track_caller]
    pub(crate) fn until_it_says(&mut self, words: &str) -> Duration {
        self.until(words, |board| {
            let said = board.console().iter().any(|line| line.contains(words));
            said.then(|| board.up())
        })
    }

    fn tail(&self) -> String {
        let heard = self.console();
        heard
            .get(heard.len().saturating_sub(40)..)
            .unwrap_or(&heard)
            .join("\n")
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        drop(self.qemu.kill());
        drop(self.qemu.wait());
        if thread::panicking() {
            eprintln!("--- the end of its console\n{}", self.tail());
        }
    }
}

/// An empty disk of 512 MiB, most of it a hole; as cards come, a power of two.
pub(crate) fn make_disk(path: &Path) {
    let disk = File::create(path).expect("a disk");
    disk.set_len(512 << 20).expect("room for a disk");
    run_well(
        Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4"])
            .arg(path),
    );
}

/// The board's first root, with the files of the enrolled gateway laid over it.
fn initrd(kind: &Kind, gateway: &Gateway) -> PathBuf {
    let over = gateway.join("over");
    let identity = over.join("enrolled");
    fs::create_dir_all(&identity).expect("a folder");
    for entry in fs::read_dir(gateway.folder()).expect("an enrolled gateway") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_owned();
        let is_of_identity = path.extension().is_some_and(|kind| {
            ["pem", "key", "pub", "toml", "cose"]
                .iter()
                .any(|known| kind == *known)
        });
        if path.is_file() && is_of_identity {
            fs::copy(&path, identity.join(name)).expect("a copy");
        }
    }
    let (first, whole) = (gateway.join("first"), gateway.join("initrd.gz"));
    run_well(Command::new("sh").current_dir(&over).args([
        "-c",
        &format!(
            "find . | cpio --quiet -R 0:0 -o -H newc | gzip -1 >'{}'",
            first.display()
        ),
    ]));
    let mut text = fs::read(room().join(format!("{}.initrd.gz", kind.name))).expect("an initrd");
    text.extend(fs::read(&first).expect("just made"));
    fs::write(&whole, text).expect("room for an initrd");
    whole
}

/// QEMU 10 with what belongs to it, as it was unpacked.
fn emulator(name: &str) -> Command {
    let room = room();
    let mut command = Command::new(room.join("qemu-system-arm.amd64/usr/bin").join(name));
    let modules = "qemu-system-common.amd64/usr/lib/x86_64-linux-gnu/qemu";
    command
        .env("QEMU_MODULE_DIR", room.join(modules))
        .arg("-L")
        .arg(room.join("qemu-system-data.all/usr/share/qemu"));
    command
}

fn only_file(folder: &Path, begins: &str) -> PathBuf {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let found = paths.find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(begins))
    });
    found.unwrap_or_else(|| panic!("{}: no {begins}", folder.display()))
}

fn room() -> PathBuf {
    let room = std::env::var_os("WARDLINK_BOARDS");
    PathBuf::from(room.expect("WARDLINK_BOARDS is not set: use make test-hardware"))
}

fn follow(output: ChildStdout) -> (Arc<Mutex<Vec<String>>>, JoinHandle<()>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    let listener = thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        // A line without its end was cut with the power: it was not said.
        while output
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
            && line.ends_with(b"\n")
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            keep.lock().expect("nobody panics with it").push(text);
            line.clear();
        }
    });
    (heard, listener)
}

/// A boot, and whatever is awaited of a board: an emulated one on a busy machine is slow.
const LIMIT: Duration = Duration::from_secs(420);
