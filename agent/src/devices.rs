//! A profile's device tables as devices of the shim, each with its streams in the gateway's numbering.
//!
//! Owns the only place that knows which driver word means which constructor. Promises that a device can
//! always be made: whether it answers shows when it is started.

mod files;
mod scenario;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wardlink_firmware_shim::device::Device;
use wardlink_firmware_shim::drivers::ble;
use wardlink_firmware_shim::drivers::tmp10x::Part;
use wardlink_firmware_shim::reading::{self, StreamSpec};
use wardlink_firmware_shim::sim::{Patient, SimBus, SimClock, World};
use wardlink_firmware_shim::{linux, sim};
use wardlink_wire::birth;
use wardlink_wire::decimal::Decimal;
use wardlink_wire::id::DeviceId;
use wardlink_wire::profile::{
    Bus, Characteristic, DeviceSettings, Driver, Kind, Options, Simulation,
};
use wardlink_wire::stream::{Ratio, Sampling, Stream, StreamKind};

use crate::clock;
pub use files::file_faults;

/// What the records of one device need to know of it.
#[derive(Debug)]
pub struct Attached {
    /// Its settings.
    pub settings: DeviceSettings,
    /// Its streams; the last one is for what happens to the device.
    pub streams: Vec<Stream>,
}

impl Attached {
    /// The stream of a reading, by the device's own index.
    #[must_use]
    pub fn stream(&self, index: usize) -> Option<&Stream> {
        self.streams.get(index)
    }

    /// The stream of events about the device.
    #[must_use]
    pub fn events(&self) -> Option<&Stream> {
        self.streams.last()
    }

    /// The device as the birth message describes it.
    #[must_use]
    pub fn describe(&self) -> birth::Device {
        birth::Device {
            id: self.settings.id.clone(),
            driver: self.settings.driver.name().to_owned(),
            bus: self.settings.bus.name(),
            streams: self.streams.clone(),
        }
    }
}

/// Gives every stream of this run its number.
#[derive(Debug)]
pub struct StreamNumbers(AtomicU32);

impl Default for StreamNumbers {
    /// Number 0 is the gateway's own.
    fn default() -> Self {
        Self(AtomicU32::new(1))
    }
}

