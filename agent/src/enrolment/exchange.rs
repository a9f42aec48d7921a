//! One question to the operator over MQTT, and its answer.

use std::time::Duration;

use tokio::time::timeout;
use wardlink_link::identity::Identity;
use wardlink_link::session::{Options, Publication, Session, SessionError, Version};
use wardlink_wire::codec;
use wardlink_wire::enrolment::{Answer, Desk, GRANT_LIMIT, Request};

use super::EnrolmentError;

/// Where the operator is asked, and as whom.
#[derive(Debug, Clone)]
pub struct Place<'p> {
    /// Who asks.
    pub identity: &'p Identity,
    /// The broker's host.
    pub host: &'p str,
    /// Its port.
    pub port: u16,
    /// MQTT client id.
    pub client_id: String,
}

/// Asks, and waits for the answer to exactly this request. The question stays at the broker (retained), so
/// that it can be answered later too.
///
/// # Errors
/// When the broker cannot be reached, the connection breaks, or nobody answers in time.
pub async fn ask(
    place: &Place<'_>,
    desk: &Desk,
    request: &Request,
    patience: Duration,
) -> Result<Vec<u8>, EnrolmentError> {
    let mut session = connect(place).await?;
    session.subscribe(&[desk.answer()]).await?;
    let publication = Publication {
        topic: desk.request(),
        payload: codec::encode(request)?,
        retain: true,
    };
    session.publish(publication)?.acknowledged().await?;
    let digest = request.digest();
    let answered = async {
        loop {
            let incoming = session.next().await?;
            session.acknowledge(&incoming)?;
            // The answer to an earlier request may still be there.
            let answer = codec::decode::<Answer>(&incoming.payload, GRANT_LIMIT);
            if answer.is_ok_and(|answer| answer.request == digest) {
                return Ok::<_, SessionError>(incoming.payload);
            }
        }
    };
    let answer = timeout(patience, answered)
        .await
        .map_err(|_| EnrolmentError::NoAnswer)??;
    session.close().await;
    Ok(answer)
}

/// Shows that a broker takes an identity.
///
/// # Errors
/// When it does not, or cannot be reached.
pub async fn prove(place: &Place<'_>) -> Result<(), EnrolmentError> {
    connect(place).await?.close().await;
    Ok(())
}

async fn connect(place: &Place<'_>) -> Result<Session, EnrolmentError> {
    let options = Options {
        version: Version::default(),
        host: place.host.to_owned(),
        port: place.port,
        client_id: place.client_id.clone(),
        keep_alive: KEEP_ALIVE,
        clean: true,
        in_flight: 1,
        will: None,
    };
    Ok(Session::open(place.identity, options).await?)
}

const KEEP_ALIVE: Duration = Duration::from_secs(20);
