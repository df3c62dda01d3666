//! Labelled texts.

use std::collections::HashSet;
use std::path::Path;

use indexmap::IndexSet;

use super::rows::Rows;
use super::{Classification, Reading, Task, count};
use crate::columns::Role;
use crate::error::{DataError, shown};
use crate::labels;
use crate::rows::Found;

/// Reads the labelled texts. All labels must be among those that the classifier is fitted on.
pub(super) fn load(reading: &mut Reading) -> Result<(Task, String), DataError> {
    let (train_file, file) = (reading.path("train")?, reading.path("data")?);
    let train = read(reading, train_file, None)?;
    let labels: HashSet<u32> = train.rows.iter().map(|(_, label)| *label).collect();
    let test = read(reading, file, Some(&labels))?;
    let seen: HashSet<u32> = train.rows.iter().map(|(text, _)| *text).collect();
    let known = test.rows.iter().filter(|(text, _)| seen.contains(text)).count();
    let number = count(test.rows.len(), "text", "texts");
    if known > 0 {
        reading.warn(format!(
            "the classifier is fitted on {known} of the {number} that it is asked about"
        ));
    }
    for [one, other] in reading.pool.rewritten() {
        reading.warn(format!(
            "the labels `{one}` and `{other}` are the same value, and count as one"
        ));
    }
    let mut names: IndexSet<String> = labels.iter().map(|label| name(reading, *label).to_owned()).collect();
    names.sort();
    labels::doubtful(&names)
        .into_iter()
        .for_each(|doubt| reading.warn(doubt));
    reading.warn_of_few(test.rows.len(), &number);
    let summary = format!(
        "{number} with {} labels{}, the classifier fitted on {}{}",
        labels.len(),
        test.left_out("a text or a label"),
        train.rows.len(),
        train.left_out("a text or a label")
    );
    Ok((Task::Classification(sorted(reading, train.rows, test.rows)), summary))
}

/// Reads a file, in which there are no labels but the `known` ones.
fn read(reading: &mut Reading, file: &Path, known: Option<&HashSet<u32>>) -> Result<Rows<(u32, u32)>, DataError> {
    let rows = reading.rows(file, &mut |sheet| {
        let text = sheet.texts(Role::Text)?;
        let (&[text], Found::Value(label)) = (text.as_slice(), sheet.label()?) else {
            return Ok(None);
        };
        if known.is_none_or(|known| known.contains(&label)) {
            return Ok(Some((text, label)));
        }
        let written = sheet.named(Role::Label, "a label")?.map(|(_, written)| written);
        let message = format!(
            "no text of `train` has the label `{}`",
            shown(&written.unwrap_or_default())
        );
        let help = "remove the row, or fit the classifier on texts with this label too";
        Err(sheet.flaw(Role::Label, message, help))
    })?;
    match in_common(reading, &rows.rows) {
        Some(common) => Err(reading.says_nothing(file, &common)),
        None => Ok(rows),
    }
}

/// What all rows have in common if that leaves nothing to find out.
fn in_common(reading: &Reading, rows: &[(u32, u32)]) -> Option<String> {
    let (text, label) = *rows.first()?;
    if rows.iter().all(|(_, other)| *other == label) {
        return Some(format!("all texts have the label `{}`", shown(name(reading, label))));
    }
    rows.iter()
        .all(|(other, _)| *other == text)
        .then(|| "all texts are the same".to_owned())
}

fn name<'a>(reading: &'a Reading, label: u32) -> &'a str {
    reading.pool.labels.get_index(label as usize).map_or("", String::as_str)
}

/// The same with labels in their order.
fn sorted(reading: &Reading, train: Vec<(u32, u32)>, test: Vec<(u32, u32)>) -> Classification {
    let mut labels: IndexSet<&str> = train.iter().map(|(_, label)| name(reading, *label)).collect();
    labels.sort();
    let place = |label: u32| labels.get_index_of(name(reading, label)).unwrap_or(0) as u32;
    let of = |rows: Vec<(u32, u32)>| rows.into_iter().map(|(text, label)| (text, place(label))).collect();
    Classification {
        train: of(train),
        test: of(test),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
    }
}
