//! Triplets.

use super::{Reading, Task, count};
use crate::columns::Role;
use crate::error::DataError;

/// Reads the triplets: one for each positive and each negative of a row.
pub(super) fn load(reading: &mut Reading) -> Result<(Task, String), DataError> {
    let file = reading.path("data")?;
    let rows = reading.rows(file, &mut |sheet| {
        let (anchor, positives) = (sheet.texts(Role::Anchor)?, sheet.texts(Role::Positive)?);
        let negatives = sheet.texts(Role::Negative)?;
        sheet.are_not_too_many(positives.len() * negatives.len())?;
        let of_anchor = |&anchor| {
            let pairs = positives
                .iter()
                .flat_map(|&positive| negatives.iter().map(move |&negative| (positive, negative)));
            pairs
                .map(move |(positive, negative)| [anchor, positive, negative])
                .collect::<Vec<[u32; 3]>>()
        };
        Ok(anchor.first().map(of_anchor).filter(|triplets| !triplets.is_empty()))
    })?;
    let left_out = rows.left_out("an anchor, a positive or a negative");
    let triplets: Vec<[u32; 3]> = rows.rows.into_iter().flatten().collect();
    let number = count(triplets.len(), "triplet", "triplets");
    let differ =
        |[anchor, positive, negative]: &&[u32; 3]| anchor != positive && anchor != negative && positive != negative;
    let same = triplets.len() - triplets.iter().filter(differ).count();
    if same == triplets.len() {
        let common = format!("{number}, in each of which a text stands twice");
        return Err(reading.says_nothing(file, &common));
    }
    if same > 0 {
        let of = count(triplets.len(), "triplet", "triplets");
        reading.warn(format!(
            "a text stands twice in {same} of {of}, on which all models are equally good"
        ));
    }
    reading.warn_of_few(triplets.len(), &number);
    Ok((Task::Triplets(triplets), number + &left_out))
}
