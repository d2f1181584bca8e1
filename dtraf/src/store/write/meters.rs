//! Meters, and whose they are.

use rusqlite::{OptionalExtension as _, params};

use super::spans::Moved;
use super::{Writing, ns};
use crate::accounting::history::journal::Posting;
use crate::accounting::history::tier::Tier;
use crate::accounting::identity::Timestamp;
use crate::accounting::ledger::Holder;
use crate::accounting::snapshot::Meter;
use crate::store::names::{backend, place};
use crate::view::names;

/// A meter's row, and its holder's.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeterRow {
    pub(super) id: i64,
    pub(super) holder: i64,
}

impl Writing<'_> {
    /// The meter's row as it is to be now. Who has a meter does not lose it to nobody.
    pub(super) fn meter(&mut self, posting: &Posting) -> rusqlite::Result<MeterRow> {
        let known = self.known.meters.get(&posting.meter.id).copied();
        let found = match known {
            Some(known) => Some(known),
            None => self.find_meter(&posting.meter)?,
        };
        let holder = match (posting.holder, found) {
            (Holder::Container(id), _) => self.holder_of(id)?,
            (Holder::Unattributed(_), Some((_, holder))) => holder,
            (Holder::Unattributed(_), None) => self.new_placeholder()?,
        };
        let row = match found {
            Some((id, before)) => {
                if before != holder {
                    self.hand_over(before, holder, posting.meter.attached_at)?;
                }
                MeterRow { id, holder }
            }
            None => MeterRow { id: self.insert_meter(&posting.meter, holder)?, holder },
        };
        self.update_meter(row, &posting.meter)?;
        self.known.meters.insert(posting.meter.id, (row.id, row.holder));
        Ok(row)
    }

    fn find_meter(&self, meter: &Meter) -> rusqlite::Result<Option<(i64, i64)>> {
        self.transaction
            .prepare_cached(
                "SELECT id, holder FROM meter WHERE epoch = ? AND place = ? AND until_ns IS NULL",
            )?
            .query_row([self.epoch.to_string(), place(meter.id)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    fn insert_meter(&self, meter: &Meter, holder: i64) -> rusqlite::Result<i64> {
        self.transaction
            .prepare_cached(
                "INSERT INTO meter (epoch, place, holder, backend, since_ns) VALUES (?, ?, ?, ?, ?)",
            )?
            .insert(params![
                self.epoch.to_string(),
                place(meter.id),
                holder,
                backend(meter.hook),
                ns(meter.attached_at),
            ])
    }

    fn update_meter(&self, row: MeterRow, meter: &Meter) -> rusqlite::Result<()> {
        let missed = meter.shortfall;
        let number = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
        self.transaction
            .prepare_cached(
                "UPDATE meter SET holder = ?2, missed_rx_skb_bytes = ?3, missed_rx_skbs = ?4, missed_tx_skb_bytes = ?5, \
                 missed_tx_skbs = ?6, missed_is_exact = ?7 WHERE id = ?1",
            )?
            .execute(params![
                row.id,
                row.holder,
                number(missed.map(|missed| missed.rx.skb_bytes)),
                number(missed.map(|missed| missed.rx.skbs)),
                number(missed.map(|missed| missed.tx.skb_bytes)),
                number(missed.map(|missed| missed.tx.skbs)),
                missed.map(|missed| missed.rx.settled && missed.tx.settled),
            ])
            .map(drop)
    }

    /// Closes a meter that will not be read any more. Nobody's counts go into one sum for each reason.
    pub(super) fn end(&mut self, row: MeterRow, posting: &Posting) -> rusqlite::Result<()> {
        self.transaction.prepare_cached("DELETE FROM cursor WHERE meter = ?")?.execute([row.id])?;
        self.transaction
            .prepare_cached("UPDATE meter SET until_ns = ? WHERE id = ?")?
            .execute([ns(self.at), row.id])?;
        self.known.meters.remove(&posting.meter.id);
        if let Holder::Unattributed(reason) = posting.holder {
            let all = self.nobody(names::reason(reason))?;
            if row.holder != all && self.is_placeholder(row.holder)? {
                self.hand_over(row.holder, all, posting.meter.attached_at)?;
                self.transaction
                    .prepare_cached("UPDATE meter SET holder = ? WHERE id = ?")?
                    .execute([all, row.id])?;
            }
        }
        Ok(())
    }

    /// What a meter had counted before it was known whose it is goes to whom it belongs. Containers keep what they have.
    fn hand_over(&mut self, from: i64, to: i64, since: Timestamp) -> rusqlite::Result<()> {
        if !self.is_placeholder(from)? {
            return Ok(());
        }
        let seconds = i64::try_from(since.0.as_secs()).unwrap_or(i64::MAX);
        let first = seconds.saturating_sub(Tier::Month.longest());
        let moved = Moved { from, total_to: to, books_to: self.books_of(to)? };
        for tier in Tier::ALL {
            self.move_amounts(tier, first, &[moved])?;
        }
        // It has nothing any more, and goes with the next ones that are folded.
        self.set_gone(from, self.at)
    }
}
