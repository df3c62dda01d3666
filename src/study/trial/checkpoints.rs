//! The checkpoints of a trial: which it goes on from, and which are kept.

use super::{Ahead, Checkpoint, Reports, Trial};

impl Trial {
    /// Where the next segment begins: the resource, and the checkpoint to go on from.
    pub fn resume_point(&self) -> (u64, Option<&Checkpoint>) {
        let ahead = &self.ahead;
        let stopped_at = self.stopped_at.as_ref().filter(|_| ahead.reports.is_empty());
        if let Some((resource, checkpoint)) = ahead.stopped_at.as_ref().or(stopped_at) {
            return (*resource, Some(checkpoint));
        }
        self.latest_kept()
            .map_or((0, None), |(resource, checkpoint)| (resource, Some(checkpoint)))
    }

    /// The resource and the checkpoint of the last report that has one.
    fn latest_kept(&self) -> Option<(u64, &Checkpoint)> {
        let mut kept = self.reports.checkpoints().chain(self.ahead.reports.checkpoints());
        kept.next_back()
    }

    /// All checkpoints that are still kept.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        let reported = self.reports.checkpoints().chain(self.ahead.reports.checkpoints());
        let stopped = [&self.stopped_at, &self.ahead.stopped_at].into_iter().flatten();
        let stopped = stopped.map(|(_, stopped)| &**stopped);
        reported.map(|(_, checkpoint)| checkpoint).chain(stopped)
    }

    /// Forgets the checkpoints that nothing can need any more: of a trial that goes on, all but the latest and the
    /// best; of one that has ended, all but the best, and that one too unless `keep_best`.
    pub(in crate::study) fn release_checkpoints(&mut self, keep_best: bool) {
        let ended = self.state.is_final();
        if ended {
            self.stopped_at = None;
            self.ahead = Ahead::default();
        }
        let best = self.scored_up_to(u64::MAX).filter(|_| keep_best || !ended);
        // It may be the best of all once it counts.
        let best_ahead = self.ahead.reports.lowest_up_to(u64::MAX);
        let best_ahead = best_ahead.filter(|ahead| best.is_none_or(|best| ahead.1 < best.1));
        let best = best.and_then(|(at, _)| self.holder(&self.reports, at));
        let best_ahead = best_ahead.and_then(|(at, _)| self.holder(&self.ahead.reports, at));
        let latest = self.latest_kept().map(|(resource, _)| resource).filter(|_| !ended);
        for reports in [&mut self.reports, &mut self.ahead.reports] {
            reports.retain_checkpoints(|resource, _| [best, best_ahead, latest].contains(&Some(resource)));
        }
    }

    /// The checkpoint that the next segment would have gone on from can't be used.
    pub(in crate::study) fn lose_checkpoint(&mut self) {
        if self.ahead.stopped_at.take().is_some() {
            return;
        }
        if self.ahead.reports.is_empty() && self.stopped_at.take().is_some() {
            return;
        }
        let lost = self.resume_point().0;
        for reports in [&mut self.reports, &mut self.ahead.reports] {
            reports.retain_checkpoints(|resource, _| resource != lost);
        }
    }

    /// A checkpoint is gone.
    pub(in crate::study) fn forget_checkpoint(&mut self, file: &str) {
        let lost = |checkpoint: &Checkpoint| checkpoint.file == file;
        for reports in [&mut self.reports, &mut self.ahead.reports] {
            reports.retain_checkpoints(|_, checkpoint| !lost(checkpoint));
        }
        for stopped_at in [&mut self.stopped_at, &mut self.ahead.stopped_at] {
            stopped_at.take_if(|(_, checkpoint)| lost(checkpoint));
        }
    }

    /// The resource of the report that has the checkpoint of the validation at `best`: its own, or of a trial that has one only where
    /// segments end, the next.
    fn holder(&self, reports: &Reports, best: u64) -> Option<u64> {
        if !self.sparse {
            return Some(best);
        }
        let mut kept = reports.checkpoints().map(|(resource, _)| resource);
        kept.find(|&resource| resource >= best)
    }

    /// The checkpoint of the best validation; of a trial that has one only where segments end, the first that was written with or after
    /// the best validation.
    pub fn best_checkpoint(&self) -> Option<&Checkpoint> {
        let holder = self.holder(&self.reports, self.best()?.0)?;
        self.reports.get(&holder)?.checkpoint.as_deref()
    }
}
