//! A slot whose launcher is a fake, and whose workers are played by the test.

mod leaving;
mod place;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use hpo_protocol::{Feature, FromWorker, ToWorker, Unit, VERSION};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use crate::executor::failure::Failure;
use crate::executor::{
    Exit, ExitKind, Inspection, Launch, LaunchError, Launched, Launcher, Leaving, Leftovers, News, Order, Program,
    RunningWorker, SegmentSpec, Slot, SlotNews, Wait, Worker,
};
use crate::ids::{SegmentId, SlotId, TrialId};
use crate::store::StudyDirectory;
use crate::study::Event;

/// A place somewhere else, where nothing has a process id.
#[derive(Debug)]
struct Elsewhere(UnboundedSender<Played>);

impl Launcher for Elsewhere {
    fn launch(&self, launch: &Launch<'_>) -> Result<Launched, LaunchError> {
        assert_eq!(launch.command, ["train"]);
        let [(stdin, its_stdin), (stdout, its_stdout), (stderr, _)] = [(); 3].map(|()| duplex(1 << 16));
        let ((exit, ends), leaving) = (watch::channel(None), watch::channel(None));
        let played = Played {
            leaving: leaving.0,
            stdin: BufReader::new(its_stdin),
            stdout: its_stdout,
            exit: exit.clone(),
        };
        self.0.send(played).unwrap();
        Ok(Launched {
            worker: Box::new(Remote { exit, ends }),
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            leaving: leaving.1,
        })
    }

    fn end_leftovers(&self, _: &Path, _: Leftovers) -> usize {
        0
    }
}

struct Remote {
    exit: watch::Sender<Option<Exit>>,
    ends: watch::Receiver<Option<Exit>>,
}

impl RunningWorker for Remote {
    fn wait(&mut self) -> Wait<'_> {
        Box::pin(async {
            let exit = self.ends.wait_for(Option::is_some).await.unwrap();
            Ok(exit.clone().unwrap())
        })
    }

    fn terminate(&mut self) {
        self.kill();
    }

    fn kill(&mut self) {
        end(&self.exit, ExitKind::Failure, "killed");
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.kill();
    }
}

fn end(exit: &watch::Sender<Option<Exit>>, kind: ExitKind, how: &str) {
    let description = how.to_owned();
    exit.send_if_modified(|exit| exit.is_none() && exit.replace(Exit { kind, description }).is_none());
}

/// A worker, as it sees itself.
struct Played {
    stdin: BufReader<DuplexStream>,
    stdout: DuplexStream,
    exit: watch::Sender<Option<Exit>>,
    leaving: watch::Sender<Option<Leaving>>,
}

impl Played {
    async fn read(&mut self) -> ToWorker {
        let mut line = String::new();
        self.stdin.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    async fn send(&mut self, message: FromWorker) {
        let line = serde_json::to_string(&message).unwrap() + "\n";
        self.stdout.write_all(line.as_bytes()).await.unwrap();
    }

    /// Reads its first message and says that it is ready.
    async fn begin(&mut self) {
        assert!(matches!(self.read().await, ToWorker::Start(start) if start.threads == 3));
        self.send(FromWorker::Ready {
            protocol: VERSION,
            trainer: "played".into(),
            features: vec![Feature::Export],
            release: None,
        })
        .await;
    }

    /// Reads an order, which must be for this segment.
    async fn runs(&mut self, segment: SegmentId) {
        let read = self.read().await;
        assert!(
            matches!(&read, ToWorker::Run(run) if run.segment == segment),
            "{read:?}"
        );
    }

    /// Reports that the segment has diverged, which ends it.
    async fn diverge(&mut self, segment: SegmentId) {
        self.send(FromWorker::Report {
            segment,
            resource: 1,
            loss: None,
            metrics: [].into(),
            checkpoint: None,
            last: false,
        })
        .await;
    }

    fn leave(self, success: bool) {
        self.end(match success {
            true => ExitKind::Success,
            false => ExitKind::Failure,
        });
    }

    fn end(self, kind: ExitKind) {
        end(&self.exit, kind, "left");
    }

    async fn check_killed(mut self) {
        let mut ends = self.exit.subscribe();
        let exit = ends.wait_for(Option::is_some).await.unwrap().clone();
        assert_eq!(exit.unwrap().description, "killed");
        assert_eq!(self.stdin.fill_buf().await.unwrap(), b"");
    }
}

struct Bench {
    slot: Worker,
    news: Receiver<SlotNews>,
    workers: UnboundedReceiver<Played>,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::inspected_by(Inspection::default())
    }

