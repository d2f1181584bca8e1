//! What was found on the host, as plain values. Nothing here is judged.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use dtraf_common::abi::Family;

use crate::docker::{Engine, Setup};
use crate::source::rules::set::Hiding;

/// Everything that decides what can count here, and what it would see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kernel: Kernel,
    /// Those of dtraf's needs that the process has.
    pub(crate) capabilities: BTreeSet<Capability>,
    pub(crate) bpf: Bpf,
    pub(crate) docker: Result<DockerFacts, Unreachable>,
    pub(crate) iptables: PerFamily<Iptables>,
    pub(crate) bridge_filter: PerFamily<BridgeFilter>,
    /// `None`: there is no such program.
    pub(crate) nft: Option<Nft>,
    pub(crate) security: Security,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// Such as `6.1.0-13-amd64`.
    pub(crate) release: String,
    /// Major and minor; `None` when the release does not begin with them.
    pub(crate) version: Option<(u32, u32)>,
}

/// A privilege that some backend is better off with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Capability {
    Bpf,
    NetAdmin,
    SysAdmin,
    Perfmon,
}

/// What eBPF is made of here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bpf {
    /// What became of a program of two instructions.
    pub(crate) load: Load,
    /// `None`: not for us to see.
    pub(crate) jit: Option<Jit>,
    /// Not needed.
    pub(crate) btf: Support,
    pub(crate) tcx: Support,
    pub(crate) clsact: Support,
    pub(crate) bpffs: Bpffs,
    /// Versions of the layouts that are pinned.
    pub(crate) pinned: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Done,
    /// The kernel knows no such programs.
    Unsupported,
    Refused(Said),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jit {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    Yes,
    No,
    /// Not for us to see.
    Unknown,
}

/// Where maps and links are to be pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bpffs {
    pub(crate) path: PathBuf,
    pub(crate) state: BpffsState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BpffsState {
    Writable,
    /// Mounted, but we may not write there.
    Closed,
    NotMounted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DockerFacts {
    pub(crate) engine: Engine,
    /// `None`: it did not say, or not so that it can be read.
    pub(crate) setup: Option<Setup>,
    pub(crate) bridges: Bridges,
}

/// Where the bridges of Docker's networks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bridges {
    /// At least one of them is in our network namespace.
    Here,
    /// None of these is.
    Elsewhere(Vec<String>),
    /// There are none, or nobody could be asked.
    Unknown,
}

/// Why Docker could not be asked, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreachable {
    pub(crate) text: String,
    pub(crate) advice: String,
}

/// The rule sets of one family: two can coexist, which do not show each other's rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Iptables {
    /// The one that `iptables` means.
    pub(crate) usual: Option<Variant>,
    /// `None`: there is no program for it.
    pub(crate) nft: Option<Tables>,
    pub(crate) legacy: Option<Tables>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variant {
    Nft,
    Legacy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Such as `/usr/sbin/iptables-nft`; with `-save` and `-restore` behind it, its companions.
    pub(crate) program: PathBuf,
    pub(crate) docker_user: DockerUser,
    /// Other people's rules that may keep packets from dtraf's.
    pub(crate) hiding: Vec<Hiding>,
}

/// The chain `DOCKER-USER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DockerUser {
    /// FORWARD jumps to it.
    Reached,
    /// It is there, but no packet comes by.
    Unreached,
    Absent,
    Unreadable(Said),
}

/// Whether packets that stay within a bridge pass the firewall (`net.bridge.bridge-nf-call-*tables`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BridgeFilter {
    On,
    Off,
    /// The module `br_netfilter` is not there.
    NotLoaded,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nft {
    pub(crate) program: PathBuf,
    /// `None` when it says it in an unknown way.
    pub(crate) version: Option<NftVersion>,
    /// Whether the kernel tells its tables.
    pub(crate) tables: Result<(), Said>,
    /// There is one: what it forwards passes no rule.
    pub(crate) flow_tables: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NftVersion(pub(crate) u32, pub(crate) u32, pub(crate) u32);

/// What may stand in the way without being a privilege.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Security {
    /// `none`, `integrity` or `confidentiality`; `None` when the kernel has no lockdown, or does not tell.
    pub(crate) lockdown: Option<String>,
    /// `None`: not enabled.
    pub(crate) selinux: Option<Selinux>,
    /// The profile that dtraf runs under; `None`: `AppArmor` is not enabled.
    pub(crate) apparmor: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selinux {
    Enforcing,
    Permissive,
}

/// The error of a program or of the kernel, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said(pub(crate) String);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerFamily<T> {
    pub(crate) v4: T,
    pub(crate) v6: T,
}

impl<T> PerFamily<T> {
    pub(crate) fn from_fn(mut value: impl FnMut(Family) -> T) -> Self {
        Self { v4: value(Family::V4), v6: value(Family::V6) }
    }

    pub(crate) fn get(&self, family: Family) -> &T {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

impl Iptables {
    /// Both rule sets for which there is a program, the usual one first.
    pub(crate) fn variants(&self) -> impl Iterator<Item = (Variant, &Tables)> {
        let order = match self.usual {
            Some(Variant::Legacy) => [Variant::Legacy, Variant::Nft],
            _ => [Variant::Nft, Variant::Legacy],
        };
        order.into_iter().filter_map(|variant| Some((variant, self.get(variant)?)))
    }

    pub(crate) fn get(&self, variant: Variant) -> Option<&Tables> {
        match variant {
            Variant::Nft => self.nft.as_ref(),
            Variant::Legacy => self.legacy.as_ref(),
        }
    }

    /// The rule set whose `DOCKER-USER` sees packets: Docker's.
    pub(crate) fn docker(&self) -> Option<(Variant, &Tables)> {
        self.variants().find(|(_, tables)| tables.docker_user == DockerUser::Reached)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bpf => "CAP_BPF",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
        })
    }
}

impl fmt::Display for NftVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(major, minor, patch) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        })
    }
}
