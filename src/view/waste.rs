//! What studies take on the disk, and what of it nothing needs, in words.

use super::sheet::{Sheet, left_out};
use crate::gc::Found;
use crate::words::counted;

/// What studies take, and what is gone, or would be; the table as far as it fits into so many columns of a terminal.
pub fn waste(found: &Found, dry: bool, width: Option<usize>) -> String {
    let verb = if dry { "can go" } else { "removed" };
    let rows = found.studies.iter().map(|study| {
        let sizes = [
            study.removable,
            study.checkpoints,
            study.best_model,
            study.logs,
            study.database,
            study.journal,
            study.other,
        ];
        [study.study.clone()].into_iter().chain(sizes.map(size)).collect()
    });
    let sheet = Sheet {
        head: [
            "study",
            verb,
            "checkpoints",
            "best model",
            "logs",
            "database",
            "journal",
            "other",
        ]
        .map(str::to_owned)
        .into(),
        rows: rows.collect(),
        words: vec![0],
    };
    let (table, hidden) = sheet.text(width);
    let mut text = table + &left_out(hidden, "a wider terminal");
    if found.cache > 0 {
        text += &format!("cache of data beside them: {}\n", size(found.cache));
    }
    if found.experience > 0 {
        text += &format!("what --learn-from knows of them: {}\n", size(found.experience));
    }
    for left in &found.left {
        text += &format!("left alone: {} ({})\n", left.study, left.why);
    }
    for waste in &found.waste {
        text += &format!(
            "{verb}: {}, {} ({})\n",
            waste.path.display(),
            size(waste.bytes),
            waste.why
        );
    }
    let bytes = found.waste.iter().map(|waste| waste.bytes).sum();
    text + &match (found.waste.len(), dry) {
        (0, _) => "nothing can go without loss\n".to_owned(),
        (count, true) => format!("{} in {} can go: hpo gc\n", size(bytes), counted(count, "place")),
        (count, false) => format!("{} freed in {}\n", size(bytes), counted(count, "place")),
    }
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "-".to_owned(),
        1..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.0} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.0} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
