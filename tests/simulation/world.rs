//! The loop of `src/scheduler.rs` on a simulated disk, with simulated slots, that can die anywhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hpo::ids::{SlotId, Timestamp, TrialId};
use hpo::study::{Command, Event, FORMAT, Fact, Limits, Record, Reported, Step, Study, TrialState};
use hpo_protocol::{Values, next_report};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::disk::{Disk, Reader, lines};
use super::files::Files;
use super::oracle::Oracle;
use super::plan::{Plan, chance};
use super::slot::{Licence, News, Order, Run, Slot};
use super::tally::Tally;

/// More can't happen to a study of some ten trials, whatever goes wrong.
const MOST_EVENTS: u32 = 60_000;

/// What must not depend on slots, timing, failures and kills: of each trial whose configuration it confirms, its parameters, seed,
/// state and losses; and the best.
pub type Answer = (
    Vec<(Option<TrialId>, Values, u64, TrialState, Vec<Option<f64>>)>,
    Option<TrialId>,
);

/// The scheduler has died.
struct Died;

/// What lives as long as the process of the scheduler.
struct Process {
    study: Study,
    slots: Vec<Slot>,
    news: VecDeque<(SlotId, News)>,
    idle: BTreeSet<SlotId>,
    /// After so many more events the user loses patience with segments that save themselves.
    stopping: Option<u32>,
}

