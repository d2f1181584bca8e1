//! Counting by eBPF programs: one owner of all state, one loop over everything that can happen.

mod bridges;
mod evidence;
mod housekeeping;
mod identification;
mod owners;
mod served;
mod survey;
mod veths;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use dtraf_common::abi::Scope;
use ipnet::IpNet;
use tokio::sync::mpsc;
use tokio::time::Interval;

use self::bridges::Bridges;
use self::identification::{Departed, Heard, PeerMac};
use self::served::Served;
use self::survey::{Survey, Surveyed};
use self::veths::Veths;
use super::desk::{Answer, Desk};
use super::display::Display;
use super::keeper::{Keeper, Turn};
use super::signals::Signals;
use super::{Host, ticks};
use crate::accounting::attribution::attribute;
use crate::accounting::identity::{ContainerId, Slot};
use crate::accounting::inventory::Inventory;
use crate::accounting::ledger::Ledger;
use crate::accounting::snapshot::Snapshot;
use crate::config::{Pace, Run};
use crate::docker::{Catalogue, DockerEvent};
use crate::links::{LinkEvent, Links};
use crate::source::ebpf::shortfall::Sightings;
use crate::source::ebpf::trace::Records;
use crate::source::ebpf::{ClientActivity, Counting, Options, PinDirectory};
use crate::store::Epoch;
use crate::terminal::Reader;
use crate::view::tui;
use crate::{clock, host};

/// How often a shortfall that is not yet known exactly is looked at, whatever the interval.
const SETTLING: Duration = Duration::from_millis(250);

/// How many notifications of links are taken at a time.
const LINKS_TOGETHER: usize = 64;

/// How many containers' listening sockets.
const FOUND_TOGETHER: usize = 256;

/// Everything that the loop owns.
struct Daemon {
    counting: Counting,
    links: Links,
    desk: Desk,
    inventory: Inventory,
    ledger: Ledger,
    keeper: Keeper,
    veths: Veths,
    bridges: Bridges,
    served: Served,
    heard: Heard,
    /// Containers that something happened to since the last listing.
    touched: BTreeSet<ContainerId>,
    sightings: Sightings,
    survey: Survey,
    /// Of client entries, when idle ones were last looked for.
    client_activity: ClientActivity,
    /// Since when a slot waits to be freed.
    retired: BTreeMap<Slot, Instant>,
    /// The interface of such a slot.
    departed: BTreeMap<Slot, Departed>,
    user_scopes: Vec<(IpNet, Scope)>,
    trace: Option<Trace>,
    /// How often the chores were done.
    chores: u64,
}

/// Whose decisions are logged, and where they come from.
struct Trace {
    container: String,
    records: Records,
}

/// What the loop waits for.
enum Event {
    Tick,
    /// All that have come to be known together.
    Links(Vec<LinkEvent>),
    Surveyed(Surveyed),
    PeerMac(PeerMac),
    Docker(DockerEvent),
    Answer(Answer),
    Listening(Vec<served::Found>),
    Trace,
    Settle,
    Ledger(Turn),
    Chores,
    /// Somebody does something at the live view.
    View(tui::Event),
    Quit,
}

/// Loads the programs, or says why that cannot be done. Attaches nothing yet.
pub(super) fn start(config: &Run) -> anyhow::Result<Counting> {
    let pins = PinDirectory::new(&config.bpffs)?;
    let options = Options { limits: config.limits, hooks: config.hooks, trace: config.trace.is_some() };
    Counting::start(&pins, &options).context("start counting")
}

