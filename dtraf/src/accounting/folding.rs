//! Client ports whose entries were folded into the one that a meter's other remote ports share.
//!
//! The eBPF backend does that with idle entries of a container that talks to very many ports. In the next reading the port is
//! missing, or counts from zero again, and the shared one has what it had counted. Nothing else makes a client port's counter
//! go down, so that two readings tell it.

use std::collections::BTreeMap;

use dtraf_common::abi::Role;

use super::amount::{Amount, PerDirection};
use super::history::key::Key;
use super::snapshot::Port;

/// The port that others of its kind are folded into.
pub(crate) fn shared(port: Port) -> Port {
    Port { port: 0, role: Role::ClientOther, ..port }
}

/// Whether a port was folded between two readings: what it had in the earlier one is in the shared port now.
pub(crate) fn is_folded(
    port: Port,
    earlier: &PerDirection<Amount>,
    later: Option<&PerDirection<Amount>>,
) -> bool {
    let is_less =
        |later: &PerDirection<Amount>| later.rx.skbs < earlier.rx.skbs || later.tx.skbs < earlier.tx.skbs;
    port.role == Role::Client && (earlier.rx.skbs, earlier.tx.skbs) != (0, 0) && later.is_none_or(is_less)
}

/// Keys under which ports are counted.
pub(crate) trait PortKey: Copy + Ord {
    fn port(self) -> Option<Port>;
    fn from_port(port: Port) -> Self;
}

impl PortKey for Port {
    fn port(self) -> Option<Port> {
        Some(self)
    }

    fn from_port(port: Port) -> Self {
        port
    }
}

impl PortKey for Key {
    fn port(self) -> Option<Port> {
        match self {
            Self::Port(port) => Some(port),
            Self::Scope(_) | Self::Bucket(_) => None,
        }
    }

    fn from_port(port: Port) -> Self {
        Self::Port(port)
    }
}

/// An earlier reading, as if ports had been folded by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refolded<K: Ord> {
    pub(crate) earlier: BTreeMap<K, PerDirection<Amount>>,
    /// The ports that are folded in it.
    pub(crate) folded: Vec<K>,
}

/// Folds those ports of an earlier reading that a later one shows to be folded. `None` where there are none.
pub(crate) fn refold<K: PortKey>(
    earlier: &BTreeMap<K, PerDirection<Amount>>,
    later: &BTreeMap<K, PerDirection<Amount>>,
) -> Option<Refolded<K>> {
    let folded: Vec<_> = earlier
        .iter()
        .filter_map(|(key, amounts)| {
            let port = key.port()?;
            is_folded(port, amounts, later.get(key)).then_some((port, *amounts))
        })
        .collect();
    if folded.is_empty() {
        return None;
    }
    let mut earlier = earlier.clone();
    for (port, amounts) in &folded {
        earlier.remove(&K::from_port(*port));
        *earlier.entry(K::from_port(shared(*port))).or_default() += *amounts;
    }
    Some(Refolded { earlier, folded: folded.into_iter().map(|(port, _)| K::from_port(port)).collect() })
}

#[cfg(test)]
mod tests {
    use dtraf_common::abi::Scope;

    use super::*;
    use crate::accounting::fixtures::{packets, port};

    fn both(rx: u64, tx: u64) -> PerDirection<Amount> {
        PerDirection { rx: packets(rx), tx: packets(tx) }
    }

    fn client(number: u16) -> Key {
        Key::Port(port(number, Role::Client, Scope::Internet))
    }

    #[test]
    fn what_a_missing_port_had_is_in_the_shared_one() {
        let other = Key::Port(shared(port(1, Role::Client, Scope::Internet)));
        let earlier =
            BTreeMap::from([(client(443), both(5, 4)), (client(40001), both(3, 2)), (other, both(1, 1))]);
        let later = BTreeMap::from([(client(443), both(6, 4)), (other, both(5, 3))]);
        let refolded = refold(&earlier, &later).unwrap();
        assert_eq!(refolded.earlier, BTreeMap::from([(client(443), both(5, 4)), (other, both(4, 3))]));
        assert_eq!(refolded.folded, [client(40001)]);
    }

    #[test]
    fn a_port_that_begins_anew_was_folded_before() {
        let (earlier, later) =
            (BTreeMap::from([(client(9), both(5, 4))]), BTreeMap::from([(client(9), both(1, 9))]));
        let refolded = refold(&earlier, &later).unwrap();
        assert_eq!((refolded.earlier.len(), refolded.folded), (1, vec![client(9)]));
        assert_eq!(refold(&earlier, &earlier), None);
    }

    #[test]
    fn served_ports_are_never_folded() {
        let earlier = BTreeMap::from([(Key::Port(port(80, Role::Server, Scope::Internet)), both(5, 4))]);
        assert_eq!(refold(&earlier, &BTreeMap::new()), None);
    }
}
