//! `dtraf uninstall`: the host as it was before.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;

use crate::cli::BPFFS;
use crate::config::{Consent, Uninstall};
use crate::host;
use crate::links::Links;
use crate::source::ebpf::uninstall::uninstall;
use crate::source::ebpf::{EbpfError, PinDirectory};
use crate::source::iptables::Iptables;
use crate::source::iptables::error::IptablesError;
use crate::source::iptables::plan::removal;
use crate::source::nft::{Nft, NftError};
use crate::source::rules::claim::Claim;
use crate::store::remove;
use crate::terminal::print;

pub(crate) async fn run(config: Uninstall) -> anyhow::Result<()> {
    host::check()?;
    let pins = pins(&config)?;
    let claim = Claim::take()?;
    if config.consent == Consent::Ask
        && !is_agreed("This stops counting, and what is not in the ledger is lost. Go on?")?
    {
        print("Nothing was removed.\n").context("write to standard output")?;
        return Ok(());
    }
    // One that fails is no reason to leave the others.
    let parts = [
        ebpf(pins.as_ref()).await,
        iptables().context("remove dtraf's rules"),
        nft().context("remove dtraf's table"),
        ledger(&config),
    ];
    drop(claim);
    let mut failed = None;
    for part in parts {
        match part {
            Ok(text) => drop(print(&text).context("write to standard output")?),
            Err(error) => drop(failed.get_or_insert(error)),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Where nothing is mounted at the usual place, nothing can be pinned there.
fn pins(config: &Uninstall) -> Result<Option<PinDirectory>, EbpfError> {
    match PinDirectory::new(&config.bpffs) {
        Err(EbpfError::NoBpffs(path)) if path == Path::new(BPFFS) => Ok(None),
        pins => pins.map(Some),
    }
}

async fn ebpf(pins: Option<&PinDirectory>) -> anyhow::Result<String> {
    let Some(pins) = pins else { return Ok(String::new()) };
    let links = Links::connect()?;
    let removed = uninstall(pins, &links.dump().await?)?;
    let mut failed = None;
    for ifindex in &removed.clsact {
        if let Err(error) = links.remove_empty_clsact(*ifindex).await {
            failed.get_or_insert(error);
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => {
            Ok(format!("Detached from {} interfaces, removed {} pins.\n", removed.interfaces, removed.pins))
        }
    }
}

fn iptables() -> Result<String, IptablesError> {
    let iptables = match Iptables::find() {
        Err(IptablesError::NoProgram) => return Ok(String::new()),
        Err(IptablesError::NoChain { .. }) => match Iptables::find_leftovers()? {
            Some(iptables) => iptables,
            None => return Ok(String::new()),
        },
        found => found?,
    };
    let standing = iptables.read()?;
    let rules = standing.counted().len();
    let removal = removal(&standing, |_| true);
    iptables.carry_out(&removal)?;
    Ok(if removal.is_empty() { String::new() } else { format!("Removed {rules} rules of iptables.\n") })
}

fn nft() -> Result<String, NftError> {
    let nft = match Nft::find() {
        Err(NftError::NoProgram | NftError::Unfit { .. }) => return Ok(String::new()),
        found => found?,
    };
    Ok(if nft.remove()? { "Removed the table of nftables.\n".to_owned() } else { String::new() })
}

/// What bills may rest on goes only when that was said.
fn ledger(config: &Uninstall) -> anyhow::Result<String> {
    let path = &config.path;
    if !path.exists() {
        return Ok(String::new());
    }
    let question = format!("Remove the ledger {} with all that was ever counted, too?", path.display());
    let is_agreed = match config.ledger {
        Some(Consent::Given) => true,
        Some(Consent::Ask) => is_agreed(&question)?,
        None => false,
    };
    if !is_agreed {
        return Ok(format!("The ledger {} stays; `dtraf uninstall --ledger` removes it.\n", path.display()));
    }
    remove(path)?;
    Ok(format!("Removed the ledger {}.\n", path.display()))
}

fn is_agreed(question: &str) -> anyhow::Result<bool> {
    print(&format!("{question} [y/N] ")).context("write to standard output")?;
    io::stdout().flush().context("write to standard output")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("read the answer from standard input")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