/// Counts until a signal comes, or once.
pub(super) async fn run(mut counting: Counting, config: Run, host: Host) -> anyhow::Result<()> {
    let Host { links, docker, mut signals, mut display } = host;
    let engine = docker.engine().to_string();
    let keeper = Keeper::open(&config.keeping, Epoch::maps(&host::boot()?, counting.seed()))?;
    // Subscribed before anything is listed: what happens in between is seen twice rather than never.
    let link_events = Links::events()?;
    let docker_events = docker.events();
    let records = counting.trace()?;
    let trace = config.trace.zip(records).map(|(container, records)| Trace { container, records });
    let mut catalogue = Catalogue::new(docker.clone());
    // Bridges are known by their networks; containers are listed once all are attached to.
    let inventory = Inventory { containers: BTreeMap::new(), networks: docker.networks().await? };
    let (desk, answers) = Desk::open(docker.clone());
    let (served, listening) = Served::new().context("start to look for listening sockets")?;
    let (survey, surveyed) = Survey::new();
    let (heard, macs) = Heard::new();
    let mut daemon = Daemon {
        counting,
        links,
        desk,
        inventory,
        ledger: Ledger::default(),
        keeper,
        veths: Veths::default(),
        bridges: Bridges::default(),
        served,
        heard,
        touched: BTreeSet::new(),
        sightings: Sightings::default(),
        survey,
        client_activity: ClientActivity::default(),
        retired: BTreeMap::new(),
        departed: BTreeMap::new(),
        user_scopes: config.scopes,
        trace,
        chores: 0,
    };
    daemon.take_stock(&mut catalogue).await?;
    // Before the first batch: containers that ended while no dtraf ran are known to the kernel by name only.
    docker.past_events().await.iter().for_each(|event| daemon.keeper.hear(event));
    // All are attached to before a slow disk is waited for.
    if let Some(resumed) = daemon.keeper.opened().await? {
        daemon.keeper.begin(resumed);
    }
    log::info!("counting {} interfaces of {engine}", daemon.veths.len());
    match config.pace {
        Pace::Once => {
            daemon.inspect(&mut catalogue).await?;
            daemon.once(&mut display).await
        }
        Pace::Every(pace) => {
            daemon.desk.hand(catalogue);
            // Those that only the list has told of yet are inspected beside the loop.
            daemon.desk.list();
            let sources = Sources {
                ticks: ticks(pace),
                traces: ticks(Duration::from_millis(100)),
                settling: ticks(SETTLING),
                chores: ticks(housekeeping::PACE),
                links: link_events,
                docker: docker_events,
                answers,
                listening,
                surveyed,
                macs,
                traced: daemon.trace.is_some(),
            };
            daemon.serve(sources, &mut signals, &mut display).await?;
            display.close();
            Ok(())
        }
    }
}

impl Daemon {
    /// One reading: of what is attached now, with its shortfall as exact as a moment allows.
    async fn once(&mut self, display: &mut Display) -> anyhow::Result<()> {
        self.read_settled().await?;
        if self.counting.has_unsettled(clock::now()) {
            tokio::time::sleep(Duration::from_millis(120)).await;
            self.read_settled().await?;
        }
        self.open_all_tables()?;
        self.show(display)?;
        self.keeper.finish(&self.ledger, &self.inventory, &[]).await
    }

    async fn serve(
        &mut self,
        mut sources: Sources,
        signals: &mut Signals,
        display: &mut Display,
    ) -> anyhow::Result<()> {
        loop {
            let unsettled = self.counting.has_unsettled(clock::now());
            let done = match sources.next(signals, display, unsettled, &mut self.keeper).await {
                Event::Tick => {
                    self.read();
                    if self.show(display)? == Reader::Gone {
                        break;
                    }
                    Ok(())
                }
                Event::Chores => display.during(self.chores()).await,
                Event::Links(events) => self.on_links(events).await,
                Event::Surveyed(surveyed) => self.on_surveyed(surveyed).await,
                Event::PeerMac(mac) => {
                    self.on_mac(mac);
                    Ok(())
                }
                Event::Docker(event) => self.on_docker(event).await,
                Event::Answer(answer) => self.on_answer(answer).await,
                Event::Listening(found) => self.on_listening(found),
                Event::Trace => {
                    if let Some(trace) = &mut self.trace {
                        trace.records.flush();
                    }
                    Ok(())
                }
                Event::Settle => {
                    self.read();
                    Ok(())
                }
                Event::View(event) => match display.take(event)? {
                    Reader::Present => Ok(()),
                    Reader::Gone => {
                        self.identify()?;
                        self.read_settled().await?;
                        break;
                    }
                },
                Event::Ledger(Turn::Due) => {
                    self.read();
                    self.keeper.flush(&self.ledger, &self.inventory, Vec::new());
                    Ok(())
                }
                Event::Ledger(Turn::Answered(answer)) => {
                    if let Some(resumed) = self.keeper.on_answer(answer)? {
                        self.keeper.begin(resumed);
                    }
                    self.free_slots()
                }
                Event::Quit => {
                    self.identify()?;
                    self.read_settled().await?;
                    self.show(display)?;
                    break;
                }
            };
            // Counting goes on in the kernel, and the next event is another chance.
            if let Err(error) = done {
                log::error!("{error:#}");
            }
        }
        self.stop_tracing()?;
        self.keeper.finish(&self.ledger, &self.inventory, &[]).await
    }

