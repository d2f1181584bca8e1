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
use super::statement::plan::Gap;
use super::statement::{By, Circumstances, Found, Group, HolderName, Question, Sum, holder};

/// Scopes that bills and quotas may count, and do where nothing else is said. Nobody asked for flooded frames, and they are for
/// somebody else.
pub(crate) const BILLABLE: [Scope; 6] =
    [Scope::Internet, Scope::Lan, Scope::Host, Scope::Container, Scope::Multicast, Scope::Other];

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
    /// Spans that are not known.
    pub(crate) gaps: Vec<Gap>,
    /// Bills like this one are whole from this second on, if some span is not kept.
    pub(crate) kept_since: Option<i64>,
}

/// What one account, or the host, owes for a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) span: Range,
    /// `None`: the host.
    pub(crate) group: Option<Group>,
    pub(crate) rule: Rule,
    /// Traffic with the rule's scopes, in the bill's unit. `None` where the span is not wholly kept, or was not counted.
    pub(crate) bytes: Option<PerDirection<u64>>,
    /// `None` without bytes, and where it is not known who the other ends were and the rule asks.
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

    fn of_group(&self, group: &Group) -> Rule {
        match group {
            Group::Account(name) => self.of_account(name),
            // Nobody is billed for what nobody is known to have.
            _ => Rule { price: None, ..self.of_account("") },
        }
    }
}

impl Bill {
    pub(crate) fn new(
        question: &Question,
        tariff: &Tariff,
        found: Found<Vec<Sum<Billed>>>,
        circumstances: &Circumstances,
    ) -> Self {
        let Found { plan, sums, around } = found;
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
        let mut lines: Vec<_> = groups
            .iter()
            .map(|((span, group), scopes)| {
                let rule = tariff.of_group(group);
                (*span, Line::new(question.spans(*span), Some(group.clone()), rule, scopes, unit))
            })
            .collect();
        let mut totals: BTreeMap<_, _> = host
            .iter()
            .map(|(span, scopes)| {
                (*span, Line::new(question.spans(*span), None, tariff.of_host(), scopes, unit))
            })
            .collect();
        let gaps = question.gaps(&plan, circumstances, &host.keys().copied().collect());
        let mut named: BTreeMap<i64, BTreeSet<Group>> = BTreeMap::new();
        for (gap, sums) in plan.gaps.iter().zip(around) {
            let groups = sums.into_iter().map(|sum| holder(sum.of.0, By::Account));
            named.entry(gap.range.from).or_default().extend(groups);
        }
        for gap in &gaps {
            let Some(span) = question.span_of(gap.range.from) else { continue };
            for group in gap.groups(named.remove(&gap.range.from).unwrap_or_default()) {
                let rule = tariff.of_group(&group);
                lines.push((span, Line::unknown(gap.range, Some(group), rule)));
            }
            totals.insert(span, Line::unknown(gap.range, None, tariff.of_host()));
        }
        lines.sort_by_key(|(span, line)| {
            (*span, std::cmp::Reverse(line.due.map(|due| due.billable)), line.group.clone())
        });
        Self {
            range: question.range,
            unit,
            lines: lines.into_iter().map(|(_, line)| line).collect(),
            totals: totals.into_values().collect(),
            gaps,
            kept_since: plan.kept_since(),
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
            (_, Some(scope)) if !BILLABLE.contains(scope) => false,
            (None, _) => true,
            (Some(wanted), Some(scope)) => wanted.contains(scope),
            (Some(_), None) => false,
        };
        let is_known = rule.scopes.is_none()
            || scopes.get(&None).is_none_or(|both| both.rx.is_zero() && both.tx.is_zero());
        let both: PerDirection<Amount> =
            scopes.iter().filter(|(scope, _)| counts(scope)).map(|(_, both)| *both).sum();
        // The bill's unit is one that everything is known in.
        let bytes = PerDirection::from_fn(|direction| unit.bytes(both.get(direction)).unwrap_or_default());
        let due = is_known.then(|| Due::of(&rule, &bytes));
        Self { span, group, rule, bytes: Some(bytes), due }
    }

    /// A span that nothing is known of.
    fn unknown(span: Range, group: Option<Group>, rule: Rule) -> Self {
        Self { span, group, rule, bytes: None, due: None }
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
