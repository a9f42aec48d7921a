//! What fuzz targets of line protocols share.

use wardlink_firmware_shim::drivers::line::Protocol;
use wardlink_firmware_shim::reading::Reading;

/// Panics unless the bytes give the same readings whole and cut in two, all of known streams.
pub fn same_in_pieces(make: impl Fn() -> Box<dyn Protocol>, bytes: &[u8], cut: usize) {
    let cut = cut.checked_rem(bytes.len()).unwrap_or(0);
    let (first, second) = bytes.split_at(cut);
    let whole = decode(make(), &[bytes]);
    assert_eq!(whole, decode(make(), &[first, second]));
    let known = make().streams().len();
    assert!(whole.iter().all(|reading| reading.stream < known));
}

fn decode(mut protocol: Box<dyn Protocol>, pieces: &[&[u8]]) -> Vec<Reading> {
    let mut readings = Vec::new();
    for piece in pieces {
        protocol.push(piece, &mut readings);
    }
    protocol.flush(&mut readings);
    readings
}
