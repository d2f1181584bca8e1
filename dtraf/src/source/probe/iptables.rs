//! Whose iptables has Docker's `DOCKER-USER`, and whether packets within a bridge get there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use dtraf_common::abi::Family;

use super::program::{Programs, output};
use super::{BridgeFilter, DockerUser, Iptables, Said, Tables, Variant, value_in};
use crate::source::iptables::standing::{self, Presets, Table};
use crate::source::rules::set::Hiding;

pub(super) fn look(programs: &Programs, family: Family) -> Iptables {
    let name = command(family);
    let unqualified = programs.find(name);
    let usual = unqualified.as_deref().map(variant_of);
    let program = |variant: Variant| {
        let own = programs.find(&format!("{name}-{variant}"));
        own.or_else(|| unqualified.clone().filter(|_| usual == Some(variant)))
    };
    Iptables {
        usual,
        nft: program(Variant::Nft).map(|program| {
            let (docker_user, hiding) = docker_user(&program, family);
            Tables { program, docker_user, hiding }
        }),
        legacy: program(Variant::Legacy).map(|program| {
            let (docker_user, hiding) = legacy_docker_user(&program, family);
            Tables { program, docker_user, hiding }
        }),
    }
}

fn command(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

/// By the file behind the links: `xtables-nft-multi`; `xtables-legacy-multi`, or `xtables-multi` up to 1.6.
fn variant_of(program: &Path) -> Variant {
    let file = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    let is_nft = file.file_name().is_some_and(|name| name.to_string_lossy().contains("nft"));
    if is_nft { Variant::Nft } else { Variant::Legacy }
}

/// Asks the program only when the legacy table is there: it would make one by looking for it.
fn legacy_docker_user(program: &Path, family: Family) -> (DockerUser, Vec<Hiding>) {
    let list = match family {
        Family::V4 => "/proc/net/ip_tables_names",
        Family::V6 => "/proc/net/ip6_tables_names",
    };
    let state = match fs::read_to_string(list) {
        Ok(names) if names.lines().any(|name| name == "filter") => return docker_user(program, family),
        Ok(_) => DockerUser::Absent,
        // The kernel has no legacy tables, or has not loaded them.
        Err(error) if error.kind() == ErrorKind::NotFound => DockerUser::Absent,
        Err(error) => DockerUser::Unreadable(Said(format!("{list}: {error}"))),
    };
    (state, Vec::new())
}

fn docker_user(program: &Path, family: Family) -> (DockerUser, Vec<Hiding>) {
    let mut save = program.as_os_str().to_owned();
    save.push("-save");
    match output(&PathBuf::from(save), &["-c", "-t", "filter"]) {
        Ok(saved) => read(&saved, family),
        Err(said) => (DockerUser::Unreadable(said), Vec::new()),
    }
}

/// Reads the output of `iptables-save -c -t filter`, and which rules of others stand before dtraf's.
fn read(saved: &str, family: Family) -> (DockerUser, Vec<Hiding>) {
    // Some other program has put something into the table that iptables cannot show; then it shows nothing.
    let incompatible = |line: &&str| line.contains("is incompatible, use 'nft' tool");
    if let Some(line) = saved.lines().find(incompatible) {
        let said = Said(line.trim_start_matches(['#', ' ']).to_owned());
        return (DockerUser::Unreadable(said), Vec::new());
    }
    let table = Table::parse(saved, family, Presets::Kept);
    let state = match table.docker_user() {
        standing::DockerUser::Missing => DockerUser::Absent,
        standing::DockerUser::Unreached => DockerUser::Unreached,
        standing::DockerUser::Reached => DockerUser::Reached,
    };
    (state, table.hiding().collect())
}

pub(super) fn bridge_filter(family: Family) -> BridgeFilter {
    let value = value_in(&format!("/proc/sys/net/bridge/bridge-nf-call-{}", command(family)));
    match value.as_deref() {
        Some("0") => BridgeFilter::Off,
        Some(_) => BridgeFilter::On,
        None => BridgeFilter::NotLoaded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACHED: &str = "\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
[0:0] -A FORWARD -j DOCKER-USER
[0:0] -A FORWARD -o docker0 -j DOCKER
[0:0] -A DOCKER-USER -j RETURN
COMMIT
";

    #[test]
    fn the_chain_counts_where_what_is_forwarded_goes_there() {
        let cases = [
            ("as Docker makes it", REACHED.to_owned(), DockerUser::Reached),
            (
                "after a flush of FORWARD",
                REACHED.replace("[0:0] -A FORWARD -j DOCKER-USER\n", ""),
                DockerUser::Unreached,
            ),
            (
                "a jump for some only, where rules stand in FORWARD",
                REACHED.replace("FORWARD -j DOCKER-USER", "FORWARD -i eth0 -j DOCKER-USER"),
                DockerUser::Reached,
            ),
            ("another chain", REACHED.replace("DOCKER-USER", "DOCKER-USERS"), DockerUser::Absent),
            ("no table", String::new(), DockerUser::Absent),
        ];
        for (case, saved, expected) in cases {
            assert_eq!(read(&saved, Family::V4), (expected, Vec::new()), "{case}");
        }
    }

    #[test]
    fn a_table_that_iptables_cannot_show_is_not_an_empty_one() {
        let saved = "# Table `filter' is incompatible, use 'nft' tool.\n";
        let said = Said("Table `filter' is incompatible, use 'nft' tool.".to_owned());
        assert_eq!(read(saved, Family::V4), (DockerUser::Unreadable(said), Vec::new()));
    }
}
