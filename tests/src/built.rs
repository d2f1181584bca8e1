//! Where cargo put the programs that the lab runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::place::finish;

/// The program `name` of this workspace, built in the same profile as the running one.
pub fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program's own file")?;
    // Tests run from `deps`, programs from its parent.
    let dirs = own.ancestors().skip(1).take(2);
    let Some(found) = dirs.map(|dir| dir.join(name)).find(|path| path.is_file()) else {
        bail!(
            "{name} is not built in the profile of {}: `cargo xtask test` builds what is needed",
            own.display()
        );
    };
    Ok(found)
}

/// The program `dtraf`, built from the sources as they are now: cargo knows nothing of tests that run another package's
/// program, and would let them run yesterday's.
pub(crate) fn dtraf() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let build = || match std::env::var_os("CARGO") {
        Some(cargo) => build(Path::new(&cargo)).map_err(|error| format!("{error:#}")),
        // Not started by cargo: what is there is meant.
        None => Ok(()),
    };
    BUILT.get_or_init(build).clone().map_err(|error| anyhow!(error))?;
    built("dtraf")
}

fn build(cargo: &Path) -> Result<()> {
    let own = built("dtraf-lab")?;
    let profile =
        own.parent().and_then(Path::file_name).context("a program lies in its profile's directory")?;
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "build",
        "--quiet",
        "--package",
        "dtraf",
        "--profile",
    ]);
    command.arg(if profile == "debug" { "dev".as_ref() } else { profile });
    finish(&mut command, "cargo build --package dtraf").map(drop)
}
