//! Who had how much with whom, for bills.

use rusqlite::params;

use super::{Archive, Selection, json_array};
use crate::accounting::amount::PerDirection;
use crate::accounting::bill::Billed;
use crate::accounting::history::key::{Key, Part};
use crate::accounting::statement::Sum;
use crate::accounting::statement::period::Range;
use crate::store::StoreError;
use crate::store::amounts::summed;

impl Archive {
    /// By who has the counts and who the other end was, as far as somebody looked.
    pub(crate) fn by_holder_and_scope(&self, selection: &Selection) -> Result<Vec<Sum<Billed>>, StoreError> {
        let (names, keys) = (self.holders()?, self.keys()?);
        let text = |sums: &str| {
            format!(
                "SELECT start, holder, key, {sums} FROM traffic WHERE tier = ?1 AND part = ?2 AND start >= ?3 AND start < ?4 AND \
                 (?5 IS NULL OR holder IN (SELECT id FROM holder WHERE account IN (SELECT value FROM json_each(?5)))) GROUP BY \
                 start, holder, key"
            )
        };
        let Range { from, to } = selection.range;
        let accounts = selection.accounts.as_deref().map(json_array);
        let parameters = params![selection.tier.number(), Part::Scopes.number(), from, to, accounts];
        let rows = summed(&self.connection, text, parameters, |row, adding| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, adding.read(row, 3)?))
        });
        let rows = rows.map_err(|source| self.failed(source))?;
        let sum = |(start, holder, key, columns): (i64, i64, i64, PerDirection<_>)| {
            let name = names.get(&holder)?.clone();
            let scope = match keys.get(&key)? {
                Key::Scope(scope) => *scope,
                Key::Port(_) | Key::Bucket(_) => return None,
            };
            Some(Sum { start, of: (name, scope), amounts: columns.shown() })
        };
        Ok(rows.into_iter().filter_map(sum).collect())
    }
}
