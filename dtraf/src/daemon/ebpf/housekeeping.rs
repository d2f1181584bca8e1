//! What is done now and then, whatever the interval of the view.

use std::time::Duration;

use super::Daemon;
use crate::accounting::scope::Scopes;
use crate::accounting::snapshot::Life;
use crate::clock;
use crate::source::ebpf::{Attachment, Registered};

/// Between two rounds of chores.
pub(super) const PACE: Duration = Duration::from_secs(1);
/// Rounds between two looks at the host's addresses, whose notifications can be lost.
const ADDRESSES: u64 = 10;
/// Rounds between two listings: Docker's events can be lost without notice.
const LISTING: u64 = 60;
/// How long a slot waits for its container to become known, and to be removed, before it is freed.
const GRACE: Duration = Duration::from_secs(5);
/// Removed containers that are still shown one by one.
const REMEMBERED: usize = 1000;
/// Rounds between two reviews of marked ports.
const MARKS: u64 = 4;
/// Rounds between two looks for idle entries: those that count nothing in between are folded.
const FOLDING: u64 = 30;
/// Rounds after which an interface may have entries whatever is known of its container by then.
const OPENING: u64 = 5;

impl Daemon {
    pub(super) async fn chores(&mut self) -> anyhow::Result<()> {
        self.chores += 1;
        if self.chores.is_multiple_of(LISTING) {
            self.reconcile().await?;
            let counted = self.counting.snapshot(clock::now());
            self.survey(&counted);
        } else if self.chores.is_multiple_of(ADDRESSES) {
            self.refresh_scopes().await?;
            self.counting.forget_questions()?;
        }
        let has_owner =
            |attachment: &Attachment| attachment.container.is_some() || attachment.life == Life::Retired;
        if !self.counting.attachments().iter().all(has_owner) {
            self.desk.list();
        }
        if self.chores.is_multiple_of(OPENING) {
            self.open_all_tables()?;
        }
        if self.chores.is_multiple_of(MARKS) {
            self.review_marks();
        }
        if self.chores.is_multiple_of(FOLDING) {
            let folded = self.counting.fold_idle(&mut self.client_activity)?;
            if folded != 0 {
                log::debug!("{folded} idle client ports share an entry now");
            }
        }
        self.identify()?;
        self.read();
        self.free_slots()?;
        let containers = &self.inventory.containers;
        self.ledger.forget_removed(REMEMBERED, |id| containers.contains_key(id));
        self.heard.prune(clock::now(), |id| containers.contains_key(id));
        self.served.keep(|id, pid| containers.get(id).is_some_and(|container| container.pid == Some(pid)));
        if let Some(trace) = &mut self.trace {
            trace.records.flush();
            if self.counting.refill_trace()? {
                log::info!("more packets were traced than can be logged; some are missing here");
            }
        }
        Ok(())
    }

    pub(super) fn open_all_tables(&mut self) -> anyhow::Result<()> {
        for slot in self.counting.closed() {
            self.counting.open_table(slot)?;
        }
        Ok(())
    }

    /// Frees the slots of interfaces that are gone. While Docker knows their container, and until they are in the ledger,
    /// their counts stay in the kernel: a process that follows this one finds them there.
    pub(super) fn free_slots(&mut self) -> anyhow::Result<()> {
        let (now, instant) = (clock::now(), clock::instant());
        let mut done = Vec::new();
        for attachment in self.counting.attachments() {
            if attachment.life != Life::Retired {
                continue;
            }
            let since = *self.retired.entry(attachment.slot).or_insert(instant);
            let is_known = attachment
                .container
                .as_ref()
                .is_some_and(|container| self.inventory.containers.contains_key(&container.id));
            let is_needed = self.counting.is_nearly_full();
            let has_waited = instant.saturating_duration_since(since) >= GRACE;
            if has_waited && (is_needed || !is_known && self.is_written(&attachment)) {
                done.push(attachment);
            }
        }
        for attachment in &done {
            if let Some(entry) = self.ledger.entry(attachment.id()) {
                self.keeper.end(attachment.id(), entry);
            }
            self.ledger.close(attachment.id(), now);
            self.retired.remove(&attachment.slot);
            self.departed.remove(&attachment.slot);
        }
        let slots: Vec<_> = done.into_iter().map(|attachment| attachment.slot).collect();
        if !slots.is_empty() {
            self.counting.release(&slots)?;
            self.counting.share_table()?;
        }
        Ok(())
    }

    fn is_written(&self, attachment: &Attachment) -> bool {
        self.ledger.entry(attachment.id()).is_none_or(|entry| self.keeper.is_written(&entry.reading))
    }

    /// Tells the programs who is who.
    pub(super) async fn refresh_scopes(&mut self) -> anyhow::Result<()> {
        let host = self.links.addresses().await?;
        self.counting.set_scopes(Scopes::new(&self.inventory, host, &self.user_scopes))?;
        Ok(())
    }

    pub(super) fn stop_tracing(&mut self) -> anyhow::Result<()> {
        if self.trace.take().is_some() {
            for attachment in self.counting.attachments() {
                self.counting.set_registration(attachment.slot, Registered::default())?;
            }
        }
        Ok(())
    }
}
