//! Training one segment: from the start of the script to what it has come to.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use hpo_protocol::{FromWorker, Run, SegmentId, ToWorker};

use crate::collect::{Collector, Record};
use crate::context::{Event, Next, Worker, send};
use crate::directory::Place;
use crate::invocation::Values;
use crate::ledger::{Due, Ledger, Report};
use crate::lines::{End, Lines};
use crate::process::{Process, Sign, describe};
use crate::settings::{RESOURCE, Script};
use crate::source::{Source, ValueError};
use crate::tail::Tail;

/// How often a file of metrics is looked at.
const POLL: Duration = Duration::from_millis(50);

/// How long what a script has printed may take to arrive once it has ended.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// The metric that is the loss.
const LOSS: &str = "loss";

/// Why a script is ended before it ends by itself.
enum Ending {
    /// It was asked for.
    Stopped,
    /// What it reports can't be used.
    Failed(String),
    /// Its loss is not finite, as this report says.
    Diverged(Report),
    /// Nobody gives orders any more.
    Abandoned,
}

struct Segment {
    id: SegmentId,
    number: u64,
    /// Whether the trial may be trained further after it.
    goes_on: bool,
    grace: Duration,
    objective: String,
    place: Place,
    process: Process,
    lines: [Lines; 2],
    tail: Tail,
    source: Source,
    collector: Collector,
    ledger: Ledger,
    /// The objective as it was reported.
    reported: Vec<(u64, f64)>,
    /// How many streams may still bring something.
    open: usize,
    /// When the script has ended, until when what it has printed may arrive.
    ended: Option<Instant>,
    ending: Option<Ending>,
    /// When it is killed if it has not ended.
    kill_at: Option<Instant>,
}

/// Trains a segment to its end, and reports it.
///
/// # Errors
/// If nobody reads what is reported.
pub(crate) fn train(worker: &mut Worker, run: Run) -> io::Result<Next> {
    let id = run.segment;
    worker.segments += 1;
    let place = match Place::new(&run, worker.script.resume) {
        Ok(place) => place,
        Err(error) => {
            let message = format!("can't make the script's directory: {error}");
            send(&FromWorker::Failed { segment: id, message })?;
            return Ok(Next::Order);
        }
    };
    let mut segment = match Segment::start(worker, &run, place) {
        Ok(segment) => segment,
        Err(message) if worker.has_reported => {
            send(&FromWorker::Failed { segment: id, message })?;
            return Ok(Next::Order);
        }
        Err(message) => {
            send(&FromWorker::Fatal { message, release: None })?;
            return Ok(Next::End);
        }
    };
    segment.attend(worker)?;
    let status = segment.process.reap()?;
    segment.conclude(worker, status)
}

impl Segment {
    fn start(worker: &Worker, run: &Run, place: Place) -> Result<Self, String> {
        let Script {
            metrics, stops_early, ..
        } = &worker.script;
        let values = Values {
            run,
            study: &worker.study,
            threads: worker.threads,
            checkpoint_dir: &place.own,
            resume_from: place.resume_from.as_deref(),
            config: &place.config,
        };
        let file: Option<PathBuf> = worker.metrics_file.as_ref().and_then(|template| values.path(template));
        let source = Source::new(metrics, file, &worker.objective);
        let arguments = values.arguments(&worker.command);
        let number = worker.segments;
        let process = place.write_config(&values.config()).and_then(|()| {
            let environment = values.environment(&worker.environment);
            Process::start(&arguments, &environment, &worker.sender, move |sign| {
                Event::Sign(number, sign)
            })
        });
        let process = process.map_err(|error| {
            place.discard();
            format!(
                "can't start `{}`: {error}",
                arguments.first().map_or("", String::as_str)
            )
        })?;
        let due = Due {
            unit: run.unit,
            from: run.from,
            to: run.to,
            every: run.report_every,
        };
        let (has_state, known) = (place.resume_from.is_some(), place.known.clone());
        Ok(Self {
            id: run.segment,
            number,
            goes_on: run.to < run.max,
            grace: Duration::try_from_secs_f64(worker.script.grace_seconds).unwrap_or(Duration::MAX),
            objective: worker.objective.clone(),
            process,
            lines: Default::default(),
            tail: Tail::default(),
            source,
            collector: Collector::new(
                &worker.objective,
                run.unit,
                Source::known(metrics),
                metrics.contains_key(RESOURCE),
            ),
            ledger: Ledger::new(&worker.objective, due, *stops_early, has_state, known),
            reported: Vec::new(),
            open: 2,
            ended: None,
            ending: None,
            kill_at: None,
            place,
        })
    }

