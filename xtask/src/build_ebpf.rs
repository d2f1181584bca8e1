//! `cargo xtask build-ebpf`: the eBPF object that user space embeds.
//!
//! The object is a generated file that is kept in the repository, so that `cargo build` needs nothing but stable Rust. What
//! ties it to its sources is the digest beside it: see [`digest`]. The build is the same to the byte in every
//! checkout, for one compiler and one linker: no path of the machine gets into it.

mod compile;
mod digest;
mod sources;
mod strip;
mod toolchain;

pub(crate) use compile::{TARGET, Task, cargo};
pub(crate) use toolchain::{Core, Toolchain};

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use digest::{Digest, sha256};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing: fail when the object does not belong to the sources
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.check { check(workspace) } else { build(workspace) }
}

fn build(workspace: &Workspace) -> Result<()> {
    let toolchain = Toolchain::find(workspace)?;
    println!("compiler: {}\nlinker: {}", toolchain.compiler, toolchain.linker);
    let object = compile::object(workspace, &toolchain)?;
    let digest = Digest {
        sources: sources::digest(workspace)?,
        object: sha256(&object),
        compiler: toolchain.compiler.clone(),
        linker: toolchain.linker.clone(),
    };
    replace(&object_path(workspace), &object)?;
    replace(&digest_path(workspace), digest.to_string().as_bytes())?;
    println!("{}: {} bytes, sha256 {}", object_path(workspace).display(), object.len(), digest.object);
    Ok(())
}

fn check(workspace: &Workspace) -> Result<()> {
    let stored = fs::read_to_string(digest_path(workspace))
        .with_context(|| format!("read {}", digest_path(workspace).display()))?
        .parse::<Digest>()?;
    let object = fs::read(object_path(workspace))
        .with_context(|| format!("read {}", object_path(workspace).display()))?;

    let sources = sources::digest(workspace)?;
    if stored.sources != sources {
        bail!(
            "the eBPF object was made from other sources (digest {}, now {sources}): run `cargo xtask build-ebpf`",
            stored.sources
        );
    }
    let hash = sha256(&object);
    if stored.object != hash {
        bail!(
            "the eBPF object is not the one that was built (sha256 {}, now {hash}): run `cargo xtask build-ebpf`",
            stored.object
        );
    }
    println!("checked: the object is the one that was built from these sources (digest {sources})");

    let toolchain = match Toolchain::find(workspace) {
        Ok(toolchain) if toolchain.compiler == stored.compiler && toolchain.linker == stored.linker => {
            toolchain
        }
        Ok(other) => {
            println!(
                "not checked: the same bytes from a rebuild; the object was made by {} with {}, here are {} with {}",
                stored.compiler, stored.linker, other.compiler, other.linker
            );
            return Ok(());
        }
        Err(error) => {
            println!("not checked: the same bytes from a rebuild, for want of a compiler: {error:#}");
            return Ok(());
        }
    };
    let rebuilt = compile::object(workspace, &toolchain)?;
    if rebuilt != object {
        bail!(
            "the same compiler makes another object from the same sources (sha256 {}, stored {hash}): the build is \
             not reproducible",
            sha256(&rebuilt)
        );
    }
    println!("checked: a rebuild by the same compiler and linker gives the same {} bytes", object.len());
    Ok(())
}

fn object_path(workspace: &Workspace) -> PathBuf {
    workspace.root().join("dtraf/object/dtraf.bpf.o")
}

fn digest_path(workspace: &Workspace) -> PathBuf {
    workspace.root().join("dtraf/object/dtraf.bpf.digest")
}

/// Puts `content` at `path` in one step: a build that is interrupted leaves the old file.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let dir = path.parent().expect("a file lies in a directory");
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let new = path.with_extension("new");
    fs::write(&new, content).with_context(|| format!("write {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("replace {}", path.display()))
}
