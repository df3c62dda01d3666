//! Which columns of a table are printed.

use super::CliError;
use crate::study_file::similar;
use crate::view::size_of_stdout;

/// The arguments that say so.
#[derive(Debug, clap::Args)]
pub(super) struct Layout {
    /// Print these columns, in this order
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Option<Vec<String>>,

    /// Print all columns, however narrow the terminal is
    #[arg(long)]
    wide: bool,
}

impl Layout {
    /// The columns of the terminal that a table must fit; `None`: it may be of any width.
    pub(super) fn width(&self) -> Option<usize> {
        stdout_width().filter(|_| !self.wide)
    }

    /// The names that were chosen.
    pub(super) fn chosen(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }
}

/// The columns of the terminal; `None` if there is none.
pub(super) fn stdout_width() -> Option<usize> {
    size_of_stdout().map(|(columns, _)| columns)
}

/// That a table has no column of this name.
pub(super) fn no_column(name: &str, known: &[&str]) -> CliError {
    let similar = similar(name, known);
    let meant = similar.map_or(String::new(), |similar| format!("did you mean `{similar}`? "));
    CliError::usage(
        format!("there is no column `{name}`"),
        format!("{meant}columns: {}", known.join(", ")),
    )
}
