//! A patient monitor that sends HL7 over MLLP to the listener of the real driver, on the loopback address.
//!
//! Every second an ORU^R01, marked DEMO as such monitors mark what they simulate. The next message is sent
//! when the last one was answered; what could not be sent is sent later, in order.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::World;
use super::serial::{Schedule, Words};
use super::source::Ending;
use crate::device::{Device, Fault, FaultKind};
use crate::drivers::hl7::{Framer, Piece, frame};
use crate::linux::Mllp;
use crate::reading::{Reading, StreamSpec};

/// A monitor and the listener that it sends to.
#[must_use]
pub fn hl7(world: &World) -> Box<dyn Device> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Box::new(Bedside {
        listener: Mllp::new(address, None),
        world: world.clone(),
        ending: Ending::default(),
        monitor: None,
    })
}

struct Bedside {
    listener: Mllp,
    world: World,
    ending: Ending,
    monitor: Option<Monitor>,
}

impl Device for Bedside {
    fn streams(&self) -> &[StreamSpec] {
        self.listener.streams()
    }

    fn period(&self) -> Duration {
        self.listener.period()
    }

    fn start(&mut self) -> Result<(), Fault> {
        self.monitor = None;
        self.listener.start()?;
        let nowhere = || Fault::new(FaultKind::Unopened, "sim: the listener has no address");
        let address = self.listener.listens_at().ok_or_else(nowhere)?;
        self.monitor = Some(Monitor::begin(&self.world, &self.ending, address)?);
        Ok(())
    }

    fn poll(&mut self, readings: &mut Vec<Reading>) -> Result<(), Fault> {
        let ended = self.ending.fault(self.world.clock.now());
        self.listener.poll(readings)?;
        ended.map_or(Ok(()), Err)
    }

    fn flush(&mut self, readings: &mut Vec<Reading>) {
        self.listener.flush(readings);
    }
}

/// The sending thread; dropping this ends it.
struct Monitor {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    fn begin(world: &World, ending: &Ending, address: SocketAddr) -> Result<Self, Fault> {
        let schedule = Schedule::open(world, ending, 1)?;
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("sim-hl7".to_owned())
            .spawn(move || send(schedule, address, &stopped))
            .map_err(|error| Fault::new(FaultKind::Unopened, format!("sim: no thread: {error}")))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by itself already.
            drop(thread.join());
        }
    }
}

fn send(mut schedule: Schedule, address: SocketAddr, stopped: &Receiver<()>) {
    let mut link: Option<TcpStream> = None;
    let mut unsent: Option<Vec<u8>> = None;
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        loop {
            unsent = unsent.or_else(|| next(&mut schedule));
            let Some(bytes) = &unsent else { break };
            if bytes.is_empty() {
                // It was gone then; what it would have said is not said later.
                (link, unsent) = (None, None);
                continue;
            }
            let Some(mut stream) = link.take().or_else(|| connect(address)) else {
                break;
            };
            if !exchange(&mut stream, bytes) {
                break;
            }
            link = Some(stream);
            unsent = None;
        }
    }
}

/// What is to be said next, if it is time, after what a scenario does to it; nothing is left while it is gone.
fn next(schedule: &mut Schedule) -> Option<Vec<u8>> {
    let mut words = schedule.next()?;
    let (time, mut bytes) = (words.time, frame(&message(&mut words)));
    schedule.wires().send(time, &mut bytes);
    Some(bytes)
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

/// Sends a message and waits for its answer.
fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    if stream.write_all(bytes).is_err() {
        return false;
    }
    let mut framer = Framer::default();
    let mut buffer = [0; 512];
    loop {
        let Ok(count @ 1..) = stream.read(&mut buffer) else {
            return false;
        };
        let mut bytes = buffer.iter().take(count);
        let answered = bytes.any(|byte| matches!(framer.push(*byte), Some(Piece::Message(_))));
        if answered {
            return true;
        }
    }
}

fn message(words: &mut Words<'_>) -> String {
    let [hour, minute, second] = words.time_of_day();
    let time = format!("20260101{hour:02}{minute:02}{second:02}+0000");
    let (patient, number, on) = (words.patient, words.number + 1, words.pulse().is_some());
    let celsius = format!(
        "{}.{:03}",
        words.millicelsius() / 1000,
        words.millicelsius() % 1000
    );
    let mut text = format!(
        "MSH|^~\\&|SIMULATED^0012340000000001^EUI-64||WARDLINK||{time}||ORU^R01^ORU_R01|{number}|P|2.6\r\
         PID|||SIMULATED\rPV1||I|WARD^1^1\rOBR|1||{number}|69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||{time}\r"
    );
    let (rate, spo2) = (patient.heart_rate.to_string(), patient.spo2.to_string());
    let values = [
        (
            "147842^MDC_ECG_HEART_RATE",
            rate.as_str(),
            "264864^MDC_DIM_BEAT_PER_MIN",
        ),
        (
            "150456^MDC_PULS_OXIM_SAT_O2",
            &spo2,
            "262688^MDC_DIM_PERCENT",
        ),
        (
            "149530^MDC_PULS_OXIM_PULS_RATE",
            &rate,
            "264864^MDC_DIM_BEAT_PER_MIN",
        ),
        ("150344^MDC_TEMP", &celsius, "268192^MDC_DIM_DEGC"),
    ]
    .into_iter()
    .zip(1_u32..);
    for ((code, value, unit), place) in values {
        // Temperature has a sensor of its own.
        let (value, flags, status) = if on || place == TEMPERATURE {
            (value, "DEMO", 'R')
        } else {
            ("", "NAV~DEMO", 'X')
        };
        text += &format!(
            "OBX|{place}|NM|{code}^MDC|1.1.1.{place}|{value}|{unit}^MDC||{flags}|||{status}|||{time}\r"
        );
    }
    text
}

/// The place of temperature among the observations.
const TEMPERATURE: u32 = 4;
const TICK: Duration = Duration::from_millis(10);
/// How long one step may take; a listener that is polled answers within a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
