//! How many slots a study has use for.

use super::Study;

impl Study {
    /// How many more segments could be begun now if there were slots for them; those that would only run ahead do not count.
    pub fn unserved(&self) -> usize {
        if self.finished || self.halted.is_some() || self.held || self.pause().is_some() {
            return 0;
        }
        if self.spec.policy.is_synchronous() {
            return self.waiting.len();
        }
        let promoted = self.brackets.iter().filter(|open| open.bracket.promotion().is_some());
        self.waiting.len() + promoted.count() + self.undrawn()
    }

    /// How many segments there can be at once from now on, at most, unless the user asks for more.
    pub fn most_at_once(&self) -> usize {
        let confirmation = self.spec.confirmation.filter(|_| !self.is_search_over());
        let confirming = confirmation.map_or(0, |spec| spec.configurations.saturating_mul(spec.seeds));
        (self.unfinished.saturating_add(confirming) as usize).saturating_add(self.undrawn())
    }

    fn undrawn(&self) -> usize {
        self.spec.trials.saturating_sub(self.drawn) as usize
    }
}
