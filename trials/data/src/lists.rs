//! Lists in formats that have none: some programs write what stands for one in a program.

use std::path::Path;

use crate::Kind;
use crate::columns::{Layout, Role};
use crate::error::{DataError, shown};
use crate::value::Cell;

/// Of each column of a file, whether it has texts that are lists written as such, and whether it has anything else.
#[derive(Debug)]
pub(crate) struct Lists(Vec<[bool; 2]>);

impl Lists {
    /// Of a file with these columns, nothing of which is read yet.
    pub fn of(layout: &Layout) -> Self {
        Self(vec![[false; 2]; layout.columns.len()])
    }

    /// Looks at the values of a record.
    pub fn take(&mut self, record: &[Option<Cell>]) {
        for (seen, cell) in self.0.iter_mut().zip(record) {
            match cell {
                Some(Cell::Text(text)) => seen[usize::from(!is_list(text))] = true,
                Some(Cell::List(_) | Cell::Bool(_) | Cell::Number(_) | Cell::Other(_)) => seen[1] = true,
                Some(Cell::Null) | None => {}
            }
        }
    }

    /// Refuses a file with a column of which all texts are lists.
    pub fn check(&self, file: &Path, layout: &Layout) -> Result<(), DataError> {
        let columns = layout.columns.iter().zip(&self.0);
        let can_be_lists = |role: Role| matches!(role, Role::Positive | Role::Negative) && layout.kind != Kind::Scored;
        let mut listed = columns.filter(|((_, role), seen)| can_be_lists(*role) && **seen == [true, false]);
        let Some(((name, _), _)) = listed.next() else {
            return Ok(());
        };
        let (shown_file, name) = (file.display(), shown(name));
        let message =
            format!("`{shown_file}`: all texts of `{name}` are lists that are written as texts, such as `['a', 'b']`");
        let help =
            format!("write them as lists, which JSON lines and Parquet have, or as columns `{name}_1`, `{name}_2` …");
        Err(DataError::whole(file, message, help))
    }
}

/// Whether a text is what Python makes of a list of texts where a format has none.
fn is_list(text: &str) -> bool {
    let inner = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let is_quoted = |inner: &str| inner.starts_with(['"', '\'']) && inner.ends_with(['"', '\'']);
    inner.is_some_and(|inner| inner.is_empty() || is_quoted(inner.trim()))
}
