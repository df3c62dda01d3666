//! Where things stand in a line of JSON, and what is wrong in one that is not a row.

use std::ops::Range;

use super::lines::{CARRIAGE_RETURNS, LINE_ENDS, Problem};
use crate::columns::Layout;
use crate::error::shown;
use crate::value::Cell;

/// The help where the columns are not known yet.
pub(super) const FORM: &str = r#"write one {"anchor": "…", "positive": "…", "negative": "…"} per line"#;

/// Why a line is not a row of the layout: the slow way, taken once.
pub(super) fn explain(line: &str, layout: &Layout) -> Problem {
    if let Err(problem) = object(line, Some(layout)) {
        return problem;
    }
    let all = whole(line);
    let members = members(line);
    let spans = |key: &str| -> Vec<Range<usize>> {
        let of = members.iter().filter(|(name, _)| name == key);
        of.map(|(_, span)| span.clone()).collect()
    };
    for (column, (key, _)) in layout.columns.iter().enumerate() {
        match spans(key).as_slice() {
            [] if !layout.is_optional(column) => {
                let message = format!("the key `{}` is missing", shown(key));
                return Problem::new(line, all, message, layout.example());
            }
            [_, second, ..] => {
                let message = format!("the column `{}` appears twice", shown(key));
                return Problem::new(line, second.clone(), message, "rename or remove one of the two");
            }
            [only] => {
                if let Err(error) = serde_json::from_str::<Cell>(&line[only.clone()]) {
                    return unreadable(line, key, only.clone(), &error);
                }
            }
            [] => {}
        }
    }
    let surprising = members
        .iter()
        .find(|(name, _)| layout.position(name).is_none() && layout.is_surprising(name));
    if let Some((name, span)) = surprising {
        let message = format!("the key `{}` is here, but not in the first line", shown(name));
        let help = "give all lines the same keys, or name those to read with `columns` under `[trial]`";
        return Problem::new(line, span.clone(), message, help);
    }
    Problem::new(line, all, "the line is not a row", layout.example())
}

/// A value that has the form of JSON, but means nothing.
fn unreadable(line: &str, key: &str, span: Range<usize>, error: &serde_json::Error) -> Problem {
    let key = shown(key);
    if line[span.clone()].starts_with('"') {
        let message = format!("`{key}` is no text: {}", without_place(error));
        let help = "write characters as they are: `\\ud800` to `\\udfff` are halves of one";
        return Problem::new(line, span, message, help);
    }
    let message = format!("`{key}` is a number that is too large");
    Problem::new(
        line,
        span,
        message,
        "write a smaller one, or `null` where there is no value",
    )
}

/// What is wrong, without where.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let words = message.rsplit_once(" at line ").map(|(words, _)| words.to_owned());
    words.unwrap_or(message)
}

/// Where the value of a key stands in a line that is a JSON object.
pub(super) fn value_span(line: &str, key: &str) -> Range<usize> {
    let member = members(line).into_iter().find(|(name, _)| name == key);
    member.map_or_else(|| whole(line), |(_, span)| span)
}

/// Fails if a line is not a JSON object; of its columns, as far as they are known, which should be.
pub(super) fn object(line: &str, layout: Option<&Layout>) -> Result<(), Problem> {
    match serde_json::from_str::<Cell>(line) {
        Ok(Cell::Other(_)) => Ok(()),
        Ok(other) => {
            let message = format!("a row is an object, not {}", other.kind());
            Err(Problem::new(line, whole(line), message, FORM))
        }
        Err(error) => Err(syntax(line, layout, &error)),
    }
}

/// The line without blanks around it.
fn whole(line: &str) -> Range<usize> {
    line.len() - line.trim_start().len()..line.trim_end().len()
}

/// A line that is not JSON. Python writes numbers that are not finite by names that JSON does not have.
fn syntax(line: &str, layout: Option<&Layout>, error: &serde_json::Error) -> Problem {
    let message = without_place(error);
    // serde_json counts bytes from 1, and stands at the end of the line if that came too early.
    let start = line.floor_char_boundary(error.column().saturating_sub(1).min(line.len()));
    let names = ["NaN", "Infinity", "-Infinity"];
    // It has read the first letters, or the sign, before it stops.
    let near = start.saturating_sub(1)..=start;
    let found = |name: &str| {
        near.clone()
            .find(|&at| line.get(at..).is_some_and(|rest| rest.starts_with(name)))
    };
    if let Some((name, at)) = names.iter().rev().find_map(|name| Some((name, found(name)?))) {
        let is_text = |key: &str| layout.is_some_and(|layout| layout.is_text(key));
        let message = match members(line).into_iter().find(|(_, span)| span.start == at) {
            Some((key, _)) if is_text(&key) => format!("`{}` must be a string, not a number", shown(&key)),
            Some((key, _)) => format!("`{}` must be a finite number", shown(&key)),
            None => format!("{name} is not a finite number"),
        };
        let help = "write `null` where there is no value";
        return Problem::new(line, at..at + name.len(), message, help);
    }
    // To JSON it is a blank, so what is wrong is the row behind it.
    let blanks = line[..start].trim_end().len()..start;
    if let Some(at) = line[blanks.clone()].find('\r').map(|at| blanks.start + at) {
        return Problem::new(line, at..at + 1, CARRIAGE_RETURNS, LINE_ENDS);
    }
    let end = line.ceil_char_boundary((start + 1).min(line.len()));
    let help = match error.is_eof() && line.trim() == "{" {
        true => "write each object on one line, as `jq -c .` does",
        false => FORM,
    };
    Problem::new(line, start..end, format!("the line is not JSON: {message}"), help)
}

/// The keys of an object and the places of their values. The line must be a valid JSON object.
pub(super) fn members(line: &str) -> Vec<(String, Range<usize>)> {
    let bytes = line.as_bytes();
    let skip = |mut at: usize| {
        while bytes.get(at).is_some_and(|byte| b" \t\r\n{,:".contains(byte)) {
            at += 1;
        }
        at
    };
    let mut members = Vec::new();
    let mut at = line.find('{').map_or(bytes.len(), |brace| skip(brace + 1));
    while bytes.get(at) == Some(&b'"') {
        let key = at..end_of_value(bytes, at);
        // Not `skip`: the value may itself begin with a brace.
        let colon = key.end + bytes[key.end..].iter().take_while(|byte| **byte != b':').count();
        let blanks = bytes
            .iter()
            .skip(colon + 1)
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        let value = (colon + 1 + blanks).min(bytes.len());
        let value = value..end_of_value(bytes, value);
        let name = serde_json::from_str(line.get(key).unwrap_or_default()).unwrap_or_default();
        at = skip(value.end);
        members.push((name, value));
    }
    members
}

fn end_of_value(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut in_string, mut at) = (0usize, false, start);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b' ' | b'\t' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 && !in_string && matches!(byte, b'"' | b'}' | b']') {
            return at.min(bytes.len());
        }
    }
    at.min(bytes.len())
}
