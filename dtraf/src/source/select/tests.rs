use std::collections::BTreeSet;
use std::path::PathBuf;

use dtraf_common::abi::Family;

use super::*;
use crate::accounting::blind::BlindSpot;
use crate::docker::Setup;
use crate::source::iptables::verdict::Verdict;
use crate::source::probe::fixtures::{debian, docker, iptables, unprivileged, without_docker_user};
use crate::source::probe::{
    Bpffs, BridgeFilter, DockerFacts, Iptables, Kernel, Nft, PerFamily, Said, Tables, Variant,
};
use crate::source::rules::set::Hiding;

fn on_kernel(facts: Facts, release: &str, version: (u32, u32)) -> Facts {
    Facts { kernel: Kernel { release: release.to_owned(), version: Some(version) }, ..facts }
}

fn with_bpf(facts: Facts, change: impl FnOnce(&mut Bpf)) -> Facts {
    let mut facts = facts;
    change(&mut facts.bpf);
    facts
}

fn on_old_kernel(facts: Facts) -> Facts {
    on_kernel(facts, "5.4.0-150-generic", (5, 4))
}

fn without_bpffs(facts: Facts) -> Facts {
    with_bpf(facts, |bpf| bpf.bpffs = Bpffs { state: BpffsState::NotMounted, ..bpf.bpffs.clone() })
}

fn with_capabilities(facts: Facts, capabilities: impl IntoIterator<Item = Capability>) -> Facts {
    Facts { capabilities: capabilities.into_iter().collect(), ..facts }
}

/// Docker 29 that makes its rules with nftables.
fn with_nftables(facts: Facts) -> Facts {
    let docker = docker("29.7.2", "1.55");
    let setup = docker.setup.map(|setup| Setup { firewall: Some(Firewall::Nftables), ..setup });
    Facts { docker: Ok(DockerFacts { setup, ..docker }), ..facts }
}

/// Docker whose iptables is the legacy one.
fn legacy(facts: Facts) -> Facts {
    let nft = iptables("iptables", DockerUser::Absent).nft;
    let program = PathBuf::from("/usr/sbin/iptables-legacy");
    let legacy = Some(Tables { program, docker_user: DockerUser::Reached, hiding: Vec::new() });
    let v4 = Iptables { usual: Some(Variant::Legacy), nft, legacy };
    Facts { iptables: PerFamily { v4, ..facts.iptables }, ..facts }
}

fn old() -> Refusal {
    Refusal::Kernel { release: "5.4.0-150-generic".to_owned(), least: (5, 8) }
}

fn old_for_nft() -> Refusal {
    Refusal::Kernel { release: "5.4.0-150-generic".to_owned(), least: (5, 7) }
}

fn no_bpffs() -> Refusal {
    Refusal::NoBpffs(PathBuf::from("/sys/fs/bpf"))
}

const CAP_BPF: Refusal = Refusal::Capability(Capability::Bpf);
const CAP_NET_ADMIN: Refusal = Refusal::Capability(Capability::NetAdmin);
use Backend::{Ebpf, Iptables as Rules, Nft as Table};

