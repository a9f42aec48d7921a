//! Something on the broker's port that is no broker, or one that takes nothing.

mod mqtt;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What it says to whoever connects.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Bytes that are no TLS.
    Garbage,
    /// Nothing at all.
    Silence,
    /// TLS with the broker's own certificate, and then bytes that are no MQTT.
    GarbageInside(Arc<ServerConfig>),
    /// MQTT 3.1.1, and this return code in answer to CONNECT.
    Refuses(Arc<ServerConfig>, u8),
    /// MQTT 3.1.1: it grants subscriptions and answers pings, and acknowledges no publication.
    TakesNothing(Arc<ServerConfig>),
}

/// An impostor. It goes away when it is dropped.
#[derive(Debug)]
pub struct Impostor {
    port: u16,
    gone: Arc<AtomicBool>,
    server: Option<JoinHandle<usize>>,
}

impl Impostor {
    /// Listens on a port.
    #[must_use]
    pub fn on(port: u16, manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the broker's port is free");
        let gone = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&gone);
        let server = thread::spawn(move || serve(&listener, &manner, &told));
        Self {
            port,
            gone,
            server: Some(server),
        }
    }

    /// Goes away, and says how many had connected.
    #[must_use]
    pub fn leave(mut self) -> usize {
        self.end()
    }

    fn end(&mut self) -> usize {
        self.gone.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        let served = self.server.take().map(JoinHandle::join);
        served.map_or(0, |served| served.expect("the impostor does not panic"))
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        if self.server.is_some() {
            let _served: usize = self.end();
        }
    }
}

/// TLS as the broker with this identity would speak it, but whoever comes is let in.
#[must_use]
pub fn tls_of(identity: &Path) -> Arc<ServerConfig> {
    let read = |name: &str| fs::read(identity.join(name)).expect(name);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read("broker.pem")).collect();
    let key = PrivateKeyDer::from_pem_slice(&read("broker.key")).expect("the broker's key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(chain.expect("the broker's certificate"), key);
    Arc::new(config.expect("certificate and key belong together"))
}

fn serve(listener: &TcpListener, manner: &Manner, gone: &AtomicBool) -> usize {
    let mut held = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().expect("somebody connects");
        if gone.load(Ordering::SeqCst) {
            return held.len();
        }
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        match manner {
            Manner::Garbage => drop(stream.write_all(&garbage())),
            Manner::Silence => {}
            Manner::GarbageInside(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).expect("a TLS server");
                let stream = stream.try_clone().expect("a second handle");
                let mut tls = StreamOwned::new(connection, stream);
                // The client speaks first; what it says is of no interest.
                drop(tls.read(&mut [0; 512]));
                drop(tls.write_all(&garbage()));
                drop(tls.flush());
            }
            Manner::Refuses(config, code) => {
                let (mut tls, code) = (mqtt::over(config, &stream), *code);
                thread::spawn(move || mqtt::refuse(&mut tls, code));
            }
            Manner::TakesNothing(config) => {
                let mut tls = mqtt::over(config, &stream);
                thread::spawn(move || mqtt::take_nothing(&mut tls));
            }
        }
        held.push(stream);
    }
}

fn garbage() -> Vec<u8> {
    (0..997_u32)
        .map(|place| u8::try_from(place * 31 % 251).expect("below 251"))
        .collect()
}

const PATIENCE: Duration = Duration::from_secs(5);
