//! What is to be paid for a time: the bytes that a rule counts, less an allowance, at a price.
//!
//! The host has a rule, by which its provider bills it; each account has one, by which the host's owner bills others. What an
//! account's own terms leave open is as the host's say, but for the allowance: that is the whole host's.

pub(crate) mod declared;
pub(crate) mod label;
pub(crate) mod quota;

use std::collections::{BTreeMap, BTreeSet};

use dtraf_common::abi::Scope;
use rust_decimal::Decimal;

use super::amount::{Amount, PerDirection, Unit};
use super::statement::period::Range;
use super::statement::{By, Group, HolderName, Question, Sum, holder};

/// A price is for as many bytes as a one with so many zeros.
const GB_DIGITS: u32 = 9;

/// Which bytes count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Received and transmitted.
    #[default]
    Sum,
    /// Whichever is more, over the whole time.
    Max,
    Rx,
    Tx,
}

impl Counts {
    pub(crate) const ALL: [Self; 4] = [Self::Sum, Self::Max, Self::Rx, Self::Tx];

    pub(crate) fn of(self, bytes: &PerDirection<u64>) -> u64 {
        match self {
            Self::Sum => bytes.rx.saturating_add(bytes.tx),
            Self::Max => bytes.rx.max(bytes.tx),
            Self::Rx => bytes.rx,
            Self::Tx => bytes.tx,
        }
    }
}

/// What is said of a rule. `None` is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) counts: Option<Counts>,
    /// Only traffic with these.
    pub(crate) scopes: Option<BTreeSet<Scope>>,
    /// For 1,000,000,000 bytes.
    pub(crate) price: Option<Decimal>,
    /// Bytes that cost nothing.
    pub(crate) allowance: Option<u64>,
}

/// Everybody's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tariff {
    pub(crate) host: Terms,
    /// By name.
    pub(crate) accounts: BTreeMap<String, Terms>,
}

/// What one line of a bill goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) counts: Counts,
    /// All when `None`.
    pub(crate) scopes: Option<BTreeSet<Scope>>,
    pub(crate) price: Option<Decimal>,
    pub(crate) allowance: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bill {
    pub(crate) range: Range,
    pub(crate) unit: Unit,
    pub(crate) lines: Vec<Line>,
    /// Of the host by its own rule, for each span. Lines need not add up to it.
    pub(crate) totals: Vec<Line>,
}

/// What one account, or the host, owes for a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) span: Range,
    /// `None`: the host.
    pub(crate) group: Option<Group>,
    pub(crate) rule: Rule,
    /// Traffic with the rule's scopes, in the bill's unit.
    pub(crate) bytes: PerDirection<u64>,
    /// `None` where it is not known who the other ends were, and the rule asks.
    pub(crate) due: Option<Due>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// Bytes.
    pub(crate) billable: u64,
    /// Bytes beyond the allowance.
    pub(crate) over: u64,
    /// `None` without a price. Exact.
    pub(crate) cost: Option<Decimal>,
}

/// An account's traffic with one scope; `None`: nobody looked.
pub(crate) type Billed = (HolderName, Option<Scope>);

impl Tariff {
    pub(crate) fn of_host(&self) -> Rule {
        let Terms { counts, scopes, price, allowance } = self.host.clone();
        Rule { counts: counts.unwrap_or_default(), scopes, price, allowance }
    }

    pub(crate) fn of_account(&self, name: &str) -> Rule {
        let own = self.accounts.get(name).cloned().unwrap_or_default();
        Rule {
            counts: own.counts.or(self.host.counts).unwrap_or_default(),
            scopes: own.scopes.or_else(|| self.host.scopes.clone()),
            price: own.price.or(self.host.price),
            allowance: own.allowance,
        }
    }
}

impl Bill {
    pub(crate) fn new(question: &Question, tariff: &Tariff, sums: Vec<Sum<Billed>>) -> Self {
        let mut groups = BTreeMap::<(usize, Group), BTreeMap<Option<Scope>, PerDirection<Amount>>>::new();
        let mut host = BTreeMap::<usize, BTreeMap<Option<Scope>, PerDirection<Amount>>>::new();
        for Sum { start, of: (name, scope), amounts } in sums {
            let Some(span) = question.span_of(start) else { continue };
            let group = groups.entry((span, holder(name, By::Account))).or_default();
            *group.entry(scope).or_default() += amounts;
            *host.entry(span).or_default().entry(scope).or_default() += amounts;
        }
        let all = host.values().flat_map(BTreeMap::values);
        let is_known = all.flat_map(|both| [both.rx, both.tx]).all(|amount| amount.frames.is_some());
        let unit = if is_known { Unit::Wire } else { Unit::SkbIp };
        let rule = |group: &Group| match group {
            Group::Account(name) => tariff.of_account(name),
            // Nobody is billed for what nobody is known to have.
            _ => Rule { price: None, ..tariff.of_account("") },
        };
        let mut lines: Vec<_> = groups
            .iter()
            .map(|((span, group), scopes)| {
                (*span, Line::new(question.spans(*span), Some(group.clone()), rule(group), scopes, unit))
            })
            .collect();
        lines.sort_by_key(|(span, line)| {
            (*span, std::cmp::Reverse(line.due.map(|due| due.billable)), line.group.clone())
        });
        let totals = host
            .iter()
            .map(|(span, scopes)| Line::new(question.spans(*span), None, tariff.of_host(), scopes, unit));
        Self {
            range: question.range,
            unit,
            lines: lines.into_iter().map(|(_, line)| line).collect(),
            totals: totals.collect(),
        }
    }
}

impl Line {
    fn new(
        span: Range,
        group: Option<Group>,
        rule: Rule,
        scopes: &BTreeMap<Option<Scope>, PerDirection<Amount>>,
        unit: Unit,
    ) -> Self {
        let counts = |scope: &Option<Scope>| match (&rule.scopes, scope) {
            // Nobody asked for flooded frames, and they are for somebody else.
            (_, Some(Scope::Flooded)) | (Some(_), None) => false,
            (None, _) => true,
            (Some(wanted), Some(scope)) => wanted.contains(scope),
        };
        let is_known = rule.scopes.is_none()
            || scopes.get(&None).is_none_or(|both| both.rx.is_zero() && both.tx.is_zero());
        let both: PerDirection<Amount> =
            scopes.iter().filter(|(scope, _)| counts(scope)).map(|(_, both)| *both).sum();
        // The bill's unit is one that everything is known in.
        let bytes = PerDirection::from_fn(|direction| unit.bytes(both.get(direction)).unwrap_or_default());
        let due = is_known.then(|| Due::of(&rule, &bytes));
        Self { span, group, rule, bytes, due }
    }
}

impl Due {
    fn of(rule: &Rule, bytes: &PerDirection<u64>) -> Self {
        let billable = rule.counts.of(bytes);
        let over = billable.saturating_sub(rule.allowance.unwrap_or_default());
        let cost = rule.price.and_then(|price| cost(over, price));
        Self { billable, over, cost }
    }
}

/// Exact. `None` where there are not as many digits: a price that no one can mean.
fn cost(bytes: u64, price: Decimal) -> Option<Decimal> {
    let mut cost = Decimal::from(bytes).checked_mul(price)?;
    cost.set_scale(cost.scale() + GB_DIGITS).ok()?;
    Some(cost.normalize())
}

#[cfg(test)]
mod tests;
