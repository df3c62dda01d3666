//! Where things stand in the text of a study's file, and what is wrong there.

use std::path::Path;

use hpo_data::DataError;
use toml::de::DeTable;

use super::super::reader::{Item, Problem, Span, Table};
use super::super::{StudyFile, diagnostic};
use crate::diagnostic::{Diagnostic, Source};

/// About what stands somewhere in the file, or is not there.
pub(super) fn at_span(file: &StudyFile, span: Option<Span>, message: String, help: &str) -> Diagnostic {
    let problem = match span {
        Some(span) => Problem::new(span, message, "named here", help),
        None => Problem::missing(None, message, help),
    };
    diagnostic(problem, &file.text, &file.path)
}

/// About a path, which stands somewhere in the file.
pub(super) fn at_path(file: &StudyFile, span: Option<Span>, path: &str, message: String, help: &str) -> Diagnostic {
    let help = if path.contains("/.cache/") && !Path::new(path).exists() {
        "run `make setup` to fetch it"
    } else if path.contains("/~/") {
        "`~` is not replaced here: write the whole path"
    } else if path.contains("/$") {
        "variables of a shell are not replaced here: write the whole path"
    } else if path.contains(":/") {
        "download it, and name the file"
    } else {
        help
    };
    at_span(file, span, message, help)
}

/// The text that a key of `[trial]` has.
pub(super) fn place_text(text: &str, key: &str) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    let item: Item = Table::root(&document).get("trial")?.table().ok()?.get(key)?;
    item.string().ok().map(str::to_owned)
}

/// Where the value of a key of `[trial]` stands.
pub(super) fn place(text: &str, key: &str) -> Option<Span> {
    place_in(text, &["trial"], key, 0)
}

/// Where the value of a key of a table within others stands; of an array, one of its elements.
pub(super) fn place_in(text: &str, tables: &[&str], key: &str, element: usize) -> Option<Span> {
    let document = DeTable::parse(text).ok()?;
    let mut table = Table::root(&document);
    for name in tables {
        table = table.get(name)?.table().ok()?;
    }
    let item: Item = table.get(key)?;
    match item.array("") {
        Ok(elements) => elements.get(element).map(|element| element.span.clone()),
        Err(_) => Some(item.span),
    }
}

pub(in crate::study_file) fn in_data(error: DataError) -> Diagnostic {
    let source = error.place.map(|place| {
        Box::new(Source {
            text: place.text,
            line_start: place.line,
            span: place.span,
        })
    });
    Diagnostic {
        message: error.message,
        file: error.file,
        source,
        label: String::new(),
        help: Some(error.help),
    }
}
