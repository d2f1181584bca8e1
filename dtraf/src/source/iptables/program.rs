//! The programs of one variant of iptables for one family: which there are, and how they are run.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use dtraf_common::abi::Family;

use super::error::IptablesError;
use super::standing::{Presets, Table};

/// Where administrators' programs are, even if `PATH` does not say so.
const USUAL_PLACES: [&str; 2] = ["/usr/sbin", "/sbin"];
/// Waits for others who change rules, leaves chains as they are, and begins counters where it is told.
const RESTORE: [&str; 3] = ["-w", "--noflush", "--counters"];
/// The first `ip6tables-nft` that keeps the counters it is given.
const KEEPS_PRESETS: [u32; 3] = [1, 8, 10];

/// `iptables-nft`, `iptables-legacy`, or plain `iptables`, with its `-save` and `-restore`.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    family: Family,
    /// Without the family: `iptables-nft` for `ip6tables-nft`, too.
    variant: &'static str,
    /// As the program says it, `v1.8.9 (nf_tables)`.
    version: String,
    save: PathBuf,
    restore: PathBuf,
}

impl Program {
    /// All that are there, nft first, without those that would make tables by being asked.
    pub(super) fn candidates(family: Family) -> Result<Vec<Self>, IptablesError> {
        let variants = ["iptables-nft", "iptables-legacy", "iptables"];
        let found = variants.into_iter().filter_map(|variant| Self::find(family, variant).transpose());
        let found: Vec<Self> = found.collect::<Result<_, _>>()?;
        Ok(found.into_iter().filter(|program| !program.is_legacy() || has_legacy_table(family)).collect())
    }

    fn find(family: Family, variant: &'static str) -> Result<Option<Self>, IptablesError> {
        let name = match family {
            Family::V4 => variant.to_owned(),
            Family::V6 => variant.replacen("iptables", "ip6tables", 1),
        };
        let programs = [&name, &format!("{name}-save"), &format!("{name}-restore")].map(|name| path_of(name));
        let [Some(program), Some(save), Some(restore)] = programs else { return Ok(None) };
        let version = run(&program, &["--version"], "")?;
        let version = version.trim().split_once(' ').map_or("", |(_, version)| version).to_owned();
        Ok(Some(Self { family, variant, version, save, restore }))
    }

    pub(crate) fn variant(&self) -> &'static str {
        self.variant
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The command that [`Self::write`] runs, as a shell would have it.
    pub(crate) fn restoring(&self) -> String {
        format!("{} {}", self.restore.display(), RESTORE.join(" "))
    }

    /// Programs of before 1.8 know nothing else, and do not say so.
    fn is_legacy(&self) -> bool {
        !self.version.contains("nf_tables")
    }

    fn presets(&self) -> Presets {
        if self.family == Family::V4 || self.is_legacy() || numbers(&self.version) >= KEEPS_PRESETS {
            Presets::Kept
        } else {
            Presets::Lost
        }
    }

    pub(super) fn read(&self) -> Result<Table, IptablesError> {
        let text = run(&self.save, &["-c", "-t", "filter"], "")?;
        if text.lines().any(|line| line.starts_with("# Table `filter' is incompatible")) {
            return Err(IptablesError::Incompatible { program: self.save.clone() });
        }
        Ok(Table::parse(&text, self.family, self.presets()))
    }

    /// One transaction: all of it, or nothing.
    pub(super) fn write(&self, script: &str) -> Result<(), IptablesError> {
        run(&self.restore, &RESTORE, script).map(|_| ())
    }
}

fn path_of(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(USUAL_PLACES.map(PathBuf::from));
    directories.map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// Whether the old kernel interface has a filter table. To ask an old program would make it.
fn has_legacy_table(family: Family) -> bool {
    let names = match family {
        Family::V4 => "/proc/net/ip_tables_names",
        Family::V6 => "/proc/net/ip6_tables_names",
    };
    fs::read_to_string(names).is_ok_and(|names| names.lines().any(|name| name == "filter"))
}

/// `v1.8.9 (nf_tables)` -> 1, 8, 9
fn numbers(version: &str) -> [u32; 3] {
    let version = version.trim_start_matches('v').split(' ').next().unwrap_or_default();
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

fn run(program: &Path, arguments: &[&str], input: &str) -> Result<String, IptablesError> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| IptablesError::Start { program: program.to_owned(), source })?;
    let stdin = child.stdin.take();
    let (written, output) = thread::scope(|scope| {
        let writer = scope.spawn(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output();
        (writer.join(), output)
    });
    let output = output.map_err(|source| IptablesError::Wait { program: program.to_owned(), source })?;
    if !output.status.success() {
        return Err(failure(program, &output, input));
    }
    match written {
        Ok(Err(source)) => Err(IptablesError::Write { program: program.to_owned(), source }),
        Ok(Ok(())) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(panicked) => std::panic::resume_unwind(panicked),
    }
}

fn failure(program: &Path, output: &Output, input: &str) -> IptablesError {
    let program = program.to_owned();
    let status = output.status;
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match failing_line(&stderr).and_then(|number| input.lines().nth(number - 1)) {
        Some(line) => IptablesError::Refused { program, status, line: line.to_owned(), stderr },
        None => IptablesError::Failed { program, status, stderr },
    }
}

/// `line 3 failed`, `line 3: CHAIN_DEL failed`, `Error occurred at line: 3`
fn failing_line(stderr: &str) -> Option<usize> {
    let (_, rest) = stderr.split_once("line")?;
    let digits = rest.trim_start_matches([':', ' ']).split(|it: char| !it.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_a_program_complains_of_is_found() {
        for (stderr, line) in [
            (
                "iptables-nft-restore: line 3 failed: Bad rule (does a matching rule exist in that chain?).",
                Some(3),
            ),
            (
                "iptables-nft-restore v1.8.9 (nf_tables): \nline 14: CHAIN_DEL failed (Device or resource busy)",
                Some(14),
            ),
            ("iptables-restore: line 2 failed", Some(2)),
            ("unknown option \"--frob\"\nError occurred at line: 2\nTry `iptables-restore -h'", Some(2)),
            ("Permission denied (you must be root)", None),
            ("line 0", None),
        ] {
            assert_eq!(failing_line(stderr), line, "{stderr}");
        }
    }

    #[test]
    fn only_old_ip6tables_on_nft_lose_what_a_counter_is_to_begin_with() {
        let presets = |family, version: &str| {
            let version = version.to_owned();
            let none = PathBuf::new();
            Program { family, variant: "iptables", version, save: none.clone(), restore: none }.presets()
        };
        assert_eq!(presets(Family::V6, "v1.8.9 (nf_tables)"), Presets::Lost);
        assert_eq!(presets(Family::V6, "v1.8.10 (nf_tables)"), Presets::Kept);
        assert_eq!(presets(Family::V6, "v1.9 (nf_tables)"), Presets::Kept);
        assert_eq!(presets(Family::V6, "v1.8.9 (legacy)"), Presets::Kept);
        assert_eq!(presets(Family::V6, "v1.6.1"), Presets::Kept);
        assert_eq!(presets(Family::V4, "v1.8.9 (nf_tables)"), Presets::Kept);
    }
}
