//! What runs in the guest of `make test-powercut` (docs/powercut.md): appends to a store, and says what one holds.
//!
//! `powercut append ENGINE FOLDER DISK PLACE` appends for ever. Each batch whose append has returned is said on
//! stdout, and written past the guest's file system to byte PLACE of DISK, so that the disk's own order of writes
//! shows when it was promised. `powercut verify ENGINE FOLDER [settle]` reads all that is there, checks every
//! byte and says it as runs of places; with `settle` it then acknowledges half of it.
//!
//! ENGINE is `log`, the store's own, or `plain-sled`: sled alone with its own `flush()`, to show that the test
//! can fail.

#![allow(clippy::print_stdout, reason = "the host listens to it")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::fs::OFlags;
use wardlink_agent::store::{NewBatch, Settings, Store, StoreKey};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::{Sequence, SequenceRange};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["append", engine, folder, disk, place] => {
            let promises = Promises::to(disk, place.parse()?)?;
            append(&Kept::open(engine, Path::new(folder))?, &promises)
        }
        ["verify", engine, folder] => verify(&Kept::open(engine, Path::new(folder))?, false),
        ["verify", engine, folder, "settle"] => {
            verify(&Kept::open(engine, Path::new(folder))?, true)
        }
        _ => bail!("append ENGINE FOLDER DISK PLACE, or verify ENGINE FOLDER [settle]"),
    }
}

/// Groups of one to three batches, each group with one sync.
fn append(kept: &Kept, promises: &Promises) -> Result<()> {
    for round in 0..MOST {
        let group = round % 3 + 1;
        let mut batches = Vec::new();
        for lane in Lane::ALL.into_iter().cycle().skip(round % 4).take(group) {
            let count = u32::try_from(round % 7)? + 1;
            let range = SequenceRange::starting(kept.next(lane)?, count);
            let range = range.context("no places left")?;
            batches.push((lane, range, content(lane, range)));
        }
        kept.append(&batches)?;
        for (lane, range, _) in &batches {
            promises.give(*lane, *range)?;
        }
    }
    loop {
        std::thread::park();
    }
}

fn verify(kept: &Kept, settle: bool) -> Result<()> {
    let mut all = Vec::new();
    for lane in Lane::ALL {
        let mut run: Option<(Sequence, Sequence)> = None;
        for (range, bytes) in kept.read(lane)? {
            if bytes != content(lane, range) {
                println!("bad {lane} {} {}", range.first(), range.last());
            }
            run = match run {
                Some((first, last)) if last.plus(1) == range.first() => Some((first, range.last())),
                ended => {
                    say("found", lane, ended);
                    Some((range.first(), range.last()))
                }
            };
            all.push((lane, range));
        }
        say("found", lane, run);
    }
    if settle {
        // The older half of each lane, so that segments come free and are used again.
        for lane in Lane::ALL {
            let own: Vec<_> = all.iter().filter(|(of, _)| *of == lane).collect();
            for (_, range) in own.iter().take(own.len() / 2) {
                say("settled", lane, Some((range.first(), range.last())));
                kept.acknowledge(lane, *range)?;
            }
        }
    }
    println!("verified");
    Ok(())
}

fn say(what: &str, lane: Lane, run: Option<(Sequence, Sequence)>) {
    if let Some((first, last)) = run {
        println!("{what} {lane} {first} {last}");
    }
}

