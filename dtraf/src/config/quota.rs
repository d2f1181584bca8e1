//! `dtraf quota`: what was meant.

use std::path::PathBuf;

use super::ConfigError;
use super::report::look;
use crate::accounting::bill::quota::Quota;
use crate::cli::quota::{QuotaArgs, QuotaCommand};
use crate::cli::values::UnitsChoice;
use crate::terminal::Stdout;
use crate::view::statement::Look;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quotas {
    pub(crate) task: QuotaTask,
    pub(crate) path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QuotaTask {
    Set {
        account: String,
        quota: Quota,
    },
    List {
        look: Look,
        file: Option<PathBuf>,
    },
    Remove {
        account: String,
    },
    /// All accounts when empty.
    Check {
        accounts: Vec<String>,
        look: Look,
        file: Option<PathBuf>,
    },
}

impl Quotas {
    pub(super) fn resolve(args: QuotaArgs, stdout: Stdout) -> Result<Self, ConfigError> {
        let (task, ledger) = match args.command {
            QuotaCommand::Set(set) => {
                let quota = Quota {
                    bytes: set.bytes,
                    counts: set.counts.into(),
                    scopes: set.scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
                    cycle_day: set.cycle_day,
                    thresholds: set.at.into_iter().collect(),
                    hook: set.hook.as_deref().map(words).transpose()?,
                };
                (QuotaTask::Set { account: set.account, quota }, set.ledger)
            }
            QuotaCommand::List(list) => {
                let look = look(list.look.format, UnitsChoice::Si, list.look.no_trunc, stdout);
                (QuotaTask::List { look, file: list.config.file }, list.ledger)
            }
            QuotaCommand::Remove(remove) => (QuotaTask::Remove { account: remove.account }, remove.ledger),
            QuotaCommand::Check(check) => {
                let look = look(check.look.format, UnitsChoice::Si, check.look.no_trunc, stdout);
                let (accounts, file) = (check.accounts, check.config.file);
                (QuotaTask::Check { accounts, look, file }, check.ledger)
            }
        };
        Ok(Self { task, path: ledger.path })
    }
}

/// A command's words, of which the first is the program. `None` where a quote is not closed, or there is no program.
pub(super) fn hook(command: &str) -> Option<Vec<String>> {
    shlex::split(command).filter(|words| words.first().is_some_and(|program| !program.is_empty()))
}

fn words(command: &str) -> Result<Vec<String>, ConfigError> {
    hook(command).ok_or_else(|| ConfigError::Hook { command: command.to_owned() })
}
