//! What dtraf's programs are held against: three small programs, loaded beside them.
//!
//! They are built for the benchmark alone, by the compiler and with the flags that dtraf's are built with, in a package
//! that is written where cargo's results are.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};

use crate::build_ebpf::{TARGET, Task, Toolchain, cargo};
use crate::command::run;
use crate::workspace::Workspace;

/// Returns at once.
pub(super) const EMPTY: &str = "empty";
/// Adds one to a counter of its CPU.
pub(super) const COUNTER: &str = "counter";
/// Reads the headers, as dtraf's programs do.
pub(super) const WALKER: &str = "walker";
pub(super) const ALL: [&str; 3] = [EMPTY, COUNTER, WALKER];

/// Builds the programs, and says where they lie.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let toolchain = Toolchain::find(workspace).context("find a compiler for the programs to compare with")?;
    let directory = workspace.target().join("bench/yardsticks");
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    // The same releases of everything.
    let lock = directory.join("Cargo.lock");
    fs::copy(workspace.root().join("Cargo.lock"), &lock)
        .with_context(|| format!("write {}", lock.display()))?;
    let manifest = directory.join("Cargo.toml");
    fs::write(&manifest, self::manifest(workspace))
        .with_context(|| format!("write {}", manifest.display()))?;
    run(&mut cargo(workspace, &toolchain, Task::BuildOther(&manifest))?)?;
    Ok(workspace.ebpf_target().join(TARGET).join("release/yardsticks"))
}

/// As `dtraf-ebpf/Cargo.toml`, and the profile of the workspace.
fn manifest(workspace: &Workspace) -> String {
    let root = workspace.root().display();
    format!(
        r#"[package]
name = "yardsticks"
version = "0.0.0"
edition = "2024"
publish = false

[[bin]]
name = "yardsticks"
path = "{root}/xtask/src/bench/packet/program/main.rs"

[dependencies]
dtraf-common = {{ path = "{root}/dtraf-common" }}
aya-ebpf = "0.2.1"
zerocopy = "0.8"

[build-dependencies]
aya-build = "0.2.0"

[profile.release]
lto = "thin"
debug = 2
codegen-units = 1

[workspace]
"#
    )
}

/// The programs, loaded.
#[derive(Debug)]
pub(super) struct Yardsticks(Ebpf);

impl Yardsticks {
    pub(super) fn load(object: &[u8]) -> Result<Self> {
        let mut ebpf = EbpfLoader::new().load(object).context("load the programs to compare with")?;
        for name in ALL {
            program_mut(&mut ebpf, name)?.load().with_context(|| format!("load the program {name}"))?;
        }
        Ok(Self(ebpf))
    }

    pub(super) fn program(&self, name: &str) -> Result<&SchedClassifier> {
        let program = self.0.program(name).with_context(|| format!("find the program {name}"))?;
        Ok(program.try_into()?)
    }

    pub(super) fn program_mut(&mut self, name: &str) -> Result<&mut SchedClassifier> {
        program_mut(&mut self.0, name)
    }
}

fn program_mut<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier> {
    let program = ebpf.program_mut(name).with_context(|| format!("find the program {name}"))?;
    Ok(program.try_into()?)
}
