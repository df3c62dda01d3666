//! A slot: who keeps its worker, and the worker, which may do anything.
//!
//! The keeper is that of `src/executor/worker.rs` without processes: the same orders, news and ignored messages.

use std::collections::VecDeque;

use hpo::executor::News;
use hpo::ids::{SegmentId, SlotId};
use hpo::study::{Checkpoint, Event, Measures, Reported};
use hpo_protocol::next_report;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::files::Files;
use super::plan::chance;

/// A segment as it is ordered.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub segment: SegmentId,
    pub seed: u64,
    /// From one report to the next.
    pub every: u64,
    pub from: u64,
    pub to: u64,
    pub checkpoint: Option<Checkpoint>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    Run(Run),
    Stop { segment: SegmentId, save: bool },
    Replace,
}

/// What a worker says.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Ready,
    Happened(Event),
    Done { segment: SegmentId },
}

/// What the world lets a worker do wrong on the way to a report.
#[derive(Debug, Clone, Copy)]
pub struct Licence {
    /// How probable it is.
    pub faults: f64,
    /// Whether the segment may fail by it.
    pub may_fail: bool,
}

#[derive(Debug)]
pub struct Slot {
    pub id: SlotId,
    /// How fast it is, compared with others.
    pub pace: f64,
    orders: VecDeque<Order>,
    ready: bool,
    /// Whether it has told that it is idle and was given nothing to do since.
    idle: bool,
    segment: Option<SegmentId>,
    /// A segment that waits until the worker is ready.
    held: Option<Run>,
    worker: Worker,
}

#[derive(Debug, Default)]
struct Worker {
    dead: bool,
    greeted: bool,
    inbox: VecDeque<Order>,
    said: VecDeque<Said>,
    training: Option<Training>,
}

#[derive(Debug)]
struct Training {
    run: Run,
    at: u64,
}

impl Slot {
    pub fn new(id: SlotId, rng: &mut ChaCha8Rng) -> Self {
        Self {
            id,
            pace: if chance(rng, 0.2) { 0.03 } else { 1.0 },
            orders: VecDeque::new(),
            ready: false,
            idle: false,
            segment: None,
            held: None,
            worker: Worker::default(),
        }
    }

    pub fn order(&mut self, order: Order) {
        self.orders.push_back(order);
    }

    /// The segment that its worker trains, and how far it is.
    pub fn training(&self) -> Option<(SegmentId, u64)> {
        let Training { run, at } = self.worker.training.as_ref()?;
        Some((run.segment, *at))
    }

    pub fn keeper_can_act(&self) -> bool {
        self.can_hear() || self.can_obey()
    }

    pub fn worker_can_act(&self) -> bool {
        let worker = &self.worker;
        !worker.dead && (!worker.greeted || worker.training.is_some() || !worker.inbox.is_empty())
    }

    fn can_hear(&self) -> bool {
        !self.worker.said.is_empty() || self.worker.dead
    }

    /// A worker that has died is given nothing more: its next segment would have to answer for it, as if it had died at the beginning
    /// of that.
    fn can_obey(&self) -> bool {
        !self.orders.is_empty() && !self.worker.dead
    }

    /// The segments that it was given and has not brought to an end, as far as its keeper knows.
    pub fn given(&self) -> Vec<SegmentId> {
        let ordered = self.orders.iter().filter_map(|order| match order {
            Order::Run(run) => Some(run.segment),
            Order::Stop { .. } | Order::Replace => None,
        });
        let held = self.held.iter().map(|run| run.segment);
        self.segment.into_iter().chain(held).chain(ordered).collect()
    }

    /// The connection to the worker is lost, and another one made.
    pub fn disconnect(&mut self) -> Vec<News> {
        let given = self.given();
        self.orders.clear();
        self.worker = Worker::default();
        (self.ready, self.idle, self.segment, self.held) = (false, false, None, None);
        let lost = |segment| News::Disconnected {
            segment,
            message: "the connection is lost".into(),
            excused: false,
        };
        match given.is_empty() {
            true => vec![lost(None)],
            false => given.into_iter().map(|segment| lost(Some(segment))).collect(),
        }
    }

    /// The keeper hears its worker or takes an order.
    pub fn keep(&mut self, files: &mut Files, rng: &mut ChaCha8Rng) -> Vec<News> {
        let mut news = Vec::new();
        let hears = self.can_hear() && (!self.can_obey() || rng.random());
        if hears {
            match self.worker.said.pop_front() {
                Some(said) => self.hear(said, files, &mut news),
                None => self.bury("the worker ended unasked", &mut news),
            }
        } else if let Some(order) = self.orders.pop_front() {
            self.obey(order, files, &mut news);
        }
        news
    }

