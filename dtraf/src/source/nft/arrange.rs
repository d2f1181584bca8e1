//! Which counter is to stand where: the laws of [`Target`], carried out. No text, no difference to what stands.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::name::{CounterName, full_second};
use super::place::Place;
use super::standing::Standing;
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::snapshot::Life;
use crate::source::rules::{Counted, CounterKey, Tally, Target};

/// Everything that is to stand.
#[derive(Debug, Default)]
pub(super) struct Arrangement {
    /// What one that does not stand yet begins with.
    pub(super) counters: BTreeMap<CounterName, Tally>,
    pub(super) places: BTreeMap<Place, CounterName>,
}

/// A counter that stands, or is to stand again.
struct Candidate {
    name: CounterName,
    tally: Tally,
    life: Life,
    /// The one it counts for, or the last it did.
    address: IpAddr,
    /// Where it stands.
    place: Option<Place>,
}

pub(super) fn arrange(standing: &Standing, target: &Target<'_>) -> Arrangement {
    let wanted = target
        .wanted
        .iter()
        .flat_map(|wanted| wanted.keys().map(|key| (key, (wanted.address, wanted.container.name.as_str()))));
    let wanted = grouped(wanted);
    let mut arranging = Arranging::default();
    let mut pool =
        grouped(candidates(standing, target, &mut arranging.taken).into_iter().map(|it| (it.name.key, it)));
    let keys: BTreeSet<CounterKey> = wanted.keys().chain(pool.keys()).copied().collect();
    for key in keys {
        let addresses = wanted.get(&key).into_iter().flatten().copied().collect();
        arranging.settle(key, pool.remove(&key).unwrap_or_default(), addresses, target.now);
    }
    arranging.retire();
    arranging.arrangement
}

fn grouped<K: Ord, V>(pairs: impl Iterator<Item = (K, V)>) -> BTreeMap<K, Vec<V>> {
    let mut groups = BTreeMap::<K, Vec<V>>::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

/// Every counter of the containers that are to be kept: first what counts, then what is retired, then what is put back.
fn candidates(standing: &Standing, target: &Target<'_>, taken: &mut BTreeSet<CounterName>) -> Vec<Candidate> {
    let wanted: BTreeSet<ContainerId> = target.wanted.iter().map(|wanted| wanted.container.id).collect();
    let is_kept =
        |key: CounterKey| target.containers.contains(&key.container) || wanted.contains(&key.container);
    let places = standing.by_counter();
    let counted = standing.counted();
    let mut candidates: Vec<Candidate> = standing
        .counters
        .keys()
        .zip(&counted)
        .filter(|(name, _)| is_kept(name.key))
        .map(|(name, counted)| Candidate {
            name: name.clone(),
            tally: counted.tally,
            life: counted.life,
            address: counted.address,
            place: places.get(name).copied(),
        })
        .collect();
    candidates.sort_by_key(|candidate| (candidate.life == Life::Retired, candidate.name.since()));
    taken.extend(standing.counters.keys().cloned());
    for missing in missing(target.known, &counted).filter(|missing| is_kept(missing.key)) {
        let Counted { key, name, address, since, life, tally } = missing;
        let name = free(CounterName::new(*key, *since, name), taken);
        candidates.push(Candidate { name, tally: *tally, life: *life, address: *address, place: None });
    }
    candidates
}

/// Counters that stood and stand no more. A counter keeps the moment it began at when it moves, so one that stands
/// elsewhere since the same moment is still the same.
fn missing<'a>(known: &'a [Counted], standing: &[Counted]) -> impl Iterator<Item = &'a Counted> {
    let identity = |counted: &Counted| (counted.key, full_second(counted.since));
    let mut left = grouped(standing.iter().map(|counted| (identity(counted), counted.address)));
    let mut take = move |known: &Counted, fits: &dyn Fn(IpAddr) -> bool| {
        let Some(addresses) = left.get_mut(&identity(known)) else {
            return false;
        };
        let found = addresses.iter().position(|address| fits(*address));
        found.map(|at| addresses.swap_remove(at)).is_some()
    };
    let elsewhere: Vec<&Counted> =
        known.iter().filter(|known| !take(known, &|address| address == known.address)).collect();
    elsewhere.into_iter().filter(move |known| !take(known, &|_| true))
}

/// The first of its names that no other counter has.
fn free(mut name: CounterName, taken: &mut BTreeSet<CounterName>) -> CounterName {
    while taken.contains(&name) {
        name = name.next();
    }
    taken.insert(name.clone());
    name
}

#[derive(Default)]
struct Arranging {
    arrangement: Arrangement,
    /// Names, whether they are to stand or not.
    taken: BTreeSet<CounterName>,
    retired: Vec<Candidate>,
}

impl Arranging {
    /// Gives each address a counter of this key.
    fn settle(
        &mut self,
        key: CounterKey,
        mut pool: Vec<Candidate>,
        mut open: BTreeMap<IpAddr, &str>,
        now: Timestamp,
    ) {
        for candidate in &pool {
            self.arrangement.counters.insert(candidate.name.clone(), candidate.tally);
        }
        // Who is at home at an address stays there or comes back to it, those that count there first; then anybody moves.
        pool = self.seat(pool, &mut open, |candidate, open| {
            Some(candidate.address).filter(|address| open.contains_key(address))
        });
        let left = self.seat(pool, &mut open, |_, open| open.keys().next().copied());
        self.retired.extend(left);
        for (address, container) in open {
            let name = free(CounterName::new(key, now, container), &mut self.taken);
            self.arrangement.counters.insert(name.clone(), Tally::default());
            self.arrangement.places.insert(Place::live(key, address), name);
        }
    }

    /// Gives addresses to those for whom one is found, and returns the others.
    fn seat(
        &mut self,
        pool: Vec<Candidate>,
        open: &mut BTreeMap<IpAddr, &str>,
        find: impl Fn(&Candidate, &BTreeMap<IpAddr, &str>) -> Option<IpAddr>,
    ) -> Vec<Candidate> {
        let mut left = Vec::new();
        for candidate in pool {
            if let Some(address) = find(&candidate, open) {
                open.remove(&address);
                self.arrangement.places.insert(Place::live(candidate.name.key, address), candidate.name);
            } else {
                left.push(candidate);
            }
        }
        left
    }

    /// Those that no address was left for stand where their last one can be read. Who stands there already stays.
    fn retire(&mut self) {
        let (there, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retired)
            .into_iter()
            .partition(|candidate| matches!(candidate.place, Some(Place::Retired { .. })));
        for Candidate { name, place, .. } in there {
            self.arrangement.places.extend(place.map(|place| (place, name)));
        }
        let mut next = BTreeMap::<IpAddr, u32>::new();
        for Candidate { name, address, .. } in others.into_iter().filter(|it| !it.address.is_unspecified()) {
            let number = next.entry(address).or_default();
            while self.arrangement.places.contains_key(&Place::Retired { address, number: *number }) {
                *number = number.wrapping_add(1);
            }
            self.arrangement.places.insert(Place::Retired { address, number: *number }, name);
        }
    }
}
