//! The laws on [`Target`], for one table: which counters stay, go, and come, and with what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::{Added, Change};
use crate::accounting::identity::Timestamp;
use crate::source::iptables::chain::Line;
use crate::source::iptables::rule::{Identity, Rule};
use crate::source::iptables::standing::{LineNumber, Place, Spot, Table};
use crate::source::rules::{Counted, CounterKey, Tally, Target, Wanted, family_of};

/// A counter of a container, at one of its addresses.
type At = (CounterKey, IpAddr);

/// What was counted, and has no rule now that could go on with it.
#[derive(Debug)]
struct Loose<'a> {
    address: IpAddr,
    name: &'a str,
    since: Timestamp,
    tally: Tally,
    /// The line it stands in; none if that was taken away.
    line: Option<LineNumber<'a>>,
    /// It stands where retired ones do, and may stay there.
    is_settled: bool,
}

pub(super) fn reconcile<'a>(table: &'a Table, target: &Target<'a>, literal_rules: usize) -> Change<'a> {
    let mut change = Change::default();
    let owners: BTreeMap<IpAddr, &Wanted> = target
        .wanted
        .iter()
        .filter(|wanted| family_of(wanted.address) == table.family)
        .map(|wanted| (wanted.address, wanted))
        .collect();
    let (kept, mut loose) = sort(table, target, &owners, &mut change);
    for (key, lost) in missing(table, target) {
        loose.entry(key).or_default().push(lost);
    }
    let open: Vec<At> = owners
        .values()
        .flat_map(|wanted| wanted.keys().map(|key| (key, wanted.address)))
        .filter(|at| !kept.contains_key(at))
        .collect();
    let shares = share_out(&open, &mut loose);
    // Where one is superseded, another begins at the same address: they must differ.
    let taken = superseded(table, &change);
    let places = Places::new(kept.values(), &open, literal_rules);
    for at in open {
        let (key, address) = at;
        let carried = shares.get(&at).map(Vec::as_slice).unwrap_or_default();
        change.removed.extend(carried.iter().filter_map(|loose| loose.line));
        let since = carried.iter().map(|loose| loose.since).min().unwrap_or(target.now);
        let name = owners.get(&address).map_or("", |wanted| wanted.container.name.as_str());
        let mut rule = Rule::new(key, name, address, since, Tally::default());
        while taken.contains(&rule.identity()) {
            let next = Timestamp(rule.since().0 + Duration::from_secs(1));
            rule = Rule::new(key, name, address, next, Tally::default());
        }
        let tally = carried.iter().map(|loose| loose.tally).sum();
        change.added.push(Added { rule, tally, place: places.of(address) });
    }
    retire(loose, &mut change);
    change
}

