//! The clock on the wall.

use std::time::SystemTime;

use crate::ids::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

/// A moment as ISO 8601 has it, in UTC, such as `2026-01-31T12:30:00.125Z`.
pub fn utc(at: Timestamp) -> String {
    format!("{}Z", written(i128::from(at.0)))
}

/// A moment on the clock of this machine's time zone, which it does not name, such as `2026-01-31T13:30:00.125`.
pub fn local(at: Timestamp) -> String {
    written(i128::from(at.0) + offset(at) * 1000)
}

fn written(ms: i128) -> String {
    const DAY: i128 = 86_400_000;
    // Of 64 bits of milliseconds there are fewer days than `i64` counts.
    let date = hpo_data::date(ms.div_euclid(DAY) as i64);
    let rest = ms.rem_euclid(DAY);
    let time = hpo_data::time(rest / 1000 * 1_000_000_000);
    format!("{date}T{time}.{:03}", rest % 1000)
}

/// By how many seconds the local time is ahead of UTC.
fn offset(at: Timestamp) -> i128 {
    let Ok(seconds) = libc::time_t::try_from(at.0 / 1000) else {
        return 0;
    };
    let mut broken_down = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: it reads the seconds and writes to where it is pointed to, and what it returns is that or null. All zeros are a `tm`.
    let found = unsafe { libc::localtime_r(&seconds, broken_down.as_mut_ptr()) };
    if found.is_null() {
        return 0;
    }
    // SAFETY: it was zeroed, and then written.
    i128::from(unsafe { broken_down.assume_init() }.tm_gmtoff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_iso_8601_has_them() {
        assert_eq!(utc(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(utc(Timestamp(1_262_391_174_015)), "2010-01-02T00:12:54.015Z");
        let at = 1_262_391_174_015;
        let ahead = Timestamp(at + u64::try_from(offset(Timestamp(at)).max(0)).unwrap() * 1000);
        if offset(Timestamp(at)) >= 0 {
            assert_eq!(format!("{}Z", local(Timestamp(at))), utc(ahead));
        }
    }
}
