//! Revisions of samplers: a study draws by that with which it began, so that a new version goes on as the old one would have.

/// That of studies which have recorded none.
pub(super) fn first() -> u32 {
    1
}

/// Whether it need not be recorded.
pub(super) fn is_first(revision: &u32) -> bool {
    *revision == 1
}
