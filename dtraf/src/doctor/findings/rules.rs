//! What the backends take that count by rules. As long as eBPF counts, nothing here is a problem.

use dtraf_common::abi::Family;

use super::{Finding, Mark, Topic};
use crate::accounting::blind::BlindSpot;
use crate::accounting::report::Backend;
use crate::source::probe::{BridgeFilter, DockerUser, Facts, Iptables, Nft, Tables, Variant};
use crate::source::select::{Refusal, refusals};

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    vec![
        iptables(facts, Family::V4),
        iptables(facts, Family::V6),
        bridge_filter(facts, Family::V4),
        bridge_filter(facts, Family::V6),
        nft(facts),
    ]
}

fn iptables(facts: &Facts, family: Family) -> Finding {
    let topic = match family {
        Family::V4 => Topic::Iptables,
        Family::V6 => Topic::Ip6tables,
    };
    let iptables = facts.iptables.get(family);
    if let Some((_, tables)) = iptables.docker() {
        if !tables.hiding.is_empty() {
            let rules: Vec<_> = tables.hiding.iter().map(ToString::to_string).collect();
            let text =
                format!("before dtraf's rules, which do not count what it ends, stands {}", rules.join(", "));
            return Finding::problem(topic, text)
                .advise("`dtraf rules apply` moves dtraf's rules to the top; `dtraf run` does by itself");
        }
        return Finding::ok(topic, format!("FORWARD goes to DOCKER-USER, says {}", tables.program.display()));
    }
    let finding = Finding::note(topic, states(iptables));
    let is_about = |refusal: &&Refusal| {
        matches!(refusal, Refusal::NoIptables | Refusal::NoDockerUser | Refusal::Unreached(_))
    };
    let is_shown = iptables.variants().all(|(_, it)| !matches!(it.docker_user, DockerUser::Unreadable(_)));
    match family {
        Family::V4 => match refusals(Backend::Iptables, facts).iter().find(is_about) {
            Some(refusal) => finding.advise(refusal.advice()),
            None => finding,
        },
        Family::V6 if is_shown => advised(finding, BlindSpot::Ipv6),
        Family::V6 => finding,
    }
}

fn advised(finding: Finding, spot: BlindSpot) -> Finding {
    match spot.advice() {
        Some(advice) => finding.advise(format!("only if rules are to count that: {advice}")),
        None => finding,
    }
}

/// Each variant for which there is a program.
fn states(iptables: &Iptables) -> String {
    let state = |(variant, tables): (Variant, &Tables)| match &tables.docker_user {
        DockerUser::Reached => format!("{variant}: FORWARD goes to DOCKER-USER"),
        DockerUser::Unreached => format!("{variant}: FORWARD does not go to DOCKER-USER"),
        DockerUser::Absent => format!("{variant}: no DOCKER-USER"),
        DockerUser::Unreadable(said) => format!("{variant}: {said}"),
    };
    let states: Vec<_> = iptables.variants().map(state).collect();
    if states.is_empty() { "there is no such program".to_owned() } else { states.join("; ") }
}

fn bridge_filter(facts: &Facts, family: Family) -> Finding {
    let topic = match family {
        Family::V4 => Topic::BridgeIptables,
        Family::V6 => Topic::BridgeIp6tables,
    };
    let text = match facts.bridge_filter.get(family) {
        BridgeFilter::On => return Finding::ok(topic, "1: rules see what stays within a bridge"),
        BridgeFilter::Off => "0: rules do not see what stays within a bridge",
        BridgeFilter::NotLoaded => "br_netfilter is not loaded: rules do not see what stays within a bridge",
    };
    advised(Finding::note(topic, text), BlindSpot::SameBridge(family))
}

fn nft(facts: &Facts) -> Finding {
    let is_about = |refusal: &&Refusal| {
        matches!(refusal, Refusal::NoNft | Refusal::OldNft { .. } | Refusal::NftUnreadable(_))
    };
    if let Some(refusal) = refusals(Backend::Nft, facts).iter().find(is_about) {
        return Finding::refused(Topic::Nft, Mark::Note, refusal);
    }
    let Some(Nft { version, tables, .. }) = &facts.nft else {
        return Finding::note(Topic::Nft, "there is no such program");
    };
    let version = version.map_or_else(|| "of an unknown version".to_owned(), |version| version.to_string());
    match tables {
        Ok(()) => Finding::ok(Topic::Nft, version),
        Err(said) => Finding::note(Topic::Nft, format!("{version}; {said}")),
    }
}
