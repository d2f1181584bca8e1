//! Where things are in the repository.

use std::path::{Path, PathBuf};

/// The workspace this xtask was built in.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: own.parent().expect("xtask lies in the workspace").to_path_buf() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory, shared with the ordinary builds.
    pub(crate) fn target(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => self.root.join(dir),
            None => self.root.join("target"),
        }
    }

    /// The eBPF builds' own target directory: another compiler with other flags, so that neither disturbs the other.
    pub(crate) fn ebpf_target(&self) -> PathBuf {
        self.target().join("ebpf")
    }

    /// Tools that are installed for this workspace alone.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target().join("tools/bin")
    }
}
