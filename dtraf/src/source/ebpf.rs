//! The eBPF backend: programs on both hooks of every container's veth, counters in pinned maps.
//!
//! Everything that must outlive the process is in the kernel: maps, programs and links are pinned below [`PinDirectory`], and what
//! user space knows of a slot stands in the `METERS` map. A process that starts finds all of it and goes on.

mod attach;
pub(crate) mod error;
mod folded;
mod geometry;
mod lifecycle;
mod shares;
mod staged;
mod load;
mod mapped;
mod maps;
mod marks;
mod meters;
pub(crate) mod pins;
mod plain;
mod programs;
mod read;
mod scopes;
pub(crate) mod shortfall;
mod table;
pub(crate) mod trace;
pub(crate) mod uninstall;

pub(crate) use self::attach::{HookChoice, Rush};
pub(crate) use self::error::EbpfError;
pub(crate) use self::folded::ClientActivity;
pub(crate) use self::geometry::{Limits, PEER_ENTRIES};
pub(crate) use self::load::{Counting, Options};
pub(crate) use self::marks::Marks;
pub(crate) use self::meters::{Attachment, Registered};
pub(crate) use self::pins::PinDirectory;
pub(crate) use self::read::Reader;
pub(crate) use self::staged::Staged;
