//! Where cargo put the programs that the lab runs.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

/// The program `name` of this workspace, built in the same profile as the running one.
pub fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program's own file")?;
    // Tests run from `deps`, programs from its parent.
    let dirs = own.ancestors().skip(1).take(2);
    let Some(found) = dirs.map(|dir| dir.join(name)).find(|path| path.is_file()) else {
        bail!(
            "{name} is not built in the profile of {}: `cargo xtask test` builds all that is needed",
            own.display()
        );
    };
    Ok(found)
}
