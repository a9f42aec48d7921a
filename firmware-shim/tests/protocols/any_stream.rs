//! Of every line protocol: the cut of the stream says nothing, and garbage ends with the next whole frame.

use proptest::prelude::*;
use wardlink_firmware_shim::drivers::cms50d::Cms50d;
use wardlink_firmware_shim::drivers::hl7::{Framer, Piece, frame};
use wardlink_firmware_shim::drivers::ivy450c::Ivy450c;
use wardlink_firmware_shim::drivers::line::Protocol;
use wardlink_firmware_shim::drivers::masimo::Masimo;
use wardlink_firmware_shim::drivers::nonin::{Format8, Format13, Layout, Packets};
use wardlink_firmware_shim::reading::Reading;

use super::{ivy, oximeters};

/// A protocol, and one of its frames or packets as the device sends it.
type Spoken = (fn() -> Box<dyn Protocol>, Vec<u8>);

fn every_protocol() -> Vec<Spoken> {
    vec![
        (
            || Box::new(Packets::new(Layout::Format2)),
            oximeters::format2(72, 97),
        ),
        (
            || Box::new(Packets::new(Layout::Format7)),
            oximeters::format7(72, 97, 40_000),
        ),
        (|| Box::new(Format8::default()), vec![0x80, 72, 97, 0]),
        (
            || Box::new(Format13::default()),
            oximeters::format13(72, 97, 0),
        ),
        (|| Box::new(Cms50d::default()), vec![0x85, 60, 4, 72, 97]),
        (
            || Box::new(Masimo::default()),
            oximeters::masimo("098", "072", "05.52", 0, 0),
        ),
        (|| Box::new(Ivy450c::default()), ivy::packet("80", "97")),
    ]
}

fn decode(mut protocol: Box<dyn Protocol>, pieces: &[&[u8]]) -> (Vec<Reading>, u64) {
    let mut readings = Vec::new();
    for piece in pieces {
        protocol.push(piece, &mut readings);
    }
    protocol.flush(&mut readings);
    (readings, protocol.heard())
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_give_the_same_readings(
        garbage in prop::collection::vec(any::<u8>(), 0..80), piece in 1_usize..60, at in 0_usize..200,
    ) {
        for (make, frame) in every_protocol() {
            let mut bytes = frame.repeat(3);
            let at = at.min(bytes.len());
            bytes.splice(at..at, garbage.iter().copied());
            let pieces: Vec<_> = bytes.chunks(piece).collect();
            prop_assert_eq!(decode(make(), &[&bytes]), decode(make(), &pieces));
        }
    }

    #[test]
    fn after_any_garbage_whole_frames_are_found_again(
        garbage in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..2000,
    ) {
        for (make, frame) in every_protocol() {
            // Half a frame, noise, then as much as a doubting decoder may want before it believes again.
            let mut bytes = frame[..cut % frame.len()].to_vec();
            bytes.extend(&garbage);
            bytes.extend(frame.repeat(40));
            let (_, heard) = decode(make(), &[&bytes]);
            prop_assert!(heard >= 30, "{}: {} of 40", make().name(), heard);
        }
    }

    #[test]
    fn noise_alone_is_counted_as_not_understood(seed in any::<u64>()) {
        // Bytes of another rate: never a line end, never a start byte with what must follow it.
        for (make, _) in every_protocol() {
            let mut protocol = make();
            let limit = usize::try_from(protocol.most_astray()).unwrap();
            let noise: Vec<u8> = (0..limit as u64 + 8).map(|place| 0x55 ^ (seed >> (place % 8) & 1) as u8).collect();
            let mut readings = Vec::new();
            protocol.push(&noise, &mut readings);
            prop_assert_eq!(protocol.heard(), 0);
            prop_assert!(protocol.astray() >= protocol.most_astray(), "{}", protocol.name());
            prop_assert!(readings.is_empty(), "{}: {:?}", protocol.name(), readings);
        }
    }

    #[test]
    fn messages_are_cut_out_of_any_stream(
        before in prop::collection::vec(any::<u8>(), 0..60), cut in 0_usize..40,
    ) {
        let half = &frame("MSH|^~\\&|half of one")[..cut.min(18)];
        let bytes = [before, half.to_vec(), frame("MSH|^~\\&|whole")].concat();
        let mut framer = Framer::default();
        let last = bytes.iter().filter_map(|byte| framer.push(*byte)).last();
        prop_assert_eq!(last, Some(Piece::Message(b"MSH|^~\\&|whole".to_vec())));
    }
}

#[test]
fn a_message_without_end_is_bounded() {
    let mut framer = Framer::default();
    framer.push(0x0b);
    let mut pieces = std::iter::repeat_n(b'x', 70_000).filter_map(|byte| framer.push(byte));
    assert_eq!(pieces.next(), Some(Piece::TooLong));
    assert_eq!(pieces.next(), None);
    assert!(!framer.is_inside());
}
