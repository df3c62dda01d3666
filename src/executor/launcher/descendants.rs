//! The processes that a worker has started on this machine, and killing them with it.
//!
//! A worker leads a process group of its own, which goes with it. A process that has left the group, as daemons do, is known by
//! the mark in its environment.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Leftovers, Purpose};
#[cfg(target_os = "linux")]
use crate::memory;

/// A process that starts others faster than they are found is not pursued for ever.
const ROUNDS: usize = 100;

/// The text in the environment of a worker, and of whatever descends from it, that says whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mark(String);

impl Mark {
    /// The variable that holds it.
    pub(super) const VARIABLE: &'static str = "HPO_WORKER";

    pub(super) fn new(study: &Path, purpose: Purpose) -> Self {
        Self(format!("{}{purpose}", Self::prefix(study)))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    fn prefix(study: &Path) -> String {
        format!("{}#", study.display())
    }
}

/// A worker and everything that it has started.
#[derive(Debug)]
pub(super) struct Descendants {
    group: Pid,
    mark: Mark,
}

impl Descendants {
    /// Those of a worker that leads this group and was given this mark.
    pub(super) fn new(group: Pid, mark: Mark) -> Self {
        Self { group, mark }
    }

    /// Asks the worker's group to end.
    pub(super) fn terminate(&self) {
        // It may have gone by itself.
        let _ = kill_process_group(self.group, Signal::TERM);
    }

