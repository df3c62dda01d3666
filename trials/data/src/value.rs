//! Values of records, and the one form of those that can be written in several ways.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::moment;

/// Digits before or after the point beyond which a number is written with an exponent.
const PLAIN: i64 = 40;

/// The largest exponent of a number.
const FARTHEST: u64 = 1_000_000_000_000;

/// A value of a record, whatever the format that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// None: `null`, or an empty field of a table.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number as it is written, which may be `NaN` or `inf`.
    Number(String),
    /// A text; in CSV and TSV everything is one. Dates and times are texts as [`moment`] writes them.
    Text(String),
    /// A list.
    List(Vec<Cell>),
    /// Something that nothing is made of, with its article.
    Other(&'static str),
}

impl Cell {
    /// What it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Other(what) => what,
        }
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfJson)
    }
}

/// Reads a value of JSON.
struct OfJson;

impl<'de> Visitor<'de> for OfJson {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cell, E> {
        Ok(Cell::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Cell, E> {
        Ok(Cell::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Cell, E> {
        Ok(Cell::Number(shortest(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cell, E> {
        Ok(Cell::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Cell, E> {
        Ok(Cell::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cell, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Cell::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Other("an object"))
    }
}

/// The one form of a name that is written as this text: `0`, `0.0`, `-0` and `0e3` are the name `0`, `True` is `true`, and
/// `2026-01-31T00:00:00Z` is `2026-01-31`. All other texts stand for themselves without the blanks around them. A number
/// that begins with a needless zero is a code and stands for itself, too: `007` is not `7`.
pub(crate) fn name(text: &str) -> String {
    let text = text.trim();
    let truth = || {
        let truths = ["true", "false"];
        truths.into_iter().find(|truth| text.eq_ignore_ascii_case(truth))
    };
    decimal(text)
        .or_else(|| truth().map(str::to_owned))
        .or_else(|| moment::canonical(text))
        .unwrap_or_else(|| text.to_owned())
}

/// The number that a text says, exactly and in one form: without a plus, needless zeros or, unless it is very long, an
/// exponent. None if it is no finite number, or begins with a needless zero.
pub(crate) fn decimal(text: &str) -> Option<String> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.to_owned() + fraction;
    let is_code = whole.len() > 1 && whole.starts_with('0');
    if digits.is_empty()
        || is_code
        || exponent.abs_diff(0) > FARTHEST
        || !digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let from_first = digits.trim_start_matches('0');
    let digits = from_first.trim_end_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    // The number is 0.digits times ten to this power.
    let power = exponent + from_first.len() as i64 - fraction.len() as i64;
    let sign = if negative { "-" } else { "" };
    let length = digits.len() as i64;
    let zeros = |count: i64| "0".repeat(count as usize);
    Some(if power > 0 && power <= length {
        match digits.split_at(power as usize) {
            (whole, "") => format!("{sign}{whole}"),
            (whole, fraction) => format!("{sign}{whole}.{fraction}"),
        }
    } else if power > 0 && power <= PLAIN {
        format!("{sign}{digits}{}", zeros(power - length))
    } else if (-PLAIN..=0).contains(&power) {
        format!("{sign}0.{}{digits}", zeros(-power))
    } else {
        format!("{sign}0.{digits}e{power}")
    })
}

/// The shortest decimal number that is read as this one and no other of its type: of half precision, the nearest to 0.1 is
/// written `1e-1`.
pub(crate) fn shortest<T: FromStr + PartialEq + Copy + Into<f64>>(number: T) -> String {
    // No binary number of 64 bits needs more than 17 digits.
    let mut written = (0..17).map(|digits| format!("{:.digits$e}", number.into()));
    let is_it = |text: &String| text.parse::<T>().is_ok_and(|read| read == number);
    written.find(is_it).unwrap_or_else(|| number.into().to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_has_one_form_however_it_is_written() {
        let cases: [(&str, &[&str]); 10] = [
            (
                "0",
                &["0", "0.0", "-0", "+0", "0e1", "0.", ".0", "0.000", " 0 ", "0E-9"],
            ),
            ("1", &["1", "1.0", "1e0", "+1", "10e-1", "0.1e1", "1.00"]),
            ("-1", &["-1", "-1.0", "-1e0", "-10E-1"]),
            ("100", &["100", "1e2", "100.0", "1.00e+2"]),
            ("4.5", &["4.5", "4.50", "45e-1", "0.45E1"]),
            ("0.05", &["0.05", ".05", "5e-2"]),
            ("true", &["true", "True", "TRUE"]),
            ("false", &["false", "False"]),
            (
                "2026-01-31",
                &["2026-01-31", "2026-01-31 00:00:00", "2026-01-31T00:00:00.000Z"],
            ),
            (
                "123456789012345678901234567890",
                &["123456789012345678901234567890", "12345678901234567890123456789e1"],
            ),
        ];
        for (form, written) in cases {
            for text in written {
                assert_eq!(name(text), form, "{text}");
            }
        }
    }

    #[test]
    fn other_texts_stand_for_themselves() {
        for text in [
            "007",
            "00",
            "-01",
            "1,5",
            "1_000",
            "0x1",
            "e",
            "1e",
            "e5",
            ".",
            "-",
            "+",
            "",
            "1.2.3",
            "½",
            "١",
            "nan",
            "NaN",
            "inf",
            "truе",
            "yes",
            "1e99999999999999999999",
            "1e9999999999999",
            "--1",
            "1 2",
            "2026-1-31",
        ] {
            assert_eq!(name(text), text);
        }
    }

    #[test]
    fn a_number_of_any_length_is_written_shortly() {
        assert_eq!(decimal("1e2147483647").unwrap(), "0.1e2147483648");
        assert_eq!(decimal("-1e-2147483648").unwrap(), "-0.1e-2147483647");
        assert_eq!(decimal("1e39").unwrap().len(), 40);
        assert_eq!(decimal("1e40").unwrap(), "0.1e41");
    }

    #[test]
    fn binary_numbers_are_written_as_people_do() {
        assert_eq!(decimal(&shortest(0.1f32)).unwrap(), "0.1");
        assert_eq!(decimal(&shortest(0.1f64)).unwrap(), "0.1");
        assert_eq!(decimal(&shortest(1e300)).unwrap(), "0.1e301");
        assert_eq!(decimal(&shortest(-0.0f64)).unwrap(), "0");
        assert_eq!(decimal(&shortest(f64::NAN)), None);
        assert_eq!(decimal(&shortest(f32::INFINITY)), None);
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself_and_the_number_stays(number: f64, decimals in 0usize..20, text in "[-+]?[0-9]{0,4}[.]?[0-9]{0,4}([eE][-+]?[0-9]{1,2})?") {
            for text in [text, format!("{number}"), format!("{number:e}"), format!("{number:.decimals$}")] {
                let Some(form) = decimal(&text) else { continue };
                prop_assert_eq!(decimal(&form), Some(form.clone()));
                prop_assert_eq!(form.parse::<f64>().unwrap() + 0.0, text.parse::<f64>().unwrap() + 0.0);
            }
        }
    }
}
