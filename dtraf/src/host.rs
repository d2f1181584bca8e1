//! What this host is, and whether dtraf may count on it.

use rustix::system::uname;
use rustix::thread::{CapabilitySet, capabilities};

use crate::accounting::report::{Backend, Origin};

/// The first release whose features are all there: ring buffers and `CAP_BPF`.
pub(crate) const OLDEST_KERNEL: (u32, u32) = (5, 8);

/// Why dtraf cannot count here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("not permitted to count: dtraf needs {0}; run it as root")]
    Capability(&'static str),
    #[error("Linux {0} is too old to count on: dtraf needs 5.8 or newer")]
    Kernel(String),
}

/// Checks what can be checked before anything is touched.
pub(crate) fn check() -> Result<(), Unfit> {
    let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let release = uname().release().to_string_lossy().into_owned();
    judge(effective, &release)
}

fn judge(effective: CapabilitySet, release: &str) -> Result<(), Unfit> {
    if !effective.intersects(CapabilitySet::BPF | CapabilitySet::SYS_ADMIN) {
        return Err(Unfit::Capability("CAP_BPF"));
    }
    if !effective.contains(CapabilitySet::NET_ADMIN) {
        return Err(Unfit::Capability("CAP_NET_ADMIN"));
    }
    if version(release).is_some_and(|version| version < OLDEST_KERNEL) {
        return Err(Unfit::Kernel(release.to_owned()));
    }
    Ok(())
}

/// Major and minor version of a release such as `6.1.0-56-cloud-amd64`.
pub(crate) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Where this host's figures come from.
pub(crate) fn origin() -> Origin {
    let names = uname();
    Origin {
        backend: Backend::Ebpf,
        host: names.nodename().to_string_lossy().into_owned(),
        kernel: names.release().to_string_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_on_a_recent_kernel_may_count() {
        assert_eq!(judge(CapabilitySet::all(), "6.1.0-56-cloud-amd64"), Ok(()));
        assert_eq!(judge(CapabilitySet::BPF | CapabilitySet::NET_ADMIN, "5.8.0"), Ok(()));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(judge(CapabilitySet::empty(), "6.1"), Err(Unfit::Capability("CAP_BPF")));
        assert_eq!(judge(CapabilitySet::BPF, "6.1"), Err(Unfit::Capability("CAP_NET_ADMIN")));
        assert_eq!(judge(CapabilitySet::all(), "5.4.0-1"), Err(Unfit::Kernel("5.4.0-1".to_owned())));
    }
}
