//! A process that is killed while it appends keeps every batch it was told is stored.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::*;

const ROUNDS: u64 = 100;
/// Batches of one round at most: together they stay below the budget, however fast the machine is.
const MOST: usize = 500;
const DIRECTORY: &str = "WARDLINK_STORE_TEST_CHILD";
const COMMITTED: &str = "committed ";

#[test]
fn a_killed_process_keeps_every_batch_it_was_told_is_stored() {
    let seed = 0x6b69_6c6c;
    println!("seed {seed:#x}, {ROUNDS} rounds");
    let mut random = Random(seed);
    let directory = scratch();
    let mut committed: Vec<(Lane, SequenceRange)> = Vec::new();
    for round in 0..ROUNDS {
        let mut child = Appender::start(directory.path());
        for _ in 0..random.below(25) + 1 {
            committed.push(child.next().expect("the appender stopped by itself"));
        }
        child.process.kill().unwrap();
        child.process.wait().unwrap();
        while let Some(batch) = child.next() {
            committed.push(batch);
        }

        let (store, recovery) = open(directory.path());
        assert_eq!(recovery.damage, [], "round {round}");
        for lane in Lane::ALL {
            let kept = drain(&store, lane);
            for batch in &kept {
                assert_eq!(batch.bytes, content(lane, batch.range), "round {round}");
            }
            let expected = committed.iter().filter(|(l, _)| *l == lane);
            for (_, range) in expected {
                let times = kept.iter().filter(|batch| batch.range == *range).count();
                assert_eq!(times, 1, "round {round}: {lane} {range:?}");
            }
        }
        if round % 3 == 2 {
            for (lane, range) in committed.drain(..) {
                store.acknowledge(lane, &[range]).unwrap();
            }
        }
    }
}

/// Not a test of its own: what the test above starts and kills.
#[test]
fn appender() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let (store, _) = open(Path::new(&directory));
    for number in 0..MOST {
        let lane = Lane::ALL[number % 4];
        let count = u32::try_from(number % 7).unwrap() + 1;
        let range = SequenceRange::starting(store.next_sequence(lane), count).unwrap();
        put(&store, lane, count, &content(lane, range)).unwrap();
        println!("{COMMITTED}{lane} {} {count}", range.first());
    }
    loop {
        std::thread::park();
    }
}

fn content(lane: Lane, range: SequenceRange) -> Vec<u8> {
    let length = 50 + range.first().0 * 37 % 900;
    Random(range.first().0 << 8 | u64::from(lane.number())).bytes(length)
}

struct Appender {
    process: Child,
    lines: Receiver<String>,
}

impl Appender {
    fn start(directory: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::appender", "--nocapture"])
            .env(DIRECTORY, directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = follow(process.stdout.take().unwrap());
        Self { process, lines }
    }

    /// The next batch it says is stored; none once it has ended.
    fn next(&mut self) -> Option<(Lane, SequenceRange)> {
        loop {
            let line = match self.lines.recv_timeout(Duration::from_secs(60)) {
                Ok(line) => line,
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("the appender says nothing"),
            };
            // The first line of the test harness ends without a line break of its own.
            let Some((_, said)) = line.split_once(COMMITTED) else {
                continue;
            };
            let words: Vec<_> = said.split(' ').collect();
            let [lane, first, count] = words[..] else {
                continue;
            };
            let first = Sequence(first.parse().unwrap());
            let range = SequenceRange::starting(first, count.parse().unwrap());
            return Some((Lane::from_word(lane).unwrap(), range.unwrap()));
        }
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        // Also when the test fails: it would append for ever.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn follow(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        // A line without its end was cut by the kill: it was not said.
        while output.read_line(&mut line).is_ok_and(|count| count > 0) && line.ends_with('\n') {
            if sender.send(line.trim_end().to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}
