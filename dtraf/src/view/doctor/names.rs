//! What the doctor's things are called: one word for programs, a few for people.

use crate::doctor::{Mark, Topic};
use crate::source::select::Refusal;

pub(super) fn topic(topic: Topic) -> &'static str {
    match topic {
        Topic::Kernel => "kernel",
        Topic::Privileges => "privileges",
        Topic::Programs => "ebpf_programs",
        Topic::Hooks => "hooks",
        Topic::Bpffs => "bpffs",
        Topic::Pins => "pins",
        Topic::Jit => "jit",
        Topic::Btf => "btf",
        Topic::Security => "security",
        Topic::Docker => "docker",
        Topic::Bridges => "bridges",
        Topic::Firewall => "firewall",
        Topic::UserlandProxy => "userland_proxy",
        Topic::Iptables => "iptables",
        Topic::Ip6tables => "ip6tables",
        Topic::BridgeIptables => "bridge_nf_call_iptables",
        Topic::BridgeIp6tables => "bridge_nf_call_ip6tables",
        Topic::Nft => "nft",
    }
}

pub(super) fn title(topic: Topic) -> &'static str {
    match topic {
        Topic::Kernel => "kernel",
        Topic::Privileges => "privileges",
        Topic::Programs => "eBPF programs",
        Topic::Hooks => "hooks",
        Topic::Bpffs => "bpf file system",
        Topic::Pins => "pinned maps",
        Topic::Jit => "BPF compiler",
        Topic::Btf => "BTF",
        Topic::Security => "security modules",
        Topic::Docker => "Docker",
        Topic::Bridges => "Docker's bridges",
        Topic::Firewall => "Docker's firewall",
        Topic::UserlandProxy => "docker-proxy",
        Topic::Iptables => "iptables",
        Topic::Ip6tables => "ip6tables",
        Topic::BridgeIptables => "bridge-nf-call-iptables",
        Topic::BridgeIp6tables => "bridge-nf-call-ip6tables",
        Topic::Nft => "nft",
    }
}

pub(super) fn mark(mark: Mark) -> &'static str {
    match mark {
        Mark::Ok => "ok",
        Mark::Note => "note",
        Mark::Problem => "problem",
    }
}

pub(super) fn refusal(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Capability(_) => "capability",
        Refusal::Kernel { .. } => "kernel",
        Refusal::NoPrograms => "no_programs",
        Refusal::ProgramRefused(_) => "program_refused",
        Refusal::NoHook => "no_hook",
        Refusal::NoBpffs(_) => "no_bpffs",
        Refusal::BpffsClosed(_) => "bpffs_closed",
        Refusal::Elsewhere(_) => "elsewhere",
        Refusal::NoIptables => "no_iptables",
        Refusal::DockerNftables => "docker_nftables",
        Refusal::NoDockerUser => "no_docker_user",
        Refusal::Unreached(_) => "unreached",
        Refusal::Unreadable { .. } => "unreadable",
        Refusal::NoNft => "no_nft",
        Refusal::OldNft { .. } => "old_nft",
        Refusal::NftUnreadable(_) => "nft_unreadable",
    }
}
