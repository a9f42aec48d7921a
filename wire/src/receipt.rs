//! The monitor's signed statement: these sequences of this lane are safely mine.
//!
//! Cumulative: each receipt says everything the monitor has of the epochs it names, so a lost or
//! repeated receipt does no harm, and only what it names may be deleted on a gateway.

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, EncodeError, Limit};
use crate::id::{Epoch, GatewayId};
use crate::lane::Lane;
use crate::sequence::SequenceRange;
use crate::signature::{self, KeyError, Purpose, SigningKey, VerifyError, VerifyingKey};

/// What the monitor has of one gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// Whose records.
    pub gateway: GatewayId,
    /// When the monitor said so, UTC, nanoseconds since 1970-01-01.
    pub issued_ns: i64,
    /// What it has.
    pub lanes: Vec<LaneReceipt>,
}

/// What the monitor has of one lane of one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneReceipt {
    /// Which store.
    pub epoch: Epoch,
    /// Which lane.
    pub lane: Lane,
    /// The runs, in order.
    pub ranges: Vec<SequenceRange>,
}

impl Receipt {
    /// Signs the receipt.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, SignError> {
        Ok(key.sign(Purpose::Receipt, codec::encode(self)?)?)
    }

    /// Reads a receipt for `gateway` that one of the trusted keys signed.
    ///
    /// # Errors
    /// When it is too large, the signature does not hold, or the receipt is for another gateway.
    pub fn verify(
        bytes: &[u8],
        gateway: &GatewayId,
        trusted: &[VerifyingKey],
    ) -> Result<Self, ReceiptError> {
        if bytes.len() > LIMIT.bytes {
            return Err(ReceiptError::TooLarge(bytes.len()));
        }
        let (payload, _) = signature::verify(bytes, Purpose::Receipt, trusted)?;
        let receipt: Self = codec::decode(&payload, LIMIT)?;
        if receipt.schema != crate::SCHEMA {
            return Err(ReceiptError::Schema(receipt.schema));
        }
        if receipt.gateway != *gateway {
            return Err(ReceiptError::OtherGateway(receipt.gateway));
        }
        Ok(receipt)
    }
}

/// Why something was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The key refused.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a receipt is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Larger than any receipt.
    #[error("receipt of {0} bytes, at most {most} are taken", most = LIMIT.bytes)]
    TooLarge(usize),
    /// The signature.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The content.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Written by a newer monitor.
    #[error("this receipt has schema {0}, only schema {known} is known", known = crate::SCHEMA)]
    Schema(u16),
    /// Somebody else's.
    #[error("this receipt is for gateway {0}")]
    OtherGateway(GatewayId),
}

/// 1 MiB: some 50,000 runs.
const LIMIT: Limit = Limit {
    bytes: 1 << 20,
    depth: 8,
};
