//! Dates and times as texts, in one form.
//!
//! A date is `2026-01-31`, a time of day `12:30:00` with as many decimals as it needs, and a moment both with a blank in
//! between, or the date alone at midnight: so pandas writes them into tables.

const DAY: i128 = 86_400_000_000_000;

/// The date that lies so many days after 1 January 1970 (Hinnant, *chrono-Compatible Low-Level Date Algorithms*, 2013).
pub fn date(days: i64) -> String {
    // Years begin in March here, so that the leap day is their last.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + next)
}

/// The time of day that is so many nanoseconds after midnight.
pub fn time(nanoseconds: i128) -> String {
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match rest {
        0 => whole,
        rest => format!("{whole}.{rest:09}").trim_end_matches('0').to_owned(),
    }
}

/// The moment that lies so many nanoseconds after the beginning of 1 January 1970.
pub(crate) fn moment(nanoseconds: i128) -> String {
    // Of 64 bits of any unit there are fewer days than `i64` counts.
    let date = date(nanoseconds.div_euclid(DAY) as i64);
    match nanoseconds.rem_euclid(DAY) {
        0 => date,
        rest => format!("{date} {}", time(rest)),
    }
}

/// The one form of a text that is a date and a time of day as ISO 8601 or RFC 3339 have them, in UTC or no zone; none of any
/// other text.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let has_form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, of)| match of {
                b'0' => byte.is_ascii_digit(),
                of => byte == of,
            })
    };
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', ' '])?;
    let zones = ["Z", "+00:00", "+0000", "+00", " UTC", " +00:00"];
    let time = zones.iter().find_map(|zone| rest.strip_suffix(zone)).unwrap_or(rest);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let is_time = has_form(time, "00:00:00") || fraction.is_empty() && has_form(time, "00:00");
    if !has_form(date, "0000-00-00") || !is_time || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let time = if time.len() == 5 {
        format!("{time}:00")
    } else {
        time.to_owned()
    };
    Some(match (time.as_str(), fraction.trim_end_matches('0')) {
        ("00:00:00", "") => date.to_owned(),
        (time, "") => format!("{date} {time}"),
        (time, fraction) => format!("{date} {time}.{fraction}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_written() {
        assert_eq!(
            [0, 14_611, -1, 11_016, -719_528].map(date),
            ["1970-01-01", "2010-01-02", "1969-12-31", "2000-02-29", "0000-01-01"]
        );
        assert_eq!(time(45_000_000_000_000), "12:30:00");
        assert_eq!(time(45_000_001_500_000), "12:30:00.0015");
        assert_eq!(moment(1_262_391_174_000_000_000), "2010-01-02 00:12:54");
        assert_eq!(moment(14_611 * DAY), "2010-01-02");
        assert_eq!(moment(-1), "1969-12-31 23:59:59.999999999");
    }

    #[test]
    fn a_moment_has_one_form_however_it_is_written() {
        for text in [
            "2010-01-02T12:30",
            "2010-01-02 12:30:00",
            "2010-01-02T12:30:00.000+00:00",
            "2010-01-02 12:30:00 UTC",
        ] {
            assert_eq!(canonical(text).as_deref(), Some("2010-01-02 12:30:00"));
        }
        assert_eq!(canonical("2010-01-02T00:00:00Z").as_deref(), Some("2010-01-02"));
        assert_eq!(
            canonical("2010-01-02T00:00:00.0150").as_deref(),
            Some("2010-01-02 00:00:00.015")
        );
        for text in [
            "2010-01-02",
            "2010-01-02T",
            "2010-01-02T12",
            "2010-01-02T12:30:00+02:00",
            "2010-01-0ä 12:30",
            "a",
        ] {
            assert_eq!(canonical(text), None);
        }
    }
}
