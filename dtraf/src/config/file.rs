//! `/etc/dtraf/config.toml`: what is to be the same at every call.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::quota::hook;
use crate::accounting::bill::Terms;
use crate::accounting::bill::declared::{AccountTerms, Declared};
use crate::accounting::statement::period::CycleDay;
use crate::cli::report::{CountsChoice, ScopeChoice};
use crate::cli::values::{price, size};
use crate::store::Retention;

/// The longest cycle has 31 days, and its ports are to be there until the next has ended.
const LEAST_DAYS: Duration = Duration::from_hours(24 * 62);
/// Where it is looked for when nothing else is said. It need not be there.
const USUAL: &str = "/etc/dtraf/config.toml";

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) declared: Declared,
    /// Behind every sum of money.
    pub(crate) currency: Option<String>,
    pub(crate) retention: Retention,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("read the configuration {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}, line {line}{}: {message}", key.as_ref().map_or_else(String::new, |key| format!(", {key}")))]
    Invalid { path: PathBuf, line: usize, key: Option<String>, message: String },
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Written {
    #[serde(deserialize_with = "cycle_day")]
    cycle_day: Option<CycleDay>,
    currency: Option<String>,
    host: WrittenTerms,
    account: BTreeMap<String, WrittenAccount>,
    retention: WrittenRetention,
}

