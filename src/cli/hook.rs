//! Runs the command of `[notify]`, one at a time, on a thread of its own: whatever it does, the search goes on.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::Value;

use crate::study_file::NotifySettings;
use crate::view::notify;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    /// There is a new best trial.
    Best,
    /// Nothing is left to train, or a limit was reached.
    Finished,
    /// The search can't go on, or has no result.
    Failed,
    /// Nothing is begun before something is fixed, or somebody has the search go on.
    Paused,
}

impl Happening {
    /// Its name in the message.
    pub fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Paused => "paused",
        }
    }
}

/// The thread that runs the command.
pub(super) struct Hook {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Happening, String)>,
    /// Whether nothing more will be added.
    closed: bool,
    /// Whether the search was stopped, and nobody waits for the command.
    abandoned: bool,
    /// What went wrong first, until it is reported.
    complaint: Option<String>,
}

impl Hook {
    /// One that has nothing to do yet; what the command prints is added to the file `log`.
    pub fn start(settings: &NotifySettings, log: &Path) -> Self {
        Self::with_limit(settings, log, LIMIT)
    }

    fn with_limit(settings: &NotifySettings, log: &Path, limit: Duration) -> Self {
        let shared = Arc::<Shared>::default();
        let runner = Runner {
            settings: settings.clone(),
            log: log.to_owned(),
            limit,
            shared: shared.clone(),
            complained: false,
        };
        Self {
            shared,
            thread: Some(std::thread::spawn(|| runner.run())),
        }
    }

    /// Has the command run with a message about something.
    pub fn send(&self, happening: Happening, message: &Value) {
        let mut state = self.shared.lock();
        // A best trial that was not reported is no news once there is a better one, or the end.
        state.waiting.retain(|(waiting, _)| *waiting != Happening::Best);
        state.waiting.push_back((happening, format!("{message}\n")));
        self.shared.changed.notify_all();
    }

    /// What went wrong, the first time.
    pub fn complaint(&self) -> Option<String> {
        self.shared.lock().complaint.take()
    }

    /// Does not wait for the command any more.
    pub fn abandon(&self) {
        let mut state = self.shared.lock();
        state.waiting.clear();
        state.abandoned = true;
    }
}

impl Drop for Hook {
    /// Waits until the command was run for everything.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        // Its thread does not panic, and if it did, nothing would be lost.
        let _ = self.thread.take().map(JoinHandle::join);
        if let Some(complaint) = self.complaint() {
            notify(&complaint);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread has.
struct Runner {
    settings: NotifySettings,
    log: PathBuf,
    limit: Duration,
    shared: Arc<Shared>,
    complained: bool,
}

impl Runner {
    fn run(mut self) {
        while let Some(message) = self.next() {
            let Err(what) = self.report(&message) else { continue };
            if !std::mem::replace(&mut self.complained, true) {
                let program = self.settings.command.first().map_or("", String::as_str);
                self.shared.lock().complaint = Some(format!(
                    "note: the command of [notify], {program}, {what}; the search goes on, and this is not reported again. What it prints \
                     is in {}",
                    self.log.display()
                ));
            }
        }
    }

    /// The next message; none if there will be none.
    fn next(&self) -> Option<String> {
        let mut state = self.shared.lock();
        loop {
            if let Some((_, message)) = state.waiting.pop_front() {
                return Some(message);
            }
            if state.closed {
                return None;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Runs the command once.
    ///
    /// # Errors
    /// What it did wrong, to be said of it.
    fn report(&self, message: &str) -> Result<(), String> {
        let mut child = self.spawn().map_err(|error| format!("can't be started: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            let message = message.to_owned();
            // It need not read what it is sent, and then this ends with it.
            std::thread::spawn(move || stdin.write_all(message.as_bytes()));
        }
        let group = Pid::from_child(&child);
        let began = Instant::now();
        // It is not waited for yet, so that its group's number stays its own.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let given_up = loop {
            match waitid(WaitId::Pid(group), look) {
                Ok(Some(_)) => break None,
                Ok(None) if began.elapsed() >= self.limit => {
                    let limit = self.limit.as_secs();
                    break Some(Err(format!("had not ended after {limit} s and was killed")));
                }
                Ok(None) if self.shared.lock().abandoned => break Some(Ok(())),
                Ok(None) | Err(Errno::INTR) => std::thread::sleep(LOOK),
                Err(error) => break Some(Err(format!("can't be waited for: {error}"))),
            }
        };
        // What it has left running may hold files open. It may all have gone.
        let _ = kill_process_group(group, Signal::KILL);
        let status = child.wait();
        given_up.unwrap_or_else(|| match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("has failed ({status})")),
            Err(error) => Err(format!("can't be waited for: {error}")),
        })
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let errors: File = log.try_clone()?;
        let (program, arguments) = self
            .settings
            .command
            .split_first()
            .ok_or(std::io::ErrorKind::InvalidInput)?;
        Command::new(program)
            .args(arguments)
            .current_dir(&self.settings.directory)
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors)
            // A Ctrl-C in the terminal is for hpo.
            .process_group(0)
            .spawn()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(place: &Path, command: &[&str], limit: Duration) -> Hook {
        let settings = NotifySettings {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            directory: place.to_owned(),
        };
        Hook::with_limit(&settings, &place.join("log"), limit)
    }

    /// What it complained of, once everything was reported.
    fn complaint(hook: Hook) -> Option<String> {
        let shared = hook.shared.clone();
        shared.lock().closed = true;
        shared.changed.notify_all();
        let mut hook = hook;
        hook.thread.take().unwrap().join().unwrap();
        hook.complaint()
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_what_it_has_started() {
        let place = tempfile::tempdir().unwrap();
        let script = "sleep 600 & echo $! > pid; wait";
        let hook = hook(place.path(), &["sh", "-c", script], Duration::from_millis(500));
        hook.send(Happening::Best, &Value::Null);
        hook.send(Happening::Finished, &Value::Null);
        let complaint = complaint(hook).unwrap();
        assert!(
            complaint.contains("sh, had not ended after 0 s and was killed"),
            "{complaint}"
        );
        let pid = std::fs::read_to_string(place.path().join("pid")).unwrap();
        hpo_test_support::wait_until_gone(pid.trim());
    }

    #[test]
    fn what_fails_is_reported_once_and_everything_is_sent() {
        let place = tempfile::tempdir().unwrap();
        let hook = hook(place.path(), &["sh", "-c", "cat >> sent; echo oh >&2; exit 3"], LIMIT);
        for event in [Happening::Paused, Happening::Failed] {
            hook.send(event, &serde_json::json!({ "event": event.name() }));
        }
        let complaint = complaint(hook).unwrap();
        assert!(complaint.contains("has failed (exit status: 3)"), "{complaint}");
        let read = |name| std::fs::read_to_string(place.path().join(name)).unwrap();
        assert_eq!(read("sent"), "{\"event\":\"paused\"}\n{\"event\":\"failed\"}\n");
        assert_eq!(read("log"), "oh\noh\n");
    }

    #[test]
    fn one_that_does_not_read_or_is_not_there_harms_nothing() {
        let place = tempfile::tempdir().unwrap();
        let long = serde_json::json!({ "text": "x".repeat(1 << 20) });
        let deaf = hook(place.path(), &["true"], LIMIT);
        deaf.send(Happening::Finished, &long);
        assert_eq!(complaint(deaf), None);
        let absent = hook(place.path(), &["./absent"], LIMIT);
        absent.send(Happening::Finished, &long);
        assert!(complaint(absent).unwrap().contains("can't be started"));
    }
}