    fn obey(&mut self, order: Order, files: &Files, news: &mut Vec<News>) {
        match order {
            Order::Replace => self.bury("the worker was replaced", news),
            Order::Stop { segment, .. } => {
                if self.held.take_if(|run| run.segment == segment).is_some() {
                    news.push(News::Happened(Event::Stopped {
                        segment,
                        checkpoint: None,
                    }));
                } else if self.segment == Some(segment) {
                    self.worker.inbox.push_back(order);
                }
            }
            Order::Run(run) => {
                let busy = self.segment.is_some() || self.held.is_some();
                assert!(!busy, "slot {} runs two segments", self.id);
                self.idle = false;
                if !self.ready {
                    self.held = Some(run);
                    return;
                }
                self.segment = Some(run.segment);
                match &run.checkpoint {
                    Some(checkpoint) if !files.has(&checkpoint.file) => {
                        self.fail(run.segment, "the checkpoint can't be read", true, news);
                    }
                    checkpoint => {
                        let found = checkpoint.as_ref().map(|checkpoint| files.resource(&checkpoint.file));
                        assert_eq!(
                            found.unwrap_or(Some(0)),
                            Some(run.from),
                            "{run:?} goes on from another point"
                        );
                        self.worker.inbox.push_back(Order::Run(run));
                    }
                }
            }
        }
    }

    /// Ends the worker, and starts another.
    fn bury(&mut self, why: &str, news: &mut Vec<News>) {
        self.worker = Worker::default();
        self.ready = false;
        if let Some(segment) = self.segment.take() {
            news.push(failed(segment, why, false));
        }
    }

    fn fail(&mut self, segment: SegmentId, why: &str, checkpoint_lost: bool, news: &mut Vec<News>) {
        news.push(failed(segment, why, checkpoint_lost));
        self.go_idle(news);
    }

    fn go_idle(&mut self, news: &mut Vec<News>) {
        self.segment = None;
        if !self.idle {
            self.idle = true;
            news.push(News::Idle { features: Vec::new() });
        }
    }

    fn hear(&mut self, said: Said, files: &Files, news: &mut Vec<News>) {
        let is_of = |segment: SegmentId| self.segment == Some(segment);
        match said {
            Said::Ready => {
                self.ready = true;
                match self.held.take() {
                    Some(run) => self.obey(Order::Run(run), files, news),
                    None => self.go_idle(news),
                }
            }
            Said::Done { segment } if is_of(segment) => {
                self.fail(segment, "the worker ended the segment before its rung", false, news);
            }
            Said::Happened(event) => {
                let (ends, file) = match &event {
                    Event::Reported(reported) if is_of(reported.segment()) => {
                        (reported.last || reported.diverged, &reported.checkpoint)
                    }
                    Event::Stopped { segment, checkpoint } if is_of(*segment) => (true, checkpoint),
                    Event::Failed { segment, .. } if is_of(*segment) => (true, &None),
                    _ => return,
                };
                if file.as_ref().is_some_and(|checkpoint| !files.has(&checkpoint.file)) {
                    return self.bury("the checkpoint can't be read", news);
                }
                news.push(News::Happened(event));
                if ends {
                    self.go_idle(news);
                }
            }
            Said::Done { .. } => {}
        }
    }

    /// The worker does something: it begins a segment, trains to its next report, stops, or goes wrong.
    pub fn work(&mut self, licence: Licence, files: &mut Files, rng: &mut ChaCha8Rng) {
        self.worker.work(licence, files, rng);
    }
}

