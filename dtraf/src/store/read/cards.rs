//! What network cards have carried.

use rusqlite::params;

use super::{Archive, moment};
use crate::accounting::card::Card;
use crate::accounting::history::tier::Tier;
use crate::accounting::statement::period::Range;
use crate::store::StoreError;
use crate::store::write::cards::carried;

impl Archive {
    /// All cards that were ever looked at, by name, with what they have carried in this time.
    pub(crate) fn cards(&self, tier: Tier, range: Range) -> Result<Vec<Card>, StoreError> {
        let sums = ["rx_bytes", "rx_packets", "tx_bytes", "tx_packets"]
            .map(|name| format!("coalesce(sum({name}), 0)"));
        let text = format!(
            "SELECT name, since_ns, {} FROM card LEFT JOIN card_traffic ON card = card.id AND tier = ?1 AND start >= ?2 AND start < ?3 \
             GROUP BY card.id ORDER BY name",
            sums.join(", ")
        );
        self.rows(&text, params![tier.number(), range.from, range.to], |row| {
            Ok(Card { name: row.get(0)?, since: moment(row.get(1)?), carried: carried(row, 2)? })
        })
    }
}
