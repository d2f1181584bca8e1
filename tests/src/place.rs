//! Where in the lab a command runs.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process::Process;

/// No single command of a test takes longer: a hang becomes an error.
const LIMIT_SECONDS: &str = "180";

/// A network namespace of the lab, with the lab's own mounts and processes.
#[derive(Debug, Clone)]
pub struct Place {
    /// The lab's first process, by its number on the host.
    pub(crate) init: u32,
    /// The process whose network is meant, by its number in the lab; none for the lab's host.
    pub(crate) network_of: Option<u32>,
    /// The program `dtraf-lab`.
    pub(crate) tool: PathBuf,
}

impl Place {
    /// The network of a process of the lab, by its number in the lab.
    #[must_use]
    pub fn network_of(&self, pid: u32) -> Self {
        Self { network_of: Some(pid), ..self.clone() }
    }

    /// A path inside the lab, as it is to be opened from here.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init))
    }

    /// A command that will run here.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.init.to_string());
        // The root too: the lab may have been started in a chroot, and its mounts alone would lead out of that.
        command.args(["--mount", "--root", "--net", "--pid", "--ipc", "--uts", "--"]);
        if let Some(pid) = self.network_of {
            // By the lab's /proc, so only once inside.
            command.arg("nsenter").arg(format!("--net=/proc/{pid}/ns/net")).arg("--");
        }
        command.arg(program).stdin(Stdio::null());
        // The tester's own Docker is not what is meant here.
        for variable in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
            command.env_remove(variable);
        }
        command.env("DOCKER_CONFIG", "/run/docker-client").env("LC_ALL", "C");
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Runs a program to its end, demands success and returns what it printed.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        let mut command = self.command("timeout");
        command.args(["--signal=KILL", LIMIT_SECONDS, program]).args(args);
        finish(&mut command, &format!("{program} {}", args.join(" ")))
    }

    /// Starts a program that runs until it is told to end.
    pub fn spawn(&self, program: &str, args: &[&str]) -> Result<Process> {
        Process::start(program, self.command(program).args(args))
    }

    /// Runs `dtraf-lab` here.
    pub(crate) fn tool(&self, args: &[&str]) -> Result<String> {
        let mut command = self.command("timeout");
        command.args(["--signal=KILL", LIMIT_SECONDS]).arg(&self.tool).args(args);
        finish(&mut command, &format!("dtraf-lab {}", args.join(" ")))
    }

    /// Starts `dtraf-lab` here.
    pub(crate) fn spawn_tool(&self, args: &[&str]) -> Result<Process> {
        Process::start(&format!("dtraf-lab {}", args.join(" ")), self.command(&self.tool).args(args))
    }
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command, shown: &str) -> Result<String> {
    let output = command.output().with_context(|| format!("start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` in the lab: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("read what `{shown}` printed"))
}

/// Runs a command to its end with `text` as its input, and returns what it printed.
pub(crate) fn feed(command: &mut Command, text: &str, shown: &str) -> Result<String> {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.with_context(|| format!("start `{shown}`"))?;
    let written = child.stdin.take().context("its input is a pipe")?.write_all(text.as_bytes());
    let output = child.wait_with_output().with_context(|| format!("wait for `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` in the lab: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    written.with_context(|| format!("write to `{shown}`"))?;
    String::from_utf8(output.stdout).with_context(|| format!("read what `{shown}` printed"))
}
