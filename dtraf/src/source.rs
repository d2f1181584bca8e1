//! From the host to a [`Snapshot`](crate::accounting::snapshot::Snapshot): what can count here, what does, and what it counted.

pub(crate) mod probe;
pub(crate) mod select;
pub(crate) mod ebpf;
pub(crate) mod rules;
pub(crate) mod iptables;
pub(crate) mod nft;
