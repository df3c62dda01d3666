//! Numbers on the command line.

use std::ops::RangeInclusive;

use crate::ids::TrialId;

/// A parser of whole numbers in a range, whose error names the range.
pub(super) fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| match *range.end() {
            u64::MAX => format!("it must be a whole number of at least {}", range.start()),
            end => format!("it must be a whole number from {} to {end}", range.start()),
        })
    }
}

/// The number of a trial.
pub(super) fn trial(text: &str) -> Result<TrialId, String> {
    whole(0..=u64::MAX)(text).map(TrialId)
}

/// A share below 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("it must be a number from 0 to below 1".to_owned()),
    }
}