/// Which of the rules that stand go on counting, and what the others counted.
fn sort<'a>(
    table: &'a Table,
    target: &Target<'_>,
    owners: &BTreeMap<IpAddr, &Wanted>,
    change: &mut Change<'a>,
) -> (BTreeMap<At, Spot<'a>>, BTreeMap<CounterKey, Vec<Loose<'a>>>) {
    let mut standing = BTreeMap::<At, Vec<Spot<'a>>>::new();
    for spot in table.spots() {
        if target.containers.contains(&spot.rule.key.container) {
            standing.entry(spot.at()).or_default().push(spot);
        } else {
            change.removed.insert(spot.line);
        }
    }
    let mut kept = BTreeMap::new();
    let mut loose = BTreeMap::<CounterKey, Vec<Loose<'a>>>::new();
    let mut waiting = BTreeSet::<Identity>::new();
    let known: BTreeMap<Identity, Tally> =
        target.known.iter().map(|it| ((it.key, it.address, it.since), it.tally)).collect();
    // While others edit rules, iptables-legacy may show counters too low for a moment.
    let is_low =
        |spot: &Spot<'_>| known.get(&spot.rule.identity()).is_some_and(|it| it.bytes > spot.tally.bytes);
    for (at, spots) in standing {
        let (key, address) = at;
        let is_at_home = owners.get(&address).is_some_and(|wanted| wanted.container.id == key.container);
        let bests = best_of_each(&spots, change);
        // Those that count at the same time have counted every packet more than once.
        let counting = bests.iter().filter(|best| best.spot.place.counts());
        let counting = counting.max_by_key(|best| weight(&best.spot)).map(|best| best.spot.line);
        for Best { spot, is_masked } in bests {
            let is_settled = spot.place == Place::Retired && !is_masked;
            match spot.place {
                place if place.counts() && counting != Some(spot.line) => {
                    change.removed.insert(spot.line);
                }
                Place::Literal | Place::Leaf if is_at_home && !is_masked => _ = kept.insert(at, spot),
                Place::Hidden if is_at_home && !is_masked => {
                    change.superseded.push((spot.line, spot.rule.clone()));
                }
                Place::Unsettled => _ = waiting.insert(spot.rule.identity()),
                Place::Superseded if is_low(&spot) => _ = waiting.insert(spot.rule.identity()),
                _ => {
                    if !is_settled {
                        change.removed.insert(spot.line);
                    }
                    loose.entry(key).or_default().push(Loose::standing(&spot, is_settled));
                }
            }
        }
    }
    let idle = table.lines().filter_map(|(at, line)| match line {
        Line::Shadow(rule, _) => (!waiting.contains(&rule.identity())).then_some(at),
        _ => None,
    });
    change.removed.extend(idle);
    (kept, loose)
}

/// A counter, chosen among its copies.
struct Best<'a> {
    spot: Spot<'a>,
    /// A copy behind it goes: `-D` takes the first of those that are alike.
    is_masked: bool,
}

/// Returns the copy of each counter that has counted most; the others go.
fn best_of_each<'a>(spots: &[Spot<'a>], change: &mut Change<'a>) -> Vec<Best<'a>> {
    let mut copies = BTreeMap::<Timestamp, Vec<Spot<'a>>>::new();
    for spot in spots {
        copies.entry(spot.rule.since()).or_default().push(*spot);
    }
    let best = |copies: Vec<Spot<'a>>| {
        let best = copies.iter().max_by_key(|spot| weight(spot)).copied()?;
        let others = || copies.iter().filter(|spot| spot.line != best.line);
        change.removed.extend(others().map(|spot| spot.line));
        let is_alike = |it: &Spot<'_>| it.line.chain == best.line.chain && it.rule == best.rule;
        let is_masked = others().any(|it| is_alike(it) && it.line > best.line);
        Some(Best { spot: best, is_masked })
    };
    copies.into_values().filter_map(best).collect()
}

fn weight(spot: &Spot<'_>) -> (u64, u64, bool) {
    (spot.tally.bytes, spot.tally.packets, spot.place.counts())
}

/// Counters that still stand at an address where another one is to begin.
fn superseded(table: &Table, change: &Change<'_>) -> BTreeSet<Identity> {
    let now = change.superseded.iter().map(|(_, rule)| rule.identity());
    let before = table.spots().filter(|spot| matches!(spot.place, Place::Unsettled | Place::Superseded));
    now.chain(before.map(|spot| spot.rule.identity())).collect()
}