    fn show(&mut self, display: &mut Display) -> anyhow::Result<Reader> {
        display.keep(self.keeper.take_kept())?;
        display.show(&self.ledger, &self.inventory, Some(self.counting.orphans()))
    }

    /// Reads all counters and books them. What interfaces had carried before is asked for, and in the next reading.
    fn read(&mut self) {
        let snapshot = self.counting.snapshot(clock::now());
        if self.counting.has_unsettled(clock::now()) {
            self.survey(&snapshot);
        }
        self.book(snapshot);
    }

    /// The same, with the answer waited for.
    async fn read_settled(&mut self) -> anyhow::Result<()> {
        let snapshot = self.counting.snapshot(clock::now());
        let snapshot = if self.counting.has_unsettled(clock::now()) {
            let carried = self.links.dump().await?;
            self.counting.settle(&snapshot, &carried, &mut self.sightings)?;
            // With the shortfalls that are known now.
            self.counting.snapshot(clock::now())
        } else {
            snapshot
        };
        self.book(snapshot);
        Ok(())
    }

    fn book(&mut self, snapshot: Snapshot) {
        let attributed = attribute(snapshot, &self.inventory, &self.veths.placements());
        let posted = self.ledger.post(attributed);
        for (meter, refusal) in posted.refused {
            log::error!("{meter}: {refusal}");
        }
    }
}

/// Where events come from.
struct Sources {
    ticks: Interval,
    traces: Interval,
    settling: Interval,
    chores: Interval,
    links: mpsc::Receiver<LinkEvent>,
    docker: mpsc::Receiver<DockerEvent>,
    answers: mpsc::UnboundedReceiver<Answer>,
    listening: mpsc::UnboundedReceiver<served::Found>,
    surveyed: mpsc::UnboundedReceiver<Surveyed>,
    macs: mpsc::UnboundedReceiver<PeerMac>,
    traced: bool,
}

impl Sources {
    /// Links go before all else: a container sends its first packet soon after its link has come.
    async fn next(
        &mut self,
        signals: &mut Signals,
        display: &mut Display,
        unsettled: bool,
        keeper: &mut Keeper,
    ) -> Event {
        let (mut links, mut found) = (Vec::new(), Vec::new());
        tokio::select! {
            biased;
            () = signals.next() => Event::Quit,
            1.. = self.links.recv_many(&mut links, LINKS_TOGETHER) => Event::Links(links),
            Some(event) = self.docker.recv() => Event::Docker(event),
            // Of the others very many come at once when many containers start; who types waits for one at most.
            event = display.next() => Event::View(event),
            Some(answer) = self.answers.recv() => Event::Answer(answer),
            Some(mac) = self.macs.recv() => Event::PeerMac(mac),
            Some(surveyed) = self.surveyed.recv() => Event::Surveyed(surveyed),
            _ = self.ticks.tick() => Event::Tick,
            1.. = self.listening.recv_many(&mut found, FOUND_TOGETHER) => Event::Listening(found),
            turn = keeper.next() => Event::Ledger(turn),
            _ = self.chores.tick() => Event::Chores,
            _ = self.traces.tick(), if self.traced => Event::Trace,
            _ = self.settling.tick(), if unsettled => Event::Settle,
        }
    }
}
