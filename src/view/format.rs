//! Numbers and times for people.

use std::io::Write;
use std::path::Path;

use hpo_protocol::BASE_MODEL;
use serde_json::Value;

use crate::space::Parameter;

/// Prints a message to standard error. A terminal that has gone is no reason to stop.
pub fn notify(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A number with four significant digits.
pub fn number(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 {
        return "0".into();
    }
    if !(1e-3..1e5).contains(&size) {
        return format!("{x:.2e}");
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{x:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A loss or a metric: always the same number of digits, so that columns can be compared.
pub fn metric(x: f64) -> String {
    if x == 0.0 || (1e-3..1e4).contains(&x.abs()) {
        format!("{x:.4}")
    } else {
        format!("{x:.2e}")
    }
}

/// A value of a parameter.
pub(super) fn value(value: &Value) -> String {
    let float = value.as_f64().filter(|_| value.is_f64());
    match (value.as_str(), float) {
        (Some(text), _) => text.to_owned(),
        (None, Some(float)) => number(float),
        (None, None) => value.to_string(),
    }
}

/// A value of a parameter as tables show it: of a base model the last part of its path, as long as no other choice ends like it.
pub(super) fn short(parameter: &Parameter, of: &Value) -> String {
    let last = |value: &Value| {
        let path = value.as_str().map(Path::new);
        path.and_then(|path| path.file_name()?.to_str().map(str::to_owned))
    };
    let distribution = &parameter.distribution;
    let listed = distribution.listed().unwrap_or_default();
    match last(of).filter(|_| parameter.name == BASE_MODEL) {
        Some(name)
            if listed
                .iter()
                .filter(|other| last(other).as_ref() == Some(&name))
                .count()
                <= 1 =>
        {
            name
        }
        _ => value(of),
    }
}

/// A time span in milliseconds as `1:02:03`, `2:03` or `3.2 s`.
pub fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, _) => format!("{:.1} s", ms as f64 / 1000.0),
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

/// The same to the second: `1:02:03`, `2:03` or `3 s`.
pub(super) fn seconds(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{} s", ms / 1000),
        ms => duration(ms),
    }
}

/// An estimate of a time, to two significant parts: more would only flicker.
pub(super) fn estimated(ms: u64) -> String {
    let step = match ms {
        0..60_000 => 1000,
        60_000..600_000 => 5000,
        600_000..3_600_000 => 60_000,
        _ => 300_000,
    };
    seconds(ms.div_ceil(step) * step)
}

/// A number of bytes in the largest unit of which there is one.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if size < 1000.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    let decimals = usize::from(size < 10.0 && bytes >= 1 << 20);
    format!("{size:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_keep_their_size() {
        let written = [0.0, 1.0, 0.125, 0.0001234567, 12345.678, 16.0, -0.98765, 1e9, 100.0].map(number);
        let expected = ["0", "1", "0.125", "1.23e-4", "12346", "16", "-0.9877", "1.00e9", "100"];
        assert_eq!(written, expected);
    }

    #[test]
    fn durations_grow_a_part_at_a_time() {
        assert_eq!([3200, 61_000, 3_723_000].map(duration), ["3.2 s", "1:01", "1:02:03"]);
    }

    #[test]
    fn bytes_are_in_the_largest_unit_that_fits() {
        let written = [
            0,
            1536,
            512 << 10,
            1 << 20,
            1000 << 20,
            1_288_490_188,
            40 << 30,
            5 << 40,
        ]
        .map(bytes);
        let expected = [
            "0 KiB", "2 KiB", "512 KiB", "1.0 MiB", "1.0 GiB", "1.2 GiB", "40 GiB", "5.0 TiB",
        ];
        assert_eq!(written, expected);
    }
}
