//! What the ledger says of a time: who had how much.
//!
//! Pure: sums as the ledger has them go in, with the names of those they belong to; lines come out, in spans that the calendar
//! makes. What is in no line is not in the total.

pub(crate) mod forecast;
pub(crate) mod period;
pub(crate) mod reconcile;

use std::collections::BTreeMap;

use self::forecast::Forecast;
use self::period::{Range, Step};
use self::reconcile::Reconciliation;
use super::amount::{Amount, Frames, PerDirection, Unit};
use super::bill::Counts;
use super::history::key::Key;
use super::identity::{ContainerId, Timestamp};
use super::snapshot::{Bucket, Shortfall};
use dtraf_common::abi::{Direction, Role, Scope};

/// What lines stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Account,
    Container,
    Port,
    Scope,
    Project,
}

/// Whom or what a line is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Account(String),
    Container {
        name: String,
        id: ContainerId,
    },
    /// Containers of an account that were removed so long ago that they are not kept one by one.
    Former(String),
    Project(String),
    /// Of no project that is known.
    NoProject,
    /// Counts that no container is known to have; the ledger's word for why.
    Nobody(String),
    Port {
        protocol: u8,
        port: u16,
        role: Role,
    },
    /// Counted without a port.
    NoPort(Bucket),
    /// `None`: nobody looked who the other end was.
    Scope(Option<Scope>),
}

/// What is known of who has counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HolderName {
    Container {
        id: ContainerId,
        name: String,
        account: String,
        project: Option<String>,
    },
    /// Containers of an account that were removed so long ago that they are not kept one by one.
    Former {
        account: String,
        project: Option<String>,
    },
    /// All of an account.
    Account {
        account: String,
    },
    Nobody {
        reason: String,
    },
}

/// The amounts of one span in the ledger, of one holder or of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum<K> {
    /// Of the span, in seconds since the Unix epoch.
    pub(crate) start: i64,
    pub(crate) of: K,
    pub(crate) amounts: PerDirection<Amount>,
}

/// What the lines are made of.
#[derive(Clone, Debug)]
pub(crate) enum Sums {
    Holders(Vec<Sum<HolderName>>),
    /// The total of each span beside them: what it has more than all keys is counted without any.
    Ports {
        keys: Vec<Sum<Key>>,
        totals: Vec<Sum<()>>,
    },
    Scopes(Vec<Sum<Key>>),
}

/// What the ledger says beside amounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// Up to when it has everything.
    pub(crate) written_at: Option<Timestamp>,
    /// When the first meter began to count.
    pub(crate) since: Option<Timestamp>,
    /// What has counted, in the ledger's words.
    pub(crate) backends: Vec<String>,
    /// What interfaces had carried before they were counted.
    pub(crate) missed: Option<PerDirection<Shortfall>>,
    /// Times within the range in which no dtraf wrote.
    pub(crate) absences: Vec<(Timestamp, Timestamp)>,
    /// What others say of times that are at least partly within the range.
    pub(crate) calibrations: Vec<Calibration>,
    /// Where the tier begins that the lines are made from; earlier spans were dropped.
    pub(crate) kept_since: Option<i64>,
}

/// What somebody else has counted: a provider's panel, a router. Never part of any sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Calibration {
    pub(crate) number: i64,
    pub(crate) range: Range,
    pub(crate) counts: Counts,
    pub(crate) bytes: u64,
    /// Who says so.
    pub(crate) note: String,
    /// What the ledger has of that time, in the unit of all that is in it. `None` before it was looked up.
    pub(crate) counted: Option<u64>,
}

impl Circumstances {
    /// No span of the range was dropped that had something in it.
    pub(crate) fn has_all_of(&self, range: Range) -> bool {
        let second = |at: Timestamp| i64::try_from(at.0.as_secs()).unwrap_or(i64::MAX);
        let had_something = |kept: i64| self.since.is_some_and(|since| second(since) < kept);
        !self.kept_since.is_some_and(|kept| kept > range.from && had_something(kept))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) range: Range,
    pub(crate) step: Option<Step>,
    pub(crate) by: By,
    pub(crate) lines: Vec<Line>,
    /// Of all lines, those that are not shown included.
    pub(crate) total: PerDirection<Amount>,
    /// How many lines are not shown.
    pub(crate) left_out: usize,
    pub(crate) circumstances: Circumstances,
    /// Where the range is a cycle that is under way.
    pub(crate) forecast: Option<Forecast>,
    /// Where that was asked for.
    pub(crate) reconciled: Option<Reconciliation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) span: Range,
    pub(crate) group: Group,
    pub(crate) amounts: PerDirection<Amount>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) range: Range,
    pub(crate) step: Option<Step>,
    /// Where the steps begin, the first with the range; and the end of the range.
    pub(crate) boundaries: Vec<i64>,
    pub(crate) by: By,
    /// How many lines of each span are wanted: those with most.
    pub(crate) top: Option<usize>,
}

