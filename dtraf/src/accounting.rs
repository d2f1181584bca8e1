//! The pure core: what was read, whose it is, what it adds up to.
//!
//! No I/O, no clock, no async, and none of the libraries that talk to the kernel, to Docker or to a terminal; `cargo
//! xtask tidy` checks that. The modules stand in the order in which a figure travels through them.

pub(crate) mod amount;
pub(crate) mod attribution;
pub(crate) mod bill;
pub(crate) mod called;
pub(crate) mod card;
pub(crate) mod blind;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod folding;
pub(crate) mod history;
pub(crate) mod identity;
pub(crate) mod inventory;
pub(crate) mod kept;
pub(crate) mod ledger;
pub(crate) mod quota;
pub(crate) mod report;
pub(crate) mod scope;
pub(crate) mod snapshot;
pub(crate) mod sorted;
pub(crate) mod statement;
