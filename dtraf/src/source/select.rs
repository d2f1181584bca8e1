//! [`Facts`] -> which backend counts, and why no better one does.
//!
//! Pure. Owns the order of preference and what each backend takes; it looks at nothing itself and starts nothing.

mod blind;
mod refusal;

use std::fmt;

pub(crate) use self::blind::blind_spots;
pub(crate) use self::refusal::Refusal;
use super::probe::{Bpf, BpffsState, Bridges, Capability, DockerUser, Facts, Load, NftVersion, Support};
use crate::accounting::report::Backend;
use crate::docker::{Firewall, Product};
use crate::host::OLDEST_KERNEL;

/// Sets whose elements have counters came with Linux 5.7 and nftables 0.9.5.
const OLDEST_NFT_KERNEL: (u32, u32) = (5, 7);
const OLDEST_NFT: NftVersion = NftVersion(0, 9, 5);
/// clsact came with Linux 4.5.
const CLSACT_KERNEL: (u32, u32) = (4, 5);
const TCX_KERNEL: (u32, u32) = (6, 6);

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The best one.
    Auto,
    /// This one. Where Docker has no `DOCKER-USER`, `iptables` means a table of dtraf's own.
    Only(Backend),
}

/// What is to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) backend: Backend,
    /// Everything that speaks against each backend that would have gone before it, best first: one may be there several times.
    pub(crate) refused: Vec<(Backend, Refusal)>,
}

/// None of the backends that are wanted can count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoBackend {
    pub(crate) refused: Vec<(Backend, Refusal)>,
}

/// Chooses the best of the backends that are wanted and can count here.
pub(crate) fn select(facts: &Facts, wanted: Wanted) -> Result<Selection, NoBackend> {
    let candidates: &[Backend] = match wanted {
        Wanted::Auto => &Backend::ALL,
        Wanted::Only(Backend::Ebpf) => &[Backend::Ebpf],
        Wanted::Only(Backend::Iptables) => &[Backend::Iptables, Backend::Nft],
        Wanted::Only(Backend::Nft) => &[Backend::Nft],
    };
    let mut refused = Vec::new();
    for backend in candidates {
        let refusals = refusals(*backend, facts);
        if refusals.is_empty() {
            return Ok(Selection { backend: *backend, refused });
        }
        refused.extend(refusals.into_iter().map(|refusal| (*backend, refusal)));
    }
    Err(NoBackend { refused })
}

/// Everything that speaks against a backend, what cannot be mended first; nothing when it can count here.
pub(crate) fn refusals(backend: Backend, facts: &Facts) -> Vec<Refusal> {
    let mut refusals = match backend {
        Backend::Ebpf => against_ebpf(facts),
        Backend::Iptables => against_iptables(facts),
        Backend::Nft => against_nft(facts),
    };
    refusals.extend(elsewhere(facts));
    refusals
}

/// Podman makes a network's bridge with its first container: until then it is nowhere.
fn elsewhere(facts: &Facts) -> Option<Refusal> {
    let docker = facts.docker.as_ref().ok()?;
    match &docker.bridges {
        Bridges::Elsewhere(bridges) if docker.engine.product == Product::Docker => {
            Some(Refusal::Elsewhere(bridges.clone()))
        }
        _ => None,
    }
}

fn against_ebpf(facts: &Facts) -> Vec<Refusal> {
    let Bpf { load, bpffs, .. } = &facts.bpf;
    let mut refusals: Vec<Refusal> = too_old(facts, OLDEST_KERNEL).into_iter().collect();
    let has = |capability| facts.capabilities.contains(&capability);
    let mut missing = Vec::new();
    if !has(Capability::Bpf) && !has(Capability::SysAdmin) {
        missing.push(Refusal::Capability(Capability::Bpf));
    }
    missing.extend(net_admin(facts));
    let may = missing.is_empty();
    refusals.extend(missing);
    match load {
        Load::Unsupported => refusals.push(Refusal::NoPrograms),
        // Without the privilege there is nothing to wonder about.
        Load::Refused(said) if may => refusals.push(Refusal::ProgramRefused(said.clone())),
        Load::Refused(_) | Load::Done => {}
    }
    if !has_hook(facts) {
        refusals.push(Refusal::NoHook);
    }
    match bpffs.state {
        BpffsState::NotMounted => refusals.push(Refusal::NoBpffs(bpffs.path.clone())),
        BpffsState::Closed if may => refusals.push(Refusal::BpffsClosed(bpffs.path.clone())),
        BpffsState::Closed | BpffsState::Writable => {}
    }
    refusals
}

