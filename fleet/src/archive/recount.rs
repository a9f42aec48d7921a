//! Counting what is stored one by one, as a check on the sets that are kept of it.

use super::{Archive, ArchiveError};

impl Archive {
    /// How many stored records stand in a place that another stored record has: none, if the archive keeps
    /// its promise. Reads every record, so it is for the end of a run and for tests.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn stored_twice(&self) -> Result<u64, ArchiveError> {
        let mut find = self.connection.prepare_cached(
            "SELECT (SELECT count(*) FROM record)
                  - (SELECT count(*) FROM (SELECT DISTINCT lane, sequence FROM record))",
        )?;
        let twice: i64 = find.query_row([], |row| row.get(0))?;
        u64::try_from(twice).map_err(|_| ArchiveError::Damaged("a count is negative"))
    }
}
