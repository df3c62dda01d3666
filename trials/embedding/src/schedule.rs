//! The learning rate over a trial's steps.

use hpo_protocol::embedding::{Parameters, ScheduleKind};

/// The learning rate of each step as a share of the peak. Its horizon is the maximum resource of the study and not the
/// rung's, so that a trial that is promoted continues along the same curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    kind: ScheduleKind,
    warmup: u64,
    total: u64,
    floor: f64,
    cycles: u64,
}

impl Schedule {
    /// The schedule of a trial that makes `total` optimizer steps if it is never stopped. A warm-up in steps takes
    /// precedence over one given as a share of `total`.
    pub fn new(parameters: &Parameters, total: u64) -> Self {
        let share = (parameters.warmup_ratio * total as f64).ceil() as u64;
        Self {
            kind: parameters.schedule,
            warmup: parameters.warmup_steps.unwrap_or(share).min(total),
            total,
            floor: parameters.min_learning_rate_ratio,
            cycles: parameters.restarts + 1,
        }
    }

    /// The share of the peak learning rate at a step, from 0: it rises linearly over the warm-up, whose first step is
    /// already above 0, and then falls as the kind says. Cosine annealing and its restarts are those of SGDR
    /// (Loshchilov & Hutter, 2017, section 3), with cycles of equal length.
    pub fn share(&self, step: u64) -> f64 {
        if step < self.warmup {
            return (step + 1) as f64 / self.warmup as f64;
        }
        let rest = (self.total - self.warmup).max(1) as f64;
        let progress = ((step - self.warmup) as f64 / rest).min(1.0);
        let falling = match self.kind {
            // What a plateau takes off depends on validations, so it is not a function of the step.
            ScheduleKind::Constant | ScheduleKind::Plateau => return 1.0,
            ScheduleKind::Linear => 1.0 - progress,
            ScheduleKind::Cosine => cosine(progress),
            ScheduleKind::CosineRestarts if progress < 1.0 => cosine((progress * self.cycles as f64).fract()),
            ScheduleKind::CosineRestarts => 0.0,
        };
        self.floor + (1.0 - self.floor) * falling
    }
}

fn cosine(progress: f64) -> f64 {
    0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}

/// What a trial remembers of its validations: whether it still improves, and what a plateau took off its learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Track {
    /// The lowest validation loss; infinite before the first.
    pub best: f64,
    /// Validations since then.
    pub since_best: u64,
    /// Validations without a new best since the learning rate was last reduced.
    pub since_reduction: u64,
    /// The learning rate as a share of what it would be without plateaus.
    pub share: f64,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            best: f64::INFINITY,
            since_best: 0,
            since_reduction: 0,
            share: 1.0,
        }
    }
}

impl Track {
    /// Takes in a validation.
    pub fn observe(&mut self, parameters: &Parameters, loss: f64) {
        if loss < self.best {
            *self = Self {
                best: loss,
                since_best: 0,
                since_reduction: 0,
                ..*self
            };
            return;
        }
        self.since_best += 1;
        self.since_reduction += 1;
        if parameters.schedule == ScheduleKind::Plateau && self.since_reduction >= parameters.plateau_patience {
            self.share = (self.share * parameters.plateau_factor).max(parameters.min_learning_rate_ratio);
            self.since_reduction = 0;
        }
    }

    /// Whether the trial has not improved for as long as its patience lasts.
    pub fn is_exhausted(&self, parameters: &Parameters) -> bool {
        parameters.patience > 0 && self.since_best >= parameters.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(kind: ScheduleKind, change: impl Fn(&mut Parameters)) -> Vec<f64> {
        let mut parameters = Parameters {
            schedule: kind,
            ..Parameters::default()
        };
        change(&mut parameters);
        let schedule = Schedule::new(&parameters, 8);
        (0..=8).map(|step| (schedule.share(step) * 1e4).round() / 1e4).collect()
    }

    #[test]
    fn each_schedule_falls_as_it_should() {
        let none = |_: &mut Parameters| {};
        assert_eq!(shares(ScheduleKind::Constant, none), [1.0; 9]);
        assert_eq!(
            shares(ScheduleKind::Linear, none),
            [1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0]
        );
        assert_eq!(
            shares(ScheduleKind::Cosine, |p| p.min_learning_rate_ratio = 0.1),
            [1.0, 0.9657, 0.8682, 0.7222, 0.55, 0.3778, 0.2318, 0.1343, 0.1]
        );
        assert_eq!(
            shares(ScheduleKind::CosineRestarts, |p| p.restarts = 1),
            [1.0, 0.8536, 0.5, 0.1464, 1.0, 0.8536, 0.5, 0.1464, 0.0]
        );
    }

    #[test]
    fn warm_up_is_given_in_steps_or_as_a_share() {
        let by_steps = shares(ScheduleKind::Linear, |p| p.warmup_steps = Some(4));
        assert_eq!(by_steps, [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]);
        assert_eq!(by_steps, shares(ScheduleKind::Linear, |p| p.warmup_ratio = 0.5));
        let both = shares(ScheduleKind::Constant, |p| {
            p.warmup_steps = Some(2);
            p.warmup_ratio = 0.9;
        });
        assert_eq!(both[..3], [0.5, 1.0, 1.0]);
        assert_eq!(shares(ScheduleKind::Linear, |p| p.warmup_steps = Some(100))[8], 1.0);
    }

    #[test]
    fn a_plateau_lowers_the_rate_and_ends_patience() {
        let parameters = Parameters {
            schedule: ScheduleKind::Plateau,
            plateau_factor: 0.5,
            plateau_patience: 2,
            min_learning_rate_ratio: 0.2,
            patience: 5,
            ..Parameters::default()
        };
        let mut track = Track::default();
        let mut seen = Vec::new();
        for loss in [1.0, 1.1, 1.0, 0.9, 0.95, 0.95, 0.95, 0.95, 0.95] {
            track.observe(&parameters, loss);
            seen.push((track.share, track.is_exhausted(&parameters)));
        }
        let expected = [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2];
        assert_eq!(seen.iter().map(|seen| seen.0).collect::<Vec<_>>(), expected);
        assert_eq!(seen.iter().position(|seen| seen.1), Some(8));
    }
}
