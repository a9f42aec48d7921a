//! The listener for HL7 over MLLP, with real connections.
#![cfg(feature = "linux")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use wardlink_firmware_shim::device::{Device, FaultKind};
use wardlink_firmware_shim::linux;
use wardlink_firmware_shim::reading::Reading;

const MESSAGE: &[u8] = b"\x0bMSH|^~\\&|M||||20261125143510||ORU^R01|7|P|2.6\rOBR|1\r\
    OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.1|97|262688^MDC_DIM_PERCENT^MDC|||||R\r\x1c\r";

#[test]
fn a_peer_that_never_ends_its_message_is_cut_off_and_the_others_do_not_notice() {
    let (mut device, address) = listening();
    let mut readings = Vec::new();
    let mut endless = TcpStream::connect(address).unwrap();
    let mut stranger = TcpStream::connect(address).unwrap();
    let mut good = TcpStream::connect(address).unwrap();
    // Half a message first: nothing may wait for the other half.
    endless.write_all(b"\x0bMSH|").unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    for _ in 0..3 {
        good.write_all(MESSAGE).unwrap();
        let answer = answer(device.as_mut(), &mut readings, &mut good);
        assert!(answer.contains("MSA|AA|7"), "{answer}");
    }
    assert_eq!(readings.len(), 3);
    let more = vec![b'x'; 70_000];
    endless.set_nonblocking(true).unwrap();
    let mut sent = 0;
    poll_until(device.as_mut(), &mut readings, || {
        if let Some(rest) = more.get(sent..).filter(|rest| !rest.is_empty()) {
            sent += endless.write(rest).unwrap_or(0);
        }
        is_closed(&mut endless)
    });
    good.write_all(MESSAGE).unwrap();
    assert!(answer(device.as_mut(), &mut readings, &mut good).contains("MSA|AA|7"));
    assert_eq!(readings.len(), 4);
}

#[test]
fn more_peers_than_are_served_wait_until_one_goes() {
    let (mut device, address) = listening();
    let mut readings = Vec::new();
    let mut peers: Vec<_> = (0..17)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let mut last = peers.pop().unwrap();
    last.write_all(MESSAGE).unwrap();
    device.poll(&mut readings).unwrap();
    assert!(readings.is_empty(), "the seventeenth is not served yet");
    drop(peers);
    assert!(answer(device.as_mut(), &mut readings, &mut last).contains("MSA|AA|7"));
}

#[test]
fn an_address_in_use_and_one_of_another_machine_are_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let in_use = taken.local_addr().unwrap();
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 2575));
    for (address, says) in [
        (in_use, "in use"),
        (elsewhere, "no address of this machine"),
    ] {
        let fault = linux::hl7(address, None).start().unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unopened);
        assert!(
            fault.detail.contains(says) && fault.detail.contains(&address.to_string()),
            "{fault}"
        );
    }
}

/// A listener on a port that was free a moment ago.
fn listening() -> (Box<dyn Device>, SocketAddr) {
    loop {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut device = linux::hl7(address, None);
        if device.start().is_ok() {
            return (device, address);
        }
    }
}

/// Polls until the whole answer to one message has come.
fn answer(device: &mut dyn Device, readings: &mut Vec<Reading>, peer: &mut TcpStream) -> String {
    peer.set_nonblocking(true).unwrap();
    let mut answer = Vec::new();
    poll_until(device, readings, || {
        let mut buffer = [0; 512];
        if let Ok(count) = peer.read(&mut buffer) {
            answer.extend(buffer.iter().take(count));
        }
        answer.ends_with(b"\x1c\r")
    });
    peer.set_nonblocking(false).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Polls until something is so; gives up after half a minute.
fn poll_until(
    device: &mut dyn Device,
    readings: &mut Vec<Reading>,
    mut is_so: impl FnMut() -> bool,
) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain");
        device.poll(readings).unwrap();
    }
}

fn is_closed(peer: &mut TcpStream) -> bool {
    match peer.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}
