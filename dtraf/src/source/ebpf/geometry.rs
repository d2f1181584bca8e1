//! How large the maps are made.

use std::fs;
use std::path::Path;

use dtraf_common::abi::{Geometry, LAYOUT_VERSION, WAYS};
use rustix::rand::{GetRandomFlags, getrandom};

use super::error::EbpfError;

const POSSIBLE_CPUS: &str = "/sys/devices/system/cpu/possible";

/// Pairs of containers that there is room for unless the user says otherwise.
pub(crate) const PEER_ENTRIES: u32 = 16_384;

/// What the user may say about memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Interfaces that can be counted at the same time, at most 65,534.
    pub(crate) interfaces: u32,
    /// Ports that can be counted at the same time, in all containers together.
    pub(crate) port_entries: u32,
    /// Ports that one interface may use up.
    pub(crate) ports_per_interface: u32,
    /// Pairs of containers whose traffic can be counted at the same time.
    pub(crate) peer_entries: u32,
}

/// Sizes for new maps.
pub(super) fn choose(limits: Limits) -> Result<Geometry, EbpfError> {
    let mut seed = [0; 8];
    let written =
        getrandom(&mut seed, GetRandomFlags::empty()).map_err(|errno| EbpfError::Random(errno.into()))?;
    debug_assert_eq!(written, seed.len(), "up to 256 bytes are never cut short (getrandom(2))");
    Ok(sized(limits, possible_cpus()?, u64::from_ne_bytes(seed)))
}

/// Says so when maps that are there already are not of the sizes asked for.
pub(super) fn compare(geometry: Geometry, limits: Limits) {
    let wanted = sized(limits, geometry.cpus, geometry.seed);
    if (wanted.slots, wanted.sets, wanted.peer_sets) != (geometry.slots, geometry.sets, geometry.peer_sets) {
        log::warn!(
            "the maps are there already, with room for {} interfaces, {} ports and {} pairs of containers; other sizes \
             take effect after `dtraf uninstall`",
            geometry.slots - 1,
            geometry.sets * WAYS,
            geometry.peer_sets * WAYS
        );
    }
}

pub(super) fn sized(limits: Limits, cpus: u32, seed: u64) -> Geometry {
    Geometry {
        layout_version: LAYOUT_VERSION,
        cpus,
        slots: limits.interfaces + 1,
        // A quarter full at the most, so that eight neighbours hold what falls on one entry.
        interfaces: (limits.interfaces * 4).next_power_of_two().max(64),
        sets: limits.port_entries.div_ceil(WAYS).next_power_of_two(),
        peer_sets: limits.peer_entries.div_ceil(WAYS).next_power_of_two(),
        seed: seed | 1,
    }
}

/// Number of CPUs that may ever come online: the highest number plus one, as the kernel counts them.
pub(super) fn possible_cpus() -> Result<u32, EbpfError> {
    let path = Path::new(POSSIBLE_CPUS);
    let text =
        fs::read_to_string(path).map_err(|source| EbpfError::Read { path: path.to_owned(), source })?;
    parse_cpus(text.trim())
        .ok_or_else(|| EbpfError::PossibleCpus { path: path.to_owned(), text: text.trim().to_owned() })
}

/// The last number of a CPU list (`0-3`, `0`, `0,2-5`), plus one.
fn parse_cpus(list: &str) -> Option<u32> {
    let highest: u32 = list.rsplit([',', '-']).next()?.parse().ok()?;
    highest.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_end_with_the_highest() {
        for (list, cpus) in
            [("0", Some(1)), ("0-127", Some(128)), ("0,2-5", Some(6)), ("", None), ("all", None)]
        {
            assert_eq!(parse_cpus(list), cpus, "{list}");
        }
    }

    #[test]
    fn sizes_follow_the_limits() {
        let limits =
            Limits { interfaces: 1000, port_entries: 10_000, ports_per_interface: 100, peer_entries: 500 };
        let geometry = sized(limits, 2, 8);
        assert_eq!((geometry.slots, geometry.interfaces), (1001, 4096));
        assert_eq!((geometry.sets * WAYS, geometry.peer_sets * WAYS), (16_384, 512));
        assert_eq!(geometry.seed & 1, 1);
    }
}
