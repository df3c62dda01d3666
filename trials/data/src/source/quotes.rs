//! Whether quotes in a TSV file hold texts together, or are text.
//!
//! Published data sets (STS-B, Quora, MS MARCO) put nothing in quotes, and a text may well begin with one. What pandas and other
//! programs write has quotes around texts that hold tabs, line ends or quotes, and around no others. A file that can be read
//! both ways is read as the one that must have written it so, and refused if that is not clear.

use std::path::Path;

use super::fields::{Dialect, Field, Rows};
use crate::error::DataError;

/// What a file looks like when it is read one way.
#[derive(Default)]
struct Look {
    /// What is wrong when it is read so.
    error: Option<DataError>,
    /// Whether the header has a field in quotes, as it never has where quotes are text.
    header: bool,
    /// Whether a field in quotes has quotes of its own, each twice, or a carriage return: they are needed.
    needed: bool,
    /// Whether a field without quotes around it has some within, as it never has where quotes hold texts together.
    loose: bool,
    /// That the first field in quotes may be either.
    first: Option<DataError>,
    /// That a field in quotes may be either since it begins and ends in lines that would be whole rows without it.
    swallowing: Option<DataError>,
    /// Whether fields with commas are those in quotes, which is how some programs write.
    commas: bool,
}

/// Whether a TSV file has its texts in quotes.
///
/// `is_header` says of the fields of the first row, quotes included, whether they name the columns.
///
/// # Errors
/// If it is likely to be read wrongly either way.
pub(super) fn quotes(path: &Path, is_header: &dyn Fn(&[&str]) -> bool) -> Result<bool, DataError> {
    let plain = look(path, false, is_header)?;
    if plain.header {
        return Ok(true);
    }
    let quoted = look(path, true, is_header)?;
    let Some(doubt) = quoted.first else {
        return Ok(false);
    };
    let is_clear = quoted.needed && !quoted.loose;
    match (plain.error, quoted.error) {
        // What is wrong is reported when the file is read for its rows.
        (None, Some(_)) => Ok(false),
        (Some(_), Some(_)) => Ok(is_clear),
        (_, None) if is_clear => Ok(true),
        (_, None) if quoted.needed => Err(doubt),
        (None, None) if quoted.loose => Ok(false),
        (None, None) if quoted.commas => Err(doubt),
        (None, None) => quoted.swallowing.map_or(Ok(false), Err),
        (Some(_), None) if quoted.loose => Err(doubt),
        (Some(_), None) => quoted.swallowing.map_or(Ok(true), Err),
    }
}

fn look(path: &Path, quotes: bool, is_header: &dyn Fn(&[&str]) -> bool) -> Result<Look, DataError> {
    let dialect = Dialect {
        separator: '\t',
        quotes,
    };
    let mut rows = Rows::open(path, dialect)?;
    let mut look = Look {
        commas: true,
        ..Look::default()
    };
    if let Err(error) = read(&mut rows, &mut look, is_header) {
        look.error = Some(error);
    }
    Ok(look)
}

fn read(rows: &mut Rows, look: &mut Look, is_header: &dyn Fn(&[&str]) -> bool) -> Result<(), DataError> {
    if !rows.next()? {
        return Ok(());
    }
    let expected = rows.fields.len();
    let first: Vec<&str> = rows
        .fields
        .iter()
        .map(|field| &rows.text[field.start..field.end])
        .collect();
    let has_header = is_header(&first);
    look.header = has_header && first.iter().any(|field| field.starts_with('"'));
    let mut is_record = !has_header;
    while is_record || rows.next()? {
        is_record = false;
        rows.check_count(expected)?;
        if rows.text.contains(['"', ',']) {
            for field in &rows.fields {
                look.take(rows, field, expected);
            }
        }
    }
    Ok(())
}

