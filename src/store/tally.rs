//! What the copy of a journal must hold, in few numbers, so that it can be compared while the study goes on.

use super::line::checksum;

/// How many entries there are, and a sum of their checksums: equal for equal sets of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub entries: u64,
    /// The sum.
    pub sum: u64,
}

impl Tally {
    /// Counts a line of the journal; false if it is not whole.
    pub fn count(&mut self, line: &[u8]) -> bool {
        let checksum = checksum(line);
        self.add(checksum.unwrap_or(0));
        checksum.is_some()
    }

    /// Counts an entry by its checksum.
    pub(super) fn add(&mut self, checksum: u32) {
        self.entries += 1;
        self.sum = self.sum.wrapping_add(checksum.into());
    }

    /// The entries of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            sum: self.sum.wrapping_add(other.sum),
        }
    }
}