/// Fields of [`WrittenTerms`] stand here again: serde does not refuse what is unknown in a flattened struct.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct WrittenAccount {
    counts: Option<CountsChoice>,
    scopes: Option<Vec<ScopeChoice>>,
    #[serde(deserialize_with = "said_price")]
    price: Option<rust_decimal::Decimal>,
    #[serde(deserialize_with = "said_size")]
    allowance: Option<u64>,
    #[serde(deserialize_with = "said_size")]
    quota: Option<u64>,
    quota_at: Option<BTreeSet<NonZeroU32>>,
    #[serde(deserialize_with = "said_hook")]
    quota_hook: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct WrittenRetention {
    #[serde(deserialize_with = "said_time")]
    five_minutes: Option<Duration>,
    #[serde(deserialize_with = "said_time")]
    hours: Option<Duration>,
    #[serde(deserialize_with = "said_days")]
    days: Option<Duration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct WrittenTerms {
    counts: Option<CountsChoice>,
    scopes: Option<Vec<ScopeChoice>>,
    #[serde(deserialize_with = "said_price")]
    price: Option<rust_decimal::Decimal>,
    #[serde(deserialize_with = "said_size")]
    allowance: Option<u64>,
}

impl File {
    /// The one that was named, which must be there, or else the usual one.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, FileError> {
        let path = named.unwrap_or(Path::new(USUAL));
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(FileError::Read { path: path.to_owned(), source }),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, FileError> {
        let Written { cycle_day, currency, host, account, retention } =
            toml::from_str(text).map_err(|error| FileError::at(&error, text, path))?;
        let accounts = account.into_iter().map(|(name, written)| (name, written.into())).collect();
        let declared = Declared { cycle_day, host: host.into(), accounts };
        let usual = Retention::default();
        let retention = Retention {
            five_minutes: retention.five_minutes.unwrap_or(usual.five_minutes),
            hours: retention.hours.unwrap_or(usual.hours),
            days: retention.days.unwrap_or(usual.days),
        };
        Ok(Self { declared, currency, retention })
    }
}

impl FileError {
    fn at(error: &toml::de::Error, text: &str, path: &Path) -> Self {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let line = text.lines().nth(before.matches('\n').count()).unwrap_or_default();
        let key = line.split_once('=').map(|(key, _)| key.trim().to_owned());
        let message = error.message().trim().replace('\n', ", ");
        Self::Invalid { path: path.to_owned(), line: before.matches('\n').count() + 1, key, message }
    }
}

impl From<WrittenAccount> for AccountTerms {
    fn from(written: WrittenAccount) -> Self {
        let WrittenAccount { counts, scopes, price, allowance, quota, quota_at, quota_hook } = written;
        let quota_at = quota_at.map(|percents| percents.into_iter().map(NonZeroU32::get).collect());
        let terms = WrittenTerms { counts, scopes, price, allowance }.into();
        Self { terms, quota, quota_at, quota_hook }
    }
}

impl From<WrittenTerms> for Terms {
    fn from(written: WrittenTerms) -> Self {
        let WrittenTerms { counts, scopes, price, allowance } = written;
        Self {
            counts: counts.map(Into::into),
            scopes: scopes.map(|scopes| scopes.into_iter().map(Into::into).collect()),
            price,
            allowance,
        }
    }
}

fn cycle_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CycleDay>, D::Error> {
    CycleDay::new(u8::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

/// Quoted, since a number would be a binary fraction.
fn said_price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<rust_decimal::Decimal>, D::Error> {
    price(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

fn said_hook<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let command = String::deserialize(deserializer)?;
    let words = hook(&command)
        .ok_or_else(|| de::Error::custom("no command: a quote is not closed, or it is empty"))?;
    Ok(Some(words))
}

fn said_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    humantime::parse_duration(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

fn said_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let time = said_time(deserializer)?;
    if time.is_some_and(|time| time < LEAST_DAYS) {
        let least = LEAST_DAYS.as_secs() / 86_400;
        return Err(de::Error::custom(format!(
            "at least {least}days: ports of billing cycles are added up from days"
        )));
    }
    Ok(time)
}

fn said_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    size(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use dtraf_common::abi::Scope;

    use super::*;
    use crate::accounting::bill::Counts;
    use crate::accounting::bill::quota::{Quota, THRESHOLDS};

    fn parse(text: &str) -> Result<File, FileError> {
        File::parse(text, Path::new("/etc/dtraf/config.toml"))
    }

    #[test]
    fn terms_of_the_host_and_of_accounts() {
        let file = parse(
            "cycle-day = 15\ncurrency = \"EUR\"\n[host]\ncounts = \"tx\"\nscopes = [\"internet\"]\nallowance = \"1.5 TB\"\n\
             [account.\"shop/web\"]\nprice = \"0.05\"\nquota = \"2MB\"\nquota-at = [50]\nquota-hook = \"tell 'all of them'\"\n\
             [account.db]\ncounts = \"rx\"\nquota = \"1MB\"\n[retention]\ndays = \"300days\"\n",
        )
        .unwrap();
        let Declared { cycle_day, host, accounts } = &file.declared;
        assert_eq!(*cycle_day, Some(CycleDay::new(15).unwrap()));
        assert_eq!(
            *host,
            Terms {
                counts: Some(Counts::Tx),
                scopes: Some(BTreeSet::from([Scope::Internet])),
                price: None,
                allowance: Some(1_500_000_000_000),
            }
        );
        assert_eq!(accounts["shop/web"].terms.price, Some("0.05".parse().unwrap()));
        let quota = Quota {
            bytes: 2_000_000,
            counts: Counts::Tx,
            scopes: Some(BTreeSet::from([Scope::Internet])),
            cycle_day: CycleDay::new(15).unwrap(),
            thresholds: BTreeSet::from([50]),
            hook: Some(vec!["tell".to_owned(), "all of them".to_owned()]),
        };
        let declared = |account: &str| accounts[account].quota(host, *cycle_day);
        assert_eq!(declared("shop/web"), Some(quota.clone()));
        let thresholds = BTreeSet::from(THRESHOLDS);
        assert_eq!(
            declared("db"),
            Some(Quota { bytes: 1_000_000, counts: Counts::Rx, thresholds, hook: None, ..quota })
        );
        assert_eq!(
            file.retention,
            Retention { days: Duration::from_hours(24 * 300), ..Retention::default() }
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_file_line_and_key() {
        for (text, told) in [
            ("cycle-day = 32", "line 1, cycle-day: a month has days from 1 to 31"),
            ("\n[host]\nprice = \"-1\"", "line 3, price: `-1` is no price"),
            ("[host]\nprice = 0.05", "line 2, price: invalid type: floating point `0.05`, expected a string"),
            ("[host]\n\nallowance = \"much\"", "line 3, allowance: `much` is no number of bytes"),
            ("[host]\ncounts = \"all\"", "line 2, counts: unknown variant `all`, expected one of"),
            ("[host]\nprize = \"1\"", "line 2, prize: unknown field `prize`, expected one of"),
            ("[account.web]\nquota-at = [0]", "line 2, quota-at: "),
            ("[account.web]\nquota-hook = \"it's\"", "line 2, quota-hook: no command"),
            ("[host]\nquota = \"1GB\"", "line 2, quota: unknown field `quota`"),
            ("[retention]\nmonths = \"1year\"", "line 2, months: unknown field `months`"),
            ("[retention]\ndays = \"long\"", "line 2, days: "),
            ("[retention]\ndays = \"61days\"", "line 2, days: at least 62days"),
            ("[host", "line 1: "),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("/etc/dtraf/config.toml, {told}")), "{error}");
        }
    }

    #[test]
    fn the_usual_file_need_not_be_there_and_a_named_one_must() {
        let directory = tempfile::tempdir().unwrap();
        let named = directory.path().join("config.toml");
        assert!(matches!(File::read(Some(&named)), Err(FileError::Read { .. })));
        fs::write(&named, "currency = \"EUR\"").unwrap();
        assert_eq!(File::read(Some(&named)).unwrap().currency.as_deref(), Some("EUR"));
    }
}
