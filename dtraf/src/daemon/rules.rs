//! Counting by rules of a firewall: addresses as Docker tells of them, rules for each, and a reading at every turn.
//!
//! There is no interface to attach to. Docker's events say who has got an address or lost one; rules follow before the
//! container's process runs. Whatever somebody does to the rules is seen at the next reading and mended.

mod latecomers;
mod owners;
mod round;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::Interval;

use self::latecomers::Latecomers;
use super::desk::{Answer, Desk};
use super::display::Display;
use super::keeper::{Keeper, Turn};
use super::signals::Signals;
use super::{Host, ticks};
use crate::accounting::identity::{ContainerId, Timestamp};
use crate::accounting::inventory::Inventory;
use crate::accounting::ledger::Ledger;
use crate::config::{Pace, Run};
use crate::docker::{Catalogue, DockerEvent};
use crate::links::{LinkEvent, Links};
use crate::source::rules::claim::Claim;
use crate::source::rules::memory::Memory;
use crate::source::rules::saved::save;
use crate::source::rules::set::{Hiding, Obstacle, RuleSet};
use crate::store::Epoch;
use crate::terminal::Reader;
use crate::view::tui;
use crate::{clock, host};

/// Between two readings at the most, whatever the interval of the view.
const SLOWEST: Duration = Duration::from_secs(10);
/// Between two listings: Docker's events can be lost without notice.
const LISTING: Duration = Duration::from_mins(1);

/// Everything that the loop owns.
struct Daemon {
    rules: Arc<RuleSet>,
    _claim: Claim,
    links: Links,
    desk: Desk,
    inventory: Inventory,
    ledger: Ledger,
    keeper: Keeper,
    memory: Memory,
    /// Ports that are counted by themselves, of one container.
    ports_per_container: usize,
    /// Since when Docker has not known containers that have counters.
    gone: BTreeMap<ContainerId, Instant>,
    /// Whose many ports were told of.
    told: BTreeSet<ContainerId>,
    latecomers: Latecomers,
    /// What keeps rules from counting, since when.
    obstacles: BTreeMap<Obstacle, Instant>,
    /// Other people's rules before dtraf's, and the last reading without them; `None` if they were there at the first.
    hiding: BTreeMap<Hiding, Option<Timestamp>>,
    /// Something is known that the rules may not follow yet.
    stale: bool,
    last_round: Instant,
}

/// What the loop waits for.
enum Event {
    Tick,
    Link(LinkEvent),
    Docker(DockerEvent),
    Answer(Answer),
    /// Nothing else is to be heard at the moment.
    Quiet,
    Chores,
    Ledger(Turn),
    Listing,
    /// Somebody does something at the live view.
    View(tui::Event),
    Quit,
}

/// Counts until a signal comes, or once.
pub(super) async fn run(rules: RuleSet, config: Run, host: Host) -> anyhow::Result<()> {
    let Host { links, docker, mut signals, mut display } = host;
    let claim = Claim::take()?;
    let mut keeper = Keeper::open(&config.keeping, Epoch::rules(&host::boot()?, rules.backend()))?;
    let resumed = keeper.opened().await?;
    let engine = docker.engine().to_string();
    // Subscribed before anything is listed: what happens in between is seen twice rather than never.
    let link_events = Links::events()?;
    let events = docker.events();
    let mut catalogue = Catalogue::new(docker.clone());
    let inventory = catalogue.list().await?;
    // Before the first batch: rules of containers that ended while no dtraf ran name an id only.
    docker.past_events().await.iter().for_each(|event| keeper.hear(event));
    let (mut desk, answers) = Desk::open(docker);
    desk.hand(catalogue);
    let mut daemon = Daemon {
        rules: Arc::new(rules),
        _claim: claim,
        links,
        desk,
        inventory,
        ledger: Ledger::default(),
        keeper,
        memory: Memory::default(),
        ports_per_container: usize::try_from(config.limits.ports_per_interface).unwrap_or(usize::MAX),
        gone: BTreeMap::new(),
        told: BTreeSet::new(),
        latecomers: Latecomers::default(),
        obstacles: BTreeMap::new(),
        hiding: BTreeMap::new(),
        stale: false,
        last_round: clock::instant(),
    };
    daemon.latecomers.note_links(daemon.links.dump().await?);
    if let Some(resumed) = resumed {
        daemon.resume(resumed).await?;
    }
    // What is certain of a total, the second reading says.
    daemon.remember().await?;
    daemon.round().await?;
    log::info!("{} count for {} containers of {engine}", daemon.rules, daemon.ledger.open().count());
    match config.pace {
        Pace::Once => {
            daemon.show(&mut display)?;
            daemon.finish().await
        }
        Pace::Every(pace) => {
            let sources = Sources {
                ticks: ticks(pace),
                chores: ticks(Duration::from_secs(1)),
                listings: ticks(LISTING),
                links: link_events,
                events,
                answers,
            };
            daemon.serve(sources, &mut signals, &mut display).await?;
            display.close();
            Ok(())
        }
    }
}