impl Statement {
    pub(crate) fn new(question: &Question, sums: Sums, circumstances: Circumstances) -> Self {
        let by = question.by;
        let mut lines = BTreeMap::<(usize, Group), PerDirection<Amount>>::new();
        let mut add = |start: i64, group: Group, amounts: PerDirection<Amount>| {
            if let Some(span) = question.span_of(start) {
                *lines.entry((span, group)).or_default() += amounts;
            }
        };
        match sums {
            Sums::Holders(sums) => {
                for sum in sums {
                    add(sum.start, holder(sum.of, by), sum.amounts);
                }
            }
            Sums::Scopes(sums) => {
                for sum in sums {
                    add(sum.start, key(sum.of), sum.amounts);
                }
            }
            Sums::Ports { keys, totals } => {
                for (start, amounts) in without_port(&keys, &totals) {
                    add(start, Group::NoPort(Bucket::NoRule), amounts);
                }
                for sum in keys {
                    add(sum.start, key(sum.of), sum.amounts);
                }
            }
        }
        let total = lines.values().copied().sum();
        let mut order: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(place, ((span, _), amounts))| (*span, std::cmp::Reverse(weight(amounts)), place))
            .collect();
        order.sort_unstable();
        let mut places: Vec<_> = lines.into_iter().map(Some).collect();
        let lines = order.into_iter().filter_map(|(.., place)| places[place].take());
        let mut lines: Vec<_> = lines
            .map(|((span, group), amounts)| (span, Line { span: question.spans(span), group, amounts }))
            .collect();
        let all = lines.len();
        if let Some(top) = question.top {
            let mut shown = BTreeMap::<usize, usize>::new();
            lines.retain(|(span, _)| {
                let count = shown.entry(*span).or_default();
                *count += 1;
                *count <= top
            });
        }
        Self {
            range: question.range,
            step: question.step,
            by,
            left_out: all - lines.len(),
            lines: lines.into_iter().map(|(_, line)| line).collect(),
            total,
            circumstances,
            forecast: None,
            reconciled: None,
        }
    }

    /// Wire bytes where all is known in them; otherwise what everything is known in.
    pub(crate) fn unit(&self) -> Unit {
        let is_known = Direction::ALL.iter().all(|direction| self.total.get(*direction).frames.is_some());
        if is_known { Unit::Wire } else { Unit::SkbIp }
    }
}

impl Question {
    /// Which of the steps a span of the ledger is in: it belongs to where it begins.
    pub(super) fn span_of(&self, start: i64) -> Option<usize> {
        let after = self.boundaries.partition_point(|boundary| *boundary <= start);
        (after > 0 && after < self.boundaries.len()).then(|| after - 1)
    }

    pub(super) fn spans(&self, number: usize) -> Range {
        Range { from: self.boundaries[number], to: self.boundaries[number + 1] }
    }
}

pub(super) fn holder(name: HolderName, by: By) -> Group {
    match (name, by) {
        (HolderName::Nobody { reason }, _) => Group::Nobody(reason),
        (HolderName::Container { id, name, .. }, By::Container) => Group::Container { name, id },
        (HolderName::Former { account, .. }, By::Container) => Group::Former(account),
        (HolderName::Container { project, .. } | HolderName::Former { project, .. }, By::Project) => {
            project.map_or(Group::NoProject, Group::Project)
        }
        (
            HolderName::Container { account, .. }
            | HolderName::Former { account, .. }
            | HolderName::Account { account },
            _,
        ) => Group::Account(account),
    }
}

fn key(key: Key) -> Group {
    match key {
        Key::Scope(scope) => Group::Scope(scope),
        Key::Bucket(bucket) => Group::NoPort(bucket),
        Key::Port(port) => Group::Port { protocol: port.protocol, port: port.port, role: port.role },
    }
}

/// What each span's total has more than its keys: what rules count for no port.
fn without_port(keys: &[Sum<Key>], totals: &[Sum<()>]) -> Vec<(i64, PerDirection<Amount>)> {
    let mut left: BTreeMap<i64, PerDirection<Amount>> = BTreeMap::new();
    for sum in totals {
        *left.entry(sum.start).or_default() += sum.amounts;
    }
    for sum in keys {
        let Some(total) = left.get_mut(&sum.start) else { continue };
        *total = PerDirection::from_fn(|direction| {
            let (whole, part) = (total.get(direction), sum.amounts.get(direction));
            // A port may have been read a moment after the total that it is in.
            whole.since(part).map_or_else(
                |_| Amount { frames: whole.frames.map(|_| Frames::default()), ..Amount::default() },
                |left| left.0,
            )
        });
    }
    let is_something = |amounts: &PerDirection<Amount>| !amounts.rx.is_zero() || !amounts.tx.is_zero();
    left.into_iter().filter(|(_, amounts)| is_something(amounts)).collect()
}

/// What lines are sorted by. Known in every backend.
fn weight(amounts: &PerDirection<Amount>) -> u64 {
    amounts.rx.skb_ip_bytes + amounts.tx.skb_ip_bytes
}

#[cfg(test)]
mod tests;
