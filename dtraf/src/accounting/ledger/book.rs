//! Sums over meters, in all their detail, and what may replace a reading.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use dtraf_common::abi::{Direction, Scope};

use crate::accounting::amount::{Amount, CounterReset, Frames, PerDirection};
use crate::accounting::folding::{is_folded, shared};
use crate::accounting::identity::Timestamp;
use crate::accounting::snapshot::{Bucket, HookKind, MeterReading, Port, Shortfall};

/// The sum of some meters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) scopes: PerDirection<BTreeMap<Option<Scope>, Amount>>,
    pub(crate) buckets: PerDirection<BTreeMap<Bucket, Amount>>,
    pub(crate) ports: BTreeMap<Port, PerDirection<Amount>>,
    /// What was received in [`Scope::Flooded`], by the scope of its source address.
    pub(crate) flooded: BTreeMap<Scope, Amount>,
    /// Settled when every meter's is; `None` when some meter's is not known.
    pub(crate) shortfall: Option<PerDirection<Shortfall>>,
    /// When the first of the meters was attached.
    pub(crate) since: Option<Timestamp>,
    pub(crate) hooks: Vec<HookKind>,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            scopes: PerDirection::default(),
            buckets: PerDirection::default(),
            ports: BTreeMap::new(),
            flooded: BTreeMap::new(),
            // Nothing is missing in the sum of no meters.
            shortfall: Some(PerDirection::from_fn(|_| Shortfall { settled: true, ..Shortfall::default() })),
            since: None,
            hooks: Vec::new(),
        }
    }
}

impl Book {
    /// Everything counted.
    pub(crate) fn total(&self) -> PerDirection<Amount> {
        PerDirection::from_fn(|direction| self.scopes.get(direction).values().copied().sum())
    }

    pub(crate) fn add_reading(&mut self, reading: &MeterReading) {
        self.add_amounts(&reading.scopes, &reading.buckets, reading.ports.iter());
        add_each(&mut self.flooded, &reading.flooded);
        self.add_circumstances(
            reading.meter.shortfall,
            Some(reading.meter.attached_at),
            &[reading.meter.hook],
        );
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.add_amounts(&other.scopes, &other.buckets, other.ports.iter());
        add_each(&mut self.flooded, &other.flooded);
        self.add_circumstances(other.shortfall, other.since, &other.hooks);
    }

    fn add_amounts<'a>(
        &mut self,
        scopes: &PerDirection<BTreeMap<Option<Scope>, Amount>>,
        buckets: &PerDirection<BTreeMap<Bucket, Amount>>,
        ports: impl Iterator<Item = (&'a Port, &'a PerDirection<Amount>)>,
    ) {
        for direction in Direction::ALL {
            add_each(self.scopes.get_mut(direction), scopes.get(direction));
            add_each(self.buckets.get_mut(direction), buckets.get(direction));
        }
        add_each(&mut self.ports, ports);
    }

    fn add_circumstances(
        &mut self,
        shortfall: Option<PerDirection<Shortfall>>,
        since: Option<Timestamp>,
        hooks: &[HookKind],
    ) {
        self.shortfall = self.shortfall.zip(shortfall).map(|(sum, added)| {
            PerDirection::from_fn(|direction| *sum.get(direction) + *added.get(direction))
        });
        self.since = [self.since, since].into_iter().flatten().min();
        for hook in hooks {
            if !self.hooks.contains(hook) {
                self.hooks.push(*hook);
            }
        }
    }
}

fn add_each<'a, K: Ord + Copy + 'a, V: AddAssign + Copy + Default + 'a>(
    sums: &mut BTreeMap<K, V>,
    added: impl IntoIterator<Item = (&'a K, &'a V)>,
) {
    for (key, value) in added {
        *sums.entry(*key).or_default() += *value;
    }
}

/// Whether `later` can be a later reading of the meter that read `earlier`: no counter went down, none is missing, except where
/// ports were folded.
pub(super) fn check_advance(earlier: &MeterReading, later: &MeterReading) -> Result<(), CounterReset> {
    for direction in Direction::ALL {
        check_each(earlier.scopes.get(direction), later.scopes.get(direction))?;
        check_each(earlier.buckets.get(direction), later.buckets.get(direction))?;
    }
    let mut folded = BTreeMap::<Port, PerDirection<Amount>>::new();
    for (port, before, now) in earlier.ports.beside(&later.ports) {
        if is_folded(*port, before, now) {
            *folded.entry(shared(*port)).or_default() += *before;
        } else {
            check_both(before, now)?;
        }
    }
    if folded.is_empty() {
        return Ok(());
    }
    for (port, before) in earlier.ports.iter() {
        if let Some(sum) = folded.get_mut(port) {
            *sum += *before;
        }
    }
    let mut found = later.ports.iter().filter_map(|(port, now)| Some((folded.remove(port)?, now)));
    found.try_for_each(|(before, now)| check_both(&before, Some(now)))?;
    drop(found);
    folded.values().try_for_each(|before| check_both(before, None))
}

fn check_both(before: &PerDirection<Amount>, now: Option<&PerDirection<Amount>>) -> Result<(), CounterReset> {
    let now = now.copied().unwrap_or_default();
    check(before.rx, now.rx)?;
    check(before.tx, now.tx)
}

fn check_each<K: Ord>(
    earlier: &BTreeMap<K, Amount>,
    later: &BTreeMap<K, Amount>,
) -> Result<(), CounterReset> {
    earlier.iter().try_for_each(|(key, before)| check(*before, later.get(key).copied().unwrap_or_default()))
}

/// What is worked out from several counters is left out: one of them may be read a moment before the packet that the others
/// have counted already, so that the result can go down a little without any counter doing so.
fn check(before: Amount, now: Amount) -> Result<(), CounterReset> {
    let comparable = match (before.frames, now.frames) {
        (Some(earlier), Some(later)) => Amount {
            frames: Some(Frames {
                wire_bytes: earlier.wire_bytes.min(later.wire_bytes),
                ip_bytes: earlier.ip_bytes.min(later.ip_bytes),
                ..earlier
            }),
            skb_ip_bytes: before.skb_ip_bytes.min(now.skb_ip_bytes),
            ..before
        },
        _ => before,
    };
    now.since(&comparable).map(drop)
}