impl StreamNumbers {
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Makes a device and describes it.
#[must_use]
pub fn attach(
    settings: &DeviceSettings,
    numbers: &StreamNumbers,
) -> (Box<dyn Device>, Arc<Attached>) {
    let options = &settings.driver.options;
    let maker = maker(settings.driver.kind);
    let device = match &settings.bus {
        Bus::Simulated(simulation) => simulated(maker.simulated, simulation, &settings.driver),
        Bus::Path(path) => (maker.real)(path, options),
        Bus::Network(address) => linux::hl7(*address, options.sender.as_deref()),
        Bus::Bluetooth(address) => linux::bluetooth(address, characteristic(options)),
    };
    let since_ns = clock::now().utc_ns;
    let describe = |spec: &StreamSpec| stream(settings, spec, numbers.next(), since_ns);
    let mut streams: Vec<_> = device.streams().iter().map(describe).collect();
    streams.push(event_stream(
        settings.id.clone(),
        numbers.next(),
        settings.bus.is_simulated(),
        since_ns,
    ));
    let attached = Attached {
        settings: settings.clone(),
        streams,
    };
    (device, Arc::new(attached))
}

/// The stream of events about a device, or about the gateway itself.
#[must_use]
pub fn event_stream(device: DeviceId, number: u32, simulated: bool, since_ns: i64) -> Stream {
    Stream {
        number,
        device,
        name: EVENTS.to_owned(),
        code: 0,
        unit: "1".to_owned(),
        kind: StreamKind::Event,
        sampling: None,
        simulated,
        since_ns,
    }
}

/// A device of a simulated world; one that refuses to start if its scenario cannot be played.
fn simulated(
    make: fn(&World, &Options) -> Box<dyn Device>,
    simulation: &Simulation,
    driver: &Driver,
) -> Box<dyn Device> {
    let mut world = world(simulation);
    match scenario::of(driver.kind, simulation) {
        Ok(scenario) => {
            world.scenario = Arc::new(scenario.unwrap_or_default());
            make(&world, &driver.options)
        }
        Err(why) => Box::new(scenario::Refusing {
            device: make(&world, &driver.options),
            why,
        }),
    }
}

/// How a device comes to be.
struct Maker {
    /// On a bus or line of this machine.
    real: fn(&Path, &Options) -> Box<dyn Device>,
    /// On a simulated one.
    simulated: fn(&World, &Options) -> Box<dyn Device>,
}

/// The table of drivers: one row a kind.
fn maker(kind: Kind) -> Maker {
    match kind {
        Kind::Tmp117 => Maker {
            real: |path, told| linux::tmp117(path, told.address, told.period),
            simulated: |world, told| sim::tmp117(world, told.address, told.period),
        },
        Kind::Tmp102 => Maker {
            real: |path, told| linux::tmp10x(path, Part::Tmp102, told.address, told.period),
            simulated: |world, told| sim::tmp10x(world, Part::Tmp102, told.address, told.period),
        },
        Kind::Tmp105 => Maker {
            real: |path, told| linux::tmp10x(path, Part::Tmp105, told.address, told.period),
            simulated: |world, told| sim::tmp10x(world, Part::Tmp105, told.address, told.period),
        },
        Kind::Max30205 => Maker {
            real: |path, told| linux::max30205(path, told.address, told.period),
            simulated: |world, told| sim::max30205(world, told.address, told.period),
        },
        Kind::Mlx90614 => Maker {
            real: |path, told| linux::mlx90614(path, told.address, told.period),
            simulated: |world, told| sim::mlx90614(world, told.address, told.period),
        },
        Kind::Ads1115 => Maker {
            real: |path, told| linux::ads1115(path, told.address, told.input, told.period),
            simulated: |world, told| sim::ads1115(world, told.address, told.input, told.period),
        },
        Kind::Max30102 => Maker {
            real: |path, told| linux::max30102(path, told.rate),
            simulated: |world, told| sim::max30102(world, told.rate),
        },
        Kind::Ads1292r => Maker {
            real: |path, told| {
                let (chip, line) = told.ready.clone().unwrap_or_default();
                linux::ads1292r(path, (&chip, line), told.rate)
            },
            simulated: |world, told| sim::ads1292r(world, told.rate),
        },
        Kind::Nonin => Maker {
            real: |path, told| linux::nonin(path, told.format),
            simulated: |world, told| sim::nonin(world, told.format),
        },
        Kind::Cms50d => Maker {
            real: |path, _| linux::cms50d(path),
            simulated: |world, _| sim::cms50d(world),
        },
        Kind::Masimo => Maker {
            real: |path, _| linux::masimo(path),
            simulated: |world, _| sim::masimo(world),
        },
        Kind::Ivy450c => Maker {
            real: |path, _| linux::ivy450c(path),
            simulated: |world, _| sim::ivy450c(world),
        },
        // The profile refuses a path here; listening nowhere, it says so when it is started.
        Kind::Hl7 => Maker {
            real: |_, told| linux::hl7(NOWHERE, told.sender.as_deref()),
            simulated: |world, _| sim::hl7(world),
        },
        Kind::Board => Maker {
            real: |path, _| linux::board(path),
            simulated: |world, _| sim::board(world),
        },
        // The profile refuses a path here, too.
        Kind::Bluetooth => Maker {
            real: |_, told| linux::bluetooth(NOBODY, characteristic(told)),
            simulated: |world, told| sim::bluetooth(world, characteristic(told)),
        },
        Kind::Frontend => Maker {
            // The profile refuses a front end on a real bus; played here it still is one.
            real: |_, told| frontend(world(&Simulation::default()), told),
            simulated: |world, told| frontend(world.clone(), told),
        },
    }
}

fn frontend(mut world: World, told: &Options) -> Box<dyn Device> {
    world.rate = (told.rate > 0).then_some(told.rate);
    sim::frontend(&world, &told.recording)
}

/// The profile requires one; without a word it would be the first.
fn characteristic(told: &Options) -> ble::Characteristic {
    match told.characteristic {
        None | Some(Characteristic::PlxContinuous) => ble::Characteristic::PlxContinuous,
        Some(Characteristic::PlxSpotCheck) => ble::Characteristic::PlxSpotCheck,
        Some(Characteristic::Temperature) => ble::Characteristic::Temperature,
        Some(Characteristic::BloodPressure) => ble::Characteristic::BloodPressure,
        Some(Characteristic::HeartRate) => ble::Characteristic::HeartRate,
        Some(Characteristic::Weight) => ble::Characteristic::Weight,
        Some(Characteristic::Glucose) => ble::Characteristic::Glucose,
    }
}

fn world(simulation: &Simulation) -> World {
    let clock = SimClock::new(clock::monotonic, simulation.speed);
    World {
        patient: Patient {
            heart_rate: simulation.heart_rate,
            spo2: simulation.spo2,
            temperature_millicelsius: simulation.temperature_millicelsius,
        },
        signal: simulation
            .signal
            .as_ref()
            .map(|source| (source.recording.clone(), source.signal.clone())),
        rate: simulation.signal.as_ref().and_then(|source| source.rate),
        bus: simulation
            .shared
            .as_deref()
            .map_or_else(SimBus::default, SimBus::named),
        ..World::new(clock, simulation.seed)
    }
}

fn stream(settings: &DeviceSettings, spec: &StreamSpec, number: u32, since_ns: i64) -> Stream {
    Stream {
        number,
        device: settings.id.clone(),
        name: spec.name.clone(),
        code: spec.code,
        unit: spec.unit.clone(),
        kind: match spec.kind {
            reading::StreamKind::Numeric => StreamKind::Numeric,
            reading::StreamKind::Waveform => StreamKind::Waveform,
            reading::StreamKind::Event => StreamKind::Event,
        },
        sampling: spec.sampling.and_then(|sampling| {
            Some(Sampling {
                rate: Ratio::new(sampling.rate_numerator, sampling.rate_denominator)?,
                scale: decimal(sampling.scale),
                offset: decimal(sampling.offset),
            })
        }),
        simulated: settings.bus.is_simulated(),
        since_ns,
    }
}

/// The shim's decimal as the wire's.
pub(crate) const fn decimal(value: reading::Decimal) -> Decimal {
    Decimal::new(value.mantissa, value.exponent)
}

/// An address of documentation (RFC 5737), which no machine has.
const NOWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 0), 0));
/// An address that no device has.
const NOBODY: &str = "00:00:00:00:00:00";
/// The name of every event stream.
const EVENTS: &str = "events";
