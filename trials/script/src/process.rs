//! The process of a script, and all that it has started.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::names::is_of_trials;

/// So many bytes of output are read at once.
const PIECE: usize = 64 << 10;

/// What becomes of a script.
pub(crate) enum Sign {
    /// It has printed something, to standard output or standard error, by number.
    Printed(usize, Vec<u8>),
    /// One of these will say no more.
    Silent,
    /// It has ended, but is still known to the system.
    Ended,
}

/// A script that was started. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    group: Pid,
    is_over: bool,
}

impl Process {
    /// Starts a program with arguments, of which there is at least the program, and further variables; those without a value are removed.
    /// What becomes of it is sent to `signs`.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start<E: Send + 'static>(
        arguments: &[String],
        environment: &[(String, Option<String>)],
        signs: &SyncSender<E>,
        event: impl Fn(Sign) -> E + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (program, arguments) = arguments.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let inherited = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        inherited.filter(|name| is_of_trials(name)).for_each(|name| {
            command.env_remove(name);
        });
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        #[cfg(target_os = "linux")]
        // SAFETY: the closure makes a system call that is safe between fork and exec, and touches no memory.
        unsafe {
            // It ends with the thread that starts it, which lasts as long as the worker.
            command.pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let mut child = command.spawn()?;
        let group = Pid::from_child(&child);
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as _),
            child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        for (number, stream) in streams.into_iter().flatten().enumerate() {
            let (signs, event) = (signs.clone(), event.clone());
            thread::spawn(move || read(stream, |sign| signs.send(event(sign)).is_ok(), number));
        }
        let signs = signs.clone();
        thread::spawn(move || {
            // It is not reaped yet, so that its number stays its own.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(group), options).is_err_and(|error| error == Errno::INTR) {}
            signs.send(event(Sign::Ended))
        });
        Ok(Self {
            child,
            group,
            is_over: false,
        })
    }

    /// Asks it, and all in its group, to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills it with all in its group.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if !self.is_over {
            // It may have gone by itself.
            let _ = kill_process_group(self.group, signal);
        }
    }

    /// Kills what it has left running, after it has ended, and returns how it did.
    ///
    /// # Errors
    /// If that can't be found out.
    pub fn reap(&mut self) -> io::Result<ExitStatus> {
        self.kill();
        self.is_over = true;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_over {
            let _ = self.reap();
        }
    }
}

/// Passes on what comes from a pipe until its end.
fn read(mut stream: Box<dyn Read + Send>, send: impl Fn(Sign) -> bool, number: usize) {
    let mut buffer = vec![0; PIECE];
    loop {
        match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(length) => {
                if !send(Sign::Printed(number, buffer[..length].to_vec())) {
                    return;
                }
            }
        }
    }
    send(Sign::Silent);
}

/// How a process has ended, for the user.
pub fn describe(status: ExitStatus) -> String {
    match status.signal() {
        Some(9) => format!("{status}: killed, as the system does where memory is short"),
        _ => status.to_string(),
    }
}
