//! Tables that fit a terminal.

use unicode_width::UnicodeWidthStr;

/// A table of texts. Numbers stand to the right of their columns, and words to the left.
#[derive(Debug, Clone, Default)]
pub(super) struct Sheet {
    /// The names of the columns.
    pub head: Vec<String>,
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
    /// The places of the columns with words.
    pub words: Vec<usize>,
}

impl Sheet {
    /// The table with as many of its first columns as fit into so many columns of a terminal, at least one, each line with a newline at
    /// its end; and how many do not fit. Without a width all do.
    pub fn text(&self, width: Option<usize>) -> (String, usize) {
        let widths: Vec<usize> = (0..self.head.len()).map(|place| self.width(place)).collect();
        let mut left = width.unwrap_or(usize::MAX);
        let fits = widths.iter().take_while(|width| {
            let fits = **width < left;
            left = left.saturating_sub(**width + BETWEEN);
            fits
        });
        let shown = fits.count().max(1).min(widths.len());
        let lines = std::iter::once(&self.head).chain(&self.rows);
        let text = lines.map(|cells| {
            let cells = cells.iter().zip(&widths).take(shown).enumerate();
            let cells = cells.map(|(place, (cell, width))| {
                let blank = " ".repeat(width - cell.width());
                match self.words.contains(&place) {
                    true => format!(" {cell}{blank}"),
                    false => format!(" {blank}{cell}"),
                }
            });
            let line = cells.collect::<Vec<_>>().join(" ");
            format!("{}\n", line.trim_end())
        });
        (text.collect(), widths.len() - shown)
    }

    fn width(&self, place: usize) -> usize {
        let cells = std::iter::once(&self.head).chain(&self.rows);
        cells.filter_map(|row| Some(row.get(place)?.width())).max().unwrap_or(0)
    }
}

/// The columns of a terminal between two columns of a table.
const BETWEEN: usize = 2;

/// How many columns of a table a terminal has no room for, and how they are shown, in a line.
pub(super) fn left_out(columns: usize, help: &str) -> String {
    match columns {
        0 => String::new(),
        1 => format!("1 column does not fit: {help} shows it\n"),
        columns => format!("{columns} columns do not fit: {help} shows them\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_out_from_the_right() {
        let owned = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let sheet = Sheet {
            head: owned(&["trial", "state", "loss"]),
            rows: vec![owned(&["3", "研究", "0.25"]), owned(&["12", "done", "-"])],
            words: vec![1],
        };
        let whole = " trial  state  loss\n     3  研究   0.25\n    12  done      -\n";
        for width in [None, Some(19), Some(80)] {
            assert_eq!(sheet.text(width), (whole.to_owned(), 0), "{width:?}");
        }
        assert_eq!(
            sheet.text(Some(18)),
            (" trial  state\n     3  研究\n    12  done\n".to_owned(), 1)
        );
        assert_eq!(sheet.text(Some(1)), (" trial\n     3\n    12\n".to_owned(), 2));
        assert_eq!(left_out(4, "--wide"), "4 columns do not fit: --wide shows them\n");
    }
}