    /// Follows the script until it has ended and all that it has printed has come.
    fn attend(&mut self, worker: &Worker) -> io::Result<()> {
        loop {
            let now = Instant::now();
            if self.ended.is_some_and(|until| self.open == 0 || now >= until) {
                return Ok(());
            }
            if self.kill_at.take_if(|at| now >= *at).is_some() {
                self.process.kill();
            }
            let poll = matches!(self.source, Source::File(_)) && self.ending.is_none();
            let next = [self.ended, self.kill_at, poll.then_some(now + POLL)]
                .into_iter()
                .flatten()
                .min();
            let event = match next {
                Some(until) => worker.events.recv_timeout(until.saturating_duration_since(now)),
                None => worker.events.recv().map_err(RecvTimeoutError::from),
            };
            match event {
                Ok(Event::Sign(number, sign)) if number == self.number => self.handle(sign)?,
                Ok(Event::Order(ToWorker::Stop { segment, .. })) if segment == self.id => self.end(Ending::Stopped),
                Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => self.end(Ending::Abandoned),
                // What an earlier script has left running may still print.
                Ok(Event::Sign(..) | Event::Order(_)) => {}
                Err(RecvTimeoutError::Timeout) => {
                    if poll {
                        let found = self.source.file(false);
                        self.found(found)?;
                    }
                }
            }
        }
    }

