//! What the lab must leave as it was.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::place::{Place, finish};

/// The parts of the host that a lab could leave a trace in.
#[derive(Debug, PartialEq, Eq)]
pub struct HostState {
    pub links: String,
    pub rules: String,
    pub mounts: BTreeSet<String>,
    pub pins: BTreeSet<PathBuf>,
}

impl HostState {
    pub fn read() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("read the host's mounts")?;
        Ok(Self {
            links: output("ip", &["-oneline", "link"])?,
            rules: rules("iptables-save")? + &rules("ip6tables-save")?,
            mounts: mounts.lines().map(str::to_owned).collect(),
            pins: fs::read_dir("/sys/fs/bpf").map_or_else(
                |_none| Ok(BTreeSet::new()),
                |entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>(),
            )?,
        })
    }
}

/// The namespaces of a lab, by what the kernel calls them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    network: u64,
    mounts: u64,
    processes: u64,
}

impl Namespaces {
    /// Those of a place in the lab.
    pub fn of(place: &Place) -> Result<Self> {
        Self::of_process(&PathBuf::from(format!("/proc/{}", place.init)))
    }

    /// The processes of the host that are in any of them.
    pub fn members(&self) -> Result<Vec<PathBuf>> {
        let mut members = Vec::new();
        for entry in fs::read_dir("/proc").context("list the host's processes")? {
            let process = entry?.path();
            // Processes come and go while they are looked at.
            let Ok(other) = Self::of_process(&process) else { continue };
            if other.network == self.network
                || other.mounts == self.mounts
                || other.processes == self.processes
            {
                members.push(process);
            }
        }
        Ok(members)
    }

    /// Those of a process, by its directory in `/proc`.
    pub fn of_process(process: &Path) -> Result<Self> {
        let number = |kind: &str| -> Result<u64> {
            let path = process.join("ns").join(kind);
            Ok(fs::metadata(&path).with_context(|| format!("look at {}", path.display()))?.ino())
        };
        Ok(Self { network: number("net")?, mounts: number("mnt")?, processes: number("pid")? })
    }
}

/// The control groups of the lab of that name, on the host.
pub fn cgroups_of(name: &str) -> Result<Vec<PathBuf>> {
    Ok(hierarchies()?
        .into_iter()
        .map(|hierarchy| hierarchy.join(name))
        .filter(|group| group.exists())
        .collect())
}

/// The roots of control groups: one for version 2, one for each controller of version 1.
pub fn hierarchies() -> Result<Vec<PathBuf>> {
    let root = PathBuf::from("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return Ok(vec![root]);
    }
    let entries = fs::read_dir(&root).context("list the hierarchies of control groups")?;
    let dirs: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    Ok(dirs.into_iter().filter(|dir| dir.is_dir()).collect())
}

/// The firewall's rules without their counters and without the time of day.
fn rules(program: &str) -> Result<String> {
    let saved = output(program, &[])?;
    let lines = saved.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.map(|line| line.split(" [").next().unwrap_or_default()).collect::<Vec<_>>().join("\n"))
}

fn output(program: &str, args: &[&str]) -> Result<String> {
    finish(Command::new(program).args(args), program)
}