    /// Kills all of them. To be called at most once after the worker was waited for: its group's number is free then.
    pub(super) fn kill(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
        kill_marked(|mark| mark == self.mark.as_str());
    }
}

/// Kills what the workers of a study have left running whose `hpo` was killed, and returns how many processes that were. The study's
/// directory is as they were given it.
pub(in crate::executor) fn kill_leftovers(study: &Path, which: Leftovers) -> usize {
    let prefix = Mark::prefix(study);
    kill_marked(|mark| {
        let purpose = mark.strip_prefix(&prefix).and_then(Purpose::parse);
        purpose.is_some_and(|purpose| which.include(purpose))
    })
}

/// Kills what the workers of a study for one purpose have left running. The study's directory is as they were given it.
pub(in crate::executor) fn kill_workers(study: &Path, purpose: Purpose) {
    let own = Mark::new(study, purpose);
    kill_marked(|mark| mark == own.as_str());
}

#[cfg(target_os = "linux")]
fn kill_marked(is_ours: impl Fn(&str) -> bool) -> usize {
    // A process that has been killed may be there for a moment still.
    let mut seen = ancestors();
    let spared = seen.len();
    for _ in 0..ROUNDS {
        let before = seen.len();
        let mut begins = false;
        for pid in memory::processes() {
            if !seen.contains(&pid) {
                match kill_if(pid, &is_ours) {
                    Look::Killed => seen.push(pid),
                    Look::Begins => begins = true,
                    Look::Another => {}
                }
            }
        }
        if begins {
            std::thread::sleep(Duration::from_millis(1));
        } else if seen.len() == before {
            break;
        }
    }
    seen.len() - spared
}

/// Elsewhere nothing says who descends from whom.
#[cfg(not(target_os = "linux"))]
fn kill_marked(_: impl Fn(&str) -> bool) -> usize {
    0
}

/// What a look at a process has shown.
#[cfg(target_os = "linux")]
enum Look {
    Killed,
    Another,
    /// It has just begun to run its program, and shows no environment yet.
    Begins,
}

/// Kills a process if its environment has a mark that is ours.
#[cfg(target_os = "linux")]
fn kill_if(pid: Pid, is_ours: impl Fn(&str) -> bool) -> Look {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

    // Opened before it is looked at, so that the signal goes to the process that was looked at.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return Look::Another;
    };
    // That of other users can't be read.
    let read = || std::fs::read(format!("/proc/{pid}/environ")).ok();
    let environment = match read() {
        Some(nothing) if nothing.is_empty() && begins(pid) => return Look::Begins,
        // It may have got it between the two looks.
        Some(nothing) if nothing.is_empty() => read(),
        environment => environment,
    };
    let environment = environment.unwrap_or_default();
    let marked = environment.split(|byte| *byte == 0).any(|variable| {
        let value = variable
            .strip_prefix(Mark::VARIABLE.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="));
        value.is_some_and(|value| std::str::from_utf8(value).is_ok_and(&is_ours))
    });
    match marked && pidfd_send_signal(process, Signal::KILL).is_ok() {
        true => Look::Killed,
        false => Look::Another,
    }
}

/// Whether a process has memory, but no place for its environment yet. One that has ended has no memory either.
#[cfg(target_os = "linux")]
fn begins(pid: Pid) -> bool {
    let fields = memory::fields(pid);
    // proc_pid_stat(5): vsize is field 23 and env_end field 51; the first two are not among these.
    let number = |field: usize| fields.as_ref()?.get(field - 3)?.parse::<u64>().ok();
    number(23).is_some_and(|memory| memory > 0) && number(51) == Some(0)
}

/// This process and those that it descends from, which may have inherited a mark.
#[cfg(target_os = "linux")]
fn ancestors() -> Vec<Pid> {
    let mut ancestors = vec![rustix::process::getpid()];
    while let Some(&last) = ancestors.last()
        && let Some(parent) = parent(last)
    {
        ancestors.push(parent);
    }
    ancestors
}

#[cfg(target_os = "linux")]
fn parent(pid: Pid) -> Option<Pid> {
    Pid::from_raw(memory::fields(pid)?.get(1)?.parse().ok()?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::ids::SlotId;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn only_what_has_the_mark_is_killed() {
        let study = tempfile::tempdir().unwrap();
        let start = |purpose| {
            let mark = Mark::new(study.path(), purpose);
            let mut sleep = Command::new("sleep");
            sleep.arg("20").env(Mark::VARIABLE, mark.as_str()).spawn().unwrap()
        };
        let (mut ours, mut other) = (start(Purpose::Slot(SlotId(1))), start(Purpose::Slot(SlotId(2))));
        let (mut export, mut abandoned) = (start(Purpose::Export(1)), start(Purpose::Export(i32::MAX as u32)));
        let group = Pid::from_raw(i32::MAX).unwrap();
        let descendants = |purpose| Descendants::new(group, Mark::new(study.path(), purpose));
        descendants(Purpose::Slot(SlotId(1))).kill();
        assert_eq!(ours.wait().unwrap().signal(), Some(9));
        assert_eq!(other.try_wait().unwrap(), None);
        assert_eq!(kill_leftovers(study.path().join("other").as_path(), Leftovers::All), 0);
        assert_eq!(kill_leftovers(study.path(), Leftovers::All), 2);
        assert_eq!(other.wait().unwrap().signal(), Some(9));
        assert_eq!(abandoned.wait().unwrap().signal(), Some(9));
        assert_eq!(export.try_wait().unwrap(), None, "another command waits for it");
        descendants(Purpose::Export(1)).kill();
        assert_eq!(export.wait().unwrap().signal(), Some(9));
    }

    /// A process that is about to run another program shows no environment for a moment.
    #[test]
    fn what_has_only_just_begun_is_killed_too() {
        let study = tempfile::tempdir().unwrap();
        for _ in 0..100 {
            let mark = Mark::new(study.path(), Purpose::Slot(SlotId(1)));
            let mut sleep = Command::new("sleep");
            let mut begun = sleep.arg("20").env(Mark::VARIABLE, mark.as_str()).spawn().unwrap();
            kill_leftovers(study.path(), Leftovers::All);
            assert_eq!(begun.wait().unwrap().signal(), Some(9));
        }
    }

    #[test]
    fn the_ancestors_of_a_process_begin_with_itself_and_its_parent() {
        let found = ancestors();
        assert_eq!(found[0], rustix::process::getpid());
        assert_eq!(Some(found[1]), rustix::process::getppid());
    }
}
