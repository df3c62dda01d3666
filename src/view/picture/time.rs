//! A span of time on an axis.

/// Milliseconds of the unit in which a span is best shown, and the unit's name.
pub(super) fn unit(span_ms: u64) -> (f64, &'static str) {
    const UNITS: [(u64, &str); 4] = [
        (1000, "seconds"),
        (60 * 1000, "minutes"),
        (3600 * 1000, "hours"),
        (24 * 3600 * 1000, "days"),
    ];
    let found = UNITS.iter().rev().find(|(ms, _)| span_ms >= 3 * ms);
    let &(ms, name) = found.unwrap_or(&UNITS[0]);
    (ms as f64, name)
}
