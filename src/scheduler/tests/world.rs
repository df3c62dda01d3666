//! A study in memory: its journal, its checkpoints, slots on which random things happen, and a scheduler that dies at random.

mod edge;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::{self as scheduler, *};
use crate::ids::SegmentId;
use crate::store::Request;
use crate::study::tests::{at, checkpoint};
use crate::study::{Checkpoint, FORMAT, Measures, Record, Reported, StudySpec};
use edge::{MemoryClock, MemorySlots, MemoryStorage, Silent};

/// More can't happen to a study of some thirty trials.
const MOST_NEWS: u32 = 20_000;

/// What training comes to.
pub enum Training {
    /// A report, and whether the trial has ended by itself with it.
    Reports { loss: Option<f64>, last: bool },
    /// The worker crashes.
    Fails,
}

/// What a trainer would do on the way to a resource.
type Trainer = Box<dyn Fn(&Trial, u64) -> Training>;

/// Of the records about to become durable, how many do before the scheduler dies, if it does.
type Death = Box<dyn FnMut(&mut ChaCha8Rng, &[Record]) -> Option<usize>>;

/// All that outlives a scheduler, and the slots it has.
pub struct World {
    spec: StudySpec,
    /// What has become durable.
    pub journal: Vec<Record>,
    /// The fold of that.
    pub study: Study,
    /// The checkpoints on disk.
    files: BTreeSet<String>,
    trainer: Trainer,
    /// How likely it is that a segment fails, and as likely that it stops, before it comes to its next report.
    trouble: f64,
    death: Death,
    /// How likely it is each time that the user ends a trial, and as likely that one is to be tried again.
    by_hand: f64,
    /// How likely it is each time that a slot has lost its connection, and made another, just before a segment comes to it.
    outages: f64,
    rng: ChaCha8Rng,
    clock: u64,
    slots: u32,
    running: Vec<Segment>,
    /// The slots whose places are given back.
    placeless: BTreeSet<SlotId>,
    /// How often a slot has given its place back, and how often one came back.
    pub moves: (u32, u32),
    news: Vec<SlotNews>,
    received: u32,
    dead: bool,
}

#[derive(Clone)]
struct Segment {
    slot: SlotId,
    id: SegmentId,
    at: u64,
    to: u64,
    /// Whether it has been asked to stop, and if so, whether to save.
    stop: Option<bool>,
}

/// What a trainer would measure: a function of the trial alone. Some trials diverge, and some end before their maximum.
pub fn usual(trial: &Trial, resource: u64) -> Training {
    let number = trial.id.0;
    let mut rng = ChaCha8Rng::seed_from_u64(number * 1000 + resource);
    let noise: f64 = rng.random();
    let diverges = number % 7 == 3 && resource >= 2;
    Training::Reports {
        loss: (!diverges).then(|| ((number as f64 * 0.37).sin() + 2.0) / resource as f64 + 0.3 * noise),
        last: number % 5 == 4 && resource > number % 3,
    }
}

impl World {
    /// A study that has been created, and to which nothing bad happens.
    pub fn new(spec: StudySpec, slots: u32, seed: u64) -> Self {
        let created = at(Fact::StudyCreated {
            format: FORMAT,
            version: "test".into(),
            spec: Box::new(spec.clone()),
            file_sha256: None,
            origin: None,
        });
        Self {
            study: Study::restore(spec.clone(), [created.clone()]).unwrap(),
            spec,
            journal: vec![created],
            files: BTreeSet::new(),
            trainer: Box::new(usual),
            trouble: 0.0,
            death: Box::new(|_, _| None),
            by_hand: 0.0,
            outages: 0.0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            clock: 0,
            slots,
            running: Vec::new(),
            placeless: BTreeSet::new(),
            moves: (0, 0),
            news: Vec::new(),
            received: 0,
            dead: false,
        }
    }

    /// With a trainer of one's own.
    pub fn trained(self, trainer: impl Fn(&Trial, u64) -> Training + 'static) -> Self {
        let trainer = Box::new(trainer);
        Self { trainer, ..self }
    }

    /// With segments that fail or stop, and with schedulers that die, each as likely each time as is said here.
    pub fn in_trouble(self, trouble: f64, deaths: f64) -> Self {
        let world = Self { trouble, ..self };
        world.dying(move |rng, records| (rng.random::<f64>() < deaths).then(|| rng.random_range(0..=records.len())))
    }

    /// With a user who ends trials and has them tried again, each as likely each time as is said here.
    pub fn by_hand(self, by_hand: f64) -> Self {
        Self { by_hand, ..self }
    }

