//! What can fail between here and the iptables programs.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use dtraf_common::abi::Family;

/// An operation of the iptables backend that failed: what was tried, on what, and why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IptablesError {
    #[error("there is no iptables; install it (the package `iptables` of most distributions)")]
    NoProgram,
    #[error(
        "no iptables ({}) knows the chain DOCKER-USER; start Docker, and let it use iptables: neither \
         `--iptables=false` nor its nftables backend makes that chain",
        .looked_at.join(", ")
    )]
    NoChain { looked_at: Vec<String> },
    #[error(
        "the filter table of {program} holds rules that it cannot show; list them with `nft list ruleset`"
    )]
    Incompatible { program: PathBuf },
    #[error("start {program}")]
    Start { program: PathBuf, source: io::Error },
    #[error("write rules to {program}")]
    Write { program: PathBuf, source: io::Error },
    #[error("wait for {program}")]
    Wait { program: PathBuf, source: io::Error },
    #[error("{program} failed ({status}): {stderr}")]
    Failed { program: PathBuf, status: ExitStatus, stderr: String },
    #[error("{program} failed ({status}) at `{line}`: {stderr}")]
    Refused { program: PathBuf, status: ExitStatus, line: String, stderr: String },
    #[error("there is no iptables for {family:?}, whose rules are to change")]
    NoFamily { family: Family },
}