/// What it is about, the host, what is taken, and what speaks against the better ones.
type Case = (&'static str, Facts, Backend, Vec<(Backend, Refusal)>);

#[test]
fn the_best_backend_that_can_count_is_taken_and_every_better_one_refused_for_a_reason() {
    let tcx = |bpf: &mut Bpf| (bpf.tcx, bpf.clsact) = (Support::Yes, Support::No);
    let net_admin = || with_capabilities(debian(), [Capability::NetAdmin]);
    let said = || Said("Operation not permitted".to_owned());
    let cases: [Case; 13] = [
        ("root on 6.1", debian(), Ebpf, vec![]),
        ("root on 6.12", with_bpf(on_kernel(debian(), "6.12.1", (6, 12)), tcx), Ebpf, vec![]),
        (
            "two capabilities are enough",
            with_capabilities(debian(), [Capability::Bpf, Capability::NetAdmin]),
            Ebpf,
            vec![],
        ),
        (
            "a release that says nothing",
            Facts { kernel: Kernel { release: "linux".to_owned(), version: None }, ..debian() },
            Ebpf,
            vec![],
        ),
        ("no CAP_BPF", net_admin(), Rules, vec![(Ebpf, CAP_BPF)]),
        ("Linux 5.4", on_old_kernel(debian()), Rules, vec![(Ebpf, old())]),
        ("no bpffs", without_bpffs(debian()), Rules, vec![(Ebpf, no_bpffs())]),
        (
            "no bpffs on Linux 5.4",
            without_bpffs(on_old_kernel(debian())),
            Rules,
            vec![(Ebpf, old()), (Ebpf, no_bpffs())],
        ),
        (
            "eBPF is forbidden",
            with_bpf(debian(), |bpf| bpf.load = Load::Refused(said())),
            Rules,
            vec![(Ebpf, Refusal::ProgramRefused(said()))],
        ),
        ("no hook", with_bpf(debian(), |bpf| bpf.clsact = Support::No), Rules, vec![(Ebpf, Refusal::NoHook)]),
        ("the legacy variant", legacy(without_bpffs(debian())), Rules, vec![(Ebpf, no_bpffs())]),
        (
            "no DOCKER-USER",
            without_docker_user(without_bpffs(debian())),
            Table,
            vec![(Ebpf, no_bpffs()), (Rules, Refusal::NoDockerUser)],
        ),
        (
            "Docker with nftables, and a chain that an earlier one has left",
            with_nftables(without_bpffs(debian())),
            Table,
            vec![(Ebpf, no_bpffs()), (Rules, Refusal::DockerNftables)],
        ),
    ];
    for (case, facts, backend, refused) in cases {
        assert_eq!(select(&facts, Wanted::Auto), Ok(Selection { backend, refused }), "{case}");
    }
}

#[test]
fn hooks_that_cannot_be_seen_are_taken_for_those_of_the_kernels_version() {
    let unseen = |bpf: &mut Bpf| (bpf.tcx, bpf.clsact) = (Support::Unknown, Support::No);
    let on = |release, version| refusals(Ebpf, &with_bpf(on_kernel(debian(), release, version), unseen));
    assert_eq!(on("6.1.0", (6, 1)), [Refusal::NoHook]);
    assert_eq!(on("6.6.0", (6, 6)), []);
}

#[test]
fn iptables_is_dtrafs_own_table_where_docker_has_no_chain() {
    let unreached = || {
        let v4 = iptables("iptables", DockerUser::Unreached);
        Facts { iptables: PerFamily { v4, ..debian().iptables }, ..debian() }
    };
    let no_program = || Facts { iptables: PerFamily::default(), ..debian() };
    let cases = [
        ("no chain", without_docker_user(debian()), Refusal::NoDockerUser),
        ("Docker with nftables", with_nftables(debian()), Refusal::DockerNftables),
        ("nobody goes there", unreached(), Refusal::Unreached(Variant::Nft)),
        ("no program", no_program(), Refusal::NoIptables),
    ];
    for (case, facts, refusal) in cases {
        let selection = select(&facts, Wanted::Only(Rules));
        assert_eq!(selection, Ok(Selection { backend: Table, refused: vec![(Rules, refusal)] }), "{case}");
    }
    let selection = select(&debian(), Wanted::Only(Rules));
    assert_eq!(selection, Ok(Selection { backend: Rules, refused: vec![] }));
}

#[test]
fn a_wanted_backend_has_no_substitute() {
    let ebpf = select(&without_bpffs(debian()), Wanted::Only(Ebpf));
    assert_eq!(ebpf, Err(NoBackend { refused: vec![(Ebpf, no_bpffs())] }));
    let nft = select(&Facts { nft: None, ..debian() }, Wanted::Only(Table));
    assert_eq!(nft, Err(NoBackend { refused: vec![(Table, Refusal::NoNft)] }));
    assert_eq!(select(&debian(), Wanted::Only(Table)).map(|selection| selection.backend), Ok(Table));
}

#[test]
fn who_may_nothing_is_told_what_is_missing_and_no_more() {
    let refused =
        vec![(Ebpf, CAP_BPF), (Ebpf, CAP_NET_ADMIN), (Rules, CAP_NET_ADMIN), (Table, CAP_NET_ADMIN)];
    let nothing = select(&unprivileged(), Wanted::Auto).unwrap_err();
    assert_eq!(nothing, NoBackend { refused });
    assert_eq!(
        nothing.to_string(),
        "nothing can count on this host: eBPF: dtraf has no CAP_BPF (run dtraf as root); eBPF, iptables, nftables: dtraf \
         has no CAP_NET_ADMIN (run dtraf as root)"
    );
}

#[test]
fn nothing_may_be_possible_for_root_either() {
    let facts = without_docker_user(on_old_kernel(debian()));
    let refused = vec![(Ebpf, old()), (Rules, Refusal::NoDockerUser), (Table, old_for_nft())];
    assert_eq!(select(&facts, Wanted::Auto), Err(NoBackend { refused }));
}

#[test]
fn bridges_in_another_namespace_stop_everything_but_only_docker_is_known_to_have_made_them() {
    let of = |product| {
        let mut docker = docker("28.5.2", "1.51");
        docker.bridges = Bridges::Elsewhere(vec!["docker0".to_owned()]);
        docker.engine.product = product;
        Facts { docker: Ok(docker), ..debian() }
    };
    let elsewhere = Refusal::Elsewhere(vec!["docker0".to_owned()]);
    let refused = Backend::ALL.map(|backend| (backend, elsewhere.clone())).to_vec();
    assert_eq!(select(&of(Product::Docker), Wanted::Auto), Err(NoBackend { refused }));
    assert_eq!(select(&of(Product::Podman), Wanted::Auto).map(|selection| selection.backend), Ok(Ebpf));
}

#[test]
fn the_nft_table_takes_a_program_that_is_new_enough_and_a_kernel_that_answers() {
    let nft = |change: fn(&mut Nft)| {
        let mut facts = debian();
        facts.nft.iter_mut().for_each(change);
        refusals(Table, &facts)
    };
    let version = NftVersion(0, 9, 4);
    assert_eq!(
        nft(|nft| nft.version = Some(NftVersion(0, 9, 4))),
        [Refusal::OldNft { version, least: OLDEST_NFT }]
    );
    assert_eq!(nft(|nft| nft.version = Some(NftVersion(0, 9, 5))), []);
    assert_eq!(nft(|nft| nft.version = None), []);
    let said = Said("Could not process rule".to_owned());
    assert_eq!(
        nft(|nft| nft.tables = Err(Said("Could not process rule".to_owned()))),
        [Refusal::NftUnreadable(said)]
    );
}

#[test]
fn what_is_not_seen_depends_on_the_host() {
    use BlindSpot::{ClientPorts, Earlier, ForgedSource, HostTraffic, Ipv6, NonIp, SameBridge, Scopes, Wire};
    let seen = |v6: DockerUser, filter: PerFamily<BridgeFilter>| {
        let iptables = PerFamily { v6: iptables("ip6tables", v6), ..debian().iptables };
        Facts { iptables, bridge_filter: filter, ..debian() }
    };
    let both = |filter| PerFamily { v4: filter, v6: filter };
    let (v4, v6) = (SameBridge(Family::V4), SameBridge(Family::V6));
    let always = |some: &[BlindSpot]| -> BTreeSet<BlindSpot> {
        let everywhere = [Wire, Scopes, ClientPorts, HostTraffic, NonIp, Earlier, ForgedSource];
        some.iter().copied().chain(everywhere).collect()
    };
    let (on, off, none) = (BridgeFilter::On, BridgeFilter::Off, BridgeFilter::NotLoaded);
    let cases = [
        ("Docker 20.10", DockerUser::Absent, both(on), always(&[v6, Ipv6]), always(&[])),
        ("Docker 27", DockerUser::Reached, both(on), always(&[]), always(&[])),
        ("Docker 28", DockerUser::Reached, both(none), always(&[v4, v6]), always(&[v4, v6])),
        ("switched off", DockerUser::Reached, both(off), always(&[v4, v6]), always(&[v4, v6])),
        (
            "one switched off",
            DockerUser::Reached,
            PerFamily { v4: on, v6: off },
            always(&[v6]),
            always(&[v6]),
        ),
        ("a chain that nobody uses", DockerUser::Unreached, both(on), always(&[v6, Ipv6]), always(&[])),
    ];
    for (case, chain, filter, by_rules, by_table) in cases {
        let facts = seen(chain, filter);
        let spots = |backend| blind_spots(backend, &facts).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(spots(Rules), by_rules, "{case}");
        assert_eq!(spots(Table), by_table, "{case}");
        assert_eq!(spots(Ebpf), BTreeSet::new(), "{case}");
    }
}

#[test]
fn a_rule_before_dtrafs_is_a_blind_spot_of_iptables_alone() {
    let mut facts = debian();
    let verdict = Verdict { chain: "DOCKER-USER".to_owned(), number: 1, spec: "-j ACCEPT".to_owned() };
    let tables = facts.iptables.v4.nft.as_mut().expect("the fixture has it");
    tables.hiding.push(Hiding { family: Family::V4, verdict });
    assert!(blind_spots(Rules, &facts).contains(&BlindSpot::Hidden));
    assert!(!blind_spots(Table, &facts).contains(&BlindSpot::Hidden));
}

#[test]
fn a_flow_table_is_a_blind_spot_of_all_rules() {
    let mut facts = debian();
    facts.nft.as_mut().expect("the fixture has it").flow_tables = true;
    for (backend, is_blind) in [(Ebpf, false), (Rules, true), (Table, true)] {
        assert_eq!(blind_spots(backend, &facts).contains(&BlindSpot::Offloaded), is_blind, "{backend}");
    }
}
