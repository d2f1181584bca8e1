//! What interfaces have carried by their own counters, asked for beside the loop.
//!
//! While the kernel takes namespaces down, it keeps everybody waiting who asks for a link, and just then the next container's
//! must be attached to. One question is under way at a time.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use super::Daemon;
use crate::accounting::identity::IfIndex;
use crate::accounting::snapshot::Snapshot;
use crate::clock;
use crate::links::{Link, Links, LinksError};

/// Where questions are put.
#[derive(Debug)]
pub(super) struct Survey {
    answers: mpsc::UnboundedSender<Surveyed>,
    /// Attached to before the question that is under way.
    asked_about: Option<BTreeSet<IfIndex>>,
    /// Attached to since.
    newcomers: BTreeSet<IfIndex>,
}

/// What was counted, and what was carried when that was asked for afterwards.
#[derive(Debug)]
pub(super) struct Surveyed {
    counted: Snapshot,
    carried: Result<Vec<Link>, LinksError>,
}

impl Survey {
    /// And the stream of answers.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Surveyed>) {
        let (answers, answered) = mpsc::unbounded_channel();
        (Self { answers, asked_about: None, newcomers: BTreeSet::new() }, answered)
    }

    /// Notes who was just attached to.
    pub(super) fn welcome(&mut self, newcomers: BTreeSet<IfIndex>) {
        self.newcomers.extend(newcomers);
    }

    fn begin(&mut self, links: Links, counted: Snapshot) {
        self.asked_about = Some(std::mem::take(&mut self.newcomers));
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let carried = links.dump().await;
            // Nobody waits for the answer any more when the daemon ends.
            drop(answers.send(Surveyed { counted, carried }));
        });
    }
}

impl Daemon {
    /// Asks what interfaces have carried beside what was `counted`, unless that is being asked already.
    pub(super) fn survey(&mut self, counted: &Snapshot) {
        if self.survey.asked_about.is_none() {
            self.survey.begin(self.links.clone(), counted.clone());
        }
    }

    pub(super) async fn on_surveyed(&mut self, surveyed: Surveyed) -> anyhow::Result<()> {
        let asked_about = self.survey.asked_about.take().unwrap_or_default();
        if !self.survey.newcomers.is_empty() {
            let counted = self.counting.snapshot(clock::now());
            self.survey(&counted);
        }
        let Surveyed { counted, carried } = surveyed;
        let carried = carried?;
        self.counting.settle(&counted, &carried, &mut self.sightings)?;
        self.keep_queues(carried.iter().filter(|link| asked_about.contains(&link.ifindex))).await;
        Ok(())
    }
}
