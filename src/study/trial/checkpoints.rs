//! The checkpoints of a trial: which it goes on from, and which are kept.

use std::collections::BTreeMap;

use super::{Ahead, Checkpoint, Report, Trial};

impl Trial {
    /// Where the next segment begins: the resource, and the checkpoint to go on from.
    pub fn resume_point(&self) -> (u64, Option<&Checkpoint>) {
        let ahead = &self.ahead;
        let stopped_at = self.stopped_at.as_ref().filter(|_| ahead.reports.is_empty());
        if let Some((resource, checkpoint)) = ahead.stopped_at.as_ref().or(stopped_at) {
            return (*resource, Some(checkpoint));
        }
        self.reports
            .iter()
            .chain(&ahead.reports)
            .rev()
            .find_map(|(&resource, report)| Some((resource, report.checkpoint.as_deref())).filter(|(_, c)| c.is_some()))
            .unwrap_or((0, None))
    }

    /// All checkpoints that are still kept.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.reports
            .values()
            .chain(self.ahead.reports.values())
            .filter_map(|report| report.checkpoint.as_deref())
            .chain(
                [&self.stopped_at, &self.ahead.stopped_at]
                    .into_iter()
                    .flatten()
                    .map(|(_, stopped)| &**stopped),
            )
    }

    /// Forgets the checkpoints that nothing can need any more: of a trial that goes on, all but the latest and the
    /// best; of one that has ended, all but the best, and that one too unless `keep_best`.
    pub(in crate::study) fn release_checkpoints(&mut self, keep_best: bool) {
        let ended = self.state.is_final();
        if ended {
            self.stopped_at = None;
            self.ahead = Ahead::default();
        }
        let lowest = |reports: &BTreeMap<u64, Report>| {
            let costs = reports.iter().filter_map(|(&at, report)| Some((at, report.cost?)));
            costs.reduce(|best, next| if next.1 < best.1 { next } else { best })
        };
        let best = lowest(&self.reports).filter(|_| keep_best || !ended);
        // It may be the best of all once it counts.
        let best_ahead = lowest(&self.ahead.reports).filter(|ahead| best.is_none_or(|best| ahead.1 < best.1));
        let holds = |reports: &BTreeMap<u64, Report>, best: (u64, f64)| self.holder(reports, best.0);
        let best = best.and_then(|best| holds(&self.reports, best));
        let best_ahead = best_ahead.and_then(|best| holds(&self.ahead.reports, best));
        let has_checkpoint = |(&at, report): (&u64, &Report)| report.checkpoint.is_some().then_some(at);
        let latest = self
            .reports
            .iter()
            .chain(&self.ahead.reports)
            .rev()
            .find_map(has_checkpoint);
        for (&resource, report) in self.reports.iter_mut().chain(&mut self.ahead.reports) {
            let is_best = best == Some(resource) || best_ahead == Some(resource);
            if !is_best && (ended || latest != Some(resource)) {
                report.checkpoint = None;
            }
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
            if let Some(report) = reports.get_mut(&lost) {
                report.checkpoint = None;
            }
        }
    }

    /// A checkpoint is gone.
    pub(in crate::study) fn forget_checkpoint(&mut self, file: &str) {
        let lost = |checkpoint: &mut Checkpoint| checkpoint.file == file;
        for report in self.reports.values_mut().chain(self.ahead.reports.values_mut()) {
            report.checkpoint.take_if(|checkpoint| lost(checkpoint));
        }
        for stopped_at in [&mut self.stopped_at, &mut self.ahead.stopped_at] {
            stopped_at.take_if(|(_, checkpoint)| lost(checkpoint));
        }
    }

    /// The resource of the report that has the checkpoint of the validation at `best`: its own, or of a trial that has one only where
    /// segments end, the next.
    fn holder(&self, reports: &BTreeMap<u64, Report>, best: u64) -> Option<u64> {
        if !self.sparse {
            return Some(best);
        }
        let mut from = reports.range(best..);
        from.find_map(|(&resource, report)| report.checkpoint.is_some().then_some(resource))
    }

    /// The checkpoint of the best validation; of a trial that has one only where segments end, the first that was written with or after
    /// the best validation.
    pub fn best_checkpoint(&self) -> Option<&Checkpoint> {
        let holder = self.holder(&self.reports, self.best()?.0)?;
        self.reports.get(&holder)?.checkpoint.as_deref()
    }
}