impl Worker {
    fn work(&mut self, licence: Licence, files: &mut Files, rng: &mut ChaCha8Rng) {
        if !self.greeted {
            self.greeted = true;
            return self.said.push_back(Said::Ready);
        }
        let Some(Training { run, at }) = &mut self.training else {
            if let Some(Order::Run(run)) = self.inbox.pop_front() {
                let at = run.from;
                self.training = Some(Training { run, at });
            }
            return;
        };
        let segment = run.segment;
        let SegmentId { trial, attempt } = segment;
        if let Some(&Order::Stop { segment: of, save }) = self.inbox.front()
            && of == segment
            && chance(rng, 0.7)
        {
            self.inbox.pop_front();
            let checkpoint = (save && chance(rng, 0.8)).then(|| files.write(trial, &format!("a{attempt}-stop"), *at));
            self.training = None;
            return self.happened(Event::Stopped { segment, checkpoint });
        }
        let resource = next_report(run.every, *at, run.to);
        let doomed = fate(run.seed, resource) == Fate::Fails;
        if doomed {
            self.training = None;
            return self.happened(failure(segment, "doomed", false));
        }
        let harm = chance(rng, licence.faults).then(|| rng.random_range(0..10));
        let harm = harm.filter(|_| licence.may_fail);
        match harm {
            Some(0) => self.dead = true,
            Some(1) => {
                files.write(trial, &format!("a{attempt}-e{resource}"), resource);
                self.dead = true;
            }
            Some(2) => {
                self.training = None;
                self.happened(failure(segment, "out of luck", false));
            }
            Some(3) => {
                self.training = None;
                self.said.push_back(Said::Done { segment });
            }
            Some(lie @ 4..=7) => {
                // It goes on as if nothing had happened.
                let checkpoint = files.write(trial, &format!("a{attempt}-lie{lie}-{resource}"), resource);
                self.happened(Event::Reported(Reported {
                    trial,
                    attempt,
                    resource: [resource + 1, resource - 1, resource, resource][lie as usize - 4],
                    loss: Some(-1.0),
                    metrics: score(1.0),
                    diverged: false,
                    checkpoint: match lie {
                        6 => None,
                        7 => Some(Checkpoint {
                            file: "nowhere".into(),
                            ..checkpoint
                        }),
                        _ => Some(checkpoint),
                    },
                    last: false,
                }));
            }
            Some(8) => {
                self.train(files);
                self.said.extend(self.said.back().cloned());
            }
            Some(_) => {
                self.train(files);
                self.dead = true;
            }
            None => {
                self.train(files);
                if chance(rng, licence.faults / 4.0) && self.training.is_none() {
                    self.dead = true;
                }
                if chance(rng, licence.faults) {
                    // Of a segment that is over.
                    let attempt = attempt.saturating_sub(1);
                    let segment = SegmentId { trial, attempt };
                    self.said.push_back(Said::Done { segment });
                }
            }
        }
    }

    /// Trains to the next report.
    fn train(&mut self, files: &mut Files) {
        let Some(Training { run, at }) = &mut self.training else {
            return;
        };
        *at = next_report(run.every, *at, run.to);
        let (segment, resource) = (run.segment, *at);
        let SegmentId { trial, attempt } = segment;
        let fate = fate(run.seed, resource);
        let loss = match fate {
            Fate::Diverges => f64::NAN,
            Fate::Goes | Fate::Ends | Fate::Fails => loss(run.seed, resource),
        };
        // Some trainers do not notice, and train on.
        let diverged = fate == Fate::Diverges && run.seed % 2 == 0;
        let checkpoint = (!diverged).then(|| files.write(trial, &format!("a{attempt}-e{resource}"), resource));
        let last = fate == Fate::Ends;
        let done = resource == run.to;
        if done || last || diverged {
            self.training = None;
            // What was to stop it is too late.
            self.inbox.retain(|order| matches!(order, Order::Run(_)));
        }
        self.happened(Event::Reported(Reported {
            trial,
            attempt,
            resource,
            loss: Some(loss),
            metrics: score(-loss),
            diverged,
            checkpoint,
            last,
        }));
        if done && !last && !diverged {
            self.said.push_back(Said::Done { segment });
        }
    }

    fn happened(&mut self, event: Event) {
        self.said.push_back(Said::Happened(event));
    }
}

fn failure(segment: SegmentId, why: &str, checkpoint_lost: bool) -> Event {
    Event::Failed {
        segment,
        message: why.into(),
        checkpoint_lost,
    }
}

fn failed(segment: SegmentId, why: &str, checkpoint_lost: bool) -> News {
    News::Happened(failure(segment, why, checkpoint_lost))
}

/// What becomes of a trial at a resource: a function of its seed alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Goes,
    Diverges,
    Ends,
    Fails,
}

fn fate(seed: u64, resource: u64) -> Fate {
    match mix(seed ^ resource.wrapping_mul(0x9E37_79B9_7F4A_7C15)) % 60 {
        0 => Fate::Diverges,
        1 | 2 => Fate::Ends,
        3 => Fate::Fails,
        _ => Fate::Goes,
    }
}

/// The metric that is the objective of some studies.
pub const SCORE: &str = "score";

fn score(value: f64) -> Measures {
    [(SCORE.to_owned(), value)].into_iter().collect()
}

/// Few different values, so that there are ties.
fn loss(seed: u64, resource: u64) -> f64 {
    let level = mix(seed) % 16;
    let noise = mix(seed ^ resource) % 8;
    (level as f64 + noise as f64 / 2.0) / 16.0 + 1.0 / resource as f64
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
