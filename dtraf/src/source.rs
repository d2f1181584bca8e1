//! Edges that turn what a kernel counted into a [`Snapshot`](crate::accounting::snapshot::Snapshot).

pub(crate) mod ebpf;
pub(crate) mod nft;
pub(crate) mod rules;