    fn handle(&mut self, sign: Sign) -> io::Result<()> {
        match sign {
            Sign::Printed(stream, bytes) => {
                // It is the trial's log.
                io::stderr().write_all(&bytes)?;
                for (line, end) in self.lines[stream].add(&bytes) {
                    self.line(&line, end)?;
                }
            }
            Sign::Silent => self.open -= 1,
            Sign::Ended => {
                // What it has left in its group would keep its output open.
                self.process.kill();
                self.ended = Some(Instant::now() + LAST_BREATH);
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &str, end: End) -> io::Result<()> {
        self.tail.add(line, end);
        if self.ending.is_some() {
            return Ok(());
        }
        let found = self.source.line(line);
        self.found(found)
    }

    /// Takes in what the script has said, and reports what can be reported.
    fn found(&mut self, found: Result<Vec<Record>, ValueError>) -> io::Result<()> {
        let records = match found {
            Ok(records) => records,
            Err(error) => {
                self.end(Ending::Failed(error.to_string()));
                return Ok(());
            }
        };
        for record in records {
            match self.take(record) {
                Ok(reports) => self.report(reports)?,
                Err(message) => self.end(Ending::Failed(message)),
            }
            if self.ending.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// The reports that a record completes.
    fn take(&mut self, record: Record) -> Result<Vec<Report>, String> {
        let complete = self.collector.take(record).map_err(|unclear| unclear.to_string())?;
        let mut reports = Vec::new();
        for collected in complete {
            reports.extend(self.ledger.take(collected).map_err(|misplaced| misplaced.to_string())?);
        }
        Ok(reports)
    }

    /// Sends reports on the way to the end of the segment, until one says that the trial has diverged.
    fn report(&mut self, reports: Vec<Report>) -> io::Result<()> {
        for report in reports {
            if has_diverged(&report) {
                self.end(Ending::Diverged(report));
                break;
            }
            self.send(&report, None)?;
        }
        Ok(())
    }

    fn send(&mut self, report: &Report, checkpoint: Option<PathBuf>) -> io::Result<()> {
        self.reported.push((report.resource, self.value(report)));
        let mut metrics = report.values.clone();
        send(&FromWorker::Report {
            segment: self.id,
            resource: report.resource,
            loss: metrics.remove(LOSS),
            metrics,
            checkpoint,
            last: report.last,
        })
    }

    /// The objective of a report.
    fn value(&self, report: &Report) -> f64 {
        report.values.get(&self.objective).copied().unwrap_or(f64::NAN)
    }

    /// Has the script end. What it says from here on does not count.
    fn end(&mut self, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.process.terminate();
            self.kill_at = Instant::now().checked_add(self.grace);
        }
    }

    /// Reports what has become of a script that has ended.
    fn conclude(&mut self, worker: &mut Worker, status: ExitStatus) -> io::Result<Next> {
        if !status.success() && self.ending.is_none() {
            self.ending = Some(Ending::Failed(format!("the script ended with {}", describe(status))));
        }
        self.take_rest()?;
        match self.ending.take() {
            Some(Ending::Stopped) => {
                self.place.discard();
                let (segment, checkpoint) = (self.id, None);
                send(&FromWorker::Stopped { segment, checkpoint })?;
            }
            Some(Ending::Failed(message)) => self.fail(&message)?,
            Some(Ending::Diverged(report)) => {
                worker.has_reported = true;
                self.place.discard();
                self.send(&report, None)?;
            }
            Some(Ending::Abandoned) => {
                self.place.discard();
                return Ok(Next::End);
            }
            None if self.ledger.count() == 0 && !worker.has_reported => {
                self.place.discard();
                let message = self.source.nothing(&self.objective) + &self.tail.shown();
                // No other trial would do better.
                send(&FromWorker::Fatal { message, release: None })?;
                return Ok(Next::End);
            }
            None if self.ledger.count() == 0 => self.fail(&self.source.nothing(&self.objective))?,
            None => match self.ledger.finish() {
                Ok(reports) => self.succeed(worker, reports)?,
                Err(misplaced) => self.fail(&misplaced.to_string())?,
            },
        }
        Ok(Next::Order)
    }

    /// Takes in what has no end but that of the script.
    fn take_rest(&mut self) -> io::Result<()> {
        for stream in 0..self.lines.len() {
            if let Some(line) = self.lines[stream].rest() {
                self.line(&line, End::Whole)?;
            }
        }
        if self.ending.is_none() {
            let found = self.source.file(true);
            self.found(found)?;
        }
        if self.ending.is_none()
            && let Some(rest) = self.collector.close()
        {
            match self.ledger.take(rest) {
                Ok(reports) => self.report(reports)?,
                Err(misplaced) => self.end(Ending::Failed(misplaced.to_string())),
            }
        }
        Ok(())
    }

    fn fail(&self, message: &str) -> io::Result<()> {
        self.place.discard();
        let message = message.to_owned() + &self.tail.shown();
        let segment = self.id;
        send(&FromWorker::Failed { segment, message })
    }

    /// Sends the last reports of a segment, and the checkpoint, if there is one, with the very last.
    fn succeed(&mut self, worker: &mut Worker, mut reports: Vec<Report>) -> io::Result<()> {
        worker.has_reported = true;
        let Some(end) = reports.pop() else { return Ok(()) };
        self.report(reports)?;
        let diverged = match self.ending.take() {
            Some(Ending::Diverged(report)) => Some(report),
            Some(Ending::Stopped | Ending::Failed(_) | Ending::Abandoned) | None => {
                has_diverged(&end).then(|| end.clone())
            }
        };
        if let Some(report) = diverged {
            self.place.discard();
            return self.send(&report, None);
        }
        let own = (end.resource, self.value(&end));
        let reports = self.reported.iter().copied().chain([own]);
        let kept = self.place.keep(reports, self.goes_on && !end.last);
        let checkpoint = match kept {
            Ok(checkpoint) => checkpoint,
            Err(error) => return self.fail(&format!("can't keep what the script has left: {error}")),
        };
        for text in self.source.never_found() {
            worker.remark(&text, text.clone())?;
        }
        if let Some(differs) = self.ledger.differs() {
            let text = format!(
                "trial {}: {differs}. Results of a script that is trained anew at each rung can be compared if it does the same each time: \
                 pass it {{seed}}, or have it go on from what is in {{checkpoint_dir}}",
                self.id.trial
            );
            worker.remark("differs", text)?;
        }
        self.send(&end, checkpoint)?;
        match end.last {
            true => Ok(()),
            false => send(&FromWorker::Done { segment: self.id }),
        }
    }
}

fn has_diverged(report: &Report) -> bool {
    report.values.get(LOSS).is_some_and(|loss| !loss.is_finite())
}