    /// With slots that lose their connections as often as is said here, just before a segment comes to them.
    pub fn cut_off(self, outages: f64) -> Self {
        Self { outages, ..self }
    }

    /// What the user asks for.
    fn requests(&mut self) -> Vec<Request> {
        let trial = TrialId(self.rng.random_range(0..=self.study.trials().len() as u64));
        let trials = self.study.trials().iter().map(|trial| trial.id).collect();
        let roll: f64 = self.rng.random();
        match roll {
            _ if roll < self.by_hand => vec![Request::StopTrial { trial }],
            // However insistent, nobody goes on for ever.
            _ if roll < 2.0 * self.by_hand && self.received < MOST_NEWS / 10 => vec![Request::Retry { trials }],
            _ => Vec::new(),
        }
    }

    /// With schedulers that die when it is said: of the records they were about to have made durable, the first so many are.
    pub fn dying(self, death: impl FnMut(&mut ChaCha8Rng, &[Record]) -> Option<usize> + 'static) -> Self {
        let death = Box::new(death);
        Self { death, ..self }
    }

    /// Runs the study as far as it is specified.
    pub fn run(self) -> Self {
        let limits = self.spec.limits();
        self.run_to(limits)
    }

    /// Runs the study to its end, through as many schedulers as it takes.
    pub fn run_to(self, limits: Limits) -> Self {
        let world = Rc::new(RefCell::new(self));
        while !live(&world, limits) {
            let mut world = world.borrow_mut();
            world.slots = world.rng.random_range(1..5);
        }
        Rc::into_inner(world).expect("its schedulers are gone").into_inner()
    }

    /// A scheduler opens the study.
    fn open(&mut self) -> Study {
        self.dead = false;
        self.running.clear();
        self.placeless.clear();
        self.news = (0..self.slots).map(|slot| idle(SlotId(slot))).collect();
        self.study = Study::restore(self.spec.clone(), &self.journal).unwrap();
        self.study.clone()
    }

    fn commit(&mut self, study: &Study, records: &[Record]) {
        let kept = (self.death)(&mut self.rng, records);
        self.dead = kept.is_some();
        self.journal
            .extend_from_slice(&records[..kept.unwrap_or(records.len())]);
        if !self.dead {
            let restored = Study::restore(self.spec.clone(), &self.journal).unwrap();
            assert_eq!(restored, *study, "the fold of the journal is the live state");
            assert_eq!(restored.check(), Ok(()));
            self.study = restored;
        }
    }

    fn check_files(&self) {
        let kept: BTreeSet<String> = self.study.checkpoint_files().into_iter().map(String::from).collect();
        assert_eq!(kept, self.files, "what is kept is what is on disk");
    }

    fn start(&mut self, slot: SlotId, spec: &SegmentSpec) {
        match &spec.checkpoint {
            Some(Checkpoint { file, .. }) => assert!(self.files.contains(file), "{file} was deleted"),
            None => assert_eq!(spec.from, 0),
        }
        let busy = self.running.iter().any(|other| other.slot == slot);
        assert!(!busy, "slot {slot} has a segment already");
        assert!(!self.placeless.contains(&slot), "slot {slot} has no place");
        self.running.push(Segment {
            slot,
            id: spec.segment,
            at: spec.from,
            to: spec.to,
            stop: None,
        });
        if self.rng.random::<f64>() < self.outages {
            let news = News::Disconnected {
                segment: None,
                message: "the connection is lost".into(),
                excused: false,
            };
            self.news.extend([SlotNews { slot, news }, idle(slot)]);
        }
    }

    fn give_back(&mut self, slot: SlotId) {
        let busy = self.running.iter().any(|other| other.slot == slot);
        assert!(!busy, "slot {slot} has something to do");
        assert!(self.placeless.insert(slot), "slot {slot} has given it back");
        self.moves.0 += 1;
    }

    fn come_back(&mut self, slot: SlotId) {
        assert!(self.placeless.remove(&slot), "slot {slot} has a place");
        self.moves.1 += 1;
        self.news.push(idle(slot));
    }

    fn stop(&mut self, slot: SlotId, segment: SegmentId, save: bool) {
        let asked = |other: &&mut Segment| (other.slot, other.id) == (slot, segment);
        self.running.iter_mut().find(asked).expect("it runs").stop = Some(save);
    }