pub struct World {
    plan: Plan,
    rng: ChaCha8Rng,
    clock: u64,
    disk: Disk,
    files: Files,
    /// Reads what has become durable.
    reader: Reader,
    /// The fold of that.
    durable: Study,
    /// How many records the scheduler was told to be durable.
    acknowledged: u64,
    /// Commands carried out: the segments begun.
    begun: BTreeSet<(TrialId, u32)>,
    /// By trial, the last resource reported.
    reported: BTreeMap<TrialId, u64>,
    /// What workers have told at some time.
    past: Vec<Event>,
    /// What old workers that have outlived their scheduler will still write.
    orphans: Vec<(TrialId, u32, u64)>,
    events: u32,
    oracle: Oracle,
    tally: Tally,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let disk = Disk::default();
        let created = Record {
            at: Timestamp(1),
            fact: Fact::StudyCreated {
                format: FORMAT,
                version: "0".into(),
                file_sha256: None,
                spec: Box::new(plan.spec.clone()),
            },
        };
        disk.append(&lines(0, &[created]));
        let mut world = Self {
            rng: ChaCha8Rng::seed_from_u64(plan.seed ^ 0x5EED),
            clock: 1,
            reader: disk.reader(),
            files: Files::default(),
            durable: Study::new(plan.spec.clone()),
            acknowledged: 1,
            begun: BTreeSet::new(),
            reported: BTreeMap::new(),
            past: Vec::new(),
            orphans: Vec::new(),
            events: 0,
            oracle: Oracle::default(),
            tally: Tally::default(),
            disk,
            plan,
        };
        world.follow();
        world
    }

    /// Runs the study to its end, through as many schedulers as it takes, and then as far as it is raised.
    pub fn run(&mut self) -> Answer {
        let first = self.plan.spec.limits();
        for limits in [Some(first), self.plan.raised].into_iter().flatten() {
            while self.live(limits).is_err() || !self.durable.is_over() {
                self.count_event();
            }
            self.check_end(limits);
        }
        let trials = self.durable.trials().iter().map(|trial| {
            let losses = trial.reports.values().map(|report| report.loss).collect();
            let parameters = trial.parameters.clone();
            (trial.confirms(), parameters, trial.seed, trial.state.clone(), losses)
        });
        (trials.collect(), self.durable.best().map(|best| best.id))
    }

    pub fn tally(mut self) -> Tally {
        self.tally.events = self.events.into();
        self.tally.records = self.acknowledged;
        self.tally
    }

    fn count_event(&mut self) {
        self.events += 1;
        assert!(self.events < MOST_EVENTS, "the study does not end");
    }

    /// One scheduler, from its start to its end.
    fn live(&mut self, limits: Limits) -> Result<(), Died> {
        let mut process = self.open();
        let slots = vec!["cpu".to_owned(); process.slots.len()];
        let opened = Event::Opened {
            process: 1,
            slots,
            limits,
        };
        let outcome = self.work(&mut process, opened);
        let training = process.slots.iter().filter_map(Slot::training);
        self.orphans = training.filter(|_| chance(&mut self.rng, 0.3)).collect();
        outcome
    }

    fn open(&mut self) -> Process {
        let mut reader = self.disk.reader();
        let records: Vec<Record> = std::iter::from_fn(|| reader.next_record().unwrap()).collect();
        assert!(reader.seq() >= self.acknowledged, "an acknowledged record is gone");
        self.disk.truncate(reader.offset());
        self.follow();
        let study = Study::restore(self.plan.spec.clone(), &records).unwrap();
        assert!(study == self.durable, "a restored study is what it was");
        self.acknowledged = reader.seq();
        self.files.sweep(&study, None);
        let slots = self.rng.random_range(1..=self.plan.slots);
        Process {
            slots: (0..slots).map(|slot| Slot::new(slot, &mut self.rng)).collect(),
            study,
            news: VecDeque::new(),
            idle: BTreeSet::new(),
            stopping: None,
        }
    }

    fn work(&mut self, process: &mut Process, opened: Event) -> Result<(), Died> {
        let step = self.handle(process, opened);
        self.carry_out(process, step)?;
        while !self.is_over(process) {
            self.count_event();
            self.trouble(process)?;
            self.happen(process)?;
        }
        self.files.sweep(&process.study, None);
        let step = self.handle(process, Event::Closed);
        self.carry_out(process, step)
    }

    fn is_over(&self, process: &Process) -> bool {
        let running = || running(&process.study).next().is_some();
        let stopped = process.stopping.is_some_and(|patience| patience == 0 || !running());
        // Slots that still train what was stopped in passing die with the scheduler.
        process.study.is_finished() || stopped
    }

    /// The next thing that happens: to a worker, to the keeper of a slot, or to the scheduler.
    fn happen(&mut self, process: &mut Process) -> Result<(), Died> {
        let mut can = Vec::new();
        for (number, slot) in process.slots.iter().enumerate() {
            let pace = slot.pace;
            can.extend(slot.keeper_can_act().then_some((pace, Some((number, false)))));
            can.extend(slot.worker_can_act().then_some((pace, Some((number, true)))));
        }
        can.extend((!process.news.is_empty()).then_some((1.0, None)));
        let all = can.iter().map(|(weight, _)| weight).sum::<f64>();
        let mut left = self.rng.random::<f64>() * all;
        let chosen = can.iter().find(|(weight, _)| {
            left -= weight;
            left <= 0.0
        });
        let Some(&(_, chosen)) = chosen.or(can.last()) else {
            panic!("nothing can happen any more, but the study has not ended");
        };
        if let Some(patience) = &mut process.stopping {
            *patience = patience.saturating_sub(1);
        }
        match chosen {
            None => self.take(process)?,
            Some((number, true)) => {
                let licence = self.licence(process, number);
                process.slots[number].work(licence, &mut self.files, &mut self.rng);
            }
            Some((number, false)) => {
                let slot = &mut process.slots[number];
                let news = slot.keep(&mut self.files, &mut self.rng);
                process.news.extend(news.into_iter().map(|news| (slot.id, news)));
            }
        }
        self.check_slots(process);
        Ok(())
    }

    /// A worker may do anything as long as that can't change the answer.
    fn licence(&self, process: &Process, slot: usize) -> Licence {
        let spec = &self.plan.spec;
        let study = &process.study;
        let may_fail = process.slots[slot].training().is_none_or(|(trial, attempt, _)| {
            let trial = study.trial(trial).unwrap();
            !spec.policy.is_synchronous() || trial.attempts != attempt || trial.failures < spec.retries
        });
        Licence {
            faults: self.plan.faults,
            may_fail,
        }
    }

    /// The scheduler takes in some of what slots have told, has it recorded in one batch, and gives free slots work.
    fn take(&mut self, process: &mut Process) -> Result<(), Died> {
        let mut step = Step::default();
        let count = self.rng.random_range(1..=process.news.len());
        let batch: Vec<_> = process.news.drain(..count).collect();
        for (slot, news) in batch {
            match news {
                News::Idle => {
                    process.idle.insert(slot);
                }
                News::Happened(event) => {
                    self.past.push(event.clone());
                    let next = self.handle(process, event);
                    step.records.extend(next.records);
                    step.commands.extend(next.commands);
                }
            }
        }
        if process.stopping.is_none() {
            let slots = process.idle.iter().copied().collect();
            let next = self.handle(process, Event::Idle { slots });
            step.records.extend(next.records);
            step.commands.extend(next.commands);
        }
        self.carry_out(process, step)
    }

    fn handle(&mut self, process: &mut Process, event: Event) -> Step {
        self.clock += self.rng.random_range(0..3);
        process.study.handle(Timestamp(self.clock), event)
    }

    fn carry_out(&mut self, process: &mut Process, step: Step) -> Result<(), Died> {
        self.commit(&step.records)?;
        assert!(
            self.durable == process.study,
            "the live state is the fold of the durable records"
        );
        for record in &step.records {
            if let Fact::SegmentFailed { trial, .. } = record.fact {
                self.files.sweep(&process.study, Some(trial));
            }
        }
        for command in step.commands {
            self.die_or_not()?;
            self.command(process, command);
        }
        self.files.check_needed(&process.study);
        Ok(())
    }

    /// Records become durable, or the scheduler dies before, in the middle, or after.
    fn commit(&mut self, records: &[Record]) -> Result<(), Died> {
        if records.is_empty() {
            return Ok(());
        }
        let lines = lines(self.acknowledged, records);
        if self.die_or_not().is_err() {
            let torn = match self.rng.random_range(0..4) {
                0 => 0,
                1 => lines.len(),
                _ => self.rng.random_range(0..=lines.len()),
            };
            self.disk.append(&lines[..torn]);
            self.tally.torn_batches += u64::from(torn > 0 && torn < lines.len());
            return Err(Died);
        }
        self.disk.append(&lines);
        self.acknowledged += records.len() as u64;
        self.follow();
        self.die_or_not()
    }

    fn die_or_not(&mut self) -> Result<(), Died> {
        if chance(&mut self.rng, self.plan.crashes) {
            self.tally.crashes += 1;
            return Err(Died);
        }
        Ok(())
    }

    fn command(&mut self, process: &mut Process, command: Command) {
        match command {
            Command::Run {
                slot,
                trial,
                attempt,
                from,
                to,
                checkpoint,
            } => {
                let recorded = self.durable.trial(trial).unwrap();
                let runs = running(&self.durable).any(|(other, on, _)| (other, on) == (trial, slot));
                assert!(
                    runs && recorded.attempts == attempt,
                    "a segment was begun that is not recorded"
                );
                assert!(
                    self.begun.insert((trial, attempt)),
                    "attempt {attempt} of trial {trial} was begun twice"
                );
                process.idle.remove(&slot);
                let run = Run {
                    trial,
                    attempt,
                    seed: recorded.seed,
                    every: self.plan.spec.policy.report_every,
                    from,
                    to,
                    checkpoint,
                };
                process.slots[slot as usize].order(Order::Run(run));
            }
            Command::Stop {
                slot,
                trial,
                attempt,
                save,
            } => process.slots[slot as usize].order(Order::Stop { trial, attempt, save }),
            Command::Replace { slot } => process.slots[slot as usize].order(Order::Replace),
            Command::Delete { files } => files.iter().for_each(|file| self.files.delete(file)),
        }
    }

    /// Reads on in the journal, as any other process may.
    fn follow(&mut self) {
        while let Some(record) = self.reader.next_record().unwrap() {
            if self.plan.told {
                println!("{:>6} {:?}", record.at.0, record.fact);
            }
            self.count(&record);
            self.oracle.permit(&self.durable, &record);
            self.durable.follow(&record).unwrap();
            self.oracle.see(&record, &self.durable);
        }
    }

    /// Nothing is trained twice, unless a checkpoint was lost.
    fn count(&mut self, record: &Record) {
        match &record.fact {
            Fact::SegmentFailed {
                trial,
                checkpoint_lost,
                message,
                ..
            } => {
                self.tally.failed_segments += 1;
                self.tally.refused_reports += u64::from(message.contains("reported"));
                if *checkpoint_lost {
                    self.tally.lost_checkpoints += 1;
                    self.reported.remove(trial);
                }
            }
            Fact::SegmentStopped { .. } => self.tally.stopped_segments += 1,
            Fact::ConfirmationCreated { .. } => self.tally.confirmations += 1,
            &Fact::SegmentStarted { trial, from, ahead, .. } => {
                self.tally.segments_ahead += u64::from(ahead);
                let at = *self.reported.entry(trial).or_insert(from);
                assert_eq!(at, from, "trial {trial} does not go on where it was");
            }
            &Fact::Reported(Reported { trial, resource, .. }) => {
                let before = self.reported.insert(trial, resource);
                let every = self.plan.spec.policy.report_every;
                assert!(
                    before.is_some_and(|before| before < resource && next_report(every, before, resource) == resource),
                    "trial {trial} was trained to {resource} twice, or came by a report that was due"
                );
            }
            _ => {}
        }
    }

    /// What the outside does to a study.
    fn trouble(&mut self, process: &mut Process) -> Result<(), Died> {
        if process.stopping.is_none() && chance(&mut self.rng, self.plan.stops) {
            self.tally.stops += 1;
            process.stopping = Some(self.rng.random_range(1..60));
            let stops: Vec<_> = running(&process.study).collect();
            for (trial, slot, attempt) in stops {
                let save = true;
                process.slots[slot as usize].order(Order::Stop { trial, attempt, save });
            }
        }
        if chance(&mut self.rng, self.plan.losses) {
            let needed: Vec<String> = process
                .study
                .checkpoint_files()
                .into_iter()
                .map(str::to_owned)
                .collect();
            if !needed.is_empty() {
                let file = &needed[self.rng.random_range(0..needed.len())];
                self.files.lose(file);
            }
        }
        if let Some((trial, attempt, resource)) = self.orphans.pop() {
            self.files.write(trial, &format!("a{attempt}-orphan"), resource);
        }
        if chance(&mut self.rng, self.plan.echoes) {
            self.echo(process)?;
        }
        Ok(())
    }

    /// A message of an older attempt, or of a segment that is over, comes again or late.
    fn echo(&mut self, process: &mut Process) -> Result<(), Died> {
        if self.past.is_empty() {
            return Ok(());
        }
        let mut event = self.past[self.rng.random_range(0..self.past.len())].clone();
        let (Event::Reported(Reported { trial, attempt, .. })
        | Event::Stopped { trial, attempt, .. }
        | Event::Failed { trial, attempt, .. }) = event
        else {
            return Ok(());
        };
        if running(&process.study).any(|(other, _, now)| (other, now) == (trial, attempt)) {
            return Ok(());
        }
        if let Event::Reported(Reported {
            checkpoint: Some(checkpoint),
            resource,
            ..
        }) = &mut event
            && self.rng.random()
        {
            *checkpoint = self.files.write(trial, &format!("a{attempt}-late"), *resource);
        }
        self.tally.late_messages += 1;
        let before = process.study.clone();
        let step = self.handle(process, event);
        assert!(
            step.records.is_empty() && before == process.study,
            "a late message has changed something"
        );
        self.carry_out(process, step)
    }

    fn check_slots(&self, process: &Process) {
        let mut slots = BTreeSet::new();
        for (trial, slot, _) in running(&process.study) {
            assert!(slots.insert(slot), "slot {slot} has trial {trial} and another");
        }
        let mut trained = BTreeSet::new();
        for (trial, attempt, _) in process.slots.iter().filter_map(Slot::training) {
            assert!(
                trained.insert((trial, attempt)),
                "trial {trial} runs twice as attempt {attempt}"
            );
        }
    }

    fn check_end(&mut self, limits: Limits) {
        let study = &self.durable;
        assert!(study.is_over());
        assert_eq!(study.search_trials().count() as u64, limits.trials);
        for trial in study.trials() {
            assert!(trial.state.is_final(), "{trial:?} is left");
        }
        self.oracle.check_end(study);
        self.files.check_nothing_else(study);
        assert!(study.checkpoint_files().len() <= 1, "more than the best is kept");
    }
}

fn running(study: &Study) -> impl Iterator<Item = (TrialId, SlotId, u32)> {
    study.trials().iter().filter_map(|trial| match trial.state {
        TrialState::Running { slot, .. } | TrialState::Ahead { slot, .. } => Some((trial.id, slot, trial.attempts)),
        _ => None,
    })
}
