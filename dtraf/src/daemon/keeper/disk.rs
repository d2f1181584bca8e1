//! The thread that has the database.

use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::labels::Told;
use super::{Keeping, Showing, WhenDamaged, chain, recovery, thresholds};
use crate::accounting::card::CardReading;
use crate::accounting::history::journal::{Batch, Resumed, Sequence};
use crate::accounting::kept::Kept;
use crate::clock;
use crate::config::file::{File, FileError};
use crate::links::Cards;
use crate::store::{Archive, Calendar, Epoch, Store, StoreError, recover};
use crate::zone;

#[derive(Debug)]
pub(super) enum Request {
    /// Where to go on.
    Resume,
    /// What became of the last batch.
    Sequence,
    Write(Box<Batch>, Calendar),
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) resumed: Option<Resumed>,
    /// Number of the last batch on the disk, where that could be read.
    pub(super) on_disk: Option<Sequence>,
    pub(super) trouble: Option<StoreError>,
    /// Where somebody looks at it.
    pub(super) kept: Option<Box<Kept>>,
}

/// What opens the database.
struct Disk {
    keeping: Keeping,
    epoch: Epoch,
    store: Option<Store>,
    /// Whether it is still to be looked at for damage.
    recovers: bool,
    settings: File,
    cards: Cards,
    /// Cards could not be read, which was told.
    is_blind: bool,
}

pub(super) fn start(
    keeping: &Keeping,
    epoch: Epoch,
) -> anyhow::Result<(Sender<Request>, UnboundedReceiver<Answer>)> {
    let recovers = keeping.when_damaged == WhenDamaged::Recover;
    let mut disk = Disk {
        keeping: keeping.clone(),
        epoch,
        store: None,
        recovers,
        settings: settings(keeping)?,
        cards: Cards::default(),
        is_blind: false,
    };
    // From here on, before any container is counted.
    disk.cards();
    // Recovering takes its time, which counting does not wait for.
    if !recovers {
        match disk.open() {
            Err(error) if error.is_final() => return Err(error.into()),
            // Told with the first answer.
            _ => {}
        }
    }
    let (requests, asked) = channel();
    let (answers, answered) = unbounded_channel();
    std::thread::spawn(move || serve(disk, &asked, &answers));
    Ok((requests, answered))
}

/// What is written down. A usual configuration that is wrong keeps nothing from being counted; one that was named does.
fn settings(keeping: &Keeping) -> Result<File, FileError> {
    match File::read(keeping.file.as_deref()) {
        Err(error) if keeping.file.is_none() => {
            log::error!("the configuration is left aside: {}", chain(&error));
            Ok(File::default())
        }
        read => read,
    }
}

fn serve(mut disk: Disk, asked: &Receiver<Request>, answers: &UnboundedSender<Answer>) {
    let mut told = Told::default();
    while let Ok(request) = asked.recv() {
        let described = match &request {
            Request::Write(batch, _) => Some(!batch.containers.is_empty()),
            Request::Resume | Request::Sequence => None,
        };
        let answer = disk.answer(request);
        if let (Some(is_news), None) = (described, &answer.trouble) {
            if is_news {
                told.look(&disk.keeping.path, &disk.settings.declared);
            }
            thresholds::look(&disk.keeping.path, &disk.settings.declared);
        }
        if answers.send(answer).is_err() {
            return;
        }
    }
}

impl Disk {
    fn open(&mut self) -> Result<&mut Store, StoreError> {
        if self.store.is_none() {
            let (path, retention) = (&self.keeping.path, self.settings.retention);
            if self.recovers {
                recovery::tell(path, &recover(path, clock::now())?);
                self.recovers = false;
            }
            let store = Store::open(path, self.epoch.clone(), zone::host(), retention)?;
            if let Some(other) = store.other_zone(clock::now())? {
                log::warn!(
                    "the ledger goes on in the time zone {}, which is not the host's; `dtraf ledger zone {}` changes it from the \
                     next month on",
                    zone::name(&other),
                    zone::name(&zone::host()),
                );
            }
            self.store = Some(store);
        }
        Ok(self.store.as_mut().expect("it was opened just now"))
    }

    fn kept(&self) -> Option<Box<Kept>> {
        if self.keeping.showing == Showing::Nobody {
            return None;
        }
        let archive = Archive::open(&self.keeping.path);
        let kept =
            archive.and_then(|archive| archive.kept(&self.settings.declared, clock::now(), archive.zones()));
        kept.inspect_err(|error| log::warn!("the live view cannot say what the ledger has: {}", chain(error)))
            .ok()
            .map(Box::new)
    }

    /// What network cards have carried, as far as that can be read.
    fn cards(&mut self) -> Vec<CardReading> {
        match self.cards.read(clock::now()) {
            Ok(cards) => {
                self.is_blind = false;
                cards
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_blind, true) {
                    log::warn!("what the host's network cards carry is not in the ledger: {}", chain(&error));
                }
                Vec::new()
            }
        }
    }

    fn answer(&mut self, mut request: Request) -> Answer {
        if let Request::Write(batch, _) = &mut request {
            batch.cards = self.cards();
        }
        let mut resumed = None;
        let on_disk = self.open().and_then(|store| match request {
            Request::Resume => {
                let found = store.resume()?;
                let sequence = found.sequence;
                resumed = Some(found);
                Ok(sequence)
            }
            Request::Sequence => store.sequence(),
            Request::Write(batch, calendar) => store.write(&batch, calendar),
        });
        match on_disk {
            Ok(sequence) => Answer { resumed, on_disk: Some(sequence), trouble: None, kept: self.kept() },
            Err(trouble) => {
                // A commit that has failed may be on the disk all the same.
                let on_disk = self.store.as_ref().and_then(|store| store.sequence().ok());
                Answer { resumed: None, on_disk, trouble: Some(trouble), kept: None }
            }
        }
    }
}