    /// What the slots report next.
    fn next(&mut self) -> Vec<SlotNews> {
        self.check_files();
        self.received += 1;
        assert!(self.received < MOST_NEWS, "the study does not end");
        if self.news.is_empty() {
            assert!(!self.running.is_empty(), "slots stand idle in an unfinished study");
            self.advance();
        }
        std::mem::take(&mut self.news)
    }

    /// One thing happens to one running segment.
    fn advance(&mut self) {
        let chosen = self.rng.random_range(0..self.running.len());
        let roll: f64 = self.rng.random();
        let Segment {
            slot,
            id: segment,
            at,
            to,
            stop,
        } = self.running[chosen].clone();
        let trial = self.study.trial(segment.trial).unwrap();
        let crashes = roll < self.trouble && trial.failures < self.spec.retries;
        let stopped = format!("stop{}", segment.attempt);
        let (event, ends) = match stop {
            // A report may be on its way when the order comes.
            Some(save) if roll < 0.7 => {
                let checkpoint = save.then(|| self.write(segment.trial, &stopped));
                (Event::Stopped { segment, checkpoint }, true)
            }
            _ if crashes => {
                let lost = self.rng.random();
                (failed(segment, "crashed", lost), true)
            }
            _ if roll < 2.0 * self.trouble => {
                let checkpoint = Some(self.write(segment.trial, &stopped));
                (Event::Stopped { segment, checkpoint }, true)
            }
            _ => {
                let resource = self.spec.policy.next_report(at, to);
                self.running[chosen].at = resource;
                match (self.trainer)(trial, resource) {
                    Training::Fails => (failed(segment, "out of luck", false), true),
                    Training::Reports { loss, last } => {
                        let ends = resource == to || loss.is_none() || last;
                        (Event::Reported(self.report(segment, resource, loss, last)), ends)
                    }
                }
            }
        };
        let news = News::Happened(event);
        self.news.push(SlotNews { slot, news });
        if ends {
            self.running.remove(chosen);
            self.news.push(idle(slot));
        }
    }

    fn report(&mut self, segment: SegmentId, resource: u64, loss: Option<f64>, last: bool) -> Reported {
        let SegmentId { trial, attempt } = segment;
        Reported {
            diverged: loss.is_none(),
            trial,
            attempt,
            resource,
            loss,
            metrics: Measures::default(),
            checkpoint: loss.map(|_| self.write(trial, &format!("{attempt}-{resource}"))),
            last,
        }
    }

    fn write(&mut self, trial: TrialId, name: &str) -> Checkpoint {
        let written = checkpoint(trial, name);
        self.files.insert(written.file.clone());
        written
    }

    /// However it was cut into segments, a trial has reported as if it had been trained in one.
    pub fn reports_are_where_they_are_due(&self) {
        let policy = &self.spec.policy;
        let next = |&at: &u64| (at < policy.max_resource).then(|| policy.next_report(at, policy.max_resource));
        let due: Vec<u64> = std::iter::successors(Some(0), next).skip(1).collect();
        for trial in self.study.trials() {
            let reports: Vec<u64> = trial.reports.keys().copied().collect();
            assert_eq!(reports, due[..reports.len()]);
        }
    }
}

fn idle(slot: SlotId) -> SlotNews {
    let news = News::Idle { features: Vec::new() };
    SlotNews { slot, news }
}

fn failed(segment: SegmentId, message: &str, checkpoint_lost: bool) -> Event {
    let message = message.to_owned();
    Event::Failed {
        segment,
        message,
        checkpoint_lost,
    }
}

/// One scheduler, from its start to its end; whether the study has come to its own.
fn live(world: &Rc<RefCell<World>>, limits: Limits) -> bool {
    let study = world.borrow_mut().open();
    let job = Job {
        study,
        slots: MemorySlots(world.clone()),
        storage: MemoryStorage(world.clone()),
        clock: MemoryClock(world.clone()),
    };
    let mut silent = Silent;
    let run = pin!(scheduler::run(job, limits, &mut silent, Cancellation::new()));
    match run.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ended) => {
            assert_eq!(ended.study, world.borrow().study, "what it leaves is what is durable");
            match ended.outcome {
                Ok(outcome) => assert_eq!(outcome, Outcome::Finished),
                // All slots may have had bad luck.
                Err(error) => assert!(
                    matches!(error, SchedulerError::Fatal(_) | SchedulerError::Paused(_)),
                    "{error}"
                ),
            }
            ended.study.is_finished()
        }
        Poll::Pending => {
            assert!(world.borrow().dead, "there is always something to do");
            false
        }
    }
}
