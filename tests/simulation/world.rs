//! A study on a simulated disk, with simulated slots, whose scheduler can die anywhere. Its loop is that of every search.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hpo::analysis::{Drawing, Explainer};
use hpo::executor::{News, SlotNews};
use hpo::ids::{SegmentId, SlotId, Timestamp, TrialId};
use hpo::scheduler::{self, Cancellation, Ended, Job, SchedulerError};
use hpo::study::{Event, FORMAT, Fact, Limits, Record, Replay, Reported, Study, TrialState};
use hpo_protocol::{Values, next_report};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::disk::{Disk, Reader, lines};
use super::edge::{Silent, SimulatedClock, SimulatedSlots, SimulatedStorage};
use super::files::Files;
use super::oracle::Oracle;
use super::plan::{Plan, chance};
use super::slot::{Licence, Order, Slot};
use super::tally::Tally;

/// More can't happen to a study of some ten trials, whatever goes wrong.
const MOST_EVENTS: u32 = 60_000;

/// What must not depend on slots, timing, failures and kills: of each trial whose configuration it confirms, its parameters, seed,
/// state and losses; and the best.
pub type Answer = (
    Vec<(Option<TrialId>, Values, u64, TrialState, Vec<Option<f64>>)>,
    Option<TrialId>,
);

/// What becomes of the loop where it would wait.
pub enum Next {
    /// It gets news.
    Take(Vec<SlotNews>),
    /// It has to look at what else it waits for.
    Look,
}

/// What lives as long as the process of the scheduler.
struct Process {
    slots: Vec<Slot>,
    news: VecDeque<SlotNews>,
    cancellation: Cancellation,
    /// After so many more events the user loses patience with segments that save themselves.
    stopping: Option<u32>,
    dead: bool,
}

pub struct World {
    plan: Plan,
    rng: ChaCha8Rng,
    clock: u64,
    /// Whether running segments have had their time to be saved.
    late: bool,
    disk: Disk,
    pub files: Files,
    /// Reads what has become durable.
    reader: Reader,
    /// The fold of that.
    durable: Study,
    /// How many records the scheduler was told to be durable.
    acknowledged: u64,
    /// Commands carried out: the segments begun.
    begun: BTreeSet<SegmentId>,
    /// By trial, the last resource reported.
    reported: BTreeMap<TrialId, u64>,
    /// What workers have reported at some time.
    past: Vec<Event>,
    /// What old workers that have outlived their scheduler will still write.
    orphans: Vec<(SegmentId, u64)>,
    events: u32,
    /// How often the study was paused, over all schedulers.
    pauses: u32,
    oracle: Oracle,
    tally: Tally,
    process: Process,
}

/// The decisions of one in so many studies are taken again.
const TAKEN_AGAIN: u64 = 3;

/// So often users resume a paused study without having fixed what it is paused for.
const PATIENCE: u32 = 16;

/// Runs the study of a plan to its end, through as many schedulers as it takes, and then as far as it is raised. There is no answer if
/// it pauses for ever, since no trial can ever report.
pub fn run(plan: Plan) -> (Option<Answer>, Tally) {
    let whole = plan.spec.limits();
    let halted = plan.halt.map(|resource| {
        let mut limits = whole;
        limits.stop.resource = Some(resource);
        limits
    });
    let limits = [halted, Some(whole), plan.raised];
    let world = Rc::new(RefCell::new(World::new(plan)));
    for limits in limits.into_iter().flatten() {
        loop {
            let whole = live(&world, limits);
            let mut world = world.borrow_mut();
            world.bury();
            if whole && (world.durable.is_over() || world.durable.is_at_rest()) {
                break;
            }
            if whole && world.pauses > PATIENCE {
                assert!(world.durable.pause().is_some());
                let reports = world.durable.trials().iter().map(|trial| trial.reports.len());
                assert_eq!(
                    reports.sum::<usize>(),
                    0,
                    "whoever insists gets past trials that can't be trained"
                );
                return (None, world.tally.clone());
            }
            world.count_event();
        }
        let mut world = world.borrow_mut();
        match world.durable.halted() {
            Some(_) => world.check_halted(limits),
            None => world.check_end(limits),
        }
    }
    let world = Rc::into_inner(world).expect("its schedulers are gone").into_inner();
    world.check_decisions();
    (Some(world.answer()), world.tally())
}

