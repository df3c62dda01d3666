//! Scored pairs.

use super::{Reading, Task, count};
use crate::columns::Role;
use crate::error::DataError;
use crate::rows::Found;

/// Reads the pairs. Scores may be on any scale: correlations know none.
pub(super) fn load(reading: &mut Reading) -> Result<(Task, String), DataError> {
    let file = reading.path("data")?;
    let pairs = reading.rows(file, &mut |sheet| {
        let (one, other) = (sheet.texts(Role::Anchor)?, sheet.texts(Role::Positive)?);
        Ok(match (one.as_slice(), other.as_slice(), sheet.number()?) {
            ([one], [other], Found::Value((_, score))) => Some(([*one, *other], score)),
            _ => None,
        })
    })?;
    let number = count(pairs.rows.len(), "scored pair", "scored pairs");
    let mut scores = pairs.rows.iter().filter(|([one, other], _)| one != other);
    // Of a text and itself the cosine is 1 for all models.
    let Some((_, first)) = scores.next() else {
        let common = format!("{number} that all have the same text twice");
        return Err(reading.says_nothing(file, &common));
    };
    if scores.all(|(_, score)| score == first) {
        let common = match pairs.rows.len() {
            1 => "it has one scored pair".to_owned(),
            _ => format!("all {number} have the score {first}"),
        };
        return Err(reading.says_nothing(file, &common));
    }
    reading.warn_of_few(pairs.rows.len(), &number);
    let summary = format!("{number}{}", pairs.left_out("a text or a score"));
    Ok((Task::Similarity(pairs.rows), summary))
}
