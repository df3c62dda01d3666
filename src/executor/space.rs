//! Telling a full disk from a configuration that fails.

use std::path::Path;

/// With less than this many bytes left nothing can be saved, whatever a trainer says.
const NOTHING: u64 = 64 << 10;

/// What a trainer in any language says of a full disk or quota: the system's own words, or its numbers.
const WORDS: [&str; 5] = [
    "No space left on device",
    "ENOSPC",
    "(os error 28)",
    "Disk quota exceeded",
    "EDQUOT",
];

/// Bytes that can still be written where `place` lies, if that can be told.
pub fn room(place: &Path) -> Option<u64> {
    let told = rustix::fs::statvfs(place).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Whether a segment that failed with `message` failed because nothing can be written to `place`.
pub(super) fn is_short(place: &Path, message: &str) -> bool {
    WORDS.iter().any(|word| message.contains(word)) || room(place).is_some_and(|room| room < NOTHING)
}
