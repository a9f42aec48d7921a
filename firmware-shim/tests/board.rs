//! The sensor board's format: what is lost on the line is an absence, and nothing is invented.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use proptest::prelude::*;
use wardlink_firmware_shim::drivers::board::{BOARD, Board, Content, Error, Frame};
use wardlink_firmware_shim::drivers::line::Protocol;
use wardlink_firmware_shim::reading::{Absence, Body, Decimal, Quality, Reading};

#[test]
fn the_bytes_of_a_frame_are_those_of_the_document() {
    let frame = Frame {
        channel: 0,
        sequence: 7,
        content: Content::Numeric(Decimal::new(382_500, -4), Quality::default()),
    };
    let mut line = Vec::new();
    frame.encode(&mut line);
    let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
    let document = include_str!("../../docs/sensor-board.md");
    assert!(document.contains(&hex.join(" ")), "{}", hex.join(" "));
    assert_eq!(Frame::decode(&line[..line.len() - 1]), Ok(frame));
}

#[test]
fn every_content_comes_back() {
    let quality = Quality {
        over_range: true,
        demo: true,
        ..Quality::default()
    };
    for content in [
        Content::Started,
        Content::Numeric(Decimal::new(-1, -7), quality),
        Content::Samples(u64::MAX - 300, vec![i32::MIN, 0, i32::MAX], quality),
        Content::Samples(0, vec![-5; 250], Quality::default()),
        Content::Absent(Absence::Overrun, Some(9), 31),
        Content::Absent(Absence::DeviceOff, None, 0),
    ] {
        let frame = Frame {
            channel: 3,
            sequence: 65_535,
            content,
        };
        let mut line = Vec::new();
        frame.encode(&mut line);
        assert_eq!(Frame::decode(&line[..line.len() - 1]), Ok(frame));
    }
}

#[test]
fn another_version_is_named() {
    // Without a zero in it, so that it is one block.
    let mut stuffed = vec![11, 2, 1, 1, 1, 1, 1];
    let mut crc = u32::MAX;
    for byte in &stuffed[1..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 };
        }
    }
    stuffed.extend((!crc).to_le_bytes());
    assert!(!stuffed.contains(&0));
    assert_eq!(Frame::decode(&stuffed), Err(Error::Version(2)));
}

#[test]
fn a_lost_frame_of_samples_is_an_absence_of_exactly_as_many() {
    let frames = [samples(0, 0, 10), samples(1, 10, 10), samples(2, 20, 10)];
    let mut line = frames[0].clone();
    let mut broken = frames[1].clone();
    broken[5] ^= 0x10;
    line.extend(broken);
    line.extend(&frames[2]);
    let readings = read(&[&line]);
    assert_eq!(
        bodies(&readings, 1)[1],
        absent(Absence::Garbled, Some(10), 10)
    );
    assert_eq!(counted(&readings), 30);
    // A number may have been in the lost frame too.
    assert_eq!(bodies(&readings, 0), [absent(Absence::Garbled, None, 0)]);
}

#[test]
fn a_board_that_starts_anew_goes_on_behind_an_absence_of_unknown_number() {
    let mut line = samples(4, 100, 5);
    let started = Frame {
        channel: BOARD,
        sequence: 0,
        content: Content::Started,
    };
    started.encode(&mut line);
    line.extend(samples(1, 0, 5));
    let readings = read(&[&line]);
    let ours = bodies(&readings, 1);
    assert_eq!(ours[1], absent(Absence::DeviceOff, Some(5), 0));
    assert!(matches!(&ours[2], Body::Samples { first: 5, values } if values.len() == 5));
}

#[test]
fn bytes_that_are_no_frames_are_counted_and_held_within_bounds() {
    let mut board = Board::default();
    let mut readings = Vec::new();
    board.push(&[0], &mut readings);
    board.push(&vec![7; 1_000_000], &mut readings);
    assert!(board.astray() > 900_000);
    board.push(&[0], &mut readings);
    board.push(&samples(0, 0, 3), &mut readings);
    assert_eq!((board.astray(), board.heard()), (0, 1));
}

proptest! {
    #[test]
    fn any_cut_and_any_garbage_before_gives_the_same_readings(
        garbage in prop::collection::vec(any::<u8>(), 0..40),
        cuts in prop::collection::vec(1_usize..30, 1..40),
    ) {
        let mut line = garbage;
        line.push(0);
        for number in 0..6_u16 {
            line.extend(samples(number, u64::from(number) * 7, 7));
        }
        let whole = read(&[&line]);
        let mut pieces = Vec::new();
        let mut rest = &line[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(&read(&pieces), &whole);
        prop_assert_eq!(counted(&whole), 42);
    }
}

fn samples(sequence: u16, first: u64, count: usize) -> Vec<u8> {
    let frame = Frame {
        channel: 1,
        sequence,
        content: Content::Samples(first, vec![1000; count], Quality::default()),
    };
    let mut line = Vec::new();
    frame.encode(&mut line);
    line
}

fn read(pieces: &[&[u8]]) -> Vec<Reading> {
    let mut board = Board::default();
    let mut readings = Vec::new();
    for piece in pieces {
        board.push(piece, &mut readings);
    }
    board.flush(&mut readings);
    readings
}

fn bodies(readings: &[Reading], stream: usize) -> Vec<Body> {
    let ours = readings.iter().filter(|reading| reading.stream == stream);
    ours.map(|reading| reading.body.clone()).collect()
}

/// Samples and absences of the first waveform, whose places must follow one another.
fn counted(readings: &[Reading]) -> u64 {
    let mut next = 0;
    for body in bodies(readings, 1) {
        let (first, count) = match body {
            Body::Samples { first, values } => (first, values.len() as u64),
            Body::Absent { first, count, .. } => (first.unwrap(), count),
            other => panic!("{other:?}"),
        };
        assert_eq!(first, next);
        next += count;
    }
    next
}

fn absent(reason: Absence, first: Option<u64>, count: u64) -> Body {
    Body::Absent {
        reason,
        first,
        count,
        raw: None,
    }
}
