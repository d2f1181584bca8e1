//! `cargo xtask setup`: everything that the other commands need, for those who want to be asked once.

use std::process::Command;

use anyhow::Result;

use crate::build_ebpf::Toolchain;
use crate::command::run;
use crate::packages::{EBPF_COMPILER, LAB, LINKER_BUILD, ensure};
use crate::workspace::Workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install without asking
    #[arg(long)]
    yes: bool,
}

pub(crate) fn setup(workspace: &Workspace, args: &Args) -> Result<()> {
    let has_linker = Toolchain::has_linker(workspace);
    let build = if has_linker { &[][..] } else { &LINKER_BUILD[..] };
    ensure(LAB.iter().chain(&EBPF_COMPILER).chain(build), args.yes)?;
    if !has_linker {
        install_linker(workspace)?;
    }
    println!("all is there: `cargo xtask build-ebpf`, `cargo xtask test` and `cargo xtask demo` can run");
    Ok(())
}

/// The linker that made the object in the repository, for this workspace alone.
fn install_linker(workspace: &Workspace) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["install", "bpf-linker", "--version", "0.13.0", "--locked"]);
    cargo.args(["--no-default-features", "--features", "llvm-22", "--root"]);
    run(cargo.arg(workspace.target().join("tools")).env("LLVM_PREFIX", "/usr/lib/llvm-22"))
}
