//! What is done at every reading, and what only now and then.

use std::time::Duration;

use super::Daemon;
use crate::accounting::ledger::MeterId;
use crate::accounting::scope::Scopes;
use crate::accounting::snapshot::Life;
use crate::clock;

/// Ticks between two looks at the host's addresses.
const ADDRESSES: u64 = 10;
/// Ticks between two listings: Docker's events can be lost without notice.
const LISTING: u64 = 60;
/// How long a slot waits for its container to become known, and to be removed, before it is freed.
const GRACE: Duration = Duration::from_secs(2);
/// Removed containers that are still shown one by one.
const REMEMBERED: usize = 1000;

impl Daemon {
    pub(super) async fn tick(&mut self) -> anyhow::Result<()> {
        self.ticks += 1;
        if self.ticks.is_multiple_of(LISTING) {
            self.reconcile().await?;
        } else if self.ticks.is_multiple_of(ADDRESSES) {
            self.refresh_scopes().await?;
            self.counting.forget_questions()?;
        }
        self.read().await?;
        let containers = &self.inventory.containers;
        self.ledger.forget_removed(REMEMBERED, |id| containers.contains_key(id));
        self.served.keep(|id, pid| containers.get(id).is_some_and(|container| container.pid == Some(pid)));
        if let Some(trace) = &mut self.trace {
            trace.records.flush();
            if self.counting.refill_trace()? {
                log::info!("more packets were traced than can be logged; some are missing here");
            }
        }
        Ok(())
    }

    /// Frees the slots of interfaces that are gone. While Docker knows their container, their counts stay in the kernel:
    /// a process that follows this one finds them there.
    pub(super) fn free_slots(&mut self) -> anyhow::Result<()> {
        let now = clock::now();
        let mut done = Vec::new();
        for meter in self.counting.meters() {
            if meter.life != Life::Retired {
                continue;
            }
            let since = *self.retired.entry(meter.slot).or_insert(now);
            let is_known = meter
                .container
                .as_ref()
                .is_some_and(|container| self.inventory.containers.contains_key(&container.id));
            if now.since(since) >= GRACE && (!is_known || self.counting.is_nearly_full()) {
                done.push(MeterId { slot: meter.slot, generation: meter.generation });
            }
        }
        for meter in &done {
            self.ledger.close(*meter, now);
            self.retired.remove(&meter.slot);
        }
        let slots: Vec<_> = done.into_iter().map(|meter| meter.slot).collect();
        self.counting.release(&slots)?;
        Ok(())
    }

    /// Tells the programs who is who.
    pub(super) async fn refresh_scopes(&mut self) -> anyhow::Result<()> {
        let host = self.links.addresses().await?;
        self.counting.set_scopes(Scopes::new(&self.inventory, host, &self.user_scopes))?;
        Ok(())
    }

    pub(super) fn stop_tracing(&mut self) -> anyhow::Result<()> {
        if self.trace.take().is_some() {
            for meter in self.counting.meters() {
                self.counting.set_registration(meter.slot, None, false)?;
            }
        }
        Ok(())
    }
}