    fn inspected_by(inspection: Inspection) -> Self {
        Self::launched_by(|launched| Arc::new(Elsewhere(launched)), inspection)
    }

    fn launched_by(
        launcher: impl FnOnce(UnboundedSender<Played>) -> Arc<dyn Launcher>,
        inspection: Inspection,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (launched, workers) = unbounded_channel();
        let (sender, news) = mpsc::channel(8);
        let slot = Slot {
            id: SlotId(0),
            host: None,
            launcher: launcher(launched),
            gpu: None,
            job: None,
            threads: 3,
            silence: None,
        };
        let program = Program {
            command: vec!["train".into()],
            directory: "/".into(),
            study: "s".into(),
            settings: [].into(),
            own: None,
            release: None,
            cache: None,
            inspection,
        };
        let study = StudyDirectory::new(directory.path().join("s"));
        Self {
            slot: Worker::start(slot, program, &study, sender),
            news,
            workers,
            _directory: directory,
        }
    }

    async fn news(&mut self) -> News {
        self.news.recv().await.unwrap().news
    }

    /// The next worker, which has reported that it is ready, and is idle.
    async fn ready_worker(&mut self) -> Played {
        let mut worker = self.workers.recv().await.unwrap();
        worker.begin().await;
        self.is_idle().await;
        worker
    }

    async fn is_idle(&mut self) {
        let features = vec![Feature::Export];
        assert_eq!(self.news().await, News::Idle { features });
    }

    /// Gives the order to train a segment.
    fn train(&self, segment: SegmentId) {
        self.slot.order(Order::Run(SegmentSpec {
            segment,
            seed: 1,
            parameters: [].into(),
            unit: Unit::Epochs,
            report_every: 1,
            from: 0,
            to: 3,
            max: 3,
            checkpoint: None,
        }));
    }
}

fn segment(trial: u64) -> SegmentId {
    let trial = TrialId(trial);
    SegmentId { trial, attempt: 1 }
}

#[tokio::test]
async fn what_is_ordered_before_a_worker_is_ready_outlives_workers_that_never_are() {
    let mut bench = Bench::new();
    bench.train(segment(4));
    let mut first = bench.workers.recv().await.unwrap();
    assert!(matches!(first.read().await, ToWorker::Start(_)));
    first.leave(false);
    let mut second = bench.workers.recv().await.unwrap();
    second.begin().await;
    second.runs(segment(4)).await;
    second.diverge(segment(4)).await;
    assert!(matches!(bench.news().await, News::Happened(Event::Reported(reported)) if reported.trial == TrialId(4)));
    bench.is_idle().await;
}

/// A worker that takes the place of another reads all files anew.
#[tokio::test]
async fn a_worker_that_has_read_other_files_gets_nothing_to_do() {
    let changed = Arc::new(AtomicBool::new(false));
    let mut bench = Bench::inspected_by(Inspection::new({
        let changed = Arc::clone(&changed);
        move || match changed.load(Relaxed) {
            true => Err("`train` is not what the study was created on".to_owned()),
            false => Ok(()),
        }
    }));
    let first = bench.ready_worker().await;
    changed.store(true, Relaxed);
    first.leave(false);
    let mut second = bench.workers.recv().await.unwrap();
    second.begin().await;
    let message = "`train` is not what the study was created on".to_owned();
    assert_eq!(bench.news().await, News::Fatal { message });
    second.check_killed().await;
}

#[tokio::test]
async fn what_waits_for_a_worker_can_be_stopped() {
    let mut bench = Bench::new();
    bench.train(segment(4));
    let (segment, save) = (segment(4), true);
    bench.slot.order(Order::Stop { segment, save });
    let stopped = News::Happened(Event::Stopped {
        segment,
        checkpoint: None,
    });
    assert_eq!(bench.news().await, stopped);
    let _worker = bench.ready_worker().await;
}

#[tokio::test]
async fn a_worker_that_leaves_when_it_is_asked_again_costs_nothing() {
    let mut bench = Bench::new();
    let mut first = bench.ready_worker().await;
    bench.train(segment(4));
    first.runs(segment(4)).await;
    first.diverge(segment(4)).await;
    assert!(matches!(bench.news().await, News::Happened(Event::Reported(_))));
    bench.is_idle().await;
    bench.train(segment(5));
    first.runs(segment(5)).await;
    first.leave(true);
    let mut second = bench.workers.recv().await.unwrap();
    second.begin().await;
    second.runs(segment(5)).await;
    second.leave(true);
    let failed = News::Happened(Event::Failed {
        segment: segment(5),
        message: Failure::Left("left".into()).to_string(),
        checkpoint_lost: false,
    });
    assert_eq!(bench.news().await, failed, "the second one had not served before");
}

