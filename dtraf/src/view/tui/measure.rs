//! What is counted of a packet: the figure that amounts are shown in.

use crate::accounting::amount::{Amount, Unit};

/// A figure of an [`Amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Frames as a wire carries them.
    Wire,
    /// The same without Ethernet headers: what a router bills.
    Ip,
    /// What an interface's own counters say: a GSO packet once.
    Skb,
    /// What a firewall's rule says: a GSO packet once, from the IP header on.
    SkbIp,
}

impl Measure {
    const ALL: [Self; 4] = [Self::Wire, Self::Ip, Self::Skb, Self::SkbIp];

    /// What a backend's figures are shown in, unless something else is asked for.
    pub(super) fn of(unit: Unit) -> Self {
        match unit {
            Unit::Wire => Self::Wire,
            Unit::SkbIp => Self::SkbIp,
        }
    }

    /// The next one that a backend with this unit knows; itself where it is the only one.
    pub(super) fn next(self, unit: Unit) -> Self {
        match unit {
            Unit::SkbIp => Self::SkbIp,
            Unit::Wire => {
                let at = Self::ALL.iter().position(|measure| *measure == self).unwrap_or_default();
                Self::ALL[(at + 1) % Self::ALL.len()]
            }
        }
    }

    /// `None` where it is not known.
    pub(super) fn bytes(self, amount: &Amount) -> Option<u64> {
        match self {
            Self::Wire => amount.frames.map(|frames| frames.wire_bytes),
            Self::Ip => amount.frames.map(|frames| frames.ip_bytes),
            Self::Skb => amount.frames.map(|frames| frames.skb_bytes),
            Self::SkbIp => Some(amount.skb_ip_bytes),
        }
    }

    /// `None` where it is not known.
    pub(super) fn packets(self, amount: &Amount) -> Option<u64> {
        match self {
            Self::Wire | Self::Ip => amount.frames.map(|frames| frames.packets),
            Self::Skb | Self::SkbIp => Some(amount.skbs),
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Wire => "wire bytes",
            Self::Ip => "IP bytes",
            Self::Skb => "skb bytes",
            Self::SkbIp => "skb IP bytes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::fixtures::packets;

    #[test]
    fn measures_go_round_and_rules_know_one() {
        let mut measure = Measure::of(Unit::Wire);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(measure.bytes(&packets(1)));
            measure = measure.next(Unit::Wire);
        }
        assert_eq!(seen, [Some(1000), Some(986), Some(1000), Some(986)]);
        assert_eq!(measure, Measure::Wire);
        assert_eq!(Measure::SkbIp.next(Unit::SkbIp), Measure::SkbIp);
    }

    #[test]
    fn what_a_rule_does_not_know_is_not_zero() {
        let by_a_rule = Amount { frames: None, skb_ip_bytes: 60, skbs: 1 };
        let known = Measure::ALL.map(|measure| measure.bytes(&by_a_rule));
        assert_eq!(known, [None, None, None, Some(60)]);
        assert_eq!(Measure::Wire.packets(&by_a_rule), None);
    }
}
