//! What the ledger says of a time: who had how much.
//!
//! Pure: sums as the ledger has them go in, with the names of those they belong to; lines come out, in spans that the calendar
//! makes. What is in no line is not in the total.

pub(crate) mod calibration;
pub(crate) mod forecast;
pub(crate) mod period;
pub(crate) mod plan;
pub(crate) mod reconcile;

use std::collections::{BTreeMap, BTreeSet};

use self::calibration::Calibration;
use self::forecast::Forecast;
use self::period::{Range, Step};
use self::plan::{Gap, Plan, Why};
use self::reconcile::Reconciliation;
use super::amount::{Amount, Frames, PerDirection, Unit};
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
    /// Everything in a time that is not wholly kept.
    NotKept,
    /// Everything in a time before the ledger began.
    NotCounted,
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
}

#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) range: Range,
    pub(crate) step: Option<Step>,
    pub(crate) by: By,
    pub(crate) unit: Unit,
    pub(crate) lines: Vec<Line>,
    /// Of all lines, those that are not shown included. `None` where some of it is not known.
    pub(crate) total: Option<PerDirection<Amount>>,
    /// How many lines are not shown.
    pub(crate) left_out: usize,
    /// Steps that are not known.
    pub(crate) gaps: Vec<Gap>,
    /// Reports like this one are whole from this second on, if some step is not kept.
    pub(crate) kept_since: Option<i64>,
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
    /// `None` in a step that is not known.
    pub(crate) amounts: Option<PerDirection<Amount>>,
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

/// What the ledger has for a question.
#[derive(Clone, Debug)]
pub(crate) struct Found<S> {
    pub(crate) plan: Plan,
    /// Of the plan's pieces.
    pub(crate) sums: S,
    /// Month spans around each of the plan's gaps, in their order: they say who had something then, but not how much.
    pub(crate) around: Vec<S>,
}

impl Statement {
    pub(crate) fn new(question: &Question, found: Found<Sums>, circumstances: Circumstances) -> Self {
        let by = question.by;
        let Found { plan, sums, around } = found;
        let mut lines = BTreeMap::<(usize, Group), Option<PerDirection<Amount>>>::new();
        for (start, group, amounts) in grouped(sums, by) {
            if let Some(span) = question.span_of(start) {
                *lines.entry((span, group)).or_default().get_or_insert_default() += amounts;
            }
        }
        let known: PerDirection<Amount> = lines.values().copied().flatten().sum();
        let found: BTreeSet<usize> = lines.keys().map(|(span, _)| *span).collect();
        let gaps = question.gaps(&plan, &circumstances, &found);
        let is_known = plan.is_whole() && question.is_partly_counted(&circumstances, &found);
        let mut named: BTreeMap<i64, BTreeSet<Group>> = BTreeMap::new();
        for (gap, sums) in plan.gaps.iter().zip(around) {
            let groups = grouped(sums, by).into_iter().map(|(_, group, _)| group);
            named.entry(gap.range.from).or_default().extend(groups);
        }
        for gap in &gaps {
            let Some(span) = question.span_of(gap.range.from) else { continue };
            for group in gap.groups(named.remove(&gap.range.from).unwrap_or_default()) {
                lines.insert((span, group), None);
            }
        }
        let mut order: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(place, ((span, _), amounts))| {
                (*span, std::cmp::Reverse(amounts.as_ref().map(weight)), place)
            })
            .collect();
        order.sort_unstable();
        let mut places: Vec<_> = lines.into_iter().map(Some).collect();
        let lines = order.into_iter().filter_map(|(.., place)| places[place].take());
        let mut lines: Vec<_> = lines
            .map(|((span, group), amounts)| {
                (span, Line { span: question.line_span(span, &gaps), group, amounts })
            })
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
            unit: unit(&known),
            left_out: all - lines.len(),
            lines: lines.into_iter().map(|(_, line)| line).collect(),
            total: is_known.then_some(known),
            gaps,
            kept_since: plan.kept_since(),
            circumstances,
            forecast: None,
            reconciled: None,
        }
    }
}

