//! Which compiler and which linker make the object.
//!
//! Rustup's toolchains have no core library for BPF. Two kinds of compiler do: Debian's `rustc-web` with
//! `libstd-rust-web-dev-bpf`, which brings a compiled one, and a nightly with `rust-src`, which builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::compile::TARGET;
use crate::command::{output, which};
use crate::workspace::Workspace;

#[derive(Debug)]
pub(crate) struct Toolchain {
    pub(crate) core: Core,
    /// The directory the linker is in.
    pub(crate) linker_dir: PathBuf,
    /// Name and version, with its LLVM's, as they go into the digest.
    pub(crate) compiler: String,
    pub(crate) linker: String,
}

/// Where the BPF core library comes from.
#[derive(Debug)]
pub(crate) enum Core {
    /// The compiler brings one. Not a nightly in name: it has to be told that nightly features are meant.
    Compiled { rustc: PathBuf },
    /// A rustup toolchain with the library's sources.
    Sources { toolchain: String },
}

impl Core {
    /// The compiler, ready for its arguments.
    pub(crate) fn rustc(&self) -> Command {
        match self {
            Self::Compiled { rustc } => Command::new(rustc),
            Self::Sources { toolchain } => {
                let mut command = Command::new("rustup");
                command.args(["run", toolchain, "rustc"]);
                command
            }
        }
    }

    pub(crate) fn sysroot(&self) -> Result<PathBuf> {
        Ok(PathBuf::from(output(self.rustc().args(["--print", "sysroot"]))?.trim()))
    }
}

impl Toolchain {
    pub(crate) fn has_linker(workspace: &Workspace) -> bool {
        find_linker(workspace).is_some()
    }

    /// Looks for a compiler and a linker; what is missing is an error that says how to get it.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        let Some(core) = compiled_core()?.map_or_else(core_sources, |core| Ok(Some(core)))? else {
            bail!("no Rust compiler here has a core library for {TARGET}\n\n{INSTALL}");
        };
        let Some(linker) = find_linker(workspace) else {
            bail!("bpf-linker is neither in {} nor in PATH\n\n{INSTALL}", workspace.tools().display());
        };
        Ok(Self {
            compiler: compiler_version(&core)?,
            linker: linker_version(&linker)?,
            core,
            linker_dir: linker.parent().context("bpf-linker lies in no directory")?.to_path_buf(),
        })
    }
}

fn find_linker(workspace: &Workspace) -> Option<PathBuf> {
    which("bpf-linker", Some(&workspace.tools()))
}

/// A compiler with a compiled core: the one that `RUSTC_BPF` names, or the distribution's.
fn compiled_core() -> Result<Option<Core>> {
    let named = std::env::var_os("RUSTC_BPF").map(PathBuf::from);
    let must = named.is_some();
    let rustc = named.unwrap_or_else(|| PathBuf::from("/usr/bin/rustc"));
    if !must && !rustc.exists() {
        return Ok(None);
    }
    let core = Core::Compiled { rustc };
    let libraries = core.sysroot()?.join("lib/rustlib").join(TARGET).join("lib");
    match (libraries.is_dir(), must) {
        (true, _) => Ok(Some(core)),
        (false, false) => Ok(None),
        (false, true) => bail!("the compiler that RUSTC_BPF names has no {}", libraries.display()),
    }
}

/// A nightly with the library's sources.
fn core_sources() -> Result<Option<Core>> {
    if which("rustup", None).is_none() {
        return Ok(None);
    }
    let listed = output(Command::new("rustup").args(["toolchain", "list"]))?;
    for toolchain in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        if !toolchain.starts_with("nightly") {
            continue;
        }
        let core = Core::Sources { toolchain: toolchain.to_owned() };
        // A toolchain that is listed but broken is as good as none.
        if core.sysroot().is_ok_and(|sysroot| has_sources(&sysroot)) {
            return Ok(Some(core));
        }
    }
    Ok(None)
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
}

/// `rustc 1.96.0 (hash date), LLVM 22.1.8`
fn compiler_version(core: &Core) -> Result<String> {
    let verbose = output(core.rustc().arg("-vV"))?;
    let line = verbose.lines().next().context("the compiler tells no version")?;
    let llvm = verbose.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    Ok(format!("{line}, LLVM {}", llvm.unwrap_or("unknown")))
}

/// `bpf-linker 0.13.0, LLVM 22.1.8`: its LLVM generates the code, and a distribution may update that alone.
fn linker_version(linker: &Path) -> Result<String> {
    let line = output(Command::new(linker).arg("--version"))?;
    let llvm =
        output(Command::new(linker).args(["--llvm-args=--version", "--output", "/dev/null", "/dev/null"]))
            .unwrap_or_default();
    let llvm = llvm
        .lines()
        .find_map(|line| line.split_once("LLVM version "))
        .map_or("unknown", |(_, version)| version);
    Ok(format!("{}, LLVM {llvm}", line.trim()))
}

/// What to type, by system. Nothing here is done without being typed.
const INSTALL: &str = "\
The eBPF object needs a compiler with a BPF core library, and bpf-linker. To install them:

  Debian, Ubuntu (`cargo xtask setup` does it after asking):
    apt-get install rustc-web libstd-rust-web-dev-bpf llvm-22-dev libpolly-22-dev zlib1g-dev libzstd-dev
    LLVM_PREFIX=/usr/lib/llvm-22 cargo install bpf-linker --version 0.13.0 \\
        --no-default-features --features llvm-22 --root target/tools

  Fedora:
    dnf install llvm22-devel zlib-devel libzstd-devel
    rustup toolchain install nightly --component rust-src
    LLVM_PREFIX=/usr/lib64/llvm22 cargo install bpf-linker --version 0.13.0 \\
        --no-default-features --features llvm-22 --root target/tools

  anywhere with rustup:
    rustup toolchain install nightly --component rust-src
    cargo install bpf-linker --version 0.13.0 --root target/tools

Only the eBPF object needs this; user space builds with stable Rust alone.";