impl Daemon {
    async fn serve(
        &mut self,
        mut sources: Sources,
        signals: &mut Signals,
        display: &mut Display,
    ) -> anyhow::Result<()> {
        loop {
            let done = match sources.next(signals, display, self.stale, &mut self.keeper).await {
                Event::Tick => {
                    let done = display.during(self.round()).await;
                    if self.show(display)? == Reader::Gone {
                        return self.finish().await;
                    }
                    done
                }
                Event::Link(event) => self.on_link(event).await,
                Event::Docker(event) => {
                    self.on_docker(event);
                    Ok(())
                }
                Event::Answer(answer) => {
                    self.on_answer(answer);
                    Ok(())
                }
                // Many containers that start together cost one change.
                Event::Quiet => display.during(self.round()).await,
                Event::Chores => display.during(self.chores()).await,
                Event::Ledger(Turn::Due) => {
                    let done = display.during(self.round()).await;
                    self.keeper.flush(&self.ledger, &self.inventory, save(self.memory.booked()));
                    done
                }
                Event::Ledger(Turn::Answered(answer)) => match self.keeper.on_answer(answer)? {
                    Some(resumed) => self.resume(resumed).await,
                    None => Ok(()),
                },
                Event::Listing => {
                    self.desk.list();
                    Ok(())
                }
                Event::View(event) => match display.take(event)? {
                    Reader::Present => Ok(()),
                    Reader::Gone => {
                        self.round().await?;
                        return self.finish().await;
                    }
                },
                Event::Quit => {
                    self.remember().await?;
                    self.round().await?;
                    self.show(display)?;
                    return self.finish().await;
                }
            };
            // Counting goes on in the kernel, and the next round is another chance.
            if let Err(error) = done {
                log::error!("{error:#}");
            }
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.keeper.finish(&self.ledger, &self.inventory, &save(self.memory.booked())).await
    }

    fn show(&mut self, display: &mut Display) -> anyhow::Result<Reader> {
        display.keep(self.keeper.take_kept())?;
        display.show(&self.ledger, &self.inventory, None)
    }
}

/// Where events come from.
struct Sources {
    ticks: Interval,
    chores: Interval,
    listings: Interval,
    links: mpsc::Receiver<LinkEvent>,
    events: mpsc::Receiver<DockerEvent>,
    answers: mpsc::UnboundedReceiver<Answer>,
}

impl Sources {
    /// Who has got an address goes before all else: its first packet is not far.
    async fn next(
        &mut self,
        signals: &mut Signals,
        display: &mut Display,
        stale: bool,
        keeper: &mut Keeper,
    ) -> Event {
        tokio::select! {
            biased;
            () = signals.next() => Event::Quit,
            Some(event) = self.links.recv() => Event::Link(event),
            Some(event) = self.events.recv() => Event::Docker(event),
            Some(answer) = self.answers.recv() => Event::Answer(answer),
            event = display.next() => Event::View(event),
            () = std::future::ready(()), if stale => Event::Quiet,
            _ = self.ticks.tick() => Event::Tick,
            turn = keeper.next() => Event::Ledger(turn),
            _ = self.chores.tick() => Event::Chores,
            _ = self.listings.tick() => Event::Listing,
        }
    }
}
