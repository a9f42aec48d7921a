//! The embedded broker: what the demo uses in place of the broker of a hospital.
//!
//! Owns one MQTT broker in this process, reachable on one loopback port over TLS. Promises that nobody
//! connects without a certificate of the fleet's CA, that a client is who its certificate says
//! (`access`) and that retained messages and the sessions of the run are kept (`retained`), all of it
//! in memory only: whoever kills the process takes everything with it, which is what the demo's outage
//! wants. Refuses any other address than loopback. Only this folder names `rmqtt`
//! (docs/decisions/0001-embedded-broker.md).

mod access;
mod retained;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rmqtt::context::ServerContext;
use rmqtt::hook::Type;
use rmqtt::net::{Builder, Listener};
use rmqtt::server::MqttServer;
use wardlink_wire::id::GatewayId;

use crate::exit::{Exit, Verdict};
use access::Access;
use retained::Retained;

/// What `wardlink demo-broker` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct BrokerArguments {
    /// Loopback address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Certificate authority that clients must be certified by, PEM
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
    /// The broker's certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub certificate: PathBuf,
    /// The broker's private key, PEM
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The gateway of the demo: it may publish records; every other client is the operator's
    #[arg(long, value_name = "ID")]
    pub gateway: GatewayId,
}

/// Serves until the process is killed. Once clients can connect, one line on `ready` says where.
///
/// # Errors
/// When the address is not loopback, is taken, or a file cannot be used.
pub async fn serve(args: BrokerArguments, mut ready: impl Write) -> Result<(), BrokerError> {
    if !args.listen.ip().is_loopback() {
        return Err(BrokerError::NotLoopback(args.listen));
    }
    let context = context(args.gateway.clone()).await;
    let listener = listener(&args)?;
    let address = listener
        .local_addr()
        .map_err(|error| BrokerError::broker(&error))?;
    writeln!(ready, "{LISTENING}{address}")
        .and_then(|()| ready.flush())
        .map_err(BrokerError::Ready)?;
    MqttServer::new(context)
        .listener_by_id(listener, LISTENER)
        .build()
        .run()
        .await
        .map_err(|error| BrokerError::broker(&error))
}

/// The address in the line that [`serve`] writes once clients can connect.
#[must_use]
pub fn listening_address(line: &str) -> Option<SocketAddr> {
    line.trim_end().strip_prefix(LISTENING)?.parse().ok()
}

async fn context(gateway: GatewayId) -> ServerContext {
    // The busy check would turn clients away whenever the machine's processors are loaded.
    let context = ServerContext::new().busy_check_enable(false).build().await;
    *context.extends.retain_mut().await = Box::new(Retained::default());
    let register = context.extends.hook_mgr().register();
    for hook in [
        Type::ClientAuthenticate,
        Type::ClientSubscribeCheckAcl,
        Type::MessagePublishCheckAcl,
    ] {
        register
            .add(hook, Box::new(Access::new(gateway.clone())))
            .await;
    }
    register.start().await;
    context
}

fn listener(args: &BrokerArguments) -> Result<Listener, BrokerError> {
    let path = |path: &Path| -> Result<Option<String>, BrokerError> {
        let text = path.to_str().map(ToOwned::to_owned);
        text.map(Some)
            .ok_or_else(|| BrokerError::Path(path.to_owned()))
    };
    let mut builder = Builder::new()
        .name("demo")
        .laddr(args.listen)
        // the port is taken again right after a kill, while old connections still linger
        .reuseaddr(Some(true))
        .nodelay(true)
        .allow_anonymous(false)
        .max_packet_size(LARGEST)
        .max_inflight(IN_FLIGHT)
        .max_mqueue_len(QUEUE)
        .tls_cross_certificate(true)
        .tls_client_ca_certs(path(&args.ca)?)
        .tls_cert(path(&args.certificate)?)
        .tls_key(path(&args.key)?)
        .collect_cert_info(true)
        .cert_cn_as_username(true);
    // Nothing that was acknowledged to a publisher may expire while a subscriber is away.
    builder.message_expiry_interval = Duration::ZERO;
    let listener = builder.bind().map_err(|error| BrokerError::Listen {
        address: args.listen,
        reason: format!("{error:#}"),
    })?;
    listener.tls().map_err(|error| BrokerError::broker(&error))
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Others than this machine could connect.
    #[error("{0} is no loopback address: the demo's broker serves this machine only")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// A path the broker cannot be given.
    #[error("{}: the broker needs a path in UTF-8", .0.display())]
    Path(PathBuf),
    /// Nobody reads where it listens.
    #[error("cannot say where the broker listens: {0}")]
    Ready(io::Error),
    /// Certificates, keys or the broker itself.
    #[error("embedded broker: {0}")]
    Broker(String),
}

impl Verdict for BrokerError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotLoopback(_) | Self::Path(_) => Exit::BadInput,
            Self::Listen { .. } | Self::Ready(_) | Self::Broker(_) => Exit::Failed,
        }
    }
}

impl BrokerError {
    fn broker(error: &rmqtt::Error) -> Self {
        Self::Broker(format!("{error:#}"))
    }
}

const LISTENING: &str = "listening on ";
const LISTENER: u16 = 1;
/// A batch has at most 8 MiB; seal and headers come on top.
const LARGEST: u32 = (8 << 20) + (128 << 10);
/// Messages on their way to one subscriber, and waiting for one that is away.
const IN_FLIGHT: NonZeroU16 = NonZeroU16::MIN.saturating_add(63);
const QUEUE: usize = 100_000;