/// One scheduler, from its start to its end; whether it came there.
fn live(world: &Rc<RefCell<World>>, limits: Limits) -> bool {
    let (study, cancellation) = world.borrow_mut().open();
    let job = Job {
        study,
        slots: SimulatedSlots(world.clone()),
        storage: SimulatedStorage(world.clone()),
        clock: SimulatedClock(world.clone()),
    };
    let mut silent = Silent;
    let mut loop_ = pin!(scheduler::run(job, limits, &mut silent, cancellation));
    loop {
        match loop_.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ended { outcome, study, .. }) => {
                assert!(study == world.borrow().durable, "what it leaves is what is durable");
                assert!(
                    matches!(
                        outcome,
                        Ok(_) | Err(SchedulerError::Fatal(_) | SchedulerError::Paused(_))
                    ),
                    "its disk takes everything"
                );
                if matches!(outcome, Err(SchedulerError::Paused(_))) {
                    world.borrow_mut().pauses += 1;
                }
                return true;
            }
            Poll::Pending if world.borrow().process.dead => return false,
            Poll::Pending => {}
        }
    }
}

impl World {
    fn new(plan: Plan) -> Self {
        let disk = Disk::default();
        let created = Record {
            at: Timestamp(1),
            fact: Fact::StudyCreated {
                format: FORMAT,
                version: "0".into(),
                file_sha256: None,
                origin: None,
                spec: Box::new(plan.spec.clone()),
            },
        };
        let earlier = plan
            .earlier
            .iter()
            .cloned()
            .map(|fact| Record { at: Timestamp(1), fact });
        let records: Vec<Record> = [created].into_iter().chain(earlier).collect();
        disk.append(&lines(0, &records));
        let mut world = Self {
            rng: ChaCha8Rng::seed_from_u64(plan.seed ^ 0x5EED),
            clock: 1,
            late: false,
            reader: disk.reader(),
            files: Files::default(),
            durable: Study::new(plan.spec.clone()),
            acknowledged: records.len() as u64,
            begun: BTreeSet::new(),
            reported: BTreeMap::new(),
            past: Vec::new(),
            orphans: Vec::new(),
            events: 0,
            pauses: 0,
            oracle: Oracle::default(),
            tally: Tally::default(),
            process: Process {
                slots: Vec::new(),
                news: VecDeque::new(),
                cancellation: Cancellation::new(),
                stopping: None,
                dead: true,
            },
            disk,
            plan,
        };
        world.follow();
        world
    }

    fn answer(&self) -> Answer {
        let trials = self.durable.trials().iter().map(|trial| {
            let losses = trial.reports.values().map(|report| report.loss).collect();
            let parameters = trial.parameters.clone();
            (trial.confirms(), parameters, trial.seed, trial.state.clone(), losses)
        });
        (trials.collect(), self.durable.best().map(|best| best.id))
    }

    fn tally(mut self) -> Tally {
        self.tally.events = self.events.into();
        self.tally.records = self.acknowledged;
        self.tally
    }

    /// Every decision in the journal of some studies is taken again, and a trial of each is explained.
    fn check_decisions(&self) {
        if !self.plan.seed.is_multiple_of(TAKEN_AGAIN) {
            return;
        }
        let mut reader = self.disk.reader();
        let records: Vec<Record> = std::iter::from_fn(|| reader.next_record().unwrap()).collect();
        let mut replay = Replay::new(self.plan.spec.clone(), &records);
        while replay.step().unwrap() {}
        assert_eq!(replay.differences(), []);
        assert_eq!(replay.agree(), replay.decisions());
        let Some(last) = self.durable.trials().last() else {
            return;
        };
        let mut explainer = Explainer::new(TrialId(self.plan.seed % (last.id.0 + 1)));
        records.iter().for_each(|record| explainer.take(record).unwrap());
        let (_, explanation) = explainer.end();
        let drawing = explanation.unwrap().drawing;
        assert!(!matches!(drawing, Drawing::Otherwise { .. }), "{drawing:?}");
    }

