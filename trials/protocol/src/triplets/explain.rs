//! What is wrong in a line that is not a triplet.

use std::ops::Range;

use serde_json::Value;

use super::{FORM, Problem};

const KEYS: [&str; 3] = ["anchor", "positive", "negative"];

/// Why a line is not a triplet: the slow way, taken once.
pub(super) fn explain(line: &str) -> Problem {
    let all = line.len() - line.trim_start().len()..line.trim_end().len();
    let object = match serde_json::from_str::<Value>(line) {
        Err(error) => return syntax(line, &error),
        Ok(Value::Object(object)) => object,
        Ok(other) => return Problem::new(line, all, format!("a triplet is an object, not {}", kind(&other)), FORM),
    };
    let members = members(line);
    for key in KEYS {
        let mut places = members
            .iter()
            .filter(|(name, _)| name == key)
            .map(|(_, span)| span.clone());
        let (Some(place), Some(value)) = (places.next(), object.get(key)) else {
            let message = format!("the key `{key}` is missing");
            return Problem::new(line, all, message, FORM);
        };
        if let Some(second) = places.next() {
            let message = format!("the key `{key}` is there twice");
            return Problem::new(line, second, message, "keep one of the two");
        }
        match value {
            Value::String(text) if !text.trim().is_empty() => {}
            Value::String(_) => {
                let message = format!("`{key}` is blank");
                return Problem::new(line, place, message, "give it a text, or remove the line");
            }
            other => {
                let message = format!("`{key}` must be a string, not {}", kind(other));
                return Problem::new(line, place, message, "put the text in quotes");
            }
        }
    }
    Problem::new(line, all, "the line is not a triplet", FORM)
}

/// A line that is not JSON.
fn syntax(line: &str, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(text, _)| text);
    // serde_json counts bytes from 1, and stands at the end of the line if that came too early.
    let start = line.floor_char_boundary(error.column().saturating_sub(1).min(line.len()));
    let end = line.ceil_char_boundary((start + 1).min(line.len()));
    Problem::new(line, start..end, format!("the line is not JSON: {message}"), FORM)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The keys of an object and the places of their values. The line must be a valid JSON object.
fn members(line: &str) -> Vec<(String, Range<usize>)> {
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