impl Look {
    fn take(&mut self, rows: &Rows, field: &Field, expected: usize) {
        let text = &rows.text[field.start..field.end];
        self.commas &= field.quoted == text.contains(',');
        if !field.quoted {
            self.loose |= text.contains('"');
            return;
        }
        self.needed |= field.doubled || text.replace("\r\n", "").contains('\r');
        let doubt = || {
            let message = "these quotes may hold a text together, or be part of it";
            let help = "if they hold it together, save the file as CSV; if they are part of it, write JSON lines";
            rows.error(field.start..field.end, message, help)
        };
        self.first.get_or_insert_with(doubt);
        let is_whole = |line: &str| line.matches('\t').count() + 1 == expected;
        let (before, behind) = (&rows.text[..field.start], &rows.text[field.end..]);
        if let (Some((first, _)), Some((_, last))) = (text.split_once('\n'), text.rsplit_once('\n')) {
            let first = before.rsplit('\n').next().unwrap_or_default().to_owned() + first;
            let last = last.to_owned() + behind.split('\n').next().unwrap_or_default();
            if is_whole(&first) && is_whole(&last) {
                self.swallowing.get_or_insert_with(doubt);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `plain`, `quoted`, or what is wrong.
    fn found(text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.tsv");
        std::fs::write(&path, text).unwrap();
        match quotes(&path, &|first| first[0].trim_matches('"') == "x") {
            Ok(false) => "plain".to_owned(),
            Ok(true) => "quoted".to_owned(),
            Err(error) => format!("{}: {}", error.place.unwrap().line, error.message),
        }
    }

    #[test]
    fn quotes_are_text_where_no_program_would_have_written_them_to_hold_a_text_together() {
        for rows in [
            "a\tb\t0\n",
            "\"So be it, he said.\tHe agreed.\t0.9\nIt rains.\tThe sun shines.\t0.1\nThat is all.\"\tNo \"more\".\t0.2\n",
            "\"Yes\" he said.\tb\t0\n",
            "a \"b\" c\td\t0\n\"e\tf\t1\n",
            "\"Yes.\"\tNo.\t0\nA.\tB.\t1\n",
            "\"Yes, sir.\"\tNo.\t0\nA, b.\tC.\t1\n",
            "\"\tb\t0\n",
        ] {
            assert_eq!(found(&format!("x\ty\tz\n{rows}")), "plain", "{rows}");
        }
    }

    /// The first row of a file without a header is one like the others.
    #[test]
    fn quotes_in_the_first_row_say_nothing_if_it_is_no_header() {
        for rows in ["1\t\"It rains,\" he said.\n2\tb\n3\t\"c\n", "1\t\"a\n2\tb\n"] {
            assert_eq!(found(rows), "plain", "{rows}");
        }
        assert_eq!(found("1\t\"a \"\"b\"\"\"\n2\tc\n"), "quoted");
    }

    #[test]
    fn quotes_hold_texts_together_where_a_program_had_to_write_them() {
        for file in [
            "x\ty\n\"a\tb\"\tc\n",
            "x\ty\n\"a\nb\"\tc\n",
            "x\ty\nc\t\"a\nb\"\n",
            "x\ty\n\"say \"\"no\"\"\"\tc\n",
            "\"x\"\t\"y\"\n\"a\"\t\"b\"\n",
            "x\ty\n\"def f():\n\treturn 1\"\tc\n",
            "x\ty\n\"a\tb\nc\td\"\te\n\"\"\"\"\tf\n",
        ] {
            assert_eq!(found(file), "quoted", "{file}");
        }
    }

    #[test]
    fn what_may_be_either_is_refused() {
        let doubt = "these quotes may hold a text together, or be part of it";
        assert_eq!(found("x\ty\n\"Yes, sir.\"\tNo.\n\"A, b\"\tC\n"), format!("2: {doubt}"));
        assert_eq!(found("x\ty\na\tb\n\"c\td\ne\nf\"\tg\n"), format!("3: {doubt}"));
    }
}
