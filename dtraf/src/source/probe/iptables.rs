//! Whose iptables has Docker's `DOCKER-USER`, and whether packets within a bridge get there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use dtraf_common::abi::Family;

use super::program::{Programs, output};
use super::{BridgeFilter, DockerUser, Iptables, Said, Tables, Variant, value_in};

const CHAIN: &str = "DOCKER-USER";

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
        nft: program(Variant::Nft).map(|program| Tables { docker_user: docker_user(&program), program }),
        legacy: program(Variant::Legacy)
            .map(|program| Tables { docker_user: legacy_docker_user(&program, family), program }),
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
fn legacy_docker_user(program: &Path, family: Family) -> DockerUser {
    let list = match family {
        Family::V4 => "/proc/net/ip_tables_names",
        Family::V6 => "/proc/net/ip6_tables_names",
    };
    match fs::read_to_string(list) {
        Ok(names) if names.lines().any(|name| name == "filter") => docker_user(program),
        Ok(_) => DockerUser::Absent,
        // The kernel has no legacy tables, or has not loaded them.
        Err(error) if error.kind() == ErrorKind::NotFound => DockerUser::Absent,
        Err(error) => DockerUser::Unreadable(Said(format!("{list}: {error}"))),
    }
}

fn docker_user(program: &Path) -> DockerUser {
    let mut save = program.as_os_str().to_owned();
    save.push("-save");
    match output(&PathBuf::from(save), &["-t", "filter"]) {
        Ok(saved) => read(&saved),
        Err(said) => DockerUser::Unreadable(said),
    }
}

/// Reads the output of `iptables-save -t filter`.
fn read(saved: &str) -> DockerUser {
    let is_jump = |line: &&str| {
        let mut words = line.split_ascii_whitespace();
        words.by_ref().take(2).eq(["-A", "FORWARD"]) && words.eq(["-j", CHAIN])
    };
    let is_chain =
        |line: &str| line.strip_prefix(':').and_then(|chain| chain.split(' ').next()) == Some(CHAIN);
    // Some other program has put something into the table that iptables cannot show; then it shows nothing.
    let incompatible = |line: &&str| line.contains("is incompatible, use 'nft' tool");
    if let Some(line) = saved.lines().find(incompatible) {
        return DockerUser::Unreadable(Said(line.trim_start_matches(['#', ' ']).to_owned()));
    }
    if !saved.lines().any(is_chain) {
        DockerUser::Absent
    } else if saved.lines().any(|line| is_jump(&line)) {
        DockerUser::Reached
    } else {
        DockerUser::Unreached
    }
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
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -j RETURN
COMMIT
";

    #[test]
    fn the_chain_counts_where_all_that_is_forwarded_goes_there() {
        let cases = [
            ("as Docker makes it", REACHED.to_owned(), DockerUser::Reached),
            (
                "after a flush of FORWARD",
                REACHED.replace("-A FORWARD -j DOCKER-USER\n", ""),
                DockerUser::Unreached,
            ),
            (
                "a jump for some only",
                REACHED.replace("FORWARD -j DOCKER-USER", "FORWARD -i eth0 -j DOCKER-USER"),
                DockerUser::Unreached,
            ),
            ("another chain", REACHED.replace("DOCKER-USER", "DOCKER-USERS"), DockerUser::Absent),
            ("no table", String::new(), DockerUser::Absent),
        ];
        for (case, saved, expected) in cases {
            assert_eq!(read(&saved), expected, "{case}");
        }
    }

    #[test]
    fn a_table_that_iptables_cannot_show_is_not_an_empty_one() {
        let saved = "# Table `filter' is incompatible, use 'nft' tool.\n";
        let said = Said("Table `filter' is incompatible, use 'nft' tool.".to_owned());
        assert_eq!(read(saved), DockerUser::Unreadable(said));
    }
}
