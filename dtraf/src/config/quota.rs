//! `dtraf quota`: what was meant.

use std::path::PathBuf;

use super::ConfigError;
use super::ledger::ReportZone;
use super::report::look as look_of;
use crate::accounting::bill::quota::Quota;
use crate::accounting::statement::period::CycleDay;
use crate::cli::accounts::LedgerLookArgs;
use crate::cli::quota::{CheckArgs, QuotaArgs, QuotaCommand};
use crate::cli::values::UnitsChoice;
use crate::terminal::Stdout;
use crate::view::statement::Look;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quotas {
    pub(crate) task: QuotaTask,
    pub(crate) path: PathBuf,
    /// The configuration; the usual one, which need not be there, when `None`.
    pub(crate) file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QuotaTask {
    Set {
        account: String,
        /// In cycles that begin on the first, unless a day is said or written down.
        quota: Quota,
        day: Option<CycleDay>,
    },
    List {
        look: Look,
        zone: ReportZone,
    },
    Remove {
        account: String,
    },
    /// All accounts when empty.
    Check {
        accounts: Vec<String>,
        look: Look,
        zone: ReportZone,
    },
}

impl Quotas {
    pub(super) fn resolve(args: QuotaArgs, stdout: Stdout) -> Result<Self, ConfigError> {
        let seen = |look: LedgerLookArgs| look_of(look.format, UnitsChoice::Si, look.no_trunc, stdout);
        let (task, ledger, file) = match args.command {
            QuotaCommand::Set(set) => {
                let quota = Quota {
                    bytes: set.bytes,
                    counts: set.counts.into(),
                    scopes: set.scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
                    cycle_day: CycleDay::FIRST,
                    thresholds: set.at.into_iter().collect(),
                    hook: set.hook.as_deref().map(words).transpose()?,
                };
                let task = QuotaTask::Set { account: set.account, quota, day: set.cycle_day };
                (task, set.ledger, set.config.file)
            }
            QuotaCommand::List(list) => {
                let task = QuotaTask::List { look: seen(list.look), zone: list.zone.into() };
                (task, list.ledger, list.config.file)
            }
            QuotaCommand::Remove(remove) => {
                (QuotaTask::Remove { account: remove.account }, remove.ledger, None)
            }
            QuotaCommand::Check(CheckArgs { accounts, list }) => {
                let task = QuotaTask::Check { accounts, look: seen(list.look), zone: list.zone.into() };
                (task, list.ledger, list.config.file)
            }
        };
        Ok(Self { task, path: ledger.path, file })
    }
}

/// A command's words, of which the first is the program. `None` where a quote is not closed, or there is no program.
pub(super) fn hook(command: &str) -> Option<Vec<String>> {
    shlex::split(command).filter(|words| words.first().is_some_and(|program| !program.is_empty()))
}

fn words(command: &str) -> Result<Vec<String>, ConfigError> {
    hook(command).ok_or_else(|| ConfigError::Hook { command: command.to_owned() })
}
