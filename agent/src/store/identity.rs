//! Whose store this is: gateway, epoch, engine, cipher, and the proof of the key.
//!
//! Owns the `meta` file, written once and whole (new name, sync, rename, sync), twice in one file. One
//! damaged copy is written again from the other. With both gone the identity is proven by a segment
//! header that opens with the key for this gateway: a damaged meta file stops nobody who has the key.

use aws_lc_rs::rand;
use wardlink_wire::id::{Epoch, GatewayId};

use super::Settings;
use super::cipher::Cipher;
use super::directory::{Directory, StoreFile};
use super::engine::EngineKind;
use super::error::StoreError;
use super::fields::{Fields, frame, unframe};
use super::key::KEY;
use super::provider::Keys;
use super::sealing::Keyring;

/// What every engine needs to know of its store.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) gateway: GatewayId,
    pub(super) epoch: Epoch,
    pub(super) engine: EngineKind,
    pub(super) keys: Keyring,
}

impl Identity {
    /// Reads the identity and checks that key and gateway fit, or gives a new store its identity; then
    /// the second value is true.
    pub(super) fn establish(
        directory: &Directory,
        settings: &Settings,
        gateway: &GatewayId,
        keys: &Keys,
    ) -> Result<(Self, bool), StoreError> {
        if let Some((meta, whole)) = read(directory)? {
            let identity = meta.check(directory, settings, gateway, keys)?;
            if !identity.engine.remembers(directory, &identity)? {
                return Self::create(directory, settings, gateway, keys);
            }
            if !whole {
                // One copy is enough to start with, also on a medium that has no room for a second.
                drop(identity.meta().write(directory));
            }
            return Ok((identity, false));
        }
        let claims = settings.engine.claims(directory)?;
        if claims.is_empty() {
            return Self::create(directory, settings, gateway, keys);
        }
        for (epoch, cipher) in claims.into_iter().flatten() {
            let identity = Self::of(
                gateway,
                epoch,
                settings.engine,
                Keyring::new(keys, &epoch, cipher)?,
            );
            if settings.engine.proves(directory, &identity)? {
                identity.meta().write(directory)?;
                return Ok((identity, false));
            }
        }
        Err(StoreError::Unrecognised {
            path: directory.path().to_owned(),
        })
    }

    /// A new epoch: also where a meta file is all that is left, because the places it gave out are forgotten.
    fn create(
        directory: &Directory,
        settings: &Settings,
        gateway: &GatewayId,
        keys: &Keys,
    ) -> Result<(Self, bool), StoreError> {
        let mut epoch = [0; 16];
        rand::fill(&mut epoch).map_err(|_| StoreError::Randomness)?;
        let epoch = Epoch::from_bytes(epoch);
        let keys = Keyring::new(keys, &epoch, settings.cipher)?;
        let identity = Self::of(gateway, epoch, settings.engine, keys);
        identity.meta().write(directory)?;
        Ok((identity, true))
    }

    fn of(gateway: &GatewayId, epoch: Epoch, engine: EngineKind, keys: Keyring) -> Self {
        Self {
            gateway: gateway.clone(),
            epoch,
            engine,
            keys,
        }
    }

    /// The meta file, with the proof of the key that is current now.
    pub(super) fn meta(&self) -> MetaFile {
        let name = self.gateway.as_str().as_bytes();
        let mut payload = FORMAT.to_le_bytes().to_vec();
        payload.push(self.engine.number());
        payload.push(self.keys.cipher().number());
        payload.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        payload.extend_from_slice(name);
        payload.extend_from_slice(self.epoch.as_bytes());
        payload.extend_from_slice(self.keys.proof());
        let mut block = frame(MAGIC, &payload);
        block.resize(COPY, 0);
        MetaFile(block.repeat(2))
    }
}

/// A meta file to write: both copies.
#[derive(Debug)]
pub(super) struct MetaFile(Vec<u8>);

impl MetaFile {
    pub(super) fn write(&self, directory: &Directory) -> Result<(), StoreError> {
        let file = directory.create_file(NEW)?;
        file.write_at(&self.0, 0)?;
        file.sync()?;
        directory.rename(NEW, META)?;
        directory.sync()
    }
}

/// What a meta file says.
struct Meta {
    format: u16,
    rest: Option<Body>,
}

struct Body {
    engine: EngineKind,
    cipher: Cipher,
    gateway: GatewayId,
    epoch: Epoch,
    proof: [u8; KEY],
}

impl Meta {
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(payload);
        let format = fields.u16()?;
        let rest = (format == FORMAT).then(|| Body::parse(fields)).flatten();
        Some(Self { format, rest })
    }

    fn check(
        self,
        directory: &Directory,
        settings: &Settings,
        gateway: &GatewayId,
        keys: &Keys,
    ) -> Result<Identity, StoreError> {
        let path = directory.path().to_owned();
        let Some(body) = self.rest else {
            let found = self.format;
            return Err(StoreError::Format { path, found });
        };
        if body.gateway != *gateway {
            return Err(StoreError::OtherGateway {
                path,
                found: body.gateway,
                expected: gateway.clone(),
            });
        }
        if body.engine != settings.engine {
            return Err(StoreError::OtherEngine {
                path,
                found: body.engine,
                expected: settings.engine,
            });
        }
        let keys = Keyring::new(keys, &body.epoch, body.cipher)?;
        if !keys.is_proven_by(&body.proof) {
            return Err(StoreError::WrongKey { path });
        }
        Ok(Identity {
            gateway: body.gateway,
            epoch: body.epoch,
            engine: body.engine,
            keys,
        })
    }
}

impl Body {
    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        let engine = EngineKind::from_number(fields.u8()?)?;
        let cipher = Cipher::from_number(fields.u8()?)?;
        let length = usize::from(fields.u8()?);
        let name = std::str::from_utf8(fields.bytes(length)?).ok()?;
        Some(Self {
            engine,
            cipher,
            gateway: name.parse().ok()?,
            epoch: Epoch::from_bytes(fields.array()?),
            proof: fields.array()?,
        })
    }
}

/// The first whole copy, and whether both are whole; none where there is no readable meta file.
fn read(directory: &Directory) -> Result<Option<(Meta, bool)>, StoreError> {
    let Some(file) = directory.find_file(META)? else {
        return Ok(None);
    };
    let copies = [read_copy(&file, 0)?, read_copy(&file, COPY)?];
    let whole = copies.iter().all(Option::is_some);
    let found = copies.into_iter().flatten().next();
    Ok(found.map(|meta| (meta, whole)))
}

fn read_copy(file: &StoreFile, offset: usize) -> Result<Option<Meta>, StoreError> {
    let mut block = [0; COPY];
    file.read_at(&mut block, u64::try_from(offset).unwrap_or(u64::MAX))?;
    Ok(unframe(MAGIC, &block).and_then(Meta::parse))
}

/// The version of everything this store writes.
pub(super) const FORMAT: u16 = 2;
const MAGIC: [u8; 8] = *b"WLSTMETA";
const META: &str = "meta";
const NEW: &str = "meta.new";
const COPY: usize = 4096;
