//! The resource of a trial in optimizer steps.

use hpo_protocol::{Run, Unit};

/// What is asked of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    /// What its resource counts.
    pub unit: Unit,
    /// It is validated at the multiples of this resource, at least 1.
    pub report_every: u64,
    /// The resource that it reaches if it is never stopped.
    pub max: u64,
}

impl Goal {
    /// That of the trial of a segment.
    pub fn of(run: &Run) -> Self {
        Self {
            unit: run.unit,
            report_every: run.report_every,
            max: run.max,
        }
    }
}

/// A trial's way through its data, from step to step. A step takes the next `batch_size` examples of the epoch; the last step of
/// an epoch takes those that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    goal: Goal,
    rows: u64,
    batch_size: u64,
}

impl Course {
    /// The way through so many rows, at least 1, in batches of so many, at least 1.
    pub fn new(goal: Goal, rows: usize, batch_size: u64) -> Self {
        Self {
            goal,
            rows: (rows as u64).max(1),
            batch_size: batch_size.max(1),
        }
    }

    /// What resources count.
    pub fn unit(&self) -> Unit {
        self.goal.unit
    }

    /// Steps of an epoch.
    pub fn batches(&self) -> u64 {
        self.rows.div_ceil(self.batch_size)
    }

    /// Examples seen in so many steps.
    pub fn examples(&self, steps: u64) -> u64 {
        let (epochs, rest) = (steps / self.batches(), steps % self.batches());
        epochs
            .saturating_mul(self.rows)
            .saturating_add(rest.saturating_mul(self.batch_size))
    }

    /// The steps after which a trial is at a resource. Examples are rounded up to whole steps: it is there at the first step
    /// after which it has seen at least so many.
    pub fn steps(&self, resource: u64) -> u64 {
        match self.goal.unit {
            Unit::Epochs => resource.saturating_mul(self.batches()),
            Unit::Steps => resource,
            Unit::Examples => {
                let (epochs, rest) = (resource / self.rows, resource % self.rows);
                let whole = epochs.saturating_mul(self.batches());
                whole.saturating_add(rest.div_ceil(self.batch_size))
            }
        }
    }

    /// The steps of the whole trial.
    pub fn all_steps(&self) -> u64 {
        self.steps(self.goal.max)
    }

    /// The resource after so many steps, with its fraction.
    pub fn resource(&self, steps: u64) -> f64 {
        match self.goal.unit {
            Unit::Epochs => steps as f64 / self.batches() as f64,
            Unit::Steps => steps as f64,
            Unit::Examples => self.examples(steps) as f64,
        }
    }

    /// Whether a trial is validated after so many steps, at some multiple of the resource between two reports.
    pub fn is_validated(&self, steps: u64) -> bool {
        let reached = match self.goal.unit {
            Unit::Epochs => steps / self.batches(),
            Unit::Steps => steps,
            Unit::Examples => self.examples(steps),
        };
        let every = self.goal.report_every.max(1);
        let last = reached / every * every;
        last > 0 && self.steps(last) == steps
    }

    /// The resource of the report that follows one at `after` on the way to `to`.
    pub fn next_report(&self, after: u64, to: u64) -> u64 {
        hpo_protocol::next_report(self.goal.report_every, after, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten rows in batches of 4: an epoch has steps of 4, 4 and 2.
    fn course(unit: Unit, report_every: u64) -> Course {
        let max = 3;
        Course::new(
            Goal {
                unit,
                report_every,
                max,
            },
            10,
            4,
        )
    }

    #[test]
    fn resources_become_steps() {
        let steps = |unit, resources: &[u64]| -> Vec<u64> {
            resources
                .iter()
                .map(|&resource| course(unit, 1).steps(resource))
                .collect()
        };
        assert_eq!(steps(Unit::Epochs, &[0, 1, 3]), [0, 3, 9]);
        assert_eq!(steps(Unit::Steps, &[0, 1, 7]), [0, 1, 7]);
        assert_eq!(
            steps(Unit::Examples, &[0, 1, 4, 5, 8, 9, 10, 11, 14, 15, 20, 25]),
            [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 8]
        );
        assert_eq!(course(Unit::Epochs, 1).all_steps(), 9);
        assert_eq!(course(Unit::Epochs, 1).steps(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_trial_is_at_a_resource_at_the_first_step_that_has_it_whole() {
        let course = course(Unit::Examples, 1);
        let seen: Vec<u64> = (0..8).map(|steps| course.examples(steps)).collect();
        assert_eq!(seen, [0, 4, 8, 10, 14, 18, 20, 24]);
        for resource in 1..60 {
            let steps = course.steps(resource);
            assert!(course.examples(steps - 1) < resource && resource <= course.examples(steps));
        }
    }

    #[test]
    fn validations_fall_on_the_steps_of_multiples() {
        let validated = |unit, every| -> Vec<u64> {
            let course = course(unit, every);
            (0..13).filter(|&steps| course.is_validated(steps)).collect()
        };
        assert_eq!(validated(Unit::Epochs, 2), [6, 12]);
        assert_eq!(validated(Unit::Steps, 5), [5, 10]);
        // At 7, 14, 21, 28, 35 and 42 examples.
        assert_eq!(validated(Unit::Examples, 7), [2, 4, 7, 8, 11]);
        assert_eq!(
            validated(Unit::Examples, 1),
            (1..13).collect::<Vec<_>>(),
            "several at one step"
        );
    }
}
