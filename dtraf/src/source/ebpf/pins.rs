//! Where maps, programs and links are pinned: `<bpffs>/dtraf/<layout version>/`.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use dtraf_common::abi::{Hook, LAYOUT_VERSION};
use rustix::fs::{FlockOperation, flock, statfs};

use super::error::EbpfError;
use crate::accounting::identity::IfIndex;

/// `BPF_FS_MAGIC` of `include/uapi/linux/magic.h`.
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// Nobody but the owner puts anything there.
const MODE: u32 = 0o755;

/// The directory of one layout. Its lock keeps a second daemon out.
#[derive(Clone, Debug)]
pub(crate) struct PinDirectory {
    bpffs: PathBuf,
}

/// Held for as long as a daemon runs.
#[derive(Debug)]
pub(crate) struct PinLock {
    _directory: File,
}

impl PinDirectory {
    /// A directory below a mounted BPF file system.
    pub(crate) fn new(bpffs: &Path) -> Result<Self, EbpfError> {
        let is_bpffs = statfs(bpffs).is_ok_and(|stat| stat.f_type == BPF_FS_MAGIC);
        if is_bpffs {
            Ok(Self { bpffs: bpffs.to_owned() })
        } else {
            Err(EbpfError::NoBpffs(bpffs.to_owned()))
        }
    }

    /// Of all layouts.
    pub(crate) fn top(&self) -> PathBuf {
        self.bpffs.join("dtraf")
    }

    pub(crate) fn layout(&self) -> PathBuf {
        self.top().join(LAYOUT_VERSION.to_string())
    }

    pub(crate) fn map(&self, name: &str) -> PathBuf {
        self.layout().join(name)
    }

    pub(crate) fn links(&self) -> PathBuf {
        self.layout().join("links")
    }

    pub(crate) fn link(&self, ifindex: IfIndex, hook: Hook) -> PathBuf {
        self.links().join(format!("{ifindex}-{}", name(hook)))
    }

    pub(crate) fn programs(&self) -> PathBuf {
        self.layout().join("programs")
    }

    /// A program that is what the tag says.
    pub(crate) fn program(&self, tag: &str, hook: Hook) -> PathBuf {
        self.programs().join(tag).join(name(hook))
    }

    /// Refuses when a daemon runs or another layout is pinned; makes the directories otherwise.
    pub(crate) fn claim(&self) -> Result<PinLock, EbpfError> {
        let top = self.top();
        make(&top)?;
        let lock = self.lock()?;
        let own = LAYOUT_VERSION.to_string();
        for found in names(&top)? {
            if found != own {
                return Err(EbpfError::OtherLayout { path: top, found, expected: LAYOUT_VERSION });
            }
        }
        make(&self.layout())?;
        make(&self.links())?;
        make(&self.programs())?;
        Ok(lock)
    }

    /// Keeps a second daemon out.
    pub(super) fn lock(&self) -> Result<PinLock, EbpfError> {
        let top = self.top();
        let directory = File::open(&top).map_err(|source| EbpfError::Read { path: top.clone(), source })?;
        flock(&directory, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
            rustix::io::Errno::WOULDBLOCK => EbpfError::AlreadyRunning(top.clone()),
            errno => EbpfError::Lock { path: top.clone(), source: errno.into() },
        })?;
        Ok(PinLock { _directory: directory })
    }
}

fn name(hook: Hook) -> &'static str {
    match hook {
        Hook::Ingress => "ingress",
        Hook::Egress => "egress",
    }
}

pub(super) fn make(path: &Path) -> Result<(), EbpfError> {
    match DirBuilder::new().mode(MODE).create(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(EbpfError::MakeDirectory { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Removes a directory of pins, and says how many there were.
pub(super) fn remove_tree(path: &Path) -> Result<usize, EbpfError> {
    let mut count = 0;
    for name in names(path)? {
        let path = path.join(name);
        if path.is_dir() {
            count += remove_tree(&path)?;
        } else {
            unpin(&path)?;
            count += 1;
        }
    }
    fs::remove_dir(path).map_err(|source| EbpfError::Remove { path: path.to_owned(), source })?;
    Ok(count)
}

/// Names in a directory.
pub(super) fn names(path: &Path) -> Result<Vec<String>, EbpfError> {
    let failed = |source| EbpfError::Read { path: path.to_owned(), source };
    let entries = fs::read_dir(path).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())).collect()
}

/// Removes a pin; that it is gone already is as good.
pub(super) fn unpin(path: &Path) -> Result<(), EbpfError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(EbpfError::Remove { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
