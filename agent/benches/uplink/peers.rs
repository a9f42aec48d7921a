//! What else brings messages to a broker: `mosquitto_pub -l`, and a mosquitto that is a bridge.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rumqttc::{Event, Packet, QoS};
use rustix::process::{Pid, Signal, kill_process};

use super::bare::{self, IN_FLIGHT};
use super::broker::{Broker, free_port, program, run};
use crate::Rate;

/// `mosquitto_pub -l`: a message a line, from its start to its end. None where it is missing.
pub(crate) fn mosquitto_pub(broker: &Broker, payload: usize, messages: u32) -> Option<Rate> {
    let files = broker.files();
    let mut command = Command::new(program("mosquitto_pub")?);
    command.args(["-h", "localhost", "-q", "1", "-l", "-i", "mosquitto_pub"]);
    command.args(["-t", "wardlink/1/gw-bench/wave", "--tls-version", "tlsv1.3"]);
    command.args(["-p", &broker.port.to_string()]);
    command.arg("--cafile").arg(&files.ca);
    command.arg("--cert").arg(&files.certificate);
    command.arg("--key").arg(&files.key);
    let mut line = vec![b'x'; payload];
    line.push(b'\n');
    let (began, before) = (Instant::now(), children());
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("its input");
    for _ in 0..messages {
        input.write_all(&line).expect("it reads");
    }
    drop(input);
    assert!(
        child.wait().expect("it ends").success(),
        "mosquitto_pub failed"
    );
    Some(Rate::of(messages, began.elapsed(), children() - before))
}

/// A mosquitto that kept a backlog for its bridge across a restart (persistence, `cleansession false`, QoS 1):
/// from its second start to the last message at a subscriber of the broker. None where it is missing.
pub(crate) async fn bridge(broker: &Broker, payload: usize, messages: u32) -> Option<Rate> {
    let (mosquitto, folder) = (
        program("mosquitto")?,
        tempfile::tempdir().expect("a folder"),
    );
    let (port, nowhere) = (free_port(), free_port());
    let start = |to: u16| {
        let settings = folder.path().join("bridge.conf");
        std::fs::write(&settings, bridge_settings(broker, folder.path(), port, to))
            .expect("its settings");
        run(&mosquitto, &settings, port)
    };
    let mut keeps = start(nowhere);
    bare::fill(port, payload, messages).await;
    stop(&mut keeps);
    let (client, mut events) = bare::connect(broker, "hears").await;
    client
        .try_subscribe("wardlink/1/gw-bench/wave", QoS::AtMostOnce)
        .expect("a subscription");
    while !matches!(events.poll().await, Ok(Event::Incoming(Packet::SubAck(_)))) {}
    let (began, before) = (Instant::now(), children());
    let mut bridge = start(broker.port);
    let mut heard = 0;
    while heard < messages {
        if let Event::Incoming(Packet::Publish(_)) = events.poll().await.expect("a connection") {
            heard += 1;
        }
    }
    let took = began.elapsed();
    stop(&mut bridge);
    Some(Rate::of(messages, took, children() - before))
}

fn bridge_settings(broker: &Broker, folder: &Path, port: u16, to: u16) -> String {
    let files = broker.files();
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nlog_type none\n\
         persistence true\npersistence_location {}/\nmax_queued_messages 0\nmax_inflight_messages {IN_FLIGHT}\n\
         connection up\naddress localhost:{to}\nclientid bridge\ncleansession false\nnotifications false\n\
         try_private false\nrestart_timeout 1\ntopic # out 1\nbridge_tls_version tlsv1.3\n\
         bridge_cafile {}\nbridge_certfile {}\nbridge_keyfile {}\n",
        folder.display(),
        files.ca.display(),
        files.certificate.display(),
        files.key.display(),
    )
}

fn stop(child: &mut Child) {
    kill_process(Pid::from_child(child), Signal::TERM).expect("it runs");
    child.wait().expect("it ends");
}

/// What children that have ended used of the processor (proc_pid_stat(5), fields 16 and 17), in hundredths of
/// a second.
fn children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc");
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: u64 = after
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}