/// Wire bytes where all is known in them; otherwise what everything is known in.
fn unit(known: &PerDirection<Amount>) -> Unit {
    let is_known = Direction::ALL.iter().all(|direction| known.get(*direction).frames.is_some());
    if is_known { Unit::Wire } else { Unit::SkbIp }
}

impl Gap {
    /// Lines that stand for the gap: those who had something around that time, or one for everybody.
    pub(super) fn groups(&self, named: BTreeSet<Group>) -> BTreeSet<Group> {
        match self.why {
            Why::NotKept { .. } if !named.is_empty() => named,
            Why::NotKept { .. } => BTreeSet::from([Group::NotKept]),
            Why::NotCounted => BTreeSet::from([Group::NotCounted]),
        }
    }
}

/// Sums with the group that each belongs to, and the second that its span begins at.
fn grouped(sums: Sums, by: By) -> Vec<(i64, Group, PerDirection<Amount>)> {
    match sums {
        Sums::Holders(sums) => {
            sums.into_iter().map(|sum| (sum.start, holder(sum.of, by), sum.amounts)).collect()
        }
        Sums::Scopes(sums) => sums.into_iter().map(|sum| (sum.start, key(sum.of), sum.amounts)).collect(),
        Sums::Ports { keys, totals } => {
            let rest = without_port(&keys, &totals).into_iter();
            let rest = rest.map(|(start, amounts)| (start, Group::NoPort(Bucket::NoRule), amounts));
            rest.chain(keys.into_iter().map(|sum| (sum.start, key(sum.of), sum.amounts))).collect()
        }
    }
}

pub(crate) fn second(at: Timestamp) -> i64 {
    i64::try_from(at.0.as_secs()).unwrap_or(i64::MAX)
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

    /// The plan's gaps, and the time before the ledger began in which nothing was found. Steps before it are one gap together.
    pub(crate) fn gaps(
        &self,
        plan: &Plan,
        circumstances: &Circumstances,
        found: &BTreeSet<usize>,
    ) -> Vec<Gap> {
        let kept = plan.gaps.iter().filter(|gap| gap.why != Why::NotCounted).copied();
        let mut gaps: BTreeMap<i64, Gap> = kept.map(|gap| (gap.range.from, gap)).collect();
        let mut before: Option<Range> = None;
        for span in 0..self.boundaries.len() - 1 {
            let range = self.spans(span);
            if !self.is_before(span, circumstances) || found.contains(&span) || gaps.contains_key(&range.from)
            {
                continue;
            }
            match &mut before {
                Some(before) if before.to == range.from => before.to = range.to,
                _ => before = Some(range),
            }
            let before = before.unwrap_or(range);
            gaps.insert(before.from, Gap { range: before, why: Why::NotCounted });
        }
        gaps.into_values().collect()
    }

    /// Something of it was counted, or may have been.
    pub(super) fn is_partly_counted(&self, circumstances: &Circumstances, found: &BTreeSet<usize>) -> bool {
        (0..self.boundaries.len() - 1)
            .any(|span| found.contains(&span) || !self.is_before(span, circumstances))
    }

    fn is_before(&self, span: usize, circumstances: &Circumstances) -> bool {
        circumstances.since.is_none_or(|since| self.spans(span).to <= second(since))
    }

    /// The step, or the whole gap that begins with it.
    pub(super) fn line_span(&self, span: usize, gaps: &[Gap]) -> Range {
        let step = self.spans(span);
        let found = gaps.binary_search_by_key(&step.from, |gap| gap.range.from).ok();
        found.and_then(|at| gaps.get(at)).map_or(step, |gap| gap.range)
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
    amounts.rx.skb_ip_bytes.saturating_add(amounts.tx.skb_ip_bytes)
}

#[cfg(test)]
mod tests;
