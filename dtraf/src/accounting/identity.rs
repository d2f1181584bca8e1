//! What things are known by.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// A container's full identifier: 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ContainerId([u8; 32]);

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a container id of 64 hexadecimal digits")]
pub(crate) struct InvalidContainerId(String);

impl ContainerId {
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 digits, as Docker prints them.
    pub(crate) fn to_short(self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl std::str::FromStr for ContainerId {
    type Err = InvalidContainerId;

    fn from_str(text: &str) -> Result<Self, InvalidContainerId> {
        let invalid = || InvalidContainerId(text.to_owned());
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or_else(invalid)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::try_from(pair[0] << 4 | pair[1]).expect("two hexadecimal digits are a byte");
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_short())
    }
}

/// An interface of the host's network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IfIndex(pub(crate) NonZeroU32);

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A network namespace as the host's numbers it (`IFLA_LINK_NETNSID`, `RTM_GETNSID`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NetnsId(pub(crate) i32);

/// A place in the kernel's maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u16);

/// A meter's number: unique for as long as the maps live, so that a slot used again is not mistaken for the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Generation(pub(crate) u64);

/// A moment, since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp(pub(crate) Duration);

impl Timestamp {
    pub(crate) fn from_unix_ns(ns: u64) -> Self {
        Self(Duration::from_nanos(ns))
    }

    /// Saturates in the year 2554.
    pub(crate) fn unix_ns(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Time passed since `earlier`; zero when the clock was set back.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_id_comes_back_as_it_was_written() {
        let text = "0123456789abcdef".repeat(4);
        let id: ContainerId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.to_short(), "0123456789ab");
        assert!("0123".parse::<ContainerId>().is_err());
        assert!("+".repeat(64).parse::<ContainerId>().is_err());
    }

    #[test]
    fn a_clock_set_back_is_not_a_negative_time() {
        assert_eq!(Timestamp::from_unix_ns(5).since(Timestamp::from_unix_ns(9)), Duration::ZERO);
    }
}
