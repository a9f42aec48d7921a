use super::*;
use proptest::prelude::*;

const GOOD: u8 = 0x80;

#[test]
fn heart_rate_passes_its_byte_borders() {
    for rate in [18_u16, 127, 128, 255, 256, 300, 511] {
        assert_eq!(decode(&packet(rate, 97, 0)).heart_rate(), Some(rate));
    }
}

#[test]
fn a_packet_says_what_was_put_into_it() {
    let packet = decode(&packet(72, 97, 0x24));
    assert_eq!(packet.spo2(), Some(97));
    assert!(packet.status().artefact() && packet.status().low_perfusion());
    assert!(!packet.status().sensor_disconnected());
    assert_eq!(
        packet.frames.map(|frame| frame.unwrap().pleth),
        core::array::from_fn(|place| u16::try_from(place).unwrap())
    );
}

#[test]
fn joining_in_the_middle_of_a_packet_loses_nothing_that_had_a_place() {
    let bytes = stream(3);
    let mut decoder = Decoder::default();
    let mut packets = Vec::new();
    decoder.push(&bytes[37..], &mut packets);
    assert_eq!(packets.len(), 2);
    assert!(packets.iter().all(whole));
}

#[test]
fn frames_that_vanish_whole_never_lend_their_place_to_others() {
    for (at, frames) in [(1, 1), (2, 1), (1, 24), (24, 2), (20, 12)] {
        let mut bytes = [packet(72, 97, 0), packet(72, 97, 0), packet(72, 97, 0)].concat();
        bytes.extend(frame(GOOD | 1, 0, 0));
        bytes.drain(at * FRAME..(at + frames) * FRAME);
        let mut packets = Vec::new();
        Decoder::default().push(&bytes, &mut packets);
        assert_eq!(packets.len(), 3);
        for packet in packets {
            assert!([None, Some(97)].contains(&packet.spo2()), "{packet:?}");
            assert!(
                [None, Some(72)].contains(&packet.heart_rate()),
                "{packet:?}"
            );
        }
    }
}

#[test]
fn bytes_that_are_never_in_step_are_counted() {
    let mut decoder = Decoder::default();
    let mut packets = Vec::new();
    decoder.push(&[0x55; 1000], &mut packets);
    assert!(packets.is_empty());
    assert_eq!(decoder.skipped(), 996);
    assert_eq!(decoder.astray(), 996);
}

#[test]
fn good_frames_without_sync_are_not_format_2() {
    let mut decoder = Decoder::default();
    let mut packets = Vec::new();
    for _ in 0..200 {
        decoder.push(&frame(GOOD, 1, 2), &mut packets);
    }
    assert!(packets.is_empty());
    assert!(decoder.astray() >= 900);
}

proptest! {
    /// Noise, a hole or both, of whole frames or not: each frame that arrives whole keeps its place, and the count comes out right.
    #[test]
    fn every_frame_keeps_its_place_through_damage(
        at in 125_usize..600, cut in 0_usize..60, noise in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bytes = stream(12);
        let cut_to = at + cut;
        let noise = &noise[..noise.len().min(cut)];
        bytes.splice(at..cut_to, noise.iter().copied());
        // Noise whose sum happens to be right is a frame; no decoder can tell.
        let forged = |from: usize| Frame::parse(Layout::Format2, bytes[from..from + FRAME].try_into().unwrap()).is_some();
        prop_assume!(!(at - 4..at + noise.len()).any(forged));
        let mut decoder = Decoder::default();
        let mut packets = Vec::new();
        decoder.push(&bytes, &mut packets);
        prop_assert_eq!(packets.len(), 12);
        for (number, packet) in packets.iter().enumerate() {
            for (place, frame) in packet.frames.iter().enumerate() {
                if let Some(frame) = frame {
                    let truth = (number * FRAMES + place) % 251;
                    prop_assert_eq!(usize::from(frame.pleth), truth, "packet {} frame {}", number, place);
                }
            }
        }
        let lost = packets.iter().flat_map(|packet| packet.frames).filter(Option::is_none).count();
        prop_assert!(lost <= 3 * FRAMES, "{} lost", lost);
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_packets(
        noise in prop::collection::vec(any::<u8>(), 0..40), piece in 1_usize..40,
    ) {
        let mut bytes = stream(4);
        bytes.splice(200..200, noise);
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        Decoder::default().push(&bytes, &mut whole);
        let mut decoder = Decoder::default();
        for piece in bytes.chunks(piece) {
            decoder.push(piece, &mut pieces);
        }
        prop_assert_eq!(whole, pieces);
    }
}

fn whole(packet: &Packet) -> bool {
    packet.frames.iter().all(Option::is_some)
}

fn decode(bytes: &[u8]) -> Packet {
    let mut packets = Vec::new();
    let mut decoder = Decoder::default();
    decoder.push(bytes, &mut packets);
    assert!(packets.is_empty(), "a packet goes out when the next begins");
    decoder.push(&frame(GOOD | 1, 0, 0), &mut packets);
    assert_eq!(packets.len(), 1);
    packets.remove(0)
}

fn frame(status: u8, pleth: u8, other: u8) -> [u8; FRAME] {
    let sum = 1_u8
        .wrapping_add(status)
        .wrapping_add(pleth)
        .wrapping_add(other);
    [1, status, pleth, other, sum]
}

fn packet(heart_rate: u16, spo2: u8, status: u8) -> Vec<u8> {
    (0..25_u8)
        .flat_map(|place| {
            let other = match place {
                0 => heart_rate.to_be_bytes()[0] << 1 | heart_rate.to_be_bytes()[1] >> 7,
                1 => heart_rate.to_be_bytes()[1] & 0x7f,
                2 => spo2,
                _ => 0,
            };
            frame(GOOD | status | u8::from(place == 0), place, other)
        })
        .collect()
}

/// Packets, and the first frame of one more, whose pleth counts the frames from the beginning, modulo 251.
fn stream(packets: usize) -> Vec<u8> {
    (0..=packets * FRAMES)
        .flat_map(|number| {
            frame(
                GOOD | u8::from(number % FRAMES == 0),
                u8::try_from(number % 251).unwrap(),
                7,
            )
        })
        .collect()
}
