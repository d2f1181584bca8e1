//! `dtraf uninstall`: the host as it was before.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::config::{Consent, Uninstall};
use crate::host;
use crate::links::Links;
use crate::source::ebpf::PinDirectory;
use crate::source::ebpf::uninstall::uninstall;
use crate::terminal::print;

pub(crate) async fn run(config: Uninstall) -> anyhow::Result<()> {
    host::check()?;
    let pins = PinDirectory::new(&config.bpffs)?;
    if config.consent == Consent::Ask && !is_agreed()? {
        print("Nothing was removed.\n").context("write to standard output")?;
        return Ok(());
    }
    let links = Links::connect()?;
    let removed = uninstall(&pins, &links.dump().await?)?;
    let mut failed = None;
    for ifindex in &removed.clsact {
        if let Err(error) = links.remove_empty_clsact(*ifindex).await {
            failed.get_or_insert(error);
        }
    }
    let text = format!("Detached from {} interfaces, removed {} pins.\n", removed.interfaces, removed.pins);
    print(&text).context("write to standard output")?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

fn is_agreed() -> anyhow::Result<bool> {
    print("This stops counting, and what was counted is lost. Go on? [y/N] ")
        .context("write to standard output")?;
    io::stdout().flush().context("write to standard output")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("read the answer from standard input")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
