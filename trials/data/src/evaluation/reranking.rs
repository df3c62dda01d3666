//! Queries with texts to be ranked.

use std::collections::HashSet;

use super::{Candidates, Reading, Task, count};
use crate::columns::Role;
use crate::error::DataError;

/// Reads the queries: one for each row, even if another row has the same.
pub(super) fn load(reading: &mut Reading) -> Result<(Task, String), DataError> {
    let file = reading.path("data")?;
    let rows = reading.rows(file, &mut |sheet| {
        let query = sheet.texts(Role::Anchor)?;
        let (positives, negatives) = (sheet.texts(Role::Positive)?, sheet.texts(Role::Negative)?);
        sheet.are_not_too_many(positives.len() + negatives.len())?;
        Ok(match query.as_slice() {
            [query] if !positives.is_empty() && !negatives.is_empty() => Some(Candidates {
                query: *query,
                positives,
                negatives,
            }),
            _ => None,
        })
    })?;
    let number = count(rows.rows.len(), "query", "queries");
    let differs = |row: &Candidates| {
        row.positives
            .iter()
            .any(|text| row.negatives.iter().any(|other| other != text))
    };
    if !rows.rows.iter().any(differs) {
        let common = format!("of {number} the positive and the negative are the same text");
        return Err(reading.says_nothing(file, &common));
    }
    let both = |row: &&Candidates| {
        let positives: HashSet<&u32> = row.positives.iter().collect();
        row.negatives.iter().any(|text| positives.contains(text))
    };
    let contradictory = rows.rows.iter().filter(both).count();
    if contradictory > 0 {
        reading.warn(format!(
            "a text is positive and negative in {contradictory} of {number}: the negative stands first there"
        ));
    }
    reading.warn_of_few(rows.rows.len(), &number);
    let positives: usize = rows.rows.iter().map(|row| row.positives.len()).sum();
    let negatives: usize = rows.rows.iter().map(|row| row.negatives.len()).sum();
    let summary = format!(
        "{number}, {}, {}{}",
        count(positives, "positive", "positives"),
        count(negatives, "negative", "negatives"),
        rows.left_out("a query, a positive or a negative")
    );
    Ok((Task::Reranking(rows.rows), summary))
}
