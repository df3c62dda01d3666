//! The core on its own: events go in, and what comes out is looked at.

mod by_hand;
mod earlier;
mod objective;
mod recovery;
mod refusal;
mod require;
mod scripts;
mod several;
mod stop;
mod trouble;

use std::ops::Range;

use hpo_protocol::Unit;

use super::*;
use crate::ids::{SegmentId, SlotId};
use crate::space::{Distribution, Parameter, SearchSpace};
use crate::study::SuccessiveHalving;

pub(crate) fn spec(trials: u64, max_resource: u64, reduction_factor: u64) -> StudySpec {
    with(
        PolicyKind::SuccessiveHalving(SuccessiveHalving {
            bracket_size: None,
            small_brackets: false,
        }),
        trials,
        max_resource,
        reduction_factor,
    )
}

pub(crate) fn with(kind: PolicyKind, trials: u64, max_resource: u64, reduction_factor: u64) -> StudySpec {
    StudySpec {
        name: "test".into(),
        seed: 7,
        trials,
        retries: 2,
        objective: Default::default(),
        further: Vec::new(),
        require: Vec::new(),
        keep_checkpoints: 1,
        stop: Default::default(),
        sampler: SamplerSpec::default(),
        confirmation: None,
        policy: PolicySpec {
            kind,
            speculation: true,
            parallel_brackets: 1,
            unit: Unit::Epochs,
            report_every: 1,
            min_resource: 1,
            max_resource,
            reduction_factor,
        },
        trainer: Trainer {
            command: None,
            directory: ".".into(),
            settings: Default::default(),
            seed: None,
            script: false,
        },
        threads: 1,
        space: SearchSpace {
            try_first: Vec::new(),
            constraints: Vec::new(),
            parameters: vec![Parameter {
                name: "x".into(),
                distribution: Distribution::Uniform {
                    low: 0.0,
                    high: 1.0,
                    step: None,
                },
                when: Vec::new(),
                prior: None,
            }],
        },
    }
}

/// The same study where trials are first compared at `first` reports, which are `every` resources apart.
pub(crate) fn sparse(spec: StudySpec, every: u64, first: u64) -> StudySpec {
    let min_resource = every * first;
    let policy = PolicySpec {
        unit: Unit::Steps,
        report_every: every,
        min_resource,
        max_resource: min_resource.max(spec.policy.max_resource),
        ..spec.policy
    };
    StudySpec { policy, ..spec }
}

pub(crate) fn checkpoint(trial: TrialId, name: &str) -> Checkpoint {
    Checkpoint {
        file: format!("{trial}/{name}"),
        bytes: 1,
        sha256: String::new(),
    }
}

pub(crate) fn at(fact: Fact) -> Record {
    Record { at: Timestamp(0), fact }
}

/// A study that has come to its end.
pub(crate) fn finished() -> Study {
    let mut core = Core::new(with(PolicyKind::None, 2, 1, 2), 2);
    core.report(TrialId(0), 1, 0.1);
    core.report(TrialId(1), 1, 0.2);
    assert!(core.study.is_finished());
    core.study
}

/// A study that is given events, what it has recorded, and the checkpoints that are on disk.
pub(crate) struct Core {
    spec: StudySpec,
    pub study: Study,
    records: Vec<Record>,
    files: BTreeSet<String>,
}

impl Core {
    /// One that a scheduler has opened, with slots that have nothing to do.
    pub fn new(spec: StudySpec, slots: u32) -> Self {
        Self::after(spec, Vec::new(), slots)
    }

    /// The same for one that begins with these facts.
    fn after(spec: StudySpec, facts: Vec<Fact>, slots: u32) -> Self {
        let records: Vec<Record> = facts.into_iter().map(at).collect();
        let mut core = Self {
            study: Study::restore(spec.clone(), &records).unwrap(),
            spec,
            records,
            files: BTreeSet::new(),
        };
        core.open(core.spec.trials, slots);
        core
    }

    fn open(&mut self, trials: u64, slots: u32) {
        let limits = Limits {
            trials,
            confirmation: None,
            stop: self.spec.stop,
        };
        self.send(Event::Opened {
            process: 1,
            slots: Vec::new(),
            limits,
        });
        self.idle(0..slots);
    }

    pub fn idle(&mut self, slots: Range<u32>) -> Step {
        let slots = slots.map(SlotId).collect();
        self.send(Event::Idle { slots })
    }

    fn send(&mut self, event: Event) -> Step {
        let written = match &event {
            Event::Reported(Reported { checkpoint, .. }) | Event::Stopped { checkpoint, .. } => checkpoint.as_ref(),
            Event::Opened { .. }
            | Event::Idle { .. }
            | Event::Evaluated { .. }
            | Event::Tested { .. }
            | Event::Failed { .. }
            | Event::Ticked
            | Event::TrialStopped { .. }
            | Event::Retried { .. }
            | Event::Held
            | Event::Released
            | Event::LimitsSet(_)
            | Event::Enqueued { .. }
            | Event::Closed => None,
        };
        self.files.extend(written.map(|checkpoint| checkpoint.file.clone()));
        let step = self.study.handle(Timestamp(0), event);
        self.records.extend(step.records.clone());
        assert_eq!(self.study.check(), Ok(()));
        assert_eq!(self.restored(), self.study, "the fold of the records is the live state");
        for command in &step.commands {
            match command {
                Command::Delete { files } => files.iter().for_each(|file| assert!(self.files.remove(file))),
                Command::Run { from, checkpoint, .. } => match checkpoint {
                    Some(checkpoint) => assert!(self.files.contains(&checkpoint.file), "{checkpoint:?} was deleted"),
                    None => assert_eq!(*from, 0),
                },
                Command::Stop { .. } | Command::Replace { .. } => {}
            }
        }
        let kept: BTreeSet<String> = self.study.checkpoint_files().into_iter().map(String::from).collect();
        assert_eq!(kept, self.files, "what is kept is what is on disk");
        step
    }

    fn restored(&self) -> Study {
        Study::restore(self.spec.clone(), &self.records).unwrap()
    }

    /// The scheduler dies, of whose records only the first `kept` have become durable: it had carried out nothing after them.
    fn restart(&mut self, kept: usize) {
        self.records.truncate(kept);
        self.study = self.restored();
        self.files = self.study.checkpoint_files().into_iter().map(String::from).collect();
    }

    pub fn report(&mut self, trial: TrialId, resource: u64, loss: f64) -> Vec<Record> {
        let written = format!("{}-{resource}", self.segment(trial).attempt);
        let reported = self.reported(trial, resource, Some(loss), Some(checkpoint(trial, &written)));
        self.send(Event::Reported(reported)).records
    }

    /// A report of the segment of a trial that was begun last.
    fn reported(&self, trial: TrialId, resource: u64, loss: Option<f64>, checkpoint: Option<Checkpoint>) -> Reported {
        let attempt = self.segment(trial).attempt;
        Reported {
            diverged: loss.is_none() && self.spec.objective.is_loss(),
            trial,
            attempt,
            resource,
            loss,
            metrics: Measures::default(),
            checkpoint,
            last: false,
        }
    }

    fn fail(&mut self, trial: TrialId, checkpoint_lost: bool) {
        self.send(Event::Failed {
            segment: self.segment(trial),
            message: "out of luck".into(),
            checkpoint_lost,
        });
    }

    fn segment(&self, trial: TrialId) -> SegmentId {
        self.study.trial(trial).unwrap().last_segment()
    }

    fn state(&self, trial: TrialId) -> &TrialState {
        &self.study.trial(trial).unwrap().state
    }
}
