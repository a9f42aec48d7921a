//! What drivers, decoders and the simulated patient cost: time and allocations a poll.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench that meets what it does not expect must stop there"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use wardlink_firmware_shim::device::Device;
use wardlink_firmware_shim::drivers::ble::Characteristic;
use wardlink_firmware_shim::drivers::board::{Board, Content, Frame};
use wardlink_firmware_shim::drivers::line::Protocol;
use wardlink_firmware_shim::drivers::tmp10x::Part;
use wardlink_firmware_shim::reading::{Decimal, Quality};
use wardlink_firmware_shim::sim::{self, SimClock, World};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// A numeric sensor on a simulated bus: one record a poll.
#[divan::bench(args = ["tmp102", "max30205", "mlx90614", "tmp117", "ads1115"])]
fn numeric_poll(bencher: Bencher<'_, '_>, chip: &str) {
    let (hand, world) = world();
    let second = Duration::from_secs(1);
    let device = match chip {
        "tmp102" => sim::tmp10x(&world, Part::Tmp102, 0x48, second),
        "max30205" => sim::max30205(&world, 0x48, second),
        "mlx90614" => sim::mlx90614(&world, 0x5a, second),
        "ads1115" => sim::ads1115(&world, 0x48, 0, second),
        _ => sim::tmp117(&world, 0x48, second),
    };
    poll(bencher, device, &hand, second, 1);
}

/// A second of a waveform, polled as the driver asks for it.
#[divan::bench]
fn max30102_second(bencher: Bencher<'_, '_>) {
    let (hand, world) = world();
    let device = sim::max30102(&world, 100);
    poll(bencher, device, &hand, Duration::from_millis(125), 8);
}

/// A second of two leads with the model of the heart behind them.
#[divan::bench]
fn ads1292r_second(bencher: Bencher<'_, '_>) {
    let (hand, world) = world();
    let device = sim::ads1292r(&world, 250);
    poll(bencher, device, &hand, Duration::from_millis(40), 25);
}

/// A value of a Bluetooth device a second, with what it measured behind it.
#[divan::bench(args = ["plx-continuous", "heart-rate"])]
fn bluetooth_second(bencher: Bencher<'_, '_>, characteristic: &str) {
    let (hand, world) = world();
    let characteristic = match characteristic {
        "heart-rate" => Characteristic::HeartRate,
        _ => Characteristic::PlxContinuous,
    };
    let device = sim::bluetooth(&world, characteristic);
    poll(bencher, device, &hand, Duration::from_millis(100), 10);
}

/// The sensor board's decoder.
#[divan::bench]
fn board_decode(bencher: Bencher<'_, '_>) {
    let mut line = Vec::new();
    for sequence in 0..10_u16 {
        let content = match sequence {
            0 => Content::Numeric(Decimal::new(382_500, -4), Quality::default()),
            _ => Content::Samples(
                u64::from(sequence - 1) * 100,
                vec![1000; 100],
                Quality::default(),
            ),
        };
        let channel = u8::from(sequence > 0);
        Frame {
            channel,
            sequence,
            content,
        }
        .encode(&mut line);
    }
    let mut readings = Vec::new();
    bencher
        .counter(BytesCount::new(line.len()))
        .with_inputs(Board::default)
        .bench_local_refs(|board| {
            readings.clear();
            board.push(&line, &mut readings);
            readings.len()
        });
}

fn poll(
    bencher: Bencher<'_, '_>,
    mut device: Box<dyn Device>,
    hand: &AtomicU64,
    step: Duration,
    polls: u32,
) {
    device.start().unwrap();
    let step = u64::try_from(step.as_nanos()).unwrap();
    let mut readings = Vec::with_capacity(64);
    bencher.counter(ItemsCount::new(polls)).bench_local(|| {
        readings.clear();
        for _ in 0..polls {
            hand.fetch_add(step, Ordering::SeqCst);
            device.poll(&mut readings).unwrap();
        }
        readings.len()
    });
}

fn world() -> (Arc<AtomicU64>, World) {
    let hand = Arc::new(AtomicU64::new(0));
    let time = Arc::clone(&hand);
    let now = move || Duration::from_nanos(time.load(Ordering::SeqCst));
    (hand, World::new(SimClock::new(now, 1.0), 1))
}
