//! Why a backend cannot count, and what to do about it.

use std::path::PathBuf;

use crate::accounting::report::{Backend, Refused};
use crate::source::probe::{Capability, NftVersion, Said, Variant};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("dtraf has no {0}")]
    Capability(Capability),
    #[error("Linux {release} is older than {}.{}", least.0, least.1)]
    Kernel { release: String, least: (u32, u32) },
    #[error("the kernel has no eBPF programs for traffic control")]
    NoPrograms,
    /// In spite of all privileges.
    #[error("the kernel refuses an eBPF program: {0}")]
    ProgramRefused(Said),
    #[error("the kernel has neither TCX nor clsact hooks")]
    NoHook,
    #[error("{0} is not a bpf file system")]
    NoBpffs(PathBuf),
    #[error("{0} may not be written to")]
    BpffsClosed(PathBuf),
    #[error("Docker's bridges are in another network namespace: {}", .0.join(", "))]
    Elsewhere(Vec<String>),
    #[error("there is no program iptables")]
    NoIptables,
    #[error("Docker makes its rules with nftables, and has no DOCKER-USER there")]
    DockerNftables,
    #[error("there is no chain DOCKER-USER")]
    NoDockerUser,
    #[error("no packet comes to DOCKER-USER: FORWARD does not jump to it (iptables-{0})")]
    Unreached(Variant),
    #[error("{program} does not show its chains: {said}")]
    Unreadable { program: PathBuf, said: Said },
    #[error("there is no program nft")]
    NoNft,
    #[error("nft {version} is older than {least}")]
    OldNft { version: NftVersion, least: NftVersion },
    #[error("nft does not show its tables: {0}")]
    NftUnreadable(Said),
}

/// As reports have it.
impl From<(Backend, Refusal)> for Refused {
    fn from((backend, refusal): (Backend, Refusal)) -> Self {
        Self { backend, reason: format!("{refusal} ({})", refusal.advice()) }
    }
}

impl Refusal {
    /// What makes the backend possible.
    pub(crate) fn advice(&self) -> String {
        let fixed = match self {
            Self::Capability(_) => "run dtraf as root",
            Self::Kernel { least: (major, minor), .. } => {
                return format!("boot Linux {major}.{minor} or newer");
            }
            Self::NoPrograms => "boot a kernel with CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_BPF",
            Self::ProgramRefused(_) => {
                "a security policy is in the way (seccomp, AppArmor, SELinux, or a user namespace): run dtraf on the host \
                 itself, or in a container with `--privileged`"
            }
            Self::NoHook => {
                "install the modules sch_ingress and cls_bpf: on Debian they are in the kernel's package, on others in \
                 `kernel-modules-extra`"
            }
            Self::NoBpffs(path) => return format!("mount one: `mount -t bpf bpf {}`", path.display()),
            Self::BpffsClosed(path) => {
                return format!(
                    "as root: `mount -o remount,rw {}`; under systemd take ProtectKernelTunables out of the unit",
                    path.display()
                );
            }
            Self::Elsewhere(_) => {
                "run dtraf where they are: in a container with `--network host`; for rootless Docker with \
                 `nsenter --net=$XDG_RUNTIME_DIR/docker.pid` as root; for another host, there"
            }
            Self::NoIptables => "install it: `apt install iptables`",
            Self::DockerNftables => "nothing: a table of dtraf's own does the same",
            Self::NoDockerUser => {
                "start Docker, and without `--iptables=false`: it makes the chain when it starts. Podman has none"
            }
            Self::Unreached(_) => {
                "`systemctl restart docker` puts the jump back, or `iptables -I FORWARD -j DOCKER-USER` does"
            }
            Self::Unreadable { .. } | Self::NftUnreadable(_) => {
                "see what it says to root on the host itself; the kernel may lack nf_tables"
            }
            Self::NoNft => "install it: `apt install nftables`",
            Self::OldNft { .. } => "install a newer one, with a newer release of the distribution",
        };
        fixed.to_owned()
    }
}
