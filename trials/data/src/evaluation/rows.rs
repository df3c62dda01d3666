//! Files of rows, in the formats of the training data.

use std::path::Path;
use std::rc::Rc;

use hpo_protocol::embedding::{Columns, EvaluationKind};

use super::Reading;
use crate::columns::{Layout, Unclear};
use crate::error::DataError;
use crate::lists::Lists;
use crate::pool::Pool;
use crate::rows::{Flaw, Record, Sheet};
use crate::source::{self, Sink};

/// The rows of a file.
pub(super) struct Rows<T> {
    /// What was made of its records; at least one.
    pub rows: Vec<T>,
    /// Records in which something is missing, which are left out.
    empty: usize,
}

impl<T> Rows<T> {
    /// What to add to a summary; `what` is missing in those that are left out.
    pub fn left_out(&self, what: &str) -> String {
        match self.empty {
            0 => String::new(),
            empty => format!("; {empty} without {what} left out"),
        }
    }
}

/// Makes a row of a record, or none if something is missing in it.
type Make<'a, T> = &'a mut dyn FnMut(&mut Sheet) -> Result<Option<T>, Flaw>;

/// Collects the rows of a file.
struct Collect<'a, T> {
    mapping: Option<&'a Columns>,
    kind: EvaluationKind,
    pool: &'a mut Pool,
    make: Make<'a, T>,
    columns: Option<(Rc<Layout>, Lists)>,
    rows: Rows<T>,
}

impl<T> Sink for Collect<'_, T> {
    fn begin(&mut self, names: &[&str]) -> Result<Layout, Unclear> {
        let layout = Layout::of(names, self.mapping)?;
        let wanted = self.kind.rows();
        if !wanted.contains(&layout.kind) {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            return Err(Unclear {
                message: format!("the columns make {}, not {}", layout.kind, wanted.join(" or ")),
                help: format!(
                    "give another file, name its columns with `columns` under `[trial]`, or fix `type`, which is `{}`",
                    self.kind
                ),
                at: None,
            });
        }
        self.columns = Some((Rc::new(layout.clone()), Lists::of(&layout)));
        Ok(layout)
    }

    fn take(&mut self, record: &Record) -> Result<(), Flaw> {
        let Some((layout, lists)) = &mut self.columns else {
            return Ok(());
        };
        lists.take(record.cells);
        let mut sheet = Sheet::new(layout, record, true, self.pool);
        sheet.is_no_header()?;
        match (self.make)(&mut sheet)? {
            Some(row) => self.rows.rows.push(row),
            None => self.rows.empty += 1,
        }
        Ok(())
    }
}

impl Reading<'_> {
    /// Reads a file of rows.
    pub(super) fn rows<T>(&mut self, file: &Path, make: Make<'_, T>) -> Result<Rows<T>, DataError> {
        let mut collect = Collect {
            mapping: self.evaluation.columns.as_ref(),
            kind: self.evaluation.r#type,
            pool: &mut self.pool,
            make,
            columns: None,
            rows: Rows {
                rows: Vec::new(),
                empty: 0,
            },
        };
        source::read(file, &mut collect)?;
        if let Some((layout, lists)) = &collect.columns {
            lists.check(file, layout)?;
        }
        let rows = collect.rows;
        if rows.rows.is_empty() {
            let message = format!(
                "no rows of `{}` remain: something is missing in all {}",
                file.display(),
                rows.empty
            );
            let help = "fix the file, or check what its columns are for (`columns` under `[trial]`)";
            return Err(DataError::whole(file, message, help));
        }
        Ok(rows)
    }
}
