//! The call of cargo that builds the eBPF crate, and what makes it give the same bytes everywhere.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::strip;
use super::toolchain::{Core, Toolchain};
use crate::command::{output, run};
use crate::workspace::Workspace;

pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// What the compiler is told, besides the mapping of paths.
///
/// The linker goes by its bare name: its path would end up in the crates' hashes. CPU v3 (Linux 5.1) has 32-bit
/// registers and jumps: fewer instructions.
pub(crate) const FLAGS: [&str; 5] = [
    "--cfg=bpf_target_arch=\"x86_64\"",
    "-Clinker=bpf-linker",
    "-Cdebuginfo=2",
    "-Clink-arg=--btf",
    "-Ctarget-cpu=v3",
];

/// Builds the eBPF crate and returns the object.
pub(crate) fn object(workspace: &Workspace, toolchain: &Toolchain) -> Result<Vec<u8>> {
    run(&mut cargo(workspace, toolchain, Task::Build)?)?;
    let object = workspace.ebpf_target().join(TARGET).join("release/dtraf");
    let object = fs::read(&object).with_context(|| format!("read {}", object.display()))?;
    strip::debug_sections(&object)
}

/// What cargo is asked to do with the eBPF crate.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task<'a> {
    Build,
    Clippy,
    /// Build another package for the same target, by its manifest.
    BuildOther(&'a Path),
}

/// Cargo with this toolchain and everything that decides the object's bytes.
pub(crate) fn cargo(workspace: &Workspace, toolchain: &Toolchain, task: Task<'_>) -> Result<Command> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let (word, last): (_, &[&str]) = match task {
        Task::Build | Task::BuildOther(_) => ("build", &["--quiet"]),
        Task::Clippy => ("clippy", &["--", "--deny=warnings"]),
    };
    let mut command = match (&toolchain.core, task) {
        (Core::Compiled { .. }, Task::Build | Task::BuildOther(_)) => Command::new(cargo),
        // A clippy belongs to one compiler, and lies beside it.
        (Core::Compiled { rustc }, Task::Clippy) => Command::new(rustc.with_file_name("cargo-clippy")),
        (Core::Sources { toolchain }, _) => {
            let mut command = Command::new("rustup");
            command.args(["run", toolchain, "cargo"]);
            command
        }
    };
    command.arg(word);
    match &toolchain.core {
        Core::Compiled { rustc } => command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1"),
        Core::Sources { .. } => command.arg("-Zbuild-std=core").env_remove("RUSTC"),
    };
    // What a developer's shell adds to every build would make another object.
    for inherited in ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"] {
        command.env_remove(inherited);
    }
    match task {
        Task::Build | Task::Clippy => command.args(["--package", "dtraf-ebpf", "--locked"]),
        Task::BuildOther(manifest) => command.arg("--manifest-path").arg(manifest),
    };
    command
        .current_dir(workspace.root())
        .args(["--release", "--target", TARGET, "--target-dir"])
        .arg(workspace.ebpf_target())
        .args(last)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace, toolchain)?)
        .env("PATH", path_with(toolchain)?);
    Ok(command)
}

/// The flags, and a neutral name for every directory that would leave its path in the object.
///
/// Where two of them match the compiler takes the last, so the widest comes first.
fn rustflags(workspace: &Workspace, toolchain: &Toolchain) -> Result<OsString> {
    let mut mapped = vec![(toolchain.core.sysroot()?.join("lib/rustlib/src/rust"), "/rust")];
    mapped.extend(crate_dirs(workspace)?.into_iter().map(|dir| (dir, "/crates")));
    mapped.push((workspace.root().to_path_buf(), "/dtraf"));

    let mapped = mapped.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    let flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).chain(mapped).collect();
    Ok(flags.join("\x1f").into())
}

/// The directories that hold other people's crates: a registry's unpacked sources, or where they are vendored.
fn crate_dirs(workspace: &Workspace) -> Result<BTreeSet<PathBuf>> {
    let metadata = output(Command::new("cargo").current_dir(workspace.root()).args([
        "metadata",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        TARGET,
    ]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).context("read cargo's metadata")?;
    let packages = metadata["packages"].as_array().context("cargo's metadata lists no packages")?;
    Ok(packages
        .iter()
        .filter(|package| !package["source"].is_null())
        .filter_map(|package| package["manifest_path"].as_str())
        .filter_map(|manifest| Some(PathBuf::from(manifest).parent()?.parent()?.to_path_buf()))
        .collect())
}

fn path_with(toolchain: &Toolchain) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(toolchain.linker_dir.clone()).chain(std::env::split_paths(&path)))
        .context("put the linker's directory into PATH")
}