#[tokio::test]
async fn a_slot_says_once_that_it_is_idle_whatever_becomes_of_its_worker() {
    let mut bench = Bench::new();
    let first = bench.ready_worker().await;
    first.leave(false);
    let mut second = bench.workers.recv().await.unwrap();
    second.begin().await;
    bench.train(segment(4));
    second.runs(segment(4)).await;
    second
        .send(FromWorker::Failed {
            segment: segment(4),
            message: "No space left on device".into(),
        })
        .await;
    let no_space = News::NoSpace {
        segment: segment(4),
        message: "No space left on device".into(),
    };
    assert_eq!(bench.news().await, no_space);
    second.check_killed().await;
    bench.workers.recv().await.unwrap().begin().await;
    bench.is_idle().await;
}

/// Its text comes at once, and nothing else of it: who runs it sees soon that something is missing, and what has come.
#[tokio::test(start_paused = true)]
async fn a_worker_that_sends_no_message_is_remarked_on_soon_and_once() {
    let mut bench = Bench::new();
    let began = tokio::time::Instant::now();
    let mut worker = bench.workers.recv().await.unwrap();
    worker.stdout.write_all(b"epoch 1\r\nLoading").await.unwrap();
    let News::Remark { about, text } = bench.news().await else {
        panic!("no remark");
    };
    assert_eq!((&*about, began.elapsed().as_secs()), ("ready", 5));
    for said in ["not sent `ready`", "docs/trainers.md", "epoch 1\n    Loading"] {
        assert!(text.contains(said), "{text}");
    }
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    worker.stdout.write_all(b" ... ").await.unwrap();
    worker.begin().await;
    bench.is_idle().await;
    bench.train(segment(4));
    worker.runs(segment(4)).await;
    let News::Remark { about, text } = bench.news().await else {
        panic!("no remark");
    };
    assert_eq!(about, "report");
    assert!(text.contains("no message about trial 4 for 60 seconds"), "{text}");
    worker.diverge(segment(4)).await;
    assert!(matches!(bench.news().await, News::Happened(Event::Reported(_))));
}

#[tokio::test]
async fn a_program_of_another_kind_is_not_started_again() {
    let mut bench = Bench::new();
    let mut worker = bench.workers.recv().await.unwrap();
    worker.stdout.write_all(b"epoch 1: loss 0.5\n").await.unwrap();
    worker.leave(true);
    let News::Fatal { message } = bench.news().await else {
        panic!("not fatal");
    };
    for said in [
        "does not speak the worker protocol",
        "docs/trainers.md",
        "epoch 1: loss 0.5",
    ] {
        assert!(message.contains(said), "{message}");
    }
    assert!(bench.workers.recv().await.is_none());
}

#[tokio::test]
async fn a_worker_goes_with_its_slot() {
    let mut bench = Bench::new();
    let worker = bench.ready_worker().await;
    drop(bench);
    worker.check_killed().await;
}

/// Its connection is no more than that: what it was given goes back, without a failure, and others can have it.
#[tokio::test(start_paused = true)]
async fn what_a_lost_connection_takes_with_it_is_handed_back_and_the_connection_made_again() {
    let mut bench = Bench::new();
    let mut first = bench.ready_worker().await;
    bench.train(segment(4));
    first.runs(segment(4)).await;
    first.stdout.write_all(b"{\"type\":\"report\",\"tri").await.unwrap();
    first.end(ExitKind::Disconnected);
    let lost = |message: &News, segment: Option<SegmentId>| {
        let News::Disconnected {
            segment: of, message, ..
        } = message
        else {
            panic!("{message:?}");
        };
        assert!(
            message.starts_with("the connection to the worker is lost (left)"),
            "{message}"
        );
        assert_eq!(*of, segment);
    };
    lost(&bench.news().await, Some(segment(4)));
    bench.train(segment(5));
    lost(&bench.news().await, Some(segment(5)));
    bench.slot.order(Order::Evaluate);
    lost(&bench.news().await, None);
    let mut began = tokio::time::Instant::now();
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        let unreachable = bench.workers.recv().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), pause);
        began = tokio::time::Instant::now();
        unreachable.end(ExitKind::Disconnected);
        lost(&bench.news().await, None);
    }
    let mut worker = bench.ready_worker().await;
    bench.train(segment(4));
    worker.runs(segment(4)).await;
    worker.diverge(segment(4)).await;
    assert!(matches!(bench.news().await, News::Happened(Event::Reported(_))));
}
