//! The program `nft`: the only way from here to the kernel's tables.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use dtraf_common::abi::Family;

use super::error::NftError;
use super::listing;
use super::plan::Plan;
use super::skeleton::{Needed, Skeleton, TABLE, family_word};
use super::standing::Standing;

/// Where it may be: what people put into `PATH` often lacks the directories of administration.
const PROGRAMS: [&str; 3] = ["nft", "/usr/sbin/nft", "/sbin/nft"];
/// A table that is made for trial, and never stands.
const TRIAL: &str = "dtraf-trial";

/// An `nft` that can do what dtraf needs, on a kernel that can.
#[derive(Clone, Debug)]
pub(crate) struct Nft {
    program: PathBuf,
    version: String,
}

impl Nft {
    /// Looks for the program and tries whether it and the kernel can do everything. The host is left as it was.
    pub(crate) fn find() -> Result<Self, NftError> {
        const OPERATION: &str = "ask nft for its version";
        for program in PROGRAMS.map(PathBuf::from) {
            match run(&program, &["--version"], "") {
                Err(Failure::Start(source)) if source.kind() == io::ErrorKind::NotFound => {}
                Err(failure) => return Err(failure.into_error(OPERATION, program)),
                Ok(output) => {
                    let nft = Self { version: version(&program, &output)?, program };
                    nft.is_fit()?;
                    return Ok(nft);
                }
            }
        }
        Err(NftError::NoProgram)
    }

    /// Such as `1.0.6`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn read(&self) -> Result<Standing, NftError> {
        const OPERATION: &str = "list dtraf's nftables tables";
        let mut standing = Standing::default();
        for family in Family::ALL {
            match self.said(OPERATION, &["-n", "-j", "list", "table", family_word(family), TABLE], "")? {
                Ok(listing) => listing::parse(family, &listing, &mut standing)
                    .map_err(|source| NftError::Listing { program: self.program.clone(), source })?,
                Err(refusal) if refusal.is_absence() => {}
                Err(refusal) => return Err(self.refused(OPERATION, refusal)),
            }
        }
        Ok(standing)
    }

    /// Changes everything or, when it fails, nothing.
    pub(crate) fn carry_out(&self, plan: &Plan) -> Result<(), NftError> {
        const OPERATION: &str = "change dtraf's nftables tables";
        if plan.is_empty() {
            return Ok(());
        }
        match self.said(OPERATION, &["-f", "-"], plan.script())? {
            Ok(_) => Ok(()),
            Err(refusal) => Err(self.refused(OPERATION, refusal)),
        }
    }

    /// Deletes the tables and all they have counted, and says whether there was one.
    pub(crate) fn remove(&self) -> Result<bool, NftError> {
        const OPERATION: &str = "delete dtraf's nftables tables";
        let mut was_there = false;
        for family in Family::ALL {
            match self.said(OPERATION, &["delete", "table", family_word(family), TABLE], "")? {
                Ok(_) => was_there = true,
                Err(refusal) if refusal.is_absence() => {}
                Err(refusal) => return Err(self.refused(OPERATION, refusal)),
            }
        }
        Ok(was_there)
    }

    /// With `--check` the kernel goes through all of a transaction, and then takes it back.
    fn is_fit(&self) -> Result<(), NftError> {
        let mut script = String::new();
        for family in Family::ALL {
            Skeleton::complete(None, family, TRIAL, &Needed::new(), &mut script)
                .expect("a String takes any text");
        }
        for (operation, arguments, input) in [
            ("try out nftables", ["--check", "-f", "-"].as_slice(), script.as_str()),
            ("have nft list tables as JSON", ["-n", "-j", "list", "tables"].as_slice(), ""),
        ] {
            if let Err(Refusal { status, said }) = self.said(operation, arguments, input)? {
                return Err(NftError::Unfit { operation, program: self.program.clone(), status, said });
            }
        }
        Ok(())
    }

    /// What it prints, or why it refuses.
    fn said(
        &self,
        operation: &'static str,
        arguments: &[&str],
        input: &str,
    ) -> Result<Result<Vec<u8>, Refusal>, NftError> {
        let output = run(&self.program, arguments, input)
            .map_err(|failure| failure.into_error(operation, self.program.clone()))?;
        Ok(if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(Refusal { status: output.status, said: first_line(&output.stderr) })
        })
    }

    fn refused(&self, operation: &'static str, Refusal { status, said }: Refusal) -> NftError {
        NftError::Refused { operation, program: self.program.clone(), status, said }
    }
}

/// It ran, and did not do it.
#[derive(Debug)]
struct Refusal {
    status: ExitStatus,
    said: String,
}

impl Refusal {
    /// What it was to act on is not there. `nft` has no other way to say so than the C library's words.
    fn is_absence(&self) -> bool {
        self.said.contains("No such file or directory")
    }
}

/// It did not run to its end.
enum Failure {
    Start(io::Error),
    Talk(io::Error),
}

impl Failure {
    fn into_error(self, operation: &'static str, program: PathBuf) -> NftError {
        match self {
            Self::Start(source) => NftError::Start { operation, program, source },
            Self::Talk(source) => NftError::Talk { operation, program, source },
        }
    }
}

fn run(program: &Path, arguments: &[&str], input: &str) -> Result<Output, Failure> {
    let mut command = Command::new(program);
    // Its words are compared.
    command.args(arguments).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Failure::Start)?;
    let mut stdin = child.stdin.take().expect("it was asked for");
    // It reads to the end before it does anything, or gives up: then what it says matters, not that it listens no more.
    let written = match stdin.write_all(input.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    };
    drop(stdin);
    let output = child.wait_with_output().map_err(Failure::Talk)?;
    written.map_err(Failure::Talk)?;
    Ok(output)
}

/// The rest repeats what it was told to do.
fn first_line(stderr: &[u8]) -> String {
    String::from_utf8_lossy(stderr).lines().next().unwrap_or_default().trim().to_owned()
}

/// From `nftables v1.0.6 (Lester Gooch #5)`.
fn version(program: &Path, output: &Output) -> Result<String, NftError> {
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_whitespace().nth(1).and_then(|word| word.strip_prefix('v')) {
        Some(version) => Ok(version.to_owned()),
        None => {
            Err(NftError::UnknownVersion { program: program.to_owned(), text: first_line(&output.stdout) })
        }
    }
}
