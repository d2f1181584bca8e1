//! One turn: read what stands, book it, change what is to be changed, and book that.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::{Daemon, SLOWEST};
use crate::accounting::attribution::attribute;
use crate::accounting::history::journal::{Resumed, Start};
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::snapshot::MeterId;
use crate::source::rules::memory::{Missing, SetBack};
use crate::source::rules::reading::{cursors, snapshot};
use crate::source::rules::saved::restore;
use crate::source::rules::set::{Obstacle, RulesError, Standing};
use crate::source::rules::wanted::{Wanted, wanted};
use crate::source::rules::{Counted, Target, sums};
use crate::view::neutral::neutral;
use crate::{clock, host};

/// How long counters outlive their container: Docker's answers may come in any order.
const GRACE: Duration = Duration::from_secs(5);
/// How long they outlive it because the ledger cannot be written.
const LONGEST: Duration = Duration::from_mins(10);
/// Removed containers that are still shown one by one.
const REMEMBERED: usize = 1000;

impl Daemon {
    pub(super) async fn round(&mut self) -> anyhow::Result<()> {
        (self.stale, self.last_round) = (false, clock::instant());
        let standing = self.read().await?;
        self.note_hiding(&standing);
        let counted = standing.counted();
        self.review_latecomers(&counted);
        let missing = self.memory.missing(&counted);
        let set_back = self.memory.take(counted, clock::now());
        self.book(&set_back);

        let (wanted, containers) = (self.wanted(), self.known_containers());
        let ended = self.ended(&containers);
        let done = self.bring_about(standing, wanted, containers).await?;
        self.note_obstacles(done.obstacles);
        if done.changed {
            for container in ended {
                let meter = MeterId::Rules(container);
                if let Some(entry) = self.ledger.entry(meter) {
                    self.keeper.end(meter, entry);
                }
                self.ledger.close(meter, clock::now());
                self.memory.forget(container);
                self.gone.remove(&container);
            }
            let standing = self.read().await?;
            self.note_hiding(&standing);
            let counted = standing.counted();
            tell_missing(&missing, &counted, clock::now());
            self.tell_latecomers(&counted);
            let set_back = self.memory.take_changed(counted, clock::now());
            self.book(&set_back);
        }
        Ok(())
    }

    /// Goes on from what the ledger has. Counters that were there before the host was booted, because somebody has put rules back
    /// with what they had counted, begin with that: it is in the ledger.
    pub(super) async fn resume(&mut self, resumed: Resumed) -> anyhow::Result<()> {
        if resumed.start == Start::NextReading {
            self.remember().await?;
            let cursors = cursors(&self.memory.rebase());
            self.keeper.begin(Resumed { start: Start::Cursors, cursors, ..resumed });
            return Ok(());
        }
        let saved = if resumed.raw_is_current {
            restore(&resumed.raw)
        } else {
            let booted = host::booted_at(clock::now());
            let standing = self.read().await?.counted();
            let older: Vec<_> = standing.into_iter().filter(|counter| counter.since < booted).collect();
            sums(&older)
        };
        self.memory.resume(&saved);
        self.keeper.begin(Resumed { cursors: cursors(&saved), ..resumed });
        Ok(())
    }

    /// Reads, and books nothing yet: with the round that follows, everything up to now is certain.
    pub(super) async fn remember(&mut self) -> anyhow::Result<()> {
        let standing = self.read().await?;
        self.note_hiding(&standing);
        let set_back = self.memory.take(standing.counted(), clock::now());
        set_back.iter().for_each(tell_set_back);
        Ok(())
    }

    pub(super) async fn chores(&mut self) -> anyhow::Result<()> {
        let containers = &self.inventory.containers;
        self.ledger.forget_removed(REMEMBERED, |id| containers.contains_key(id));
        self.memory.forget_absent(|id| containers.contains_key(id));
        self.told.retain(|id| containers.contains_key(id));
        let waited = clock::instant().saturating_duration_since(self.last_round);
        if waited >= SLOWEST { self.round().await } else { Ok(()) }
    }

    /// Programs are run beside the loop: a firewall that is locked keeps them waiting.
    async fn read(&self) -> anyhow::Result<Standing> {
        let rules = Arc::clone(&self.rules);
        let standing = tokio::task::spawn_blocking(move || rules.read()).await;
        standing.context("wait for the firewall's answer")?.context("read the firewall's rules")
    }

    async fn bring_about(
        &self,
        standing: Standing,
        wanted: Vec<Wanted>,
        containers: BTreeSet<ContainerId>,
    ) -> anyhow::Result<Done> {
        let rules = Arc::clone(&self.rules);
        let known = self.memory.counted().to_vec();
        let now = clock::now();
        let change = move || -> Result<Done, RulesError> {
            let target = Target { wanted: &wanted, containers: &containers, known: &known, now };
            let plan = rules.plan(&standing, &target);
            if !plan.is_empty() {
                rules.carry_out(&plan)?;
            }
            Ok(Done { changed: !plan.is_empty(), obstacles: plan.obstacles(&standing) })
        };
        let done = tokio::task::spawn_blocking(change).await;
        done.context("wait for the firewall's answer")?.context("change the firewall's rules")
    }

