//! The host -> [`Facts`].
//!
//! Owns every look at the host that decides what can count there. Changes nothing and leaves nothing behind: it attaches to
//! no interface, pins nothing, and runs no program that makes a table by looking for it. What it loads into the kernel is
//! gone with its descriptor. Refuses to judge what it finds: see [`select`](super::select).
//!
//! It can make the kernel load its module `nf_tables`, by asking for tables that way.

mod bpf;
mod engine;
mod facts;
#[cfg(test)]
pub(crate) mod fixtures;
mod iptables;
mod nft;
mod program;
mod security;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::system::uname;
use rustix::thread::{CapabilitySet, capabilities};

pub(crate) use self::facts::{
    Bpf, Bpffs, BpffsState, BridgeFilter, Bridges, Capability, DockerFacts, DockerUser, Facts, Iptables, Jit,
    Kernel, Load, Nft, NftVersion, PerFamily, Said, Security, Selinux, Support, Tables, Unreachable, Variant,
};
use self::program::Programs;
use crate::docker::{Docker, DockerError};
use crate::host;
use crate::links::Links;

/// Looks at everything. `docker` is what became of connecting to it, `bpffs` where maps are to be pinned. Runs other programs, one
/// after another: some hundredths of a second.
pub(crate) async fn probe(bpffs: &Path, docker: Result<&Docker, &DockerError>, links: &Links) -> Facts {
    let kernel = kernel();
    let programs = Programs::of_system();
    Facts {
        capabilities: effective(),
        bpf: bpf::look(bpffs, &kernel),
        docker: engine::look(docker, links).await,
        iptables: PerFamily::from_fn(|family| iptables::look(&programs, family)),
        bridge_filter: PerFamily::from_fn(iptables::bridge_filter),
        nft: nft::look(&programs),
        security: security::look(),
        kernel,
    }
}

fn kernel() -> Kernel {
    let release = uname().release().to_string_lossy().into_owned();
    Kernel { version: host::version(&release), release }
}

fn effective() -> BTreeSet<Capability> {
    let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let known = [
        (Capability::Bpf, CapabilitySet::BPF),
        (Capability::NetAdmin, CapabilitySet::NET_ADMIN),
        (Capability::SysAdmin, CapabilitySet::SYS_ADMIN),
        (Capability::Perfmon, CapabilitySet::PERFMON),
    ];
    known.into_iter().filter(|(_, bit)| effective.contains(*bit)).map(|(capability, _)| capability).collect()
}

/// A file of the kernel's that holds one value; `None` when it is not there, or not for us.
fn value_in(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim_matches(['\n', '\0', ' ']).to_owned())
}
