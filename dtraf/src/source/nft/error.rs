//! What can fail between here and nftables.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// An operation of the nftables backend that failed: what was tried, on what, and why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NftError {
    #[error("there is no program `nft`; install the package nftables")]
    NoProgram,
    #[error("{operation}: start {program}")]
    Start { operation: &'static str, program: PathBuf, source: io::Error },
    #[error("{operation}: talk to {program}")]
    Talk { operation: &'static str, program: PathBuf, source: io::Error },
    #[error("{program} gives its version as `{text}`")]
    UnknownVersion { program: PathBuf, text: String },
    #[error(
        "{operation}: {program} says `{said}` ({status}); dtraf needs root or CAP_NET_ADMIN, an nft that was built with \
         JSON, and a kernel with nf_tables"
    )]
    Unfit { operation: &'static str, program: PathBuf, status: ExitStatus, said: String },
    #[error("{operation}: {program} says `{said}` ({status})")]
    Refused { operation: &'static str, program: PathBuf, status: ExitStatus, said: String },
    #[error("understand what {program} lists")]
    Listing { program: PathBuf, source: serde_json::Error },
}
