//! Why a session did not come about or ended, in words for the person who must act, and how long that
//! person's absence makes another attempt pointless.

use std::error::Error;
use std::time::Duration;

/// Why a session did not come about, or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The settings cannot be used.
    #[error("connection settings: {0}")]
    Options(String),
    /// The broker answered no.
    #[error("the broker refused the connection: {0}")]
    Refused(Refusal),
    /// The broker said nothing for too long.
    #[error("the broker did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The broker answers, but has not acknowledged a single publication for too long.
    #[error("the broker acknowledged nothing of what was published for {} s", .0.as_secs())]
    Stalled(Duration),
    /// The connection failed or broke.
    #[error("{0}")]
    Broken(String),
    /// The broker does not let this party hear a topic.
    #[error("the broker refused the subscription to {0}: {1}")]
    Subscription(String, String),
    /// The broker has seen this publication and will not take it (MQTT 5 section 4.13). The session goes on.
    #[error("the broker did not take a publication: {0}")]
    NotTaken(String),
    /// The broker would cut the connection over this publication, so it was not sent. The session goes on.
    #[error("a publication of {bytes} bytes is more than the {most} that the broker takes")]
    TooLarge {
        /// Bytes of the packet.
        bytes: usize,
        /// Bytes that the broker takes.
        most: usize,
    },
    /// Closed before.
    #[error("the session is over")]
    Over,
}

/// A broker's no to a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}{}", .kind.remedy())]
pub struct Refusal {
    /// The reason code's name.
    pub said: String,
    /// What it means for the next attempt.
    pub kind: RefusalKind,
}

/// What a refusal means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// Not this party, until somebody changes its rights.
    Party,
    /// Not this protocol version or feature, until somebody changes the settings.
    Protocol,
    /// Not now.
    Busy,
    /// The reason says nothing of either.
    Other,
}

impl RefusalKind {
    const fn remedy(self) -> &'static str {
        match self {
            Self::Party => " (its user and access list do not know this certificate)",
            Self::Protocol => " (try the other MQTT version: broker.mqtt)",
            Self::Busy | Self::Other => "",
        }
    }
}

impl SessionError {
    /// The least time before another attempt makes sense: none for a broken connection, some for a broker
    /// that is busy, long for a refusal that only a person can lift.
    #[must_use]
    pub const fn pause(&self) -> Duration {
        match self {
            Self::Refused(refusal) => match refusal.kind {
                RefusalKind::Party | RefusalKind::Protocol => Duration::from_secs(30),
                RefusalKind::Busy => Duration::from_secs(5),
                RefusalKind::Other => Duration::ZERO,
            },
            _ => Duration::ZERO,
        }
    }

    pub(super) fn refused(said: impl Into<String>, kind: RefusalKind) -> Self {
        Self::Refused(Refusal {
            said: said.into(),
            kind,
        })
    }

    /// Puts the library's words for a connection's end into those for the person who must act.
    pub(super) fn broken(error: &dyn Error) -> Self {
        let mut words = error.to_string();
        if words.contains(UNFINISHED) {
            return Self::Broken("the broker closed the connection".to_owned());
        }
        let mut source = error.source();
        while let Some(cause) = source {
            let said = cause.to_string();
            if !words.contains(&said) {
                words.push_str(": ");
                words.push_str(&said);
            }
            source = cause.source();
        }
        Self::Broken(format!("{words}{}", remedy(&words)))
    }
}

/// What to do, for the failures of a handshake that people meet most.
fn remedy(words: &str) -> &'static str {
    const REMEDIES: [(&str, &str); 14] = [
        (
            "failed to lookup address",
            " (the broker's name cannot be resolved: check the name and the DNS of this machine)",
        ),
        (
            "InvalidContentType",
            " (what answers on this port does not speak TLS)",
        ),
        // Before the bad signature of a certificate.
        (
            "invalid certificate revocation list",
            " (the revocation list is not from the fleet CA)",
        ),
        (
            "UnknownIssuer",
            " (the broker's certificate is not from the fleet CA)",
        ),
        (
            "BadSignature",
            " (the broker's certificate is not from the fleet CA)",
        ),
        (
            "peer certificate: Revoked",
            " (the fleet's revocation list names the broker's certificate: it needs a new one)",
        ),
        (
            "UnknownRevocationStatus",
            " (the revocation list is not from the CA of the broker's certificate)",
        ),
        (
            "not valid for name",
            " (the broker's certificate does not carry the configured host name)",
        ),
        (
            "alert: CertificateExpired",
            " (the broker refuses this certificate as expired: renew it)",
        ),
        (
            "alert: CertificateRequired",
            " (the broker wants a client certificate)",
        ),
        (
            "alert: UnknownCA",
            " (the broker does not know the CA of this certificate)",
        ),
        (
            "certificate not valid yet",
            " (the broker's certificate is not valid yet: check this machine's clock)",
        ),
        (
            "certificate expired",
            " (the broker's certificate is expired, or this machine's clock is wrong)",
        ),
        // Last: the alerts above come wrapped in it.
        (
            "deserialization error",
            " (what answers on this port does not speak MQTT)",
        ),
    ];
    let found = REMEDIES.iter().find(|(sign, _)| words.contains(sign));
    found.map_or("", |(_, remedy)| remedy)
}

/// What rustls says of a peer that ends TCP without ending TLS, as every killed broker does.
const UNFINISHED: &str = "without sending TLS close_notify";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_that_a_person_must_lift_make_a_client_wait_long() {
        let pause = |kind| SessionError::refused("no", kind).pause();
        assert!(pause(RefusalKind::Party) > pause(RefusalKind::Busy));
        assert_eq!(pause(RefusalKind::Protocol), pause(RefusalKind::Party));
        assert!(pause(RefusalKind::Busy) > Duration::ZERO);
        let broken = SessionError::Broken("reset by peer".to_owned());
        assert_eq!(broken.pause(), Duration::ZERO);
    }
}
