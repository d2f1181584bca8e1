//! What network cards have carried, into every tier.
//!
//! The difference is made here, from the reading that the ledger has: with a batch that comes again nothing is booked twice.

use rusqlite::{OptionalExtension as _, Row, params};

use super::{Writing, ns};
use crate::accounting::amount::PerDirection;
use crate::accounting::card::{CardReading, Carried, First};
use crate::accounting::identity::IfIndex;
use crate::view::neutral::neutral;

impl Writing<'_> {
    /// Cards of another boot are others.
    pub(super) fn begin_cards(&self) -> rusqlite::Result<()> {
        self.transaction.execute("DELETE FROM card_cursor WHERE boot <> ?", [self.epoch.boot()]).map(drop)
    }

    pub(super) fn cards(&self, cards: &[CardReading]) -> rusqlite::Result<()> {
        for card in cards {
            // No card has carried as much: a driver that says so says nothing.
            if let Some(now) = numbers(&card.carried) {
                self.card(card, now)?;
            }
        }
        Ok(())
    }

    fn card(
        &self,
        card: &CardReading,
        [rx_bytes, rx_packets, tx_bytes, tx_packets]: [i64; 4],
    ) -> rusqlite::Result<()> {
        let CardReading { name, ifindex, carried, first: First { at, carried: first } } = card;
        let ifindex = ifindex.0.get();
        let row = self.card_row(name, ns(*at))?;
        let before = self.card_cursor(card.ifindex)?.unwrap_or(*first);
        let added = carried.since(&before).unwrap_or_else(|| {
            log::warn!("the counters of the network card {} went down: what it carried since the last look is not known", neutral(name));
            PerDirection::default()
        });
        if let Some(added) = numbers(&added).filter(|added| *added != [0; 4]) {
            let mut add = self.transaction.prepare_cached(
                "INSERT INTO card_traffic VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET rx_bytes = rx_bytes + \
                 excluded.rx_bytes, rx_packets = rx_packets + excluded.rx_packets, tx_bytes = tx_bytes + excluded.tx_bytes, \
                 tx_packets = tx_packets + excluded.tx_packets",
            )?;
            for (tier, start) in &self.spans {
                let [rx_bytes, rx_packets, tx_bytes, tx_packets] = added;
                add.execute(params![tier.number(), start, row, rx_bytes, rx_packets, tx_bytes, tx_packets])?;
            }
        }
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO card_cursor VALUES (?, ?, ?, ?, ?, ?)")?
            .execute(params![ifindex, self.epoch.boot(), rx_bytes, rx_packets, tx_bytes, tx_packets])
            .map(drop)
    }

    fn card_row(&self, name: &str, since: i64) -> rusqlite::Result<i64> {
        let found = self
            .transaction
            .prepare_cached("SELECT id FROM card WHERE name = ?")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        match found {
            Some(row) => Ok(row),
            None => self
                .transaction
                .prepare_cached("INSERT INTO card (name, since_ns) VALUES (?, ?)")?
                .insert(params![name, since]),
        }
    }

    fn card_cursor(&self, ifindex: IfIndex) -> rusqlite::Result<Option<PerDirection<Carried>>> {
        self.transaction
            .prepare_cached(
                "SELECT rx_bytes, rx_packets, tx_bytes, tx_packets FROM card_cursor WHERE ifindex = ? AND boot = ?",
            )?
            .query_row(params![ifindex.0.get(), self.epoch.boot()], |row| carried(row, 0))
            .optional()
    }
}

/// Four columns from `first` on.
pub(in crate::store) fn carried(row: &Row<'_>, first: usize) -> rusqlite::Result<PerDirection<Carried>> {
    let carried = |first: usize| -> rusqlite::Result<Carried> {
        Ok(Carried { bytes: row.get(first)?, packets: row.get(first + 1)? })
    };
    Ok(PerDirection { rx: carried(first)?, tx: carried(first + 2)? })
}

fn numbers(PerDirection { rx, tx }: &PerDirection<Carried>) -> Option<[i64; 4]> {
    let number = |value: u64| i64::try_from(value).ok();
    Some([number(rx.bytes)?, number(rx.packets)?, number(tx.bytes)?, number(tx.packets)?])
}
