//! What labels of containers say, with the meaning and syntax of the keys of an account in the configuration.
//!
//! One that cannot be read is left aside and told of. Where containers of one account say different things, what was seen last
//! holds, of those that are there before those that were.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use clap::ValueEnum as _;

use crate::accounting::bill::declared::AccountTerms;
use crate::accounting::bill::label::{SeenLabel, TermLabel};
use crate::accounting::identity::Timestamp;
use crate::cli::report::{CountsChoice, ScopeChoice};
use crate::cli::values::{InvalidPercent, InvalidPrice, InvalidSize, percent, price, size};

/// What labels say of each account, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) accounts: BTreeMap<String, AccountTerms>,
    pub(crate) troubles: Vec<Trouble>,
}

/// A label that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) seen: SeenLabel,
    pub(crate) why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Why {
    #[error("is left aside: {0}")]
    Unreadable(#[from] InvalidLabel),
    #[error("says `{value}`; that of {container}, seen later, says `{held}`, which holds")]
    Differs { value: String, container: String, held: String },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidLabel {
    #[error(transparent)]
    Size(#[from] InvalidSize),
    #[error(transparent)]
    Price(#[from] InvalidPrice),
    #[error(transparent)]
    Percent(#[from] InvalidPercent),
    #[error("`{0}` is no direction: write sum, max, rx or tx")]
    Counts(String),
    #[error(
        "`{0}` is no scope: write internet, lan, host, container, multicast or other, with commas between"
    )]
    Scope(String),
    #[error("a hook is a command, and no label chooses one: the configuration does, or `dtraf quota set`")]
    Hook,
}

impl Labels {
    pub(crate) fn new(mut seen: Vec<SeenLabel>) -> Self {
        seen.sort_by_key(|label| Reverse((label.is_there(), label.since, label.id)));
        let mut labels = Self::default();
        let mut holding = BTreeMap::<(String, TermLabel), SeenLabel>::new();
        for label in seen {
            let mut said = AccountTerms::default();
            if let Err(invalid) = read(label.label, &label.value, &mut said) {
                labels.troubles.push(Trouble { seen: label, why: invalid.into() });
                continue;
            }
            match holding.get(&(label.account.clone(), label.label)) {
                None => {
                    let terms = labels.accounts.entry(label.account.clone()).or_default();
                    *terms = std::mem::take(terms).or(said);
                    holding.insert((label.account.clone(), label.label), label);
                }
                Some(held) if label.is_there() && label.value != held.value => {
                    let SeenLabel { container, value: held, .. } = held.clone();
                    let why = Why::Differs { value: label.value.clone(), container, held };
                    labels.troubles.push(Trouble { seen: label, why });
                }
                Some(_) => {}
            }
        }
        labels
    }
}

impl Trouble {
    /// Of a container that is there, or was at this second or later.
    pub(crate) fn is_since(&self, second: i64) -> bool {
        let moment = |until: Timestamp| i64::try_from(until.0.as_secs()).unwrap_or(i64::MAX);
        self.seen.until.is_none_or(|until| moment(until) >= second)
    }
}

fn read(label: TermLabel, value: &str, said: &mut AccountTerms) -> Result<(), InvalidLabel> {
    let value = value.trim();
    match label {
        TermLabel::Quota => said.quota = Some(size(value)?),
        TermLabel::Allowance => said.terms.allowance = Some(size(value)?),
        TermLabel::Price => said.terms.price = Some(price(value)?),
        TermLabel::Counts => said.terms.counts = Some(counts(value)?.into()),
        TermLabel::Scopes => {
            let scopes = list(value).map(scope).collect::<Result<Vec<_>, _>>()?;
            said.terms.scopes = Some(scopes.into_iter().map(Into::into).collect());
        }
        TermLabel::QuotaAt => said.quota_at = Some(list(value).map(percent).collect::<Result<_, _>>()?),
        TermLabel::QuotaHook => return Err(InvalidLabel::Hook),
    }
    Ok(())
}

fn counts(word: &str) -> Result<CountsChoice, InvalidLabel> {
    CountsChoice::from_str(word, false).ok().ok_or_else(|| InvalidLabel::Counts(word.to_owned()))
}

fn scope(word: &str) -> Result<ScopeChoice, InvalidLabel> {
    ScopeChoice::from_str(word, false).ok().ok_or_else(|| InvalidLabel::Scope(word.to_owned()))
}

/// As on the command line, with commas between; or as in the configuration, `["internet", "lan"]`.
fn list(value: &str) -> impl Iterator<Item = &str> {
    let inner = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let words = inner.unwrap_or(value).split(',').map(|word| word.trim().trim_matches('"'));
    // Brackets with nothing in them are a list of nothing.
    words.filter(move |word| inner.is_none() || !word.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dtraf_common::abi::Scope;

    use super::*;
    use crate::accounting::bill::Counts;
    use crate::accounting::fixtures::{at, id};

    fn seen(account: &str, number: u8, label: TermLabel, value: &str) -> SeenLabel {
        SeenLabel {
            account: account.to_owned(),
            id: id(number),
            container: format!("{account}-{number}"),
            label,
            value: value.to_owned(),
            since: at(u64::from(number)),
            until: None,
        }
    }

    #[test]
    fn labels_say_what_the_configuration_can_say_of_an_account() {
        let said = [
            (TermLabel::Quota, " 1.5 TB"),
            (TermLabel::QuotaAt, "50, 90%"),
            (TermLabel::Price, "0.05"),
            (TermLabel::Counts, "tx"),
            (TermLabel::Scopes, r#"["internet", "lan"]"#),
            (TermLabel::Allowance, "500GB"),
        ];
        let labels = Labels::new(said.map(|(label, value)| seen("web", 1, label, value)).into());
        assert_eq!(labels.troubles, []);
        let terms = &labels.accounts["web"];
        assert_eq!(terms.quota, Some(1_500_000_000_000));
        assert_eq!(terms.quota_at, Some(BTreeSet::from([50, 90])));
        assert_eq!(terms.terms.scopes, Some(BTreeSet::from([Scope::Internet, Scope::Lan])));
        assert_eq!((terms.terms.counts, terms.terms.allowance), (Some(Counts::Tx), Some(500_000_000_000)));
        assert_eq!(terms.terms.price, "0.05".parse().ok());
        assert_eq!(list("internet,lan").collect::<Vec<_>>(), ["internet", "lan"]);
        assert_eq!((list("").count(), list("[]").count()), (1, 0));
    }

    #[test]
    fn what_cannot_be_read_is_told_and_left_aside() {
        for (label, value, told) in [
            (TermLabel::Quota, "much", "`much` is no number of bytes"),
            (TermLabel::Quota, "", "`` is no number of bytes"),
            (TermLabel::QuotaAt, "0", "write whole per cent"),
            (TermLabel::QuotaAt, "", "write whole per cent"),
            (TermLabel::Price, "-1", "`-1` is no price"),
            (TermLabel::Counts, "both", "`both` is no direction"),
            (TermLabel::Scopes, "internet,moon", "`moon` is no scope"),
            (TermLabel::Scopes, "", "`` is no scope"),
            (TermLabel::QuotaHook, "/bin/sh", "no label chooses one"),
        ] {
            let labels = Labels::new(vec![seen("web", 1, label, value)]);
            assert!(labels.accounts.is_empty(), "{label:?}");
            let why = labels.troubles[0].why.to_string();
            assert!(why.contains(told), "{label:?} {value}: {why}");
        }
    }

    #[test]
    fn what_a_container_says_in_vain_is_forgotten_with_its_time() {
        let was = SeenLabel { until: Some(at(60)), ..seen("web", 1, TermLabel::Price, "much") };
        let labels = Labels::new(vec![was, seen("web", 2, TermLabel::Price, "more")]);
        let begin = i64::try_from(at(60).0.as_secs()).unwrap();
        let told = |from| labels.troubles.iter().filter(|trouble| trouble.is_since(from)).count();
        assert_eq!((told(begin), told(begin + 1)), (2, 1));
    }

    #[test]
    fn what_was_seen_last_holds_and_what_is_there_goes_before_what_was() {
        let was = |label: SeenLabel| SeenLabel { until: Some(at(60)), ..label };
        let quota = |number, value| seen("web", number, TermLabel::Quota, value);
        let held = |labels: &Labels| labels.accounts["web"].quota;
        let labels = Labels::new(vec![quota(1, "1GB"), quota(3, "3GB"), quota(2, "2GB"), quota(4, "3GB")]);
        assert_eq!(held(&labels), Some(3_000_000_000));
        let others: Vec<_> = labels.troubles.iter().map(|trouble| trouble.seen.value.as_str()).collect();
        assert_eq!(others, ["2GB", "1GB"]);
        assert_eq!(
            labels.troubles[0].why.to_string(),
            "says `2GB`; that of web-4, seen later, says `3GB`, which holds"
        );
        // What can be read holds, and nobody is told of containers that are gone.
        let labels = Labels::new(vec![quota(1, "1GB"), was(quota(5, "5GB")), quota(6, "much")]);
        assert_eq!((held(&labels), labels.troubles.len()), (Some(1_000_000_000), 1));
        let labels = Labels::new(vec![was(quota(1, "1GB")), was(quota(5, "5GB"))]);
        assert_eq!((held(&labels), labels.troubles), (Some(5_000_000_000), vec![]));
        // Another account is another matter.
        let labels = Labels::new(vec![quota(1, "1GB"), seen("db", 2, TermLabel::Quota, "2GB")]);
        assert_eq!((labels.accounts.len(), labels.troubles), (2, vec![]));
    }
}