/// What cannot be seen is taken for what kernels of this version have.
fn has_hook(facts: &Facts) -> bool {
    let is = |support, since| match support {
        Support::Yes => true,
        Support::No => false,
        Support::Unknown => facts.kernel.version.is_none_or(|version| version >= since),
    };
    is(facts.bpf.tcx, TCX_KERNEL) || is(facts.bpf.clsact, CLSACT_KERNEL)
}

fn against_iptables(facts: &Facts) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = net_admin(facts).into_iter().collect();
    let may = refusals.is_empty();
    let firewall = facts.docker.as_ref().ok().and_then(|docker| docker.setup.as_ref()?.firewall.as_ref());
    if firewall == Some(&Firewall::Nftables) {
        refusals.push(Refusal::DockerNftables);
        return refusals;
    }
    let iptables = &facts.iptables.v4;
    if iptables.docker().is_some() {
        return refusals;
    }
    let states = || iptables.variants().map(|(variant, tables)| (variant, tables, &tables.docker_user));
    let unreached = states().find(|(.., state)| **state == DockerUser::Unreached);
    let unreadable = states().find_map(|(_, tables, state)| match state {
        DockerUser::Unreadable(said) => {
            Some(Refusal::Unreadable { program: tables.program.clone(), said: said.clone() })
        }
        _ => None,
    });
    refusals.extend(match (unreached, unreadable) {
        (Some((variant, ..)), _) => Some(Refusal::Unreached(variant)),
        // Without the privilege no chain is shown.
        (None, Some(unreadable)) => may.then_some(unreadable),
        (None, None) if iptables.variants().next().is_none() => Some(Refusal::NoIptables),
        (None, None) => may.then_some(Refusal::NoDockerUser),
    });
    refusals
}

fn against_nft(facts: &Facts) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = too_old(facts, OLDEST_NFT_KERNEL).into_iter().collect();
    let missing = net_admin(facts);
    let may = missing.is_none();
    refusals.extend(missing);
    let Some(nft) = &facts.nft else {
        refusals.push(Refusal::NoNft);
        return refusals;
    };
    if let Some(version) = nft.version.filter(|version| *version < OLDEST_NFT) {
        refusals.push(Refusal::OldNft { version, least: OLDEST_NFT });
    }
    if let (Err(said), true) = (&nft.tables, may) {
        refusals.push(Refusal::NftUnreadable(said.clone()));
    }
    refusals
}

fn too_old(facts: &Facts, least: (u32, u32)) -> Option<Refusal> {
    let kernel = &facts.kernel;
    let is_old = kernel.version.is_some_and(|version| version < least);
    is_old.then(|| Refusal::Kernel { release: kernel.release.clone(), least })
}

fn net_admin(facts: &Facts) -> Option<Refusal> {
    let missing = !facts.capabilities.contains(&Capability::NetAdmin);
    missing.then_some(Refusal::Capability(Capability::NetAdmin))
}

impl fmt::Display for NoBackend {
    /// Each reason once, with all whom it stops.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing can count on this host")?;
        let mut told = Vec::new();
        for (_, refusal) in &self.refused {
            if told.contains(&refusal) {
                continue;
            }
            let stopped = self.refused.iter().filter(|(_, other)| other == refusal);
            let stopped: Vec<_> = stopped.map(|(backend, _)| backend.to_string()).collect();
            let separator = if told.is_empty() { ": " } else { "; " };
            write!(f, "{separator}{}: {refusal} ({})", stopped.join(", "), refusal.advice())?;
            told.push(refusal);
        }
        Ok(())
    }
}

impl std::error::Error for NoBackend {}

#[cfg(test)]
mod tests;
