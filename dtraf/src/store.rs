//! The ledger on disk: one SQLite database, one writer.
//!
//! A batch is one transaction: it holds what was counted and the readings up to which it was counted, so that whatever
//! happens, both are there or neither. Readers look at the same file beside the writer.

mod account;
mod amounts;
mod edit;
mod error;
mod names;
mod open;
mod quotas;
mod read;
mod recover;
mod resume;
mod write;
mod zones;

pub(crate) use self::edit::{Editor, ZoneChange};
pub(crate) use self::error::StoreError;
pub(crate) use self::open::{Store, remove};
#[cfg(test)]
pub(crate) use self::read::Selection;
pub(crate) use self::read::{AccountRow, Archive, Everybody};
pub(crate) use self::recover::{GoesOn, Recovered, Recovery, recover};
pub(crate) use self::resume::Epoch;
pub(crate) use self::write::{Calendar, Retention};

#[cfg(test)]
mod tests;
