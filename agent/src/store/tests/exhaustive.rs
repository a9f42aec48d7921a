//! Every bit and every length of one small segment, one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::super::directory::Directory;
use super::super::log::inspect::entries_in;
use super::faulty::Faulty;
use super::*;

type Places = BTreeSet<(Lane, u64)>;
type Files = BTreeMap<String, Vec<u8>>;

const SEGMENT_FILE: &str = "segment-0000000000000000.log";
const ENTRIES: usize = 8192;

/// A closed store with five batches in one segment, and where in the file each is.
struct Small {
    files: Files,
    batches: Vec<(Range<usize>, Places)>,
}

impl Small {
    fn new() -> Self {
        let medium = Faulty::new(0);
        let (store, _) = open_on(&medium);
        let epoch = store.epoch();
        for number in 0..5_u8 {
            let lane = Lane::ALL[usize::from(number % 4)];
            put(&store, lane, 3, &[number; 21]).unwrap();
        }
        drop(store);
        let entries = entries_in(&directory(&medium), epoch);
        let batches = entries.into_iter().map(|seen| {
            let start = usize::try_from(seen.offset).unwrap();
            // Head, sealed bytes, tag; what fills up to a multiple of 8 means nothing.
            let places = seen.range.first().0..=seen.range.last().0;
            let places = places.map(|place| (seen.lane, place)).collect();
            (start..start + 36 + 21 + 16, places)
        });
        Self {
            batches: batches.collect(),
            files: medium.copy(),
        }
    }

    /// What a start finds when the segment was changed: places read, places reported.
    fn after(&self, change: impl FnOnce(&mut Vec<u8>)) -> (Places, Places) {
        let mut files = self.files.clone();
        change(files.get_mut(SEGMENT_FILE).unwrap());
        let (store, recovery) = open_on(&Faulty::holding(&files));
        let mut read = Places::new();
        for lane in Lane::ALL {
            for batch in drain(&store, lane) {
                let places = batch.range.first().0..=batch.range.last().0;
                read.extend(places.map(|place| (lane, place)));
            }
        }
        let damage = [recovery.damage, store.take_damage()].concat();
        let mut lost = Places::new();
        for Damage { lane, range, .. } in damage {
            for place in range.first().0..=range.last().0 {
                assert!(lost.insert((lane, place)), "{lane} {place} is told twice");
            }
        }
        (read, lost)
    }

    fn all(&self) -> Places {
        let places = self.batches.iter().flat_map(|(_, places)| places);
        places.copied().collect()
    }

    fn end(&self) -> usize {
        self.batches.last().unwrap().0.end
    }
}

#[test]
fn every_bit_of_a_segment_costs_the_batch_it_is_in_and_nothing_else() {
    let small = Small::new();
    let all = small.all();
    // Of a header its fields and a little of the zeros behind.
    let headers = (0..256).chain(4096..4096 + 256);
    for offset in headers.chain(ENTRIES..small.end()) {
        for bit in 0..8 {
            let (read, lost) = small.after(|bytes| bytes[offset] ^= 1 << bit);
            let hit = small.batches.iter().find(|(at, _)| at.contains(&offset));
            let expected = hit.map(|(_, places)| places.clone()).unwrap_or_default();
            assert_eq!(lost, expected, "bit {bit} of byte {offset}");
            assert_eq!(read, &all - &expected, "bit {bit} of byte {offset}");
        }
    }
}

#[test]
fn every_length_of_a_segment_costs_what_is_cut_off_and_nothing_else() {
    let small = Small::new();
    let all = small.all();
    // Between the copies of the header, and from the second to the entries, lie zeros.
    let headers = (0..256).chain(4096..4096 + 256);
    for length in headers.chain(ENTRIES..=small.end()) {
        let (read, lost) = small.after(|bytes| bytes.truncate(length));
        let cut = small.batches.iter().filter(|(at, _)| at.end > length);
        let expected: Places = cut.flat_map(|(_, places)| places.clone()).collect();
        assert_eq!(lost, expected, "cut to {length} bytes");
        assert_eq!(read, &all - &expected, "cut to {length} bytes");
    }
}

fn directory(medium: &Faulty) -> Directory {
    Directory::on(Path::new("medium"), Arc::new(medium.clone()))
}

fn open_on(medium: &Faulty) -> (Store, Recovery) {
    let settings = settings(Path::new("medium"));
    Store::open_in(directory(medium), settings, &gateway(), &key()).unwrap()
}