    fn count_event(&mut self) {
        self.events += 1;
        assert!(self.events < MOST_EVENTS, "the study does not end");
    }

    /// A new process opens the study.
    fn open(&mut self) -> (Study, Cancellation) {
        let mut reader = self.disk.reader();
        let records: Vec<Record> = std::iter::from_fn(|| reader.next_record().unwrap()).collect();
        assert!(reader.seq() >= self.acknowledged, "an acknowledged record is gone");
        self.disk.truncate(reader.offset());
        self.follow();
        let study = Study::restore(self.plan.spec.clone(), &records).unwrap();
        assert!(study == self.durable, "a restored study is what it was");
        self.acknowledged = reader.seq();
        self.late = false;
        let slots = self.rng.random_range(1..=self.plan.slots);
        self.process = Process {
            slots: (0..slots).map(|slot| Slot::new(SlotId(slot), &mut self.rng)).collect(),
            news: VecDeque::new(),
            cancellation: Cancellation::new(),
            stopping: None,
            dead: false,
        };
        (study, self.process.cancellation.clone())
    }

    /// The process has ended. Some of its workers have not yet.
    fn bury(&mut self) {
        let training = self.process.slots.iter().filter_map(Slot::training);
        self.orphans = training.filter(|_| chance(&mut self.rng, 0.3)).collect();
    }

    pub fn slots(&self) -> Vec<(SlotId, String)> {
        let slots = self.process.slots.iter();
        slots.map(|slot| (slot.id, "cpu".to_owned())).collect()
    }

    pub fn now(&mut self) -> Timestamp {
        self.clock += self.rng.random_range(0..3);
        Timestamp(self.clock)
    }

    pub fn is_late(&self) -> bool {
        self.late
    }

    /// Things happen to workers, to the keepers of slots, and to the study, until the scheduler has to do with it.
    pub fn next(&mut self) -> Next {
        self.files.check_needed(&self.durable);
        loop {
            self.count_event();
            if self.trouble() {
                return Next::Look;
            }
            if let Some(echo) = self.echo() {
                return Next::Take(vec![echo]);
            }
            if let Some(patience) = &mut self.process.stopping {
                *patience = patience.saturating_sub(1);
                if *patience == 0 && !self.late {
                    self.late = true;
                    if self.rng.random() {
                        self.process.cancellation.cancel();
                    }
                    return Next::Look;
                }
            }
            if self.happen() {
                let count = self.rng.random_range(1..=self.process.news.len());
                let batch: Vec<_> = self.process.news.drain(..count).collect();
                for SlotNews { news, .. } in &batch {
                    if let News::Happened(event) = news {
                        self.past.push(event.clone());
                    }
                }
                return Next::Take(batch);
            }
        }
    }

    /// The next thing that happens, to a worker or to the keeper of a slot; or whether the scheduler takes news.
    fn happen(&mut self) -> bool {
        let mut can = Vec::new();
        for (number, slot) in self.process.slots.iter().enumerate() {
            let pace = slot.pace;
            can.extend(slot.keeper_can_act().then_some((pace, Some((number, false)))));
            can.extend(slot.worker_can_act().then_some((pace, Some((number, true)))));
        }
        can.extend((!self.process.news.is_empty()).then_some((1.0, None)));
        let all = can.iter().map(|(weight, _)| weight).sum::<f64>();
        let mut left = self.rng.random::<f64>() * all;
        let chosen = can.iter().find(|(weight, _)| {
            left -= weight;
            left <= 0.0
        });
        let Some(&(_, chosen)) = chosen.or(can.last()) else {
            panic!("nothing can happen any more, but the study has not ended");
        };
        match chosen {
            None => return true,
            Some((number, true)) => {
                let licence = self.licence(number);
                self.process.slots[number].work(licence, &mut self.files, &mut self.rng);
            }
            Some((number, false)) => {
                let is_cut_off = self.may_disconnect(number) && chance(&mut self.rng, self.plan.outages);
                self.tally.outages += u64::from(is_cut_off);
                let slot = &mut self.process.slots[number];
                let news = match is_cut_off {
                    true => slot.disconnect(),
                    false => slot.keep(&mut self.files, &mut self.rng),
                };
                let slot = slot.id;
                self.process
                    .news
                    .extend(news.into_iter().map(|news| SlotNews { slot, news }));
            }
        }
        self.check_slots();
        false
    }

