//! What this host is, and whether dtraf may count on it.

use std::io;
use std::time::Duration;

use rustix::system::uname;
use rustix::thread::{CapabilitySet, capabilities};

use crate::accounting::blind::BlindSpot;
use crate::accounting::identity::Timestamp;
use crate::accounting::report::{Backend, Origin, Refused};

/// The first release whose features are all there: ring buffers and `CAP_BPF`.
pub(crate) const OLDEST_KERNEL: (u32, u32) = (5, 8);

/// Why dtraf cannot count here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("not permitted to count: dtraf needs {0}; run it as root")]
    Capability(&'static str),
}

/// Checks what every backend needs, before anything is touched.
pub(crate) fn check() -> Result<(), Unfit> {
    judge(capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective))
}

fn judge(effective: CapabilitySet) -> Result<(), Unfit> {
    if effective.contains(CapabilitySet::NET_ADMIN) {
        Ok(())
    } else {
        Err(Unfit::Capability("CAP_NET_ADMIN"))
    }
}

/// Major and minor version of a release such as `6.1.0-56-cloud-amd64`.
pub(crate) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// What the host calls itself.
pub(crate) fn name() -> String {
    uname().nodename().to_string_lossy().into_owned()
}

/// Names the time since the host was booted (`Documentation/admin-guide/sysctl/kernel.rst`, `random`).
pub(crate) fn boot() -> io::Result<String> {
    std::fs::read_to_string(BOOT_ID).map(|id| id.trim().to_owned())
}

/// When the host was booted, as the clock on the wall has it now. Some 10 ms uncertain.
pub(crate) fn booted_at(now: Timestamp) -> Timestamp {
    let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let uptime = Duration::try_from(uptime).unwrap_or_default();
    Timestamp(now.0.saturating_sub(uptime))
}

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Where this host's figures come from.
pub(crate) fn origin(backend: Backend, blind_spots: Vec<BlindSpot>, refused: Vec<Refused>) -> Origin {
    Origin {
        backend,
        host: name(),
        kernel: uname().release().to_string_lossy().into_owned(),
        blind_spots,
        refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_change_networks_may_count() {
        assert_eq!(judge(CapabilitySet::all()), Ok(()));
        assert_eq!(judge(CapabilitySet::BPF), Err(Unfit::Capability("CAP_NET_ADMIN")));
    }

    #[test]
    fn a_release_begins_with_its_version() {
        assert_eq!(version("6.1.0-56-cloud-amd64"), Some((6, 1)));
        assert_eq!(version("next"), None);
    }
}
