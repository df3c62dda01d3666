//! `hpo dashboard`.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::CliError;
use super::study::{Studies, find, print};
use crate::dashboard;
use crate::shell::path_word;
use crate::signals::Signals;
use crate::store::StudyDirectory;
use crate::view::notify;

/// How long a search waits for its dashboard to say where it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// The option by which a search has its dashboard end with it.
const BESIDE: &str = "--beside-a-search";

/// How much less urgent a dashboard beside a search is than that.
const NICE: i32 = 10;

/// The arguments of `hpo dashboard`.
#[derive(Debug, clap::Args)]
pub(super) struct Dashboard {
    /// Open this study: its name, its directory, or its file. The page shows all studies that lie beside it, too [default: the list of
    /// all studies of --studies, or of studies in the current directory]
    study: Option<PathBuf>,

    /// The port, or 0 for any [default: 8765, or the next one that is free]
    #[arg(long)]
    port: Option<u16>,

    /// The address to listen on, such as 0.0.0.0 for all of this machine. Whoever can reach it needs the token that the printed address
    /// has
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = address)]
    listen: IpAddr,

    /// End once standard input does, and let everything else go first
    #[arg(long = &BESIDE[2..], hide = true)]
    beside: bool,
}

/// An address of this machine.
fn address(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        text => text
            .parse()
            .map_err(|_| "it must be the number of an address, such as 127.0.0.1, 0.0.0.0 or ::".to_owned()),
    }
}

impl Dashboard {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let (directory, study) = self.place(studies)?;
        if self.beside {
            // Without it the search is only a little slower.
            let _ = rustix::process::nice(NICE);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| CliError::Failed(format!("can't start an event loop: {source}")))?;
        let served = runtime.block_on(self.serve(&directory, study.as_deref()));
        // Standard input may be waited for still.
        runtime.shutdown_background();
        served
    }

    async fn serve(&self, directory: &Path, study: Option<&str>) -> Result<(), CliError> {
        let signals = Signals::listen();
        let mut signals = signals.map_err(|source| CliError::Failed(format!("can't listen for signals: {source}")))?;
        let opened = dashboard::Dashboard::open(directory, self.listen, self.port).await;
        let dashboard = opened.map_err(|error| self.unheard(&error))?;
        print(&format!(
            "dashboard of the studies in {}: {}\n",
            dashboard.studies().display(),
            dashboard.url(study)
        ))?;
        if !self.beside {
            notify("Ctrl-C ends it; searches go on without it");
        }
        tokio::select! {
            () = dashboard.serve() => {}
            () = signals.received() => {}
            () = end_of_input(), if self.beside => {}
        }
        Ok(())
    }

    /// The directory whose studies are served, and the name of the one that is opened.
    fn place(&self, studies: &Studies) -> Result<(PathBuf, Option<String>), CliError> {
        let Some(named) = &self.study else {
            return Ok((studies.here().to_owned(), None));
        };
        let study = find(studies, Some(named))?;
        let root = study.root();
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let study = StudyDirectory::new(&root);
        let directory = root.parent().unwrap_or(Path::new("/"));
        Ok((directory.to_owned(), Some(study.name())))
    }

    /// Why the port can't be listened on.
    fn unheard(&self, error: &std::io::Error) -> CliError {
        let (address, port) = (self.listen, self.port.unwrap_or_default());
        let known = [
            (
                ErrorKind::AddrInUse,
                format!("port {port} of {address} is in use"),
                "name another port, or leave it out to have a free one",
            ),
            (
                ErrorKind::AddrNotAvailable,
                format!("{address} is no address of this machine"),
                "name one that is, or 0.0.0.0 for all",
            ),
            (
                ErrorKind::PermissionDenied,
                format!("port {port} of {address} can't be listened on: {error}"),
                "name a port from 1024 on",
            ),
        ];
        match known.into_iter().find(|(kind, _, _)| *kind == error.kind()) {
            Some((_, message, help)) => CliError::usage(message, help),
            None => CliError::Failed(format!("can't listen on {address}: {error}")),
        }
    }
}

async fn end_of_input() {
    let mut input = tokio::io::stdin();
    // What there is to read says nothing.
    while input.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
}

/// A dashboard beside a search, in a process of its own: it takes nothing from the search that this needs, and ends with it, however
/// that ends.
pub(super) struct Beside {
    process: Child,
    /// The dashboard ends once this is closed.
    input: Option<ChildStdin>,
    says: Receiver<String>,
}

impl Beside {
    /// Starts the dashboard of a study on this port, or a free one, and says where it is; or why there is none, which ends no search.
    pub fn start(study: &StudyDirectory, port: Option<u16>) -> Option<Self> {
        match Self::begin(study, port) {
            Ok(beside) => beside.introduce(),
            Err(error) => {
                notify(&format!(
                    "note: the dashboard can't be started: {error}; the search goes on without it"
                ));
                None
            }
        }
    }

    fn begin(study: &StudyDirectory, port: Option<u16>) -> std::io::Result<Self> {
        let mut words: Vec<OsString> = vec!["dashboard".into(), BESIDE.into()];
        words.extend(port.map(|port| format!("--port={port}").into()));
        words.extend(["--".into(), path_word(&std::path::absolute(study.root())?)]);
        let mut process = Command::new(std::env::current_exe()?)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the search, which saves first what it trains.
            .process_group(0)
            .spawn()?;
        let (sender, says) = channel();
        let (output, errors) = (process.stdout.take(), process.stderr.take());
        std::thread::spawn(move || {
            let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
            let errors = errors.into_iter().flat_map(|errors| BufReader::new(errors).lines());
            for line in lines.chain(errors).map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            input: process.stdin.take(),
            process,
            says,
        })
    }

    fn introduce(self) -> Option<Self> {
        let line = self.says.recv_timeout(PATIENCE);
        match line {
            Ok(line) if line.starts_with("dashboard ") => {
                notify(&line);
                Some(self)
            }
            Ok(line) => {
                let why = line.strip_prefix("error: ").unwrap_or(&line);
                notify(&format!(
                    "note: there is no dashboard: {why}; the search goes on without it"
                ));
                None
            }
            Err(_) => {
                notify("note: the dashboard does not start; the search goes on without it");
                None
            }
        }
    }

    /// That it has ended by itself, once.
    pub fn complaint(&mut self) -> Option<String> {
        self.input.as_ref()?;
        let status = self.process.try_wait().ok()??;
        self.input = None;
        let last = self
            .says
            .try_iter()
            .last()
            .map_or(String::new(), |line| format!(": {line}"));
        Some(format!(
            "note: the dashboard has ended ({status}){last}; the search goes on, and `hpo dashboard` shows it again"
        ))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.input = None;
        // It may be reading, which nobody waits for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
