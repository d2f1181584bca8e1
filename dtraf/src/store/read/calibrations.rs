//! What others have counted.

use rusqlite::params;

use super::Archive;
use crate::accounting::statement::calibration::Calibration;
use crate::accounting::statement::period::Range;
use crate::store::StoreError;
use crate::store::names::{counts, scope};

/// Words for direction and scopes.
type Said = (String, Option<String>);

impl Archive {
    /// Those of times that are at least partly within the range; all without one.
    pub(crate) fn calibrations(&self, range: Option<Range>) -> Result<Vec<Calibration>, StoreError> {
        let rows = self.rows(
            "SELECT id, from_s, to_s, counts, bytes, note, scopes FROM calibration WHERE ?1 IS NULL OR from_s < ?2 AND to_s > ?1 ORDER \
             BY from_s, id",
            params![range.map(|range| range.from), range.map(|range| range.to)],
            |row| {
                let range = Range { from: row.get(1)?, to: row.get(2)? };
                let said = (row.get::<_, String>(3)?, row.get::<_, Option<String>>(6)?);
                Ok((row.get(0)?, range, said, row.get(4)?, row.get(5)?))
            },
        )?;
        let calibration = |(number, range, (word, scopes), bytes, note): (i64, Range, Said, i64, String)| {
            let counts = counts(&word, &self.path)?;
            let known =
                |words: String| words.split_whitespace().map(|word| scope(word, &self.path)).collect();
            let bytes = u64::try_from(bytes).unwrap_or_default();
            let scopes = scopes.map(known).transpose()?;
            Ok(Calibration { number, range, counts, scopes, bytes, note, counted: None })
        };
        rows.into_iter().map(calibration).collect()
    }
}
