//! Whole studies in memory: random slots, durations, failures and kills must not change the answer.

mod confirmation;
mod recovery;

use hpo_protocol::{Unit, Values};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::ids::{SegmentId, SlotId};
use crate::space::{Distribution, Parameter, SearchSpace};

pub(crate) fn spec(trials: u64, max_resource: u64, reduction_factor: u64) -> StudySpec {
    with(
        PolicyKind::SuccessiveHalving {
            bracket_size: None,
            small_brackets: false,
        },
        trials,
        max_resource,
        reduction_factor,
    )
}

fn with(kind: PolicyKind, trials: u64, max_resource: u64, reduction_factor: u64) -> StudySpec {
    StudySpec {
        name: "test".into(),
        seed: 7,
        trials,
        retries: 2,
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
fn sparse(spec: StudySpec, every: u64, first: u64) -> StudySpec {
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

/// What a trainer would measure: a function of the trial alone. Some trials diverge.
fn loss(trial: TrialId, resource: u64) -> Option<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(trial.0 * 1000 + resource);
    let noise: f64 = rng.random();
    (!(trial.0 % 7 == 3 && resource >= 2))
        .then(|| ((trial.0 as f64 * 0.37).sin() + 2.0) / resource as f64 + 0.3 * noise)
}

/// Some trials end before their maximum.
fn ends_by_itself(trial: TrialId, resource: u64) -> bool {
    trial.0 % 5 == 4 && resource > trial.0 % 3
}

/// Role, configuration, seed, state and losses of a trial.
type Outcome = (Option<TrialId>, Values, u64, TrialState, Vec<Option<f64>>);

struct World {
    spec: StudySpec,
    study: Study,
    journal: Vec<Record>,
    running: Vec<Segment>,
    free: Vec<SlotId>,
    rng: ChaCha8Rng,
    clock: u64,
    files: BTreeSet<String>,
}

struct Segment {
    slot: SlotId,
    id: SegmentId,
    at: u64,
    to: u64,
    /// Whether it has been asked to stop, and if so, whether to save.
    stop: Option<bool>,
}

impl World {
    fn new(spec: StudySpec, slots: u32, seed: u64) -> Self {
        let created = Record {
            at: Timestamp(0),
            fact: Fact::StudyCreated {
                format: FORMAT,
                version: "test".into(),
                spec: Box::new(spec.clone()),
                file_sha256: None,
            },
        };
        let mut world = World {
            study: Study::restore(spec.clone(), [created.clone()]).unwrap(),
            spec,
            journal: vec![created],
            running: Vec::new(),
            free: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            clock: 0,
            files: BTreeSet::new(),
        };
        world.open(slots);
        world
    }

    fn open(&mut self, slots: u32) {
        self.running.clear();
        self.free = (0..slots).map(SlotId).collect();
        let limits = self.spec.limits();
        self.send(Event::Opened {
            process: 1,
            slots: vec!["cpu".into(); slots as usize],
            limits,
        });
    }

    fn send(&mut self, event: Event) {
        self.clock += 1;
        let step = self.study.handle(Timestamp(self.clock), event);
        self.journal.extend(step.records);
        let restored = Study::restore(self.spec.clone(), &self.journal).unwrap();
        assert_eq!(restored, self.study, "the fold of the journal is the live state");
        for command in step.commands {
            match command {
                Command::Run {
                    slot,
                    segment,
                    from,
                    to,
                    checkpoint,
                } => {
                    if let Some(checkpoint) = checkpoint {
                        assert!(self.files.contains(&checkpoint.file), "{} was deleted", checkpoint.file);
                    } else {
                        assert_eq!(from, 0);
                    }
                    self.free.retain(|&s| s != slot);
                    self.running.push(Segment {
                        slot,
                        id: segment,
                        at: from,
                        to,
                        stop: None,
                    });
                }
                Command::Stop { slot, segment, save } => {
                    let asked = |s: &&mut Segment| (s.slot, s.id) == (slot, segment);
                    self.running.iter_mut().find(asked).expect("it runs").stop = Some(save);
                }
                Command::Replace { .. } => panic!("these workers keep to the protocol"),
                Command::Delete { files } => files.iter().for_each(|file| assert!(self.files.remove(file))),
            }
        }
        let kept: BTreeSet<String> = self.study.checkpoint_files().into_iter().map(String::from).collect();
        assert_eq!(kept, self.files, "what is kept is what is on disk");
    }

    /// One thing happens to one running segment.
    fn advance(&mut self, trouble: f64) {
        let chosen = self.rng.random_range(0..self.running.len());
        let roll: f64 = self.rng.random();
        let Segment {
            slot,
            id: segment,
            ref mut at,
            to,
            stop,
        } = self.running[chosen];
        let SegmentId { trial, attempt } = segment;
        // A report may be on its way when the command comes.
        if let Some(save) = stop
            && roll < 0.7
        {
            self.running.remove(chosen);
            self.free.push(slot);
            let checkpoint = save.then(|| checkpoint(trial, &format!("stop{attempt}")));
            self.files.extend(checkpoint.iter().map(|c| c.file.clone()));
            return self.send(Event::Stopped { segment, checkpoint });
        }
        let failures = self.study.trial(trial).unwrap().failures;
        if roll < trouble && failures < self.spec.retries {
            self.running.remove(chosen);
            self.free.push(slot);
            let checkpoint_lost = self.rng.random();
            self.send(Event::Failed {
                segment,
                message: "crashed".into(),
                checkpoint_lost,
            });
        } else if roll < 2.0 * trouble {
            let checkpoint = checkpoint(trial, &format!("stop{attempt}"));
            self.files.insert(checkpoint.file.clone());
            self.running.remove(chosen);
            self.free.push(slot);
            self.send(Event::Stopped {
                segment,
                checkpoint: Some(checkpoint),
            });
        } else {
            *at = self.spec.policy.next_report(*at, to);
            let resource = *at;
            let loss = loss(trial, resource);
            let checkpoint = loss.map(|_| checkpoint(trial, &format!("{attempt}-{resource}")));
            self.files.extend(checkpoint.iter().map(|c| c.file.clone()));
            let last = ends_by_itself(trial, resource);
            if resource == to || loss.is_none() || last {
                self.running.remove(chosen);
                self.free.push(slot);
            }
            self.send(Event::Reported(Reported {
                trial,
                attempt,
                resource,
                loss,
                metrics: Measures::default(),
                checkpoint,
                last,
            }));
        }
    }

    /// The process is killed: what the journal has lost of its last batch, if anything, is gone.
    fn kill(&mut self, torn: usize) {
        let keep = self.journal.len() - torn.min(self.journal.len() - 1);
        self.journal.truncate(keep);
        self.study = Study::restore(self.spec.clone(), &self.journal).unwrap();
        // Deletions that were not carried out, and checkpoints nobody knows of, go when the study is opened.
        self.files = self.study.checkpoint_files().into_iter().map(String::from).collect();
        let slots = self.rng.random_range(1..5);
        self.open(slots);
    }

    fn run(&mut self, trouble: f64, kill: f64) {
        for _ in 0..20_000 {
            let slots = self.free.clone();
            self.send(Event::Idle { slots });
            if self.running.is_empty() {
                assert!(self.study.is_finished(), "slots stand idle in an unfinished study");
                return;
            }
            self.advance(trouble);
            if self.rng.random::<f64>() < kill {
                self.kill(0);
            }
        }
        panic!("the study does not end");
    }

    /// However it was cut into segments, a trial has reported as if it had been trained in one.
    fn reports_are_where_they_are_due(&self) {
        let policy = &self.spec.policy;
        let next = |&at: &u64| (at < policy.max_resource).then(|| policy.next_report(at, policy.max_resource));
        let due: Vec<u64> = std::iter::successors(Some(0), next).skip(1).collect();
        for trial in self.study.trials() {
            let reports: Vec<u64> = trial.reports.keys().copied().collect();
            assert_eq!(reports, due[..reports.len()]);
        }
    }

    /// What must not depend on slots, timing and kills.
    fn answer(&self) -> (Option<TrialId>, Vec<Outcome>) {
        let trials = self.study.trials().iter();
        let told = trials.map(|t| {
            let losses = t.reports.values().map(|r| r.loss).collect();
            (t.confirms(), t.parameters.clone(), t.seed, t.state.clone(), losses)
        });
        (self.study.best().map(|t| t.id), told.collect())
    }
}

fn checkpoint(trial: TrialId, name: &str) -> Checkpoint {
    Checkpoint {
        file: format!("{trial}/{name}"),
        bytes: 1,
        sha256: String::new(),
    }
}

fn confirmed() -> impl Strategy<Value = Option<ConfirmationSpec>> {
    let spec = (1u64..5, 2u64..4).prop_map(|(configurations, seeds)| ConfirmationSpec { configurations, seeds });
    prop::option::of(spec)
}

fn synchronous() -> impl Strategy<Value = PolicyKind> {
    prop_oneof![
        prop::option::of(1u64..12).prop_map(|bracket_size| PolicyKind::SuccessiveHalving {
            bracket_size,
            small_brackets: false
        }),
        Just(PolicyKind::SuccessiveHalving {
            bracket_size: None,
            small_brackets: true
        }),
        any::<bool>().prop_map(|small_brackets| PolicyKind::Hyperband { small_brackets }),
        Just(PolicyKind::None),
    ]
}

fn asynchronous() -> impl Strategy<Value = PolicyKind> {
    let variant = prop_oneof![Just(AshaVariant::Promotion), Just(AshaVariant::Stopping)];
    prop_oneof![
        variant.clone().prop_map(|variant| PolicyKind::Asha { variant }),
        variant.prop_map(|variant| PolicyKind::AsyncHyperband { variant }),
        Just(PolicyKind::Pasha),
        (1u64..100, 1u64..5).prop_map(|(percentile, startup_trials)| PolicyKind::MedianStopping {
            percentile,
            startup_trials
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_asynchronous_study_comes_to_its_end_whatever_happens(
        kind in asynchronous(), trials in 1u64..30, max_resource in 1u64..14, eta in 2u64..5, slots in 1u32..8, seed: u64,
        confirmation in confirmed(), (every, first) in (1u64..5, 1u64..3),
    ) {
        let mut spec = sparse(with(kind, trials, max_resource, eta), every, first);
        spec.confirmation = confirmation;
        let mut world = World::new(spec, slots, seed);
        world.run(0.05, 0.03);
        prop_assert_eq!(world.study.search_trials().count() as u64, trials);
        prop_assert!(world.study.trials().iter().all(|trial| trial.state.is_final()));
        let with_loss = world.study.trials().iter().any(|trial| trial.state == TrialState::Completed);
        let lost = |trial: &Trial| matches!(trial.state, TrialState::Diverged { .. } | TrialState::Failed { .. });
        prop_assert!(with_loss || world.study.trials().iter().any(lost));
        world.reports_are_where_they_are_due();
    }

    #[test]
    fn slots_timing_speculation_failures_and_kills_do_not_change_the_answer(
        kind in synchronous(), trials in 1u64..30, max_resource in 1u64..14, eta in 2u64..5, slots in 1u32..12, seed: u64,
        confirmation in confirmed(), (every, first) in (1u64..5, 1u64..3),
    ) {
        let mut spec = sparse(with(kind, trials, max_resource, eta), every, first);
        spec.confirmation = confirmation;
        let mut plain = spec.clone();
        plain.policy.speculation = false;
        let mut plain = World::new(plain, 1, 0);
        plain.run(0.0, 0.0);
        let mut rough = World::new(spec, slots, seed);
        rough.run(0.05, 0.03);
        prop_assert_eq!(plain.answer(), rough.answer());
        prop_assert_eq!(plain.study.confirmation(), rough.study.confirmation());
        rough.reports_are_where_they_are_due();
    }

    #[test]
    fn a_torn_last_batch_does_no_harm(seed: u64, kill_after in 1usize..40, torn in 0usize..12) {
        let spec = spec(9, 9, 3);
        let mut plain = World::new(spec.clone(), 1, 0);
        plain.run(0.0, 0.0);
        let mut rough = World::new(spec, 2, seed);
        for _ in 0..kill_after {
            let slots = rough.free.clone();
            rough.send(Event::Idle { slots });
            if rough.running.is_empty() {
                break;
            }
            rough.advance(0.0);
        }
        // Only the last batch can be torn: go back no further than the last report or segment.
        let batch = rough.journal.iter().rev().position(|r| matches!(r.fact, Fact::Reported(_) | Fact::SegmentStarted { .. })).unwrap_or(0);
        rough.kill(torn.min(batch));
        rough.run(0.0, 0.0);
        prop_assert_eq!(plain.answer(), rough.answer());
    }

    #[test]
    fn no_resource_is_trained_twice_when_nothing_goes_wrong(slots in 1u32..6, seed: u64) {
        let mut world = World::new(spec(20, 9, 3), slots, seed);
        world.run(0.0, 0.05);
        let mut seen = BTreeSet::new();
        for record in &world.journal {
            if let Fact::Reported(Reported { trial, resource, .. }) = record.fact {
                prop_assert!(seen.insert((trial, resource)), "trial {trial} was trained twice at {resource}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn nor_do_they_change_the_answer_of_a_sampler_that_learns(
        hyperband: bool, small_brackets: bool, parallel_brackets in 1u64..4, trials in 8u64..25, slots in 1u32..8, seed: u64,
    ) {
        let kind = match hyperband {
            true => PolicyKind::Hyperband { small_brackets },
            false => PolicyKind::SuccessiveHalving { bracket_size: (!small_brackets).then_some(6), small_brackets },
        };
        let mut spec = with(kind, trials, 9, 3);
        spec.policy.parallel_brackets = parallel_brackets;
        spec.confirmation = Some(ConfirmationSpec { configurations: 2, seeds: 2 });
        spec.sampler = SamplerSpec::GaussianProcess(GaussianProcess { startup_trials: Some(4), random_share: 0.2 });
        let mut plain = spec.clone();
        plain.policy.speculation = false;
        let mut plain = World::new(plain, 1, 0);
        plain.run(0.0, 0.0);
        let mut rough = World::new(spec, slots, seed);
        rough.run(0.05, 0.03);
        prop_assert_eq!(plain.answer(), rough.answer());
    }
}

#[test]
fn a_raised_limit_opens_another_bracket_and_keeps_the_first() {
    let mut world = World::new(spec(9, 9, 3), 2, 1);
    world.run(0.0, 0.0);
    let before = world.answer().1;
    world.spec.trials = 15;
    let limits = world.spec.limits();
    world.send(Event::Opened {
        process: 2,
        slots: vec!["cpu".into()],
        limits,
    });
    world.run(0.0, 0.0);
    let after = world.answer().1;
    assert_eq!(after.len(), 15);
    assert_eq!(after[..9], before[..]);
}

#[test]
fn a_trial_that_always_fails_ends_as_failed_and_blocks_nobody() {
    let mut world = World::new(spec(3, 3, 3), 1, 1);
    loop {
        world.send(Event::Idle { slots: vec![SlotId(0)] });
        let Some(segment) = world.running.pop() else { break };
        if segment.id.trial == TrialId(0) {
            world.send(Event::Failed {
                segment: segment.id,
                message: "out of luck".into(),
                checkpoint_lost: false,
            });
        } else {
            world.running.push(segment);
            while !world.running.is_empty() {
                world.advance(0.0);
            }
        }
    }
    assert!(world.study.is_finished());
    assert_eq!(world.study.trial(TrialId(0)).unwrap().attempts, 3);
    assert!(
        matches!(&world.study.trial(TrialId(0)).unwrap().state, TrialState::Failed { message } if message == "out of luck")
    );
}

#[test]
fn a_worker_that_lies_is_replaced_and_its_report_not_recorded() {
    let honest = Some(checkpoint(TrialId(0), "x"));
    for (resource, loss, checkpoint) in [
        (2, Some(0.1), honest.clone()),
        (0, Some(0.1), honest),
        (1, Some(0.1), None),
    ] {
        let mut world = World::new(spec(3, 9, 3), 1, 1);
        world.send(Event::Idle { slots: vec![SlotId(0)] });
        let step = world.study.handle(
            Timestamp(9),
            Event::Reported(Reported {
                trial: TrialId(0),
                attempt: 1,
                resource,
                loss,
                metrics: Measures::default(),
                checkpoint: checkpoint.clone(),
                last: false,
            }),
        );
        let delete = checkpoint.map(|checkpoint| Command::Delete {
            files: vec![checkpoint.file],
        });
        let expected: Vec<_> = [Command::Replace { slot: SlotId(0) }]
            .into_iter()
            .chain(delete)
            .collect();
        assert_eq!(step.commands, expected);
        assert!(matches!(
            &step.records[..],
            [Record {
                fact: Fact::SegmentFailed { retry: true, .. },
                ..
            }]
        ));
    }
}

#[test]
fn a_report_before_or_after_the_one_that_is_due_is_refused_with_what_was() {
    let spec = sparse(spec(3, 250, 3), 100, 1);
    for resource in [1, 99, 101, 200] {
        let mut world = World::new(spec.clone(), 1, 1);
        world.send(Event::Idle { slots: vec![SlotId(0)] });
        let step = world.study.handle(
            Timestamp(9),
            Event::Reported(Reported {
                trial: TrialId(0),
                attempt: 1,
                resource,
                loss: Some(0.1),
                metrics: Measures::default(),
                checkpoint: Some(checkpoint(TrialId(0), "x")),
                last: false,
            }),
        );
        let files = vec![checkpoint(TrialId(0), "x").file];
        assert_eq!(
            step.commands,
            [Command::Replace { slot: SlotId(0) }, Command::Delete { files }]
        );
        let [
            Record {
                fact: Fact::SegmentFailed { message, .. },
                ..
            },
        ] = &step.records[..]
        else {
            panic!("{:?}", step.records);
        };
        let told = format!("the worker reported resource {resource}, but 100 of a segment to 100 was due");
        assert_eq!(*message, told);
    }
}

#[test]
fn a_message_of_an_older_attempt_is_ignored() {
    let mut world = World::new(spec(3, 9, 3), 1, 1);
    world.send(Event::Idle { slots: vec![SlotId(0)] });
    world.kill(0);
    world.send(Event::Idle { slots: vec![SlotId(0)] });
    let late = Event::Reported(Reported {
        trial: TrialId(0),
        attempt: 1,
        resource: 1,
        loss: Some(0.0),
        metrics: Measures::default(),
        checkpoint: Some(checkpoint(TrialId(0), "late")),
        last: false,
    });
    let step = world.study.handle(Timestamp(99), late);
    assert_eq!(step.records, []);
    let files = vec!["0/late".to_owned()];
    assert_eq!(
        step.commands,
        [Command::Delete { files }],
        "nobody else knows of its file"
    );
}

#[test]
fn a_trial_that_ends_by_itself_stands_at_the_rungs_above_without_more_training() {
    let mut world = World::new(spec(3, 9, 3), 1, 1);
    let mut trained = 0;
    while !world.study.is_finished() {
        world.send(Event::Idle { slots: vec![SlotId(0)] });
        let SegmentId { trial, attempt } = world.running.pop().unwrap().id;
        trained += 1;
        let name = format!("{attempt}-1");
        world.files.insert(format!("{trial}/{name}"));
        world.send(Event::Reported(Reported {
            trial,
            attempt,
            resource: 1,
            loss: Some(3.0 - trial.0 as f64),
            metrics: Measures::default(),
            checkpoint: Some(checkpoint(trial, &name)),
            last: true,
        }));
    }
    assert_eq!(trained, 3);
    let best = world.study.best().unwrap();
    assert_eq!(
        (best.id, &best.state, best.resource()),
        (TrialId(2), &TrialState::Completed, 1)
    );
}

pub(crate) fn at(fact: Fact) -> Record {
    Record { at: Timestamp(0), fact }
}

/// A study that has come to its end.
pub(crate) fn finished() -> Study {
    let mut world = World::new(spec(9, 9, 3), 2, 1);
    world.run(0.0, 0.0);
    world.study
}
