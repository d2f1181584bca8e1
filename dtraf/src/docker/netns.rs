//! A container -> the number of its network namespace.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::error::chain;
use crate::accounting::identity::NetnsId;
use crate::links::Links;

/// What `fstatfs` says of a namespace (`NSFS_MAGIC`).
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// `None` when the container stopped meanwhile, and when the host has no number for its namespace.
pub(super) async fn of(links: &Links, pid: Option<u32>, sandbox: Option<&str>) -> Option<NetnsId> {
    let file = open(pid, sandbox)?;
    match links.netns_id(file.as_fd()).await {
        Ok(id) => id,
        Err(error) => {
            log::debug!("network namespace of process {pid:?}: {}", chain(&error));
            None
        }
    }
}

/// The engine's own handle first: unlike a process id it is never used again for something else. It is missing for a
/// container in another one's namespace, and when the engine has a mount namespace of its own.
fn open(pid: Option<u32>, sandbox: Option<&str>) -> Option<File> {
    let process = pid.map(|pid| PathBuf::from(format!("/proc/{pid}/ns/net")));
    sandbox.map(PathBuf::from).into_iter().chain(process).find_map(|path| open_namespace(&path))
}

/// The engine's handle is an empty file where the namespace is not mounted over it.
fn open_namespace(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    let kind = u64::try_from(rustix::fs::fstatfs(&file).ok()?.f_type).ok()?;
    (kind == NSFS_MAGIC).then_some(file)
}