    /// A worker may do anything as long as that can't change the answer.
    fn licence(&self, slot: usize) -> Licence {
        let training = self.process.slots[slot].training();
        Licence {
            faults: self.plan.faults,
            may_fail: training.is_none_or(|(segment, _)| self.may_fail(segment)),
        }
    }

    fn may_fail(&self, segment: SegmentId) -> bool {
        let spec = &self.plan.spec;
        let trial = self.durable.trial(segment.trial).unwrap();
        !spec.policy.is_synchronous() || trial.last_segment() != segment || trial.failures < spec.retries
    }

    /// A trial that loses its connection again and again fails in the end.
    fn may_disconnect(&self, slot: usize) -> bool {
        let given = self.process.slots[slot].given();
        given.into_iter().all(|segment| self.may_fail(segment))
    }

    /// Records become durable, or the scheduler dies before, in the middle, or after; whether it lives.
    pub fn commit(&mut self, study: &Study, records: &[Record]) -> bool {
        let lines = lines(self.acknowledged, records);
        if !self.lives() {
            let torn = match self.rng.random_range(0..4) {
                0 => 0,
                1 => lines.len(),
                _ => self.rng.random_range(0..=lines.len()),
            };
            self.disk.append(&lines[..torn]);
            self.tally.torn_batches += u64::from(torn > 0 && torn < lines.len());
            return false;
        }
        self.disk.append(&lines);
        self.acknowledged += records.len() as u64;
        self.follow();
        assert!(
            self.durable == *study,
            "the live state is the fold of the durable records"
        );
        self.lives()
    }

    /// Whether the scheduler does not die here.
    pub fn lives(&mut self) -> bool {
        if chance(&mut self.rng, self.plan.crashes) {
            self.tally.crashes += 1;
            self.process.dead = true;
        }
        !self.process.dead
    }

    pub fn order(&mut self, slot: SlotId, order: Order) {
        if let Order::Run(run) = &order {
            let segment = run.segment;
            let runs = running(&self.durable).any(|(other, on)| (other, on) == (segment, slot));
            assert!(runs, "a segment was begun that is not recorded");
            assert!(
                self.begun.insert(segment),
                "attempt {} of trial {} was begun twice",
                segment.attempt,
                segment.trial
            );
        }
        // One that was set aside takes no orders.
        if let Some(slot) = self.process.slots.iter_mut().find(|other| other.id == slot) {
            slot.order(order);
        }
    }

    pub fn remove(&mut self, slot: SlotId) {
        self.process.slots.retain(|other| other.id != slot);
    }

