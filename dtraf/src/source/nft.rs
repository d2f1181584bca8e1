//! The nftables backend: the accounts of the iptables recipe in tables of dtraf's own, for hosts without a DOCKER-USER
//! chain, and at a cost per packet that does not grow with the number of containers.
//!
//! ```text
//! packet ─► chain forward ─► map: address ─► counter, then map: address and port ─► counter
//! ```
//!
//! Counters are objects of their own, and the maps point to them. A container that moves, goes or comes back changes what
//! points where, never a counter: no packet is lost or counted twice by it. Every change is one transaction of `nft`.
//! Nothing outside of `table ip dtraf` and `table ip6 dtraf` is read or written, and no rule in them decides about a packet.
//!
//! Non-first fragments have no port and count for the address alone. (The legacy variant of iptables sees it that way;
//! the nft variant takes the bytes where a port would be for one.) Where connections are tracked, as wherever Docker
//! translates addresses, packets are put together before they get here. What a flow table has taken over is seen by no
//! rule at the forward hook, these included.

mod arrange;
pub(crate) mod error;
mod listing;
mod name;
mod place;
mod plan;
mod program;
mod skeleton;
mod standing;

pub(crate) use self::error::NftError;
pub(crate) use self::plan::{Plan, plan};
pub(crate) use self::program::Nft;
pub(crate) use self::standing::Standing;

#[cfg(test)]
mod tests;
