//! What the agent gives up once it has started: files it does not need, system calls it never makes.
//!
//! Owns the Landlock rules (files, in `files`) and the seccomp filter (system calls, in `calls`). Promises
//! that a part which is taken over by what a device or a broker sends can neither read what is not the
//! agent's nor start a program, whoever started the agent and from where. Refuses nothing that measuring,
//! keeping and delivering need: a kernel that has no Landlock or no seccomp is said, and the agent measures all
//! the same.
//!
//! Both hold for the calling thread and every thread it starts: call [`confine`] before the first one.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod calls;
mod files;
mod needs;

use std::fmt;

pub use files::{Access, Grants};

/// What could be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confinement {
    /// Files, by Landlock.
    pub files: Files,
    /// System calls, by seccomp; not on processors the filter's compiler does not know, nor on kernels without it.
    pub calls: bool,
}

/// How far Landlock holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Every access this build knows of.
    Held,
    /// What this kernel knows of; a newer one holds more.
    HeldInPart,
    /// Nothing: this kernel has no Landlock.
    Open,
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = match self.files {
            Files::Held => "files by Landlock",
            Files::HeldInPart => "files by Landlock, as far as this kernel has it",
            Files::Open => "files not at all: this kernel has no Landlock",
        };
        let calls = if self.calls {
            "system calls by seccomp"
        } else {
            "system calls not by the agent, without seccomp here: its unit does it"
        };
        write!(f, "{files}; {calls}")
    }
}

/// Gives up everything that is not granted, for good.
///
/// # Errors
/// When the kernel has the means and refuses to apply them. A granted path that is not there is left out.
pub fn confine(grants: &Grants) -> Result<Confinement, SandboxError> {
    let files = files::confine(grants)?;
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    let calls = calls::confine()?;
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let calls = false;
    Ok(Confinement { files, calls })
}

/// Why the agent could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Landlock.
    #[error("files cannot be given up (Landlock): {0}")]
    Files(#[from] landlock::RulesetError),
    /// Seccomp.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[error("system calls cannot be given up (seccomp): {0}")]
    Calls(#[from] seccompiler::Error),
}

#[cfg(test)]
mod tests;
