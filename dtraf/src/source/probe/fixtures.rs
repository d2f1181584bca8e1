//! Hosts for tests.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{
    Bpf, Bpffs, BpffsState, BridgeFilter, Bridges, Capability, DockerFacts, DockerUser, Facts, Iptables, Jit,
    Kernel, Load, Nft, NftVersion, PerFamily, Said, Security, Support, Tables, Unreachable, Variant,
};
use crate::docker::{Engine, Product, Rights, Setup};

/// A plain Debian 12 with its own Docker 20.10, looked at by root.
pub(crate) fn debian() -> Facts {
    Facts {
        kernel: Kernel { release: "6.1.0-13-amd64".to_owned(), version: Some((6, 1)) },
        capabilities: BTreeSet::from([
            Capability::Bpf,
            Capability::NetAdmin,
            Capability::SysAdmin,
            Capability::Perfmon,
        ]),
        bpf: Bpf {
            load: Load::Done,
            jit: Some(Jit::On),
            btf: Support::Yes,
            tcx: Support::No,
            clsact: Support::Yes,
            bpffs: Bpffs { path: PathBuf::from("/sys/fs/bpf"), state: BpffsState::Writable },
            pinned: BTreeSet::new(),
        },
        docker: Ok(docker("20.10.24+dfsg1", "1.41")),
        iptables: PerFamily {
            v4: iptables("iptables", DockerUser::Reached),
            v6: iptables("ip6tables", DockerUser::Absent),
        },
        bridge_filter: PerFamily { v4: BridgeFilter::On, v6: BridgeFilter::On },
        nft: Some(Nft {
            program: PathBuf::from("/usr/sbin/nft"),
            version: Some(NftVersion(1, 0, 6)),
            tables: Ok(()),
            flow_tables: false,
        }),
        security: Security { apparmor: Some("unconfined".to_owned()), ..Security::default() },
    }
}

/// The same as somebody sees it who has no privileges.
pub(crate) fn unprivileged() -> Facts {
    let said = || Said("Operation not permitted (os error 1)".to_owned());
    let refused = || Said("iptables: Permission denied (you must be root)".to_owned());
    let debian = debian();
    Facts {
        capabilities: BTreeSet::new(),
        bpf: Bpf {
            load: Load::Refused(said()),
            jit: None,
            tcx: Support::Unknown,
            bpffs: Bpffs { state: BpffsState::Closed, ..debian.bpf.bpffs },
            ..debian.bpf
        },
        docker: Err(Unreachable {
            text: "unix:///var/run/docker.sock: Permission denied (os error 13)".to_owned(),
            advice: "run dtraf as root".to_owned(),
        }),
        iptables: PerFamily {
            v4: iptables("iptables", DockerUser::Unreadable(refused())),
            v6: iptables("ip6tables", DockerUser::Unreadable(refused())),
        },
        nft: debian.nft.map(|nft| Nft { tables: Err(said()), ..nft }),
        ..debian
    }
}

pub(crate) fn docker(version: &str, api_version: &str) -> DockerFacts {
    DockerFacts {
        engine: Engine {
            product: Product::Docker,
            version: version.to_owned(),
            api_version: api_version.to_owned(),
        },
        setup: Some(Setup { firewall: None, userland_proxy: None, rights: Rights::Root }),
        bridges: Bridges::Here,
    }
}

/// Both variants, of which the legacy one has no table.
pub(crate) fn iptables(name: &str, docker_user: DockerUser) -> Iptables {
    let program = |variant: Variant| PathBuf::from(format!("/usr/sbin/{name}-{variant}"));
    Iptables {
        usual: Some(Variant::Nft),
        nft: Some(Tables { program: program(Variant::Nft), docker_user, hiding: Vec::new() }),
        legacy: Some(Tables {
            program: program(Variant::Legacy),
            docker_user: DockerUser::Absent,
            hiding: Vec::new(),
        }),
    }
}

/// Takes back what Docker has made.
pub(crate) fn without_docker_user(facts: Facts) -> Facts {
    let v4 = iptables("iptables", DockerUser::Absent);
    Facts { iptables: PerFamily { v4, ..facts.iptables }, ..facts }
}