/// Counters that were known and do not stand any more. One that another process has moved in the meantime is not missing: it
/// is known by its beginning.
fn missing<'a>(table: &Table, target: &Target<'a>) -> Vec<(CounterKey, Loose<'a>)> {
    let mut known = BTreeMap::<Identity, &Counted>::new();
    let of_family = target.known.iter().filter(|it| it.key.family == table.family);
    for counted in of_family.filter(|it| target.containers.contains(&it.key.container)) {
        let most = known.entry((counted.key, counted.address, counted.since)).or_insert(counted);
        if most.tally.bytes < counted.tally.bytes {
            *most = counted;
        }
    }
    let standing: BTreeSet<Identity> = table.spots().map(|spot| spot.rule.identity()).collect();
    let mut moved = BTreeMap::<(CounterKey, Timestamp), usize>::new();
    for spot in table.spots().filter(|spot| !known.contains_key(&spot.rule.identity())) {
        *moved.entry((spot.rule.key, spot.rule.since())).or_default() += 1;
    }
    known.retain(|identity, counted| {
        let is_moved = |count: &mut usize| {
            let is_one = *count > 0;
            *count -= usize::from(is_one);
            is_one
        };
        !standing.contains(identity) && !moved.get_mut(&(counted.key, counted.since)).is_some_and(is_moved)
    });
    known.into_values().map(|counted| (counted.key, Loose::missing(counted))).collect()
}

/// Who goes on with what is loose: the same address if it is open, else another of the container's. Nothing stays loose of a
/// key that is open anywhere.
fn share_out<'a>(
    open: &[At],
    loose: &mut BTreeMap<CounterKey, Vec<Loose<'a>>>,
) -> BTreeMap<At, Vec<Loose<'a>>> {
    let mut by_key = BTreeMap::<CounterKey, Vec<IpAddr>>::new();
    for (key, address) in open {
        by_key.entry(*key).or_default().push(*address);
    }
    let mut shares = BTreeMap::<At, Vec<Loose<'a>>>::new();
    for (key, addresses) in by_key {
        let (same, others): (Vec<_>, Vec<_>) =
            loose.remove(&key).into_iter().flatten().partition(|loose| addresses.contains(&loose.address));
        for loose in same {
            shares.entry((key, loose.address)).or_default().push(loose);
        }
        for loose in others {
            let is_free = |address: &&IpAddr| !shares.contains_key(&(key, **address));
            let address = addresses.iter().find(is_free).unwrap_or(&addresses[0]);
            shares.entry((key, *address)).or_default().push(loose);
        }
    }
    shares
}

/// What nobody goes on with is kept.
fn retire(loose: BTreeMap<CounterKey, Vec<Loose<'_>>>, change: &mut Change<'_>) {
    for (key, loose) in loose {
        for loose in loose.into_iter().filter(|loose| !loose.is_settled) {
            let rule = Rule::new(key, loose.name, loose.address, loose.since, Tally::default());
            change.added.push(Added { rule, tally: loose.tally, place: Place::Retired });
        }
    }
}

/// Where the rules of an address stand: together with those that stand already. New addresses have theirs in `DOCKER-USER`
/// only where the rules of all fit there: where a tree is needed, each rule beside it is one more for every packet.
struct Places {
    by_address: BTreeMap<IpAddr, Place>,
    others: Place,
}

impl Places {
    fn new<'a>(kept: impl ExactSizeIterator<Item = &'a Spot<'a>>, open: &[At], literal_rules: usize) -> Self {
        let fits = kept.len() + open.len() <= literal_rules;
        let mut by_address = BTreeMap::new();
        for spot in kept {
            let place = by_address.entry(spot.rule.address).or_insert(spot.place);
            *place = spot.place.min(*place);
        }
        Self { by_address, others: if fits { Place::Literal } else { Place::Leaf } }
    }

    fn of(&self, address: IpAddr) -> Place {
        self.by_address.get(&address).copied().unwrap_or(self.others)
    }
}

impl<'a> Loose<'a> {
    fn standing(spot: &Spot<'a>, is_settled: bool) -> Self {
        Self {
            address: spot.rule.address,
            name: spot.rule.name(),
            since: spot.rule.since(),
            tally: spot.tally,
            line: Some(spot.line),
            is_settled,
        }
    }

    fn missing(counted: &'a Counted) -> Self {
        Self {
            address: counted.address,
            name: &counted.name,
            since: counted.since,
            tally: counted.tally,
            line: None,
            is_settled: false,
        }
    }
}
