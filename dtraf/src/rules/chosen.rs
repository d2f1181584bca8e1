//! The containers whose rules are meant.

use std::collections::BTreeSet;

use crate::accounting::called::{NoSuchContainer, called};
use crate::accounting::identity::ContainerId;
use crate::source::iptables::standing::Standing;
use crate::source::rules::CounterKey;

pub(super) enum Chosen {
    All,
    These(BTreeSet<ContainerId>),
}

impl Chosen {
    /// Of the containers that have rules. All when none is named.
    pub(super) fn among(standing: &Standing, names: &[String]) -> Result<Self, NoSuchContainer> {
        if names.is_empty() {
            return Ok(Self::All);
        }
        let counted = standing.counted();
        let known: Vec<_> =
            counted.iter().map(|counter| (counter.key.container, counter.name.as_str())).collect();
        called(&known, names).map(Self::These)
    }

    pub(super) fn has(&self, key: &CounterKey) -> bool {
        match self {
            Self::All => true,
            Self::These(containers) => containers.contains(&key.container),
        }
    }
}
