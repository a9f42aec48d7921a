//! Which files the agent may touch, by Landlock (Linux 5.13 and newer, `landlock(7)`).
//!
//! A grant is for a folder and all that is beneath it, because certificates, bundles and resolver files are
//! replaced by renaming a new one into place: a grant for the old file would not hold for the new one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus,
};

use super::{Files, SandboxError};

/// What may be done beneath a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Files are read, folders listed.
    Read,
    /// Libraries are mapped as well; no program is started (seccomp sees to that).
    Load,
    /// Files and sockets are made, written, renamed and removed as well.
    Write,
    /// Device nodes are read, written and controlled.
    Devices,
}

/// Who may be touched how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants(BTreeMap<PathBuf, Access>);

impl Grants {
    /// What every agent needs of its machine: devices, libraries, name resolution, the kernel's own files.
    #[must_use]
    pub fn of_the_machine() -> Self {
        let mut grants = Self(BTreeMap::new());
        for (path, access) in MACHINE {
            grants.allow(Path::new(path), access);
        }
        grants
    }

    /// Grants one folder more; the wider of two grants holds.
    pub fn allow(&mut self, folder: &Path, access: Access) {
        let granted = self.0.entry(folder.to_owned()).or_insert(access);
        *granted = access.max(*granted);
    }

    /// Grants the folder that a file is in; a name alone is in the current folder.
    pub fn allow_beside(&mut self, file: &Path, access: Access) {
        match file.parent() {
            Some(folder) if folder.as_os_str().is_empty() => self.allow(Path::new("."), access),
            Some(folder) => self.allow(folder, access),
            None => {}
        }
    }
}

pub(super) fn confine(grants: &Grants) -> Result<Files, SandboxError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .create()?;
    for (path, access) in &grants.0 {
        // What is not there needs no grant; whoever wants it later is refused and says so.
        let Ok(folder) = PathFd::new(path) else {
            continue;
        };
        rules = rules.add_rule(PathBeneath::new(folder, access.rights()))?;
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Files::Held,
        RulesetStatus::PartiallyEnforced => Files::HeldInPart,
        RulesetStatus::NotEnforced => Files::Open,
    })
}

impl Access {
    fn rights(self) -> BitFlags<AccessFs> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        match self {
            Self::Read => read,
            Self::Load => read | AccessFs::Execute,
            Self::Write => {
                read | AccessFs::WriteFile
                    | AccessFs::Truncate
                    | AccessFs::MakeReg
                    | AccessFs::MakeDir
                    | AccessFs::MakeSock
                    | AccessFs::RemoveFile
                    | AccessFs::RemoveDir
                    | AccessFs::Refer
            }
            Self::Devices => read | AccessFs::WriteFile | AccessFs::IoctlDev,
        }
    }
}

/// The newest set of rights this build asks for; an older kernel enforces what it knows of it.
const KNOWN: ABI = ABI::V5;

const MACHINE: [(&str, Access); 11] = [
    // I2C, SPI, GPIO, serial lines; which of them, the unit's DeviceAllow says
    ("/dev", Access::Devices),
    ("/proc", Access::Read),
    ("/sys", Access::Read),
    // name resolution: resolv.conf and its friends are replaced whenever the network changes
    ("/etc", Access::Read),
    ("/run/systemd", Access::Read),
    ("/run/NetworkManager", Access::Read),
    ("/run/resolvconf", Access::Read),
    // glibc loads what resolves names when it is first needed
    ("/lib", Access::Load),
    ("/lib64", Access::Load),
    ("/usr/lib", Access::Load),
    ("/usr/share/zoneinfo", Access::Read),
];
