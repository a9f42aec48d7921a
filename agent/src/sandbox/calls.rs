//! Which system calls the agent never makes, by seccomp (`seccomp(2)`).
//!
//! A list of what is refused, not of what is allowed: a C library or kernel that brings a new harmless call
//! must not stop a gateway from measuring. What is refused is whatever starts or inspects programs, changes
//! the machine, or reaches kernel code the agent has no use for. The systemd unit holds a narrower list of
//! allowed calls around it. A refused call fails with EPERM.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// Whether the filter holds; not on a kernel built without filters.
pub(super) fn confine() -> Result<bool, Error> {
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    refused.insert(libc::SYS_socket, vec![other_families()?]);
    let architecture = TargetArch::try_from(ARCH)?;
    let filter = SeccompFilter::new(
        refused,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        architecture,
    )?;
    let program: BpfProgram = filter.try_into()?;
    held(seccompiler::apply_filter(&program))
}

/// A kernel without seccomp says ENOSYS, one without its filters EINVAL (`seccomp(2)`).
fn held(applied: Result<(), Error>) -> Result<bool, Error> {
    match applied {
        Ok(()) => Ok(true),
        Err(Error::Seccomp(error) | Error::Prctl(error))
            if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// A socket of any family but the ones that MQTT, name resolution and status need.
fn other_families() -> Result<SeccompRule, Error> {
    let not = |family: i32| {
        SeccompCondition::new(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Ne,
            u64::from(family.unsigned_abs()),
        )
    };
    let families = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK];
    let conditions: Result<Vec<_>, _> = families.into_iter().map(not).collect();
    Ok(SeccompRule::new(conditions?)?)
}

const REFUSED: &[i64] = &[
    // start and inspect programs
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // become somebody else, or be somewhere else
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_personality,
    // file systems
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_mknodat,
    // the machine and its time: the agent doubts the clock, it never sets it
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_acct,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_syslog,
    // kernel code that has often been the way out
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_vhangup,
];

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Error, held};

    #[test]
    fn a_kernel_without_filters_does_not_keep_the_agent_from_measuring() {
        for missing in [libc::ENOSYS, libc::EINVAL] {
            let error = || io::Error::from_raw_os_error(missing);
            assert!(matches!(held(Err(Error::Seccomp(error()))), Ok(false)));
            assert!(matches!(held(Err(Error::Prctl(error()))), Ok(false)));
        }
        let refused = io::Error::from_raw_os_error(libc::EACCES);
        assert!(held(Err(Error::Seccomp(refused))).is_err());
        assert!(matches!(held(Ok(())), Ok(true)));
    }
}
