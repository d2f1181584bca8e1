//! Which spans answer a question, and what is in them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::{AccountRow, Archive, Selection};
use crate::accounting::history::key::Part;
use crate::accounting::history::tier::Tier;
use crate::accounting::statement::period::Range;
use crate::accounting::statement::plan::{Extent, Gap, Piece, Plan, Series, Why};
use crate::accounting::statement::second;
use crate::store::StoreError;

impl Archive {
    /// Plans the steps between these boundaries from what is kept of these series.
    pub(crate) fn plan(&self, boundaries: &[i64], series: &[Series]) -> Result<Plan, StoreError> {
        let plan = Plan::new(boundaries, &self.zones, &self.extent()?, series, |tier, range| {
            self.starts(tier, range, series.contains(&Series::Cards))
        })?;
        Ok(plan.counted_since(self.since()?.map(second)))
    }

    /// Asks for all pieces of a plan, of these accounts.
    pub(crate) fn pieces<T>(
        plan: &Plan,
        accounts: Option<&[AccountRow]>,
        ask: impl Fn(&Selection) -> Result<Vec<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        for Piece { tier, range } in &plan.pieces {
            let accounts = accounts.map(<[_]>::to_vec);
            all.extend(ask(&Selection { tier: *tier, range: *range, accounts })?);
        }
        Ok(all)
    }

    /// Asks for the months around each gap of a plan, of these accounts.
    pub(crate) fn around<T>(
        &self,
        plan: &Plan,
        accounts: Option<&[AccountRow]>,
        ask: impl Fn(&Selection) -> Result<Vec<T>, StoreError>,
    ) -> Result<Vec<Vec<T>>, StoreError> {
        let months = |gap: &Gap| match gap.why {
            Why::NotKept { .. } => {
                let tier = Tier::Month;
                let begin = self.zones.span(tier, gap.range.from).map_or(gap.range.from, |span| span.from);
                let range = Range { from: begin, to: gap.range.to };
                ask(&Selection { tier, range, accounts: accounts.map(<[_]>::to_vec) })
            }
            Why::NotCounted => Ok(Vec::new()),
        };
        plan.gaps.iter().map(months).collect()
    }

    fn extent(&self) -> Result<Extent, StoreError> {
        let rows = self.rows("SELECT tier, part, until_s FROM dropped", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let known = |(tier, part, until)| {
            let tier = Tier::ALL.into_iter().find(|it| it.number() == tier)?;
            let series = Series::ALL.into_iter().find(|it| it.number() == part)?;
            Some(((tier, series), until))
        };
        let dropped: BTreeMap<_, _> = rows.into_iter().filter_map(known).collect();
        Ok(Extent { written: self.written_at()?.map(second), dropped })
    }

    /// Seconds that spans of a tier begin at within a range.
    fn starts(&self, tier: Tier, range: Range, with_cards: bool) -> Result<Vec<i64>, StoreError> {
        let traffic = "SELECT min(start) FROM traffic WHERE tier = ?1 AND part = ?2 AND start >= ?3";
        let cards = "SELECT min(start) FROM card_traffic WHERE tier = ?1 AND ?2 IS NOT NULL AND start >= ?3";
        let mut starts = BTreeSet::new();
        for text in [Some(traffic), with_cards.then_some(cards)].into_iter().flatten() {
            let mut from = range.from;
            // A look-up for each span: there are many rows in one.
            let mut next = self.connection.prepare_cached(text).map_err(|source| self.failed(source))?;
            loop {
                let parameters = params![tier.number(), Part::Scopes.number(), from];
                let found: Option<i64> =
                    next.query_row(parameters, |row| row.get(0)).map_err(|source| self.failed(source))?;
                let Some(start) = found.filter(|start| *start < range.to) else { break };
                starts.insert(start);
                let Some(after) = start.checked_add(1) else { break };
                from = after;
            }
        }
        Ok(starts.into_iter().collect())
    }
}
