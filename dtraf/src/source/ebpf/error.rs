//! What can fail between here and the kernel.

use std::io;
use std::path::PathBuf;

use aya::maps::MapError;
use aya::pin::PinError;
use aya::programs::ProgramError;
use aya::programs::links::LinkError;
use aya::programs::tc::TcError;
use aya::{EbpfError as AyaError, programs::tc::TcAttachType};

/// An operation of the eBPF backend that failed: what was tried, on what, and why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EbpfError {
    #[error("{0} is not a BPF file system; mount one: `mount -t bpf bpf {0}`")]
    NoBpffs(PathBuf),
    #[error("read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("make the directory {path}")]
    MakeDirectory { path: PathBuf, source: io::Error },
    #[error("remove {path}")]
    Remove { path: PathBuf, source: io::Error },
    #[error("lock {path}")]
    Lock { path: PathBuf, source: io::Error },
    #[error("another dtraf is running on {0}; stop it first, or use `dtraf stats` to look at what it counts")]
    AlreadyRunning(PathBuf),
    #[error("no dtraf has counted here: {0} is missing; start one with `dtraf run`")]
    NothingPinned(PathBuf),
    #[error(
        "{path} holds maps of another dtraf (layout {found}, this one has {expected}); `dtraf uninstall` removes them, \
         and with them what they have counted"
    )]
    OtherLayout { path: PathBuf, found: String, expected: u32 },
    #[error(
        "the pinned map {path} is not as this dtraf makes it: {property} is {found}, not {expected}; `dtraf uninstall` \
         removes it, and with it what it has counted"
    )]
    ForeignMap { path: PathBuf, property: &'static str, found: u64, expected: u64 },
    #[error("open the pinned map {path}")]
    OpenMap { path: PathBuf, source: MapError },
    #[error(
        "load the eBPF object; the kernel must be 5.8 or newer, and dtraf needs root or CAP_BPF and CAP_NET_ADMIN"
    )]
    LoadObject(#[source] AyaError),
    #[error("load the program {name}")]
    LoadProgram { name: &'static str, source: ProgramError },
    #[error("the eBPF object has no {0}")]
    Missing(&'static str),
    #[error("access the map {map}")]
    Map { map: &'static str, source: MapError },
    #[error("map the memory of {map}")]
    Mmap { map: &'static str, source: io::Error },
    #[error("find the interface {interface}")]
    FindInterface { interface: String, source: io::Error },
    #[error("wait until no program uses a slot any more")]
    Membarrier(#[source] io::Error),
    #[error("attach {hook:?} to {interface}")]
    Attach { interface: String, hook: TcAttachType, source: ProgramError },
    #[error("attach to {interface}: this kernel has no TCX hooks (Linux 6.6); use `--attach clsact`")]
    NoTcx { interface: String },
    #[error("add a clsact qdisc to {interface}")]
    AddClsact { interface: String, source: TcError },
    #[error("take over the link of {interface}")]
    Link { interface: String, source: LinkError },
    #[error("pin {path}")]
    Pin { path: PathBuf, source: PinError },
    #[error("{interface} changed while it was attached to: interface {expected} became {found}")]
    Renamed { interface: String, expected: u32, found: u32 },
    #[error(
        "no room for {interface}: all {slots} slots are in use; start dtraf with a higher `--max-containers` after \
         `dtraf uninstall`"
    )]
    NoSlot { interface: String, slots: u32 },
    #[error("possible CPUs are written as `{text}` in {path}")]
    PossibleCpus { path: PathBuf, text: String },
    #[error("get random bytes")]
    Random(#[source] io::Error),
    #[error("receive trace records")]
    Trace(#[source] aya_log::Error),
}