    /// Books what is remembered of the last reading.
    fn book(&mut self, set_back: &[SetBack]) {
        for counter in set_back {
            tell_set_back(counter);
        }
        let now = clock::now();
        let snapshot = snapshot(self.memory.counted(), &self.memory.amounts(), self.rules.hook(), now);
        let posted = self.ledger.post(attribute(snapshot, &self.inventory, &BTreeMap::new()));
        for (meter, refusal) in posted.refused {
            log::error!("{meter}: {refusal}");
        }
    }

    fn wanted(&mut self) -> Vec<Wanted> {
        let (wanted, too_many) = wanted(&self.inventory, self.ports_per_container);
        for many in too_many {
            if self.told.insert(many.container.id) {
                let name = neutral(&many.container.name).into_owned();
                let (ports, counted) = (many.ports, many.counted);
                log::warn!(
                    "{name}: {counted} of {ports} ports are counted by themselves (--ports-per-container)"
                );
            }
        }
        wanted
    }

    /// Those that Docker knows, and those that it has known a moment ago.
    fn known_containers(&mut self) -> BTreeSet<ContainerId> {
        let now = clock::instant();
        let mut known: BTreeSet<ContainerId> = self.inventory.containers.keys().copied().collect();
        let counted: BTreeSet<_> =
            self.memory.counted().iter().map(|counter| counter.key.container).collect();
        for id in counted.difference(&known) {
            self.gone.entry(*id).or_insert(now);
        }
        self.gone.retain(|id, _| !known.contains(id));
        let fresh = self.gone.iter().filter(|(id, since)| {
            let waited = now.saturating_duration_since(**since);
            waited < GRACE || waited < LONGEST && !self.is_written(**id)
        });
        known.extend(fresh.map(|(id, _)| *id));
        known
    }

    fn is_written(&self, container: ContainerId) -> bool {
        let entry = self.ledger.entry(MeterId::Rules(container));
        entry.is_none_or(|entry| self.keeper.is_written(&entry.reading))
    }

    /// Containers whose counters go with this change.
    fn ended(&self, known: &BTreeSet<ContainerId>) -> BTreeSet<ContainerId> {
        let counted = self.memory.counted().iter().map(|counter| counter.key.container);
        counted.filter(|container| !known.contains(container)).collect()
    }

    /// Tells of rules that others have put before dtraf's, and of the end of it.
    fn note_hiding(&mut self, standing: &Standing) {
        let (now, last) = (clock::now(), self.memory.read_at());
        let hiding = standing.hiding();
        self.hiding.retain(|rule, since| {
            let stays = hiding.contains(rule);
            if !stays {
                let gap = match since {
                    Some(since) => format!("of at most {:.1} s", now.since(*since).as_secs_f64()),
                    None => "that began before this dtraf did".to_owned(),
                };
                log::warn!("dtraf's rules stand first again: {}; a gap {gap}", neutral(&rule.to_string()));
            }
            stays
        });
        for rule in hiding {
            if let Entry::Vacant(place) = self.hiding.entry(rule) {
                log::warn!(
                    "{} stands before dtraf's rules: packets that it ends are not counted until these are moved up",
                    neutral(&place.key().to_string()),
                );
                place.insert(last);
            }
        }
    }

    fn note_obstacles(&mut self, now: BTreeSet<Obstacle>) {
        let instant = clock::instant();
        self.obstacles.retain(|obstacle, since| {
            let stays = now.contains(obstacle);
            if !stays {
                let gap = instant.saturating_duration_since(*since).as_secs_f64();
                log::warn!("counting again after {gap:.1} s of nothing: {obstacle} no more");
            }
            stays
        });
        for obstacle in now {
            self.obstacles.entry(obstacle).or_insert_with(|| {
                log::error!("nothing is counted: {obstacle} ({})", obstacle.advice());
                instant
            });
        }
    }
}

/// What became of a change.
struct Done {
    changed: bool,
    obstacles: BTreeSet<Obstacle>,
}

/// Says which gaps there were, and how long. What could not be put back is an obstacle, and told as such.
fn tell_missing(missing: &[Missing], counted: &[Counted], now: Timestamp) {
    let is_back = |gap: &&Missing| counted.iter().any(|counter| counter.key.container == gap.container.id);
    for gap in missing.iter().filter(is_back) {
        let Missing { container, addresses, counters, last_seen } = gap;
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        log::warn!(
            "{}: {counters} counters ({}) had been taken away, and were put back with what they had counted; a gap of \
             at most {:.1} s",
            neutral(&container.name),
            addresses.join(", "),
            now.since(*last_seen).as_secs_f64(),
        );
    }
}

fn tell_set_back(counter: &SetBack) {
    let SetBack { key, name, from, to } = counter;
    log::warn!(
        "{}: {key} was set back from {} packets to {} by somebody; what it had counted stands",
        neutral(name),
        from.packets,
        to.packets,
    );
}
