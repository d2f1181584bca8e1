//! What the commands need of the system, and its installation by the distribution's packages.
//!
//! Nothing is installed without a question, unless `--yes` answered it beforehand. Only Debian's family is installed by
//! itself; elsewhere the names are printed.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::{run, which};
use crate::services::NoServices;

/// One thing that must be there.
#[derive(Debug)]
pub(crate) struct Need {
    /// The package of Debian and Ubuntu.
    package: &'static str,
    /// How it shows.
    sign: Sign,
}

#[derive(Debug)]
enum Sign {
    Program(&'static str),
    File(&'static str),
    /// Containers have none of the libraries that a dynamically linked one asks for.
    StaticProgram(&'static str),
}

const fn program(name: &'static str, package: &'static str) -> Need {
    Need { package, sign: Sign::Program(name) }
}

const fn file(path: &'static str, package: &'static str) -> Need {
    Need { package, sign: Sign::File(path) }
}

/// For the lab: a private Docker, a network around it, and something that looks at it.
pub(crate) const LAB: [Need; 13] = [
    program("bpftool", "bpftool"),
    program("docker", "docker.io"),
    program("dockerd", "docker.io"),
    program("ethtool", "ethtool"),
    program("ip", "iproute2"),
    program("iptables", "iptables"),
    program("nft", "nftables"),
    program("nsenter", "util-linux"),
    program("setpriv", "util-linux"),
    program("tc", "iproute2"),
    program("tcpdump", "tcpdump"),
    program("tmux", "tmux"),
    Need { package: "busybox-static", sign: Sign::StaticProgram("busybox") },
];

/// For benchmarks: the crowd's firewall is made by whichever variant of iptables was asked for.
pub(crate) const BENCH: [Need; 3] = [
    program("iptables-nft-restore", "iptables"),
    program("ip6tables-nft-restore", "iptables"),
    program("nft", "nftables"),
];

/// For the eBPF object: a compiler with a BPF core, and its clippy.
pub(crate) const EBPF_COMPILER: [Need; 3] = [
    // Debian has another /usr/bin/rustc, without that core.
    file("/var/lib/dpkg/info/rustc-web.list", "rustc-web"),
    file("/usr/lib/rustlib/bpfel-unknown-none/lib", "libstd-rust-web-dev-bpf"),
    file("/usr/bin/cargo-clippy", "rust-web-clippy"),
];

/// For building bpf-linker.
pub(crate) const LINKER_BUILD: [Need; 5] = [
    file("/usr/lib/llvm-22/bin/llvm-config", "llvm-22-dev"),
    file("/usr/lib/llvm-22/lib/libPolly.a", "libpolly-22-dev"),
    file("/usr/include/zlib.h", "zlib1g-dev"),
    file("/usr/include/zstd.h", "libzstd-dev"),
    program("g++", "g++"),
];

impl Need {
    fn is_met(&self) -> bool {
        // Where a user's PATH has no place for a system's programs, root's has.
        let found = |name| which(name, Some(Path::new("/usr/sbin")));
        match self.sign {
            Sign::Program(name) => found(name).is_some(),
            Sign::File(path) => Path::new(path).exists(),
            Sign::StaticProgram(name) => found(name).is_some_and(|path| is_static(&path)),
        }
    }
}

/// A dynamically linked program names its loader.
fn is_static(program: &Path) -> bool {
    let loader = b"/ld-linux";
    std::fs::read(program).is_ok_and(|bytes| !bytes.windows(loader.len()).any(|window| window == loader))
}

/// Installs what is missing of `needs`, after a question that `yes` answers.
pub(crate) fn ensure<'a>(needs: impl IntoIterator<Item = &'a Need>, yes: bool) -> Result<()> {
    let missing: Vec<&Need> = needs.into_iter().filter(|need| !need.is_met()).collect();
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if which("apt-get", None).is_none() {
        bail!("missing, by the names of Debian's packages: {list}");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing: {list}. As root: apt-get install {list}");
    }
    if !yes && !agreed(&format!("Install with apt-get: {list}?"))? {
        bail!("not installed: {list}");
    }
    install(&packages)?;
    if let Some(need) = missing.into_iter().find(|need| !need.is_met()) {
        bail!("{} was installed, but {:?} is still not there", need.package, need.sign);
    }
    Ok(())
}

fn install(packages: &[&str]) -> Result<()> {
    let _services = NoServices::for_now()?;
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["--quiet", "--quiet"]);
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args(["--yes", "--no-install-recommends", "install"]).args(packages))
}

/// Asks at the terminal; without one the answer is no.
fn agreed(question: &str) -> Result<bool> {
    print!("{question} [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_is_met_by_what_is_there() {
        assert!(program("sh", "dash").is_met());
        assert!(!program("no-such-program", "x").is_met());
        assert!(file("/proc/self", "x").is_met());
        assert!(!file("/no/such/file", "x").is_met());
    }

    #[test]
    fn this_test_is_no_static_program() {
        assert!(!is_static(&std::env::current_exe().unwrap()));
    }
}
