//! The first process of a lab's world: furnishes it, then waits for orphans until it is killed.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind_recursive, unmount};
use rustix::process::{WaitOptions, wait};

use crate::answer;

/// A Docker host forwards; its rules and not this say what.
const SYSCTLS: [(&str, &str); 2] = [
    // Off to begin with: dockerd switches it on and then sets FORWARD to DROP, as on a real host.
    ("/proc/sys/net/ipv4/ip_forward", "0"),
    ("/proc/sys/net/ipv6/conf/all/forwarding", "1"),
];

pub(crate) fn run() -> Result<()> {
    if std::process::id() != 1 {
        bail!("this is for the first process of a world of its own; it would change the host's mounts");
    }
    furnish()?;
    answer("ready")?;
    loop {
        match wait(WaitOptions::empty()) {
            // Something will have to be waited for again.
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => return Err(error).context("wait for orphans"),
        }
    }
}

fn furnish() -> Result<()> {
    rustix::system::sethostname(b"dtraf-lab").context("name the lab")?;
    make("tmpfs", "/run")?;
    // What programs keep for good is not kept beyond the lab.
    make("tmpfs", "/var/lib")?;
    for dir in ["/run/lock", "/run/docker-client", "/run/cgroup"] {
        fs::create_dir(dir).with_context(|| format!("create {dir}"))?;
    }
    // A view of /sys that belongs to this network, with the host's control groups kept.
    mount_bind_recursive("/sys/fs/cgroup", "/run/cgroup").context("keep the control groups")?;
    make("sysfs", "/sys")?;
    mount_bind_recursive("/run/cgroup", "/sys/fs/cgroup").context("put the control groups back")?;
    unmount("/run/cgroup", UnmountFlags::DETACH).context("let go of the control groups' first mount")?;
    make("bpf", "/sys/fs/bpf")?;
    for (path, value) in SYSCTLS {
        fs::write(path, value).with_context(|| format!("write {value} to {path}"))?;
    }
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .context("start ip (package iproute2)")?;
    if !up.success() {
        bail!("set lo up: {up}");
    }
    Ok(())
}

/// A new file system of its own kind.
fn make(kind: &str, at: &str) -> Result<()> {
    mount(kind, at, kind, MountFlags::empty(), None).with_context(|| format!("mount {kind} on {at}"))
}
