//! What is kept for good: who had how much, of what, and when.
//!
//! The books of [`super::ledger`] know what every meter says now. History is made of their differences: each is taken from a
//! meter once, and whoever keeps it keeps with it the reading up to which it was taken.

pub(crate) mod account;
pub(crate) mod details;
pub(crate) mod journal;
pub(crate) mod key;
pub(crate) mod register;
pub(crate) mod tier;
pub(crate) mod zones;
