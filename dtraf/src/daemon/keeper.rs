//! From the books to the disk, beside the loop: a disk that is slow or full keeps no packet from being counted.

mod calendar;
mod disk;
mod labels;
mod recovery;
mod thresholds;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use self::calendar::Watch;
use self::disk::{Answer, Request};
use crate::accounting::history::journal::{Journal, RawCounter, Resumed};
use crate::accounting::identity::Timestamp;
use crate::accounting::inventory::{Container, Inventory};
use crate::accounting::kept::Kept;
use crate::accounting::ledger::{Entry, Ledger};
use crate::accounting::snapshot::{MeterId, MeterReading};
use crate::clock;
use crate::docker::{Action, Connected, ContainerEvent};
use crate::store::{Epoch, StoreError};

/// How long a beginning waits for the disk.
const FIRST: Duration = Duration::from_secs(5);
/// How long an end waits for it.
const LAST: Duration = Duration::from_secs(20);
/// A trouble that lasts is told again after this time.
const AGAIN: Duration = Duration::from_mins(1);
/// A batch that is made so soon after the end of a span is of that span.
const PROMPT: Duration = Duration::from_millis(500);

/// The shortest span of the ledger.
const SPAN: Duration = Duration::from_mins(5);

/// How the ledger is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keeping {
    pub(crate) path: PathBuf,
    /// Between two batches.
    pub(crate) pace: Duration,
    /// The configuration; the usual one, which need not be there, when `None`.
    pub(crate) file: Option<PathBuf>,
    pub(crate) when_damaged: WhenDamaged,
    pub(crate) showing: Showing,
}

/// Whether somebody looks at what the ledger has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Showing {
    Nobody,
    /// The live view.
    Somebody,
}

/// What to do with a ledger that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenDamaged {
    /// Nothing is moved; nothing is written where that is not possible.
    Tell,
    /// Put it aside at the start, and save what can be read.
    Recover,
}

#[derive(Debug)]
pub(super) struct Keeper {
    journal: Journal,
    /// The disk has said where to go on.
    resumed: bool,
    /// A request is on its way.
    waiting: bool,
    pace: Duration,
    due: Instant,
    watch: Watch,
    /// The shortest span in which the last batch was made.
    span: Option<u64>,
    requests: std::sync::mpsc::Sender<Request>,
    answers: mpsc::UnboundedReceiver<Answer>,
    trouble: Option<Trouble>,
    /// What the ledger has, for whoever shows it next.
    kept: Option<Kept>,
}

/// What keeps the ledger from being written.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    told: Instant,
    text: String,
}

/// What the loop is woken for.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is time for a batch. Whatever is to be in it is read now.
    Due,
    Answered(Answer),
}

impl Keeper {
    /// Opens the ledger. A disk that does not let itself be written to is tried again later; a ledger that another process
    /// writes, or that this release does not know, is an error.
    pub(super) fn open(keeping: &Keeping, epoch: Epoch) -> anyhow::Result<Self> {
        let (requests, answers) = disk::start(keeping, epoch)?;
        let mut keeper = Self {
            journal: Journal::default(),
            resumed: false,
            waiting: false,
            pace: keeping.pace,
            due: clock::instant(),
            watch: Watch::new(clock::now(), clock::instant()),
            span: None,
            requests,
            answers,
            trouble: None,
            kept: None,
        };
        keeper.ask(Request::Resume);
        Ok(keeper)
    }

    pub(super) async fn next(&mut self) -> Turn {
        tokio::select! {
            Some(answer) = self.answers.recv() => Turn::Answered(answer),
            () = sleep_until(self.due.into()) => Turn::Due,
        }
    }

    /// Hands over what has come since the last batch.
    pub(super) fn flush(&mut self, ledger: &Ledger, inventory: &Inventory, raw: Vec<RawCounter>) {
        let now = clock::now();
        self.due = clock::instant() + self.pace.saturating_sub(since_boundary(now, self.pace));
        if self.waiting {
            return;
        }
        if !self.resumed {
            return self.ask(Request::Resume);
        }
        if self.journal.is_pending() {
            return self.ask(Request::Sequence);
        }
        let passed = since_boundary(now, self.pace);
        let at = if passed < PROMPT {
            Timestamp(now.0.saturating_sub(passed + Duration::from_nanos(1)))
        } else {
            now
        };
        // What network cards carry is written at the end of each span, whoever else was silent.
        let span = now.0.as_secs() / SPAN.as_secs();
        let batch = if self.span == Some(span) {
            self.journal.batch(ledger.open(), inventory, raw, at)
        } else {
            Some(self.journal.any_batch(ledger.open(), inventory, raw, at))
        };
        if let Some(batch) = batch {
            self.span = Some(span);
            let calendar = self.watch.look(now, clock::instant());
            self.ask(Request::Write(Box::new(batch), calendar));
        }
    }

    /// Waits for what the ledger knows of the counters, as long as a disk may take to answer.
    pub(super) async fn opened(&mut self) -> anyhow::Result<Option<Resumed>> {
        match tokio::time::timeout(FIRST, self.answers.recv()).await {
            Ok(Some(answer)) => self.on_answer(answer),
            _ => Ok(None),
        }
    }

