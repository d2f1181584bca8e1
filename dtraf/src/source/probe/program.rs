//! Other people's programs: where they are, and what they say.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Said;

/// Where administrators' programs are, which a user's `PATH` often leaves out.
const SYSTEM: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The directories that programs are looked for in.
#[derive(Clone, Debug)]
pub(super) struct Programs(Vec<PathBuf>);

impl Programs {
    pub(super) fn of_system() -> Self {
        let path = env::var_os("PATH").unwrap_or_default();
        Self(env::split_paths(&path).chain(SYSTEM.map(PathBuf::from)).collect())
    }

    /// The first program of that name. A relative directory is passed over: what lies there is not the system's.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        let found = self.0.iter().filter(|directory| directory.is_absolute());
        found.map(|directory| directory.join(name)).find(|path| path.is_file())
    }
}

/// What a program prints; what it complains of when it fails.
pub(super) fn output(program: &Path, args: &[&str]) -> Result<String, Said> {
    let ran = Command::new(program).args(args).env("LC_ALL", "C").stdin(Stdio::null()).output();
    match ran {
        Ok(Output { status, stdout, .. }) if status.success() => {
            Ok(String::from_utf8_lossy(&stdout).into_owned())
        }
        Ok(Output { status, stderr, .. }) => {
            let complaint = String::from_utf8_lossy(&stderr);
            let line = complaint.lines().map(str::trim).find(|line| !line.is_empty());
            Err(Said(line.map_or_else(|| status.to_string(), str::to_owned)))
        }
        Err(error) => Err(Said(error.to_string())),
    }
}
