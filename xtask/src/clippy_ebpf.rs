//! `cargo xtask clippy-ebpf`: the eBPF crate's lints, on the target it is for.
//!
//! On any other target half of it does not exist.

use anyhow::{Result, bail};

use crate::build_ebpf::{Core, Task, Toolchain, cargo};
use crate::command;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let toolchain = Toolchain::find(workspace)?;
    if let Core::Compiled { rustc } = &toolchain.core {
        let clippy = rustc.with_file_name("cargo-clippy");
        if !clippy.exists() {
            bail!("{} is missing: `apt-get install rust-web-clippy` on Debian and Ubuntu", clippy.display());
        }
    }
    command::run(&mut cargo(workspace, &toolchain, Task::Clippy)?)
}