    /// What the ledger has, where that was not taken before.
    pub(super) fn take_kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    /// Goes on from what the ledger knows. Nothing is written before.
    pub(super) fn begin(&mut self, resumed: Resumed) {
        self.journal.resume(resumed);
        self.resumed = true;
    }

    /// What the disk has answered. An error is one that no waiting mends.
    pub(super) fn on_answer(&mut self, answer: Answer) -> anyhow::Result<Option<Resumed>> {
        self.waiting = false;
        let Answer { resumed, on_disk, trouble, kept } = answer;
        self.kept = kept.map(|kept| *kept).or(self.kept.take());
        match trouble {
            Some(error) if error.is_final() => return Err(error.into()),
            Some(error) => {
                // What cards carry is written when it can be.
                self.span = None;
                self.tell(&error);
            }
            None => self.recover(),
        }
        if let Some(on_disk) = on_disk.filter(|_| self.resumed) {
            self.journal.settle(on_disk)?;
        }
        Ok(resumed)
    }

    /// The last batch, and the wait for it.
    pub(super) async fn finish(
        &mut self,
        ledger: &Ledger,
        inventory: &Inventory,
        raw: &[RawCounter],
    ) -> anyhow::Result<()> {
        let deadline = clock::instant() + LAST;
        // The last one has all that cards have carried by now.
        self.span = None;
        // Whatever is under way, then what has come since, then whether all of it is there.
        loop {
            if !self.waiting {
                self.flush(ledger, inventory, raw.to_vec());
            }
            if !self.waiting {
                return Ok(());
            }
            let Ok(answer) = tokio::time::timeout_at(deadline.into(), self.answers.recv()).await else {
                anyhow::bail!("the ledger was not written: the disk has not answered for {LAST:?}");
            };
            let Some(answer) = answer else {
                anyhow::bail!("the ledger was not written: its writer is gone")
            };
            if self.on_answer(answer)?.is_some() {
                anyhow::bail!(
                    "the last counts are not in the ledger, which could be read only now; the next run finds them in the kernel"
                );
            }
            if let Some(trouble) = &self.trouble {
                anyhow::bail!(
                    "the last counts are not in the ledger; the next run finds them in the kernel: {}",
                    trouble.text
                );
            }
        }
    }

    /// Keeps what an event says of a container for the batch that books it.
    pub(super) fn hear(&mut self, event: &ContainerEvent) {
        let known = self.journal.known();
        known.announce(event.id, &event.name, (&event.image, &event.labels), event.at);
        match event.action {
            Action::Died => known.stop(event.id, event.at),
            Action::Removed => known.remove(event.id, event.at),
            Action::Created | Action::Started | Action::Renamed => {}
        }
    }

    /// Keeps what an inspection says of a container that is the last one asked for.
    pub(super) fn observe(&mut self, container: &Container) {
        self.journal.known().observe(container, clock::now());
    }

    /// Keeps what a list says of a container. Events may have been heard since it was made.
    pub(super) fn recall(&mut self, container: &Container) {
        self.journal.known().recall(container, clock::now());
    }

    /// Keeps what an earlier inspection says of a container, unless that is removed and booked by now.
    pub(super) fn observe_late(&mut self, container: &Container) {
        if self.journal.known().is_known(container.id) {
            self.recall(container);
        }
    }

    /// Keeps which containers have which addresses on a network.
    pub(super) fn connect(&mut self, connected: &Connected) {
        let now = clock::now();
        for (id, member) in &connected.containers {
            let addresses = member.addresses.iter().map(ToString::to_string);
            self.journal.known().connect(*id, &member.name, &connected.network, addresses, now);
        }
    }

    /// What this reading says is in the ledger: its counters may go.
    pub(super) fn is_written(&self, reading: &MeterReading) -> bool {
        self.resumed && self.journal.is_written(reading)
    }

    /// Keeps the last reading of a meter whose counters go, until that is written.
    pub(super) fn end(&mut self, id: MeterId, entry: &Entry) {
        self.journal.end(id, entry);
    }

    fn ask(&mut self, request: Request) {
        self.waiting = self.requests.send(request).is_ok();
    }

    fn tell(&mut self, error: &StoreError) {
        let now = clock::instant();
        let text = chain(error);
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
        let is_told = self.trouble.as_ref().is_some_and(|trouble| {
            trouble.text == text && now.saturating_duration_since(trouble.told) < AGAIN
        });
        let told = match &self.trouble {
            Some(trouble) if is_told => trouble.told,
            _ => {
                log::error!("the ledger is not written: {text}");
                now
            }
        };
        self.trouble = Some(Trouble { since, told, text });
    }

    fn recover(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            let lasted = clock::instant().saturating_duration_since(trouble.since);
            log::warn!(
                "the ledger is written again, after {:.0} s; nothing is missing",
                lasted.as_secs_f64()
            );
        }
    }
}

/// Time since the last multiple of `pace` on the clock on the wall.
fn since_boundary(now: Timestamp, pace: Duration) -> Duration {
    let passed = now.0.as_nanos() % pace.as_nanos().max(1);
    Duration::from_nanos(u64::try_from(passed).unwrap_or_default())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