/// Bytes that only this batch has.
fn content(lane: Lane, range: SequenceRange) -> Vec<u8> {
    let length = 50 + range.first().0 * 37 % 3000;
    let mut state = range.first().0 << 24 | range.last().0 << 8 | u64::from(lane.number());
    let bytes = (0..length).map(|_| {
        // Knuth's MMIX generator
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    bytes.collect()
}

/// Where promises are noted: the line on stdout, and one sector of the disk that holds the file system too.
struct Promises {
    disk: File,
    place: u64,
}

impl Promises {
    fn to(disk: &str, place: u64) -> Result<Self> {
        let flags = OFlags::DIRECT.bits().cast_signed();
        let disk = OpenOptions::new()
            .write(true)
            .custom_flags(flags)
            .open(disk)
            .context("the disk does not open")?;
        Ok(Self { disk, place })
    }

    fn give(&self, lane: Lane, range: SequenceRange) -> Result<()> {
        let line = format!("promised {lane} {} {}\n", range.first(), range.last());
        let mut sector = Sector([0; SECTOR]);
        for (to, from) in sector.0.iter_mut().zip(line.bytes()) {
            *to = from;
        }
        self.disk.write_all_at(&sector.0, self.place)?;
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes())?;
        Ok(out.flush()?)
    }
}

/// Direct writes want memory that is aligned as the disk is.
#[repr(align(4096))]
struct Sector([u8; SECTOR]);

/// What is appended to.
enum Kept {
    Store(Box<Store>),
    Sled(sled::Db),
}

impl Kept {
    fn open(engine: &str, folder: &Path) -> Result<Self> {
        if engine == "plain-sled" {
            let config = sled::Config::new().path(folder).flush_every_ms(None);
            return Ok(Self::Sled(config.open()?));
        }
        ensure!(engine == "log", "no such engine");
        let settings = Settings {
            segment: SEGMENT,
            ..Settings::new(folder, BUDGET)
        };
        let key = StoreKey::from_bytes([0x42; 32]);
        let gateway = "gw-1".parse().map_err(|e| anyhow!("{e}"))?;
        let (store, recovery) = Store::open(settings, &gateway, &key)?;
        for damage in recovery.damage {
            println!("damage {damage:?}");
        }
        Ok(Self::Store(Box::new(store)))
    }

    fn next(&self, lane: Lane) -> Result<Sequence> {
        match self {
            Self::Store(store) => Ok(store.next_sequence(lane)),
            Self::Sled(_) => Ok(self
                .read(lane)?
                .last()
                .map_or(Sequence(0), |(range, _)| range.last().plus(1))),
        }
    }

    fn append(&self, batches: &[(Lane, SequenceRange, Vec<u8>)]) -> Result<()> {
        match self {
            Self::Store(store) => {
                let batches: Vec<_> = batches
                    .iter()
                    .map(|(lane, range, bytes)| NewBatch {
                        lane: *lane,
                        range: *range,
                        bytes,
                    })
                    .collect();
                Ok(store.append(&batches)?)
            }
            Self::Sled(tree) => {
                for (lane, range, bytes) in batches {
                    let mut key = vec![lane.number()];
                    key.extend(range.first().0.to_be_bytes());
                    key.extend(range.last().0.to_be_bytes());
                    tree.insert(key, bytes.as_slice())?;
                }
                tree.flush()?;
                Ok(())
            }
        }
    }

    fn read(&self, lane: Lane) -> Result<Vec<(SequenceRange, Vec<u8>)>> {
        let mut batches = Vec::new();
        match self {
            Self::Store(store) => {
                let mut from = Sequence(0);
                while let Some(batch) = store.read_from(lane, from)? {
                    from = batch.range.last().plus(1);
                    batches.push((batch.range, batch.bytes));
                }
                for damage in store.take_damage() {
                    println!("damage {damage:?}");
                }
            }
            Self::Sled(tree) => {
                for pair in tree.scan_prefix([lane.number()]) {
                    let (key, bytes) = pair?;
                    let place = |at: usize| -> Result<Sequence> {
                        let bytes = key.get(at..at + 8).context("a short key")?;
                        Ok(Sequence(u64::from_be_bytes(bytes.try_into()?)))
                    };
                    let range = SequenceRange::between(place(1)?, place(9)?);
                    batches.push((range.context("a key that is no range")?, bytes.to_vec()));
                }
            }
        }
        Ok(batches)
    }

    fn acknowledge(&self, lane: Lane, range: SequenceRange) -> Result<()> {
        match self {
            Self::Store(store) => Ok(store.acknowledge(lane, &[range])?),
            Self::Sled(_) => Ok(()),
        }
    }
}

/// Groups of one boot at most: together they stay below the budget, however long the boot lasts.
const MOST: usize = 1500;
/// Small, so that one boot uses many.
const SEGMENT: u64 = 64 << 10;
const BUDGET: u64 = 16 << 20;
const SECTOR: usize = 512;
