//! What network cards have carried.

use std::collections::BTreeMap;

use rusqlite::params;

use super::{Archive, Selection, moment};
use crate::accounting::amount::PerDirection;
use crate::accounting::card::{Card, Carried};
use crate::accounting::history::tier::Tier;
use crate::accounting::statement::period::Range;
use crate::accounting::statement::plan::Plan;
use crate::store::StoreError;
use crate::store::amounts::{half_sum, halves};

impl Archive {
    /// All cards that were ever looked at, by name, with what they have carried in a plan's pieces.
    pub(crate) fn planned_cards(&self, plan: &Plan) -> Result<Vec<Card>, StoreError> {
        let mut cards = BTreeMap::<String, Card>::new();
        for card in Archive::pieces(plan, None, |Selection { tier, range, .. }| self.cards(*tier, *range))? {
            match cards.get_mut(&card.name) {
                Some(known) => known.carried += card.carried,
                None => drop(cards.insert(card.name.clone(), card)),
            }
        }
        Ok(cards.into_values().collect())
    }

    /// All cards that were ever looked at, by name, with what they have carried in this time.
    pub(crate) fn cards(&self, tier: Tier, range: Range) -> Result<Vec<Card>, StoreError> {
        let sums = ["rx_bytes", "rx_packets", "tx_bytes", "tx_packets"].map(halves);
        let text = format!(
            "SELECT name, since_ns, {} FROM card LEFT JOIN card_traffic ON card = card.id AND tier = ?1 AND start >= ?2 AND start < ?3 \
             GROUP BY card.id ORDER BY name",
            sums.join(", ")
        );
        self.rows(&text, params![tier.number(), range.from, range.to], |row| {
            let carried = |first: usize| -> rusqlite::Result<Carried> {
                Ok(Carried { bytes: half_sum(row, first)?, packets: half_sum(row, first + 2)? })
            };
            let carried = PerDirection { rx: carried(2)?, tx: carried(6)? };
            Ok(Card { name: row.get(0)?, since: moment(row.get(1)?), carried })
        })
    }
}
