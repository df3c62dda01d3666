//! Signals that ask the process to stop.

use std::io;

use rustix::process::{getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM and SIGHUP, which no longer end the process at once. Those that the process was started to ignore stay ignored:
/// under `nohup`, and in the background of a shell without job control, whoever started it wants it to go on.
#[derive(Debug)]
pub struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    /// Starts to listen. To be called before anything else has set how these signals are handled.
    ///
    /// # Errors
    /// If the handlers can't be installed.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: unless_ignored(SignalKind::interrupt())?,
            terminate: unless_ignored(SignalKind::terminate())?,
            hangup: unless_ignored(SignalKind::hangup())?,
        })
    }

    /// Returns once one of them has arrived.
    pub async fn received(&mut self) {
        tokio::select! {
            () = next(&mut self.interrupt) => {}
            () = next(&mut self.terminate) => {}
            () = next(&mut self.hangup) => {}
        }
    }
}

/// The terminal's request to suspend the process (Ctrl-Z), which no longer suspends it at once.
#[derive(Debug)]
pub struct Suspended(Option<Signal>);

impl Suspended {
    /// Starts to listen, unless the process was started to ignore it.
    ///
    /// # Errors
    /// If the handler can't be installed.
    pub fn listen() -> io::Result<Self> {
        unless_ignored(SignalKind::from_raw(libc::SIGTSTP)).map(Self)
    }

    /// Returns once it has arrived.
    pub async fn received(&mut self) {
        next(&mut self.0).await;
    }

    /// Suspends the process until it is told to continue.
    pub fn suspend() {
        // That can't be refused.
        let _ = kill_process(getpid(), rustix::process::Signal::STOP);
    }
}

/// The warning that Slurm gives before a job's time limit. All processes of the job may get it, and who does not know it ignores it.
#[derive(Debug)]
pub struct Warning(Signal);

impl Warning {
    /// Starts to listen.
    ///
    /// # Errors
    /// If the handler can't be installed.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::from_raw(libc::SIGURG)).map(Self)
    }

    /// Returns once it has arrived.
    pub async fn received(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

fn unless_ignored(kind: SignalKind) -> io::Result<Option<Signal>> {
    match is_ignored(kind.as_raw_value()) {
        true => Ok(None),
        false => signal(kind).map(Some),
    }
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether the process ignores a signal.
fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action, the call only writes the present one to where it is pointed to, which all zeros are one of too.
    let action = unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}
