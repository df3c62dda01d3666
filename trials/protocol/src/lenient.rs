//! JSON as programs write it that are less strict: what Python and others write for a number that is not finite is understood.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// No object is nested deeper.
const DEEPEST: usize = 64;

/// Strict JSON for the object that `text` begins with, in which `infinite` stands for numbers that are not finite, and how many bytes of
/// the text it is.
///
/// # Errors
/// If it has no end: as much as there is.
pub fn object(text: &[u8], infinite: &[u8]) -> Result<(Vec<u8>, usize), Vec<u8>> {
    let (mut json, mut depth, mut at) = (Vec::new(), 0, 0);
    while at < text.len() && depth <= DEEPEST {
        let rest = &text[at..];
        let word = rest.iter().take_while(|byte| is_of_word(**byte)).count();
        let length = match rest[0] {
            b'"' => string(rest),
            _ => word.max(1),
        };
        let piece = &rest[..length];
        match piece {
            b"{" | b"[" => depth += 1,
            b"}" | b"]" => depth -= 1,
            _ => {}
        }
        let is_infinite = word > 0 && std::str::from_utf8(piece).is_ok_and(is_not_finite);
        json.extend_from_slice(if is_infinite { infinite } else { piece });
        at += length;
        if depth == 0 {
            return Ok((json, at));
        }
    }
    Err(json)
}

/// The length of the string that `text` begins with, or of all of it if the string has no end.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Whether a word is a number that is not finite, as any language writes it, or too large to be one.
pub fn is_not_finite(word: &str) -> bool {
    word.parse::<f64>().is_ok_and(|number| !number.is_finite())
}

/// The first name that stands twice in one object of a JSON text, on whatever level. Of its values, readers take the last one.
pub fn twice(json: &[u8]) -> Option<String> {
    serde_json::from_slice::<Names>(json).ok()?.0
}

/// What [`twice`] finds in a value.
struct Names(Option<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Names, E> {
        Ok(Names(None))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Names, E> {
        Ok(Names(None))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Names, E> {
        Ok(Names(None))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Names, E> {
        Ok(Names(None))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Names, E> {
        Ok(Names(None))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Names, E> {
        Ok(Names(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Names, A::Error> {
        let mut first = None;
        while let Some(Names(found)) = elements.next_element()? {
            first = first.or(found);
        }
        Ok(Names(first))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Names, A::Error> {
        let (mut first, mut known) = (None, BTreeSet::new());
        while let Some(name) = members.next_key::<String>()? {
            let Names(found) = members.next_value()?;
            let own = known.contains(&name).then(|| name.clone());
            known.insert(name);
            first = first.or(own).or(found);
        }
        Ok(Names(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_in_one_object_is_found() {
        let found = |json: &str| twice(json.as_bytes());
        assert_eq!(
            found(r#"{"a": 1, "m": {"b": [0.5, {"c": null, "c": "x"}], "d": true}}"#).as_deref(),
            Some("c")
        );
        assert_eq!(found(r#"{"m": {"acc": 1, "\u0061cc": -2}}"#).as_deref(), Some("acc"));
        assert_eq!(found(r#"{"a": {"a": 1}, "b": [{"c": 1}, {"c": 2}]}"#), None);
        assert_eq!(found(r#"{"a": 1, "a""#), None);
    }
}
