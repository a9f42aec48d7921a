//! A fuzzer that always runs the same way: mutations of real messages, drawn from a printed seed.
//!
//! `WARDLINK_FUZZ_SEED` and `WARDLINK_FUZZ_ROUNDS` change the draw; `fuzz/` holds targets for libFuzzer.

use std::env;

use wardlink_wire::batch::Batch;
use wardlink_wire::bundle::{Bundle, Manifest, Parcel};
use wardlink_wire::codec::{self, Limit};
use wardlink_wire::message::{Head, Message};
use wardlink_wire::receipt::Receipt;
use wardlink_wire::state::State;

use crate::examples::{self, gateway, signing_key};

const LIMIT: Limit = Limit {
    bytes: 1 << 20,
    depth: 16,
};

#[test]
fn two_hundred_thousand_mutated_messages_panic_nowhere_and_say_one_thing_each() {
    let seed = number("WARDLINK_FUZZ_SEED", 0x57a9_d11e_c0de_0001);
    let rounds = number("WARDLINK_FUZZ_ROUNDS", 200_000);
    println!("WARDLINK_FUZZ_SEED={seed} WARDLINK_FUZZ_ROUNDS={rounds}");
    let corpus = corpus();
    let mut random = Random(seed);
    let mut read = 0_u64;
    for _ in 0..rounds {
        let mut bytes = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(4) {
            random.mutate(&mut bytes, &corpus);
        }
        read += u64::from(try_everything(&bytes));
    }
    println!("{read} of {rounds} mutated messages were still messages");
    assert!(
        read > 0,
        "no mutation was readable: the fuzzer does not reach the types"
    );
}

/// Whether any reader took the bytes. What one takes, it must write again as it was.
fn try_everything(bytes: &[u8]) -> bool {
    let batch = Batch::decode(bytes).ok();
    if let Some(batch) = &batch {
        assert_eq!(batch.encode().unwrap(), bytes);
        assert_eq!(batch.range().unwrap().count(), batch.records.len() as u64);
    }
    let message = Message::decode(bytes).ok();
    if let Some(message) = &message {
        assert_eq!(message.encode().unwrap(), bytes);
        // a mutated message may only open if it is one of the corpus, unchanged
        if let Ok(opened) = message.open(&examples::payload_key()) {
            assert_eq!(opened[0].0, examples::batch());
        }
    }
    let state = codec::decode::<State>(bytes, LIMIT).is_ok();
    let manifest = codec::decode::<Manifest>(bytes, LIMIT).is_ok();
    let keys = [signing_key(1).verifying_key()];
    if let Ok(receipt) = Receipt::verify(bytes, &gateway(), &keys) {
        assert_eq!(receipt, examples::receipt());
    }
    let trust = examples::trust(&[2], 1);
    if let Ok(bundle) = Bundle::verify(bytes, &trust) {
        assert_eq!(bundle.manifest(), &examples::manifest());
    }
    if let Ok(next) = trust.follow(bytes) {
        assert_eq!(next.operators(), examples::root().operators);
    }
    let parcel = Parcel::decode(bytes).is_ok();
    batch.is_some() || message.is_some() || state || manifest || parcel
}

fn corpus() -> Vec<Vec<u8>> {
    let mut short = examples::batch();
    short.records.truncate(3);
    let plain = short.encode().unwrap();
    let batch = examples::batch();
    let sealed = Message::seal(
        Head::of(&batch).unwrap(),
        &batch.encode().unwrap(),
        &examples::payload_key(),
    );
    vec![
        plain,
        batch.encode().unwrap(),
        sealed.unwrap().encode().unwrap(),
        examples::receipt().sign(&signing_key(1)).unwrap(),
        examples::manifest().sign(&[&signing_key(2)]).unwrap(),
        examples::root().sign(&[&signing_key(2)]).unwrap(),
        examples::parcel().encode().unwrap(),
        codec::encode(&examples::manifest()).unwrap(),
        codec::encode(&examples::state()).unwrap(),
    ]
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, 0 for a bound of 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        match self.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            1 if !bytes.is_empty() => bytes[at] = self.byte(),
            2 => bytes.insert(at, self.byte()),
            3 if !bytes.is_empty() => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            5 if !bytes.is_empty() => bytes[at] = HEADS[self.below(HEADS.len())],
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
        }
    }
}

/// First bytes that steer a CBOR parser.
const HEADS: [u8; 16] = [
    0x00, 0x17, 0x18, 0x1b, 0x20, 0x3b, 0x40, 0x5b, 0x60, 0x80, 0x9b, 0xa0, 0xbb, 0xc4, 0xd8, 0xf6,
];