    /// Reads on in the journal, as any other process may.
    fn follow(&mut self) {
        while let Some(record) = self.reader.next_record().unwrap() {
            if self.plan.told {
                println!("{:>6} {:?}", record.at.0, record.fact);
            }
            self.count(&record);
            let by_one = !self.durable.spec().has_several();
            if by_one {
                self.oracle.permit(&self.durable, &record);
            }
            self.durable.follow(&record).unwrap();
            if by_one {
                self.oracle.see(&record, &self.durable);
            }
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
            // One that had failed for good has lost what nothing seemed to need any more.
            &Fact::TrialRetried { trial } => {
                let trial = self.durable.trial(trial).unwrap();
                if matches!(trial.state, TrialState::Failed { .. }) {
                    self.reported.insert(trial.id, trial.resume_point().0);
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

    /// What the outside does to a study; whether the scheduler has to look at it.
    fn trouble(&mut self) -> bool {
        if chance(&mut self.rng, self.plan.losses) {
            let needed: Vec<String> = self.durable.checkpoint_files().into_iter().map(str::to_owned).collect();
            if !needed.is_empty() {
                let file = &needed[self.rng.random_range(0..needed.len())];
                self.files.lose(file);
            }
        }
        if let Some((SegmentId { trial, attempt }, resource)) = self.orphans.pop() {
            self.files.write(trial, &format!("a{attempt}-orphan"), resource);
        }
        let stops = self.process.stopping.is_none() && chance(&mut self.rng, self.plan.stops);
        if stops {
            self.tally.stops += 1;
            self.process.stopping = Some(self.rng.random_range(1..60));
            self.process.cancellation.cancel();
        }
        stops
    }

    /// A message of an older attempt, or of a segment that is over, comes again or late.
    fn echo(&mut self) -> Option<SlotNews> {
        if self.past.is_empty() || !chance(&mut self.rng, self.plan.echoes) {
            return None;
        }
        let mut event = self.past[self.rng.random_range(0..self.past.len())].clone();
        let segment = match &event {
            Event::Reported(reported) => reported.segment(),
            Event::Stopped { segment, .. } | Event::Failed { segment, .. } => *segment,
            _ => return None,
        };
        if running(&self.durable).any(|(other, _)| other == segment) {
            return None;
        }
        if let Event::Reported(Reported {
            checkpoint: Some(checkpoint),
            resource,
            ..
        }) = &mut event
            && self.rng.random()
        {
            let SegmentId { trial, attempt } = segment;
            *checkpoint = self.files.write(trial, &format!("a{attempt}-late"), *resource);
        }
        self.tally.late_messages += 1;
        let mut study = self.durable.clone();
        let step = study.handle(Timestamp(self.clock), event.clone());
        assert!(
            step.records.is_empty() && study == self.durable,
            "a late message has changed something"
        );
        let slots = &self.process.slots;
        let slot = slots.get(self.rng.random_range(0..slots.len().max(1)))?.id;
        let news = News::Happened(event);
        Some(SlotNews { slot, news })
    }

    fn check_slots(&self) {
        let mut trained = BTreeSet::new();
        for (segment, _) in self.process.slots.iter().filter_map(Slot::training) {
            let SegmentId { trial, attempt } = segment;
            assert!(trained.insert(segment), "trial {trial} runs twice as attempt {attempt}");
        }
        let mut slots = BTreeSet::new();
        for (segment, slot) in running(&self.durable) {
            assert!(
                slots.insert(slot),
                "slot {slot} has trial {} and another",
                segment.trial
            );
        }
    }

    fn check_halted(&mut self, limits: Limits) {
        let study = &self.durable;
        assert_eq!(study.spec().stop, limits.stop);
        assert!(study.trained_resource() >= limits.stop.resource.unwrap_or(u64::MAX));
        assert_eq!(study.running().next(), None, "a study at its limit trains nothing");
        self.tally.halts += 1;
    }

    fn check_end(&mut self, limits: Limits) {
        let study = &self.durable;
        assert!(study.is_over());
        assert_eq!(study.search_trials().count() as u64, limits.trials);
        for trial in study.trials() {
            assert!(trial.state.is_final(), "{trial:?} is left");
        }
        if !study.spec().has_several() {
            self.oracle.check_end(study);
        }
        self.files.check_nothing_else(study);
        let kept = study.checkpoint_files().len() as u64;
        let most = self.plan.spec.keep_checkpoints.max(study.front().len() as u64);
        assert!(kept <= most, "more than the best are kept");
    }
}

fn running(study: &Study) -> impl Iterator<Item = (SegmentId, SlotId)> {
    let trials = study.trials().iter();
    trials.filter_map(|trial| Some((trial.last_segment(), trial.slot()?)))
}
