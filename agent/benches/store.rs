//! What a commit costs: seal alone, and seal with one write and one sync, for 1, 16 and 256 records.
//!
//! The append goes to a directory under the target directory, so that it meets a real medium. Every batch
//! is acknowledged, so that after the first few commits segments are recycled: the steady state.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot set itself up has nothing to measure"
)]

use std::path::PathBuf;

use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use divan::counter::{BytesCount, ItemsCount};
use wardlink_agent::store::{NewBatch, Settings, Store, StoreKey};
use wardlink_wire::lane::Lane;
use wardlink_wire::sequence::SequenceRange;

fn main() {
    divan::main();
}

/// Bytes of one encoded record, on average.
const RECORD: usize = 200;
const RECORDS: [u32; 3] = [1, 16, 256];

#[divan::bench(args = RECORDS)]
fn seal_aes_256_gcm(bencher: divan::Bencher<'_, '_>, records: u32) {
    seal(bencher, &AES_256_GCM, records);
}

#[divan::bench(args = RECORDS)]
fn seal_chacha20_poly1305(bencher: divan::Bencher<'_, '_>, records: u32) {
    seal(bencher, &CHACHA20_POLY1305, records);
}

/// The seal as the store makes it, without the store.
fn seal(
    bencher: divan::Bencher<'_, '_>,
    cipher: &'static aws_lc_rs::aead::Algorithm,
    records: u32,
) {
    let key = UnboundKey::new(cipher, &[7; 32]).expect("32 bytes are a key");
    let key = LessSafeKey::new(key);
    let mut data = payload(records);
    let mut number = 0_u64;
    counted(bencher, records).bench_local(|| {
        number += 1;
        let mut nonce = [0; 12];
        *nonce.last_chunk_mut().expect("12 bytes hold 8") = number.to_be_bytes();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_separate_tag(nonce, Aad::from([0; 56]), &mut data)
            .expect("a seal")
    });
}

#[divan::bench(args = RECORDS)]
fn append(bencher: divan::Bencher<'_, '_>, records: u32) {
    let scratch = tempfile::tempdir_in(place()).expect("a directory to write to");
    let settings = Settings::new(scratch.path().join("store"), 256 << 20);
    let gateway = "bench".parse().expect("a name");
    let key = StoreKey::from_bytes([7; 32]);
    let (store, _) = Store::open(settings, &gateway, &key).expect("a new store");
    let data = payload(records);
    counted(bencher, records).bench_local(|| {
        let lane = Lane::Vital;
        let range = SequenceRange::starting(store.next_sequence(lane), records);
        let range = range.expect("a range of records");
        let bytes = &data;
        store
            .append(&[NewBatch { lane, range, bytes }])
            .expect("a commit");
        store
            .acknowledge(lane, &[range])
            .expect("an acknowledgement");
    });
}

fn counted<'a, 'b>(bencher: divan::Bencher<'a, 'b>, records: u32) -> divan::Bencher<'a, 'b> {
    let bytes = payload(records).len();
    bencher
        .counter(ItemsCount::new(records))
        .counter(BytesCount::new(bytes))
}

fn payload(records: u32) -> Vec<u8> {
    vec![0x5a; RECORD * usize::try_from(records).expect("a small number")]
}

/// Beside the build, where a disk is; not the temporary directory, which may be memory.
fn place() -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&place).expect("a directory to write to");
    place
}
