//! dtraf's own benchmark program (`dtraf/benches/edges.rs`): what no other process can measure.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;

use crate::command::output;
use crate::workspace::Workspace;

/// The program, built.
#[derive(Debug)]
pub(super) struct Edges(PathBuf);

impl Edges {
    pub(super) fn build(workspace: &Workspace) -> Result<Self> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace.root()).args([
            "bench",
            "--quiet",
            "--package=dtraf",
            "--bench=edges",
            "--no-run",
            "--message-format=json",
        ]);
        let built = output(&mut cargo)?;
        let messages = built.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut edges = messages.filter(|message| message["target"]["name"] == "edges");
        let path = edges.find_map(|message| message["executable"].as_str().map(PathBuf::from));
        Ok(Self(path.context("cargo names no program that it has built")?))
    }

    /// Runs it in mounts of its own, with a BPF file system at `/sys/fs/bpf` that goes away with it.
    pub(super) fn run<T: DeserializeOwned>(&self, args: &[OsString]) -> Result<T> {
        const SCRIPT: &str = "mount -t bpf bpf /sys/fs/bpf && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", SCRIPT, "sh"]).arg(&self.0).args(args);
        serde_json::from_str(output(&mut command)?.trim())
            .context("read what the benchmark program has measured")
    }
}
