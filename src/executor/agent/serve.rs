//! `hpo agent`: reads what it was started for, and does it.

use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hpo_protocol::embedding::release;
use tokio::io::{BufReader, stdin};
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval_at, timeout};

use super::message::{Hello, Note, ProbeOrder, Probed, Request};
use super::{hold, relay};
use crate::clock::now;
use crate::executor::launcher::{self, Leaving};
use crate::executor::log::next_line;
use crate::executor::program::Own;
use crate::executor::slots::Machine;
use crate::program::{is_program, on_path};
use crate::study::Trainer;
use crate::study_file::named_inputs;

/// The exit code of one that was asked for nothing that it knows.
const WRONG: u8 = 2;

/// How long it may take to be asked for something.
const PATIENCE: Duration = Duration::from_secs(120);

/// A request is longer only if something is wrong.
const LONGEST_LINE: usize = 16 << 20;

/// How often it says that it is still at work.
const SIGN: Duration = Duration::from_secs(5);

/// How long it may be at work: a file system that does not answer keeps it for ever.
const WORK: Duration = Duration::from_secs(15 * 60);

/// How long the trainer may take to say its version.
const VERSION: Duration = Duration::from_secs(60);

/// Does what the first line of standard input asks for, until that is done or this process `has_to_leave`, and returns the exit code.
pub async fn serve(has_to_leave: impl Future<Output = Leaving>) -> u8 {
    let mut input = BufReader::new(stdin());
    let first = timeout(PATIENCE, next_line(&mut input, LONGEST_LINE, |_| {})).await;
    let Ok(Ok(Some((line, _)))) = first else {
        complain("hpo agent is started by hpo on other machines, not by hand: see docs/machines.md");
        return WRONG;
    };
    let request = serde_json::from_slice(&line);
    if !matches!(request, Ok(Request::Launch(_) | Request::Hold)) {
        // Before it is known what is asked for: another version may ask for what this one does not know.
        say(&Note::Hello(hello()));
    }
    match request {
        Err(error) => {
            complain(&format!("hpo agent does not know what it is asked for: {error}"));
            WRONG
        }
        Ok(Request::Launch(order)) => relay::launch(order, input, has_to_leave).await,
        Ok(Request::Hold) => {
            hold::hold(hold::has_steps, has_to_leave).await;
            0
        }
        Ok(Request::Probe(order)) => {
            say(&Note::Probed(Box::new(probe(order).await)));
            0
        }
        Ok(Request::EndLeftovers { study, which }) => {
            let processes = launcher::kill_leftovers(&study, which);
            say(&Note::Ended { processes });
            0
        }
    }
}

fn hello() -> Hello {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy();
    Hello {
        version: release(),
        host: name.split('.').next().unwrap_or_default().to_owned(),
        clock: now(),
    }
}

/// Says it on standard output. If nobody listens, nobody has to know.
fn say(note: &Note) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(note.line().as_bytes()).and_then(|()| stdout.flush());
}

fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "error: {message}");
}

/// Looks around, and says meanwhile that it does.
async fn probe(order: ProbeOrder) -> Probed {
    let began = Instant::now();
    let mut signs = interval_at(began + SIGN, SIGN);
    let finds = async move {
        let trainer = trainer(&order.trainer).await;
        let read = spawn_blocking(move || look(&order)).await;
        Probed {
            trainer,
            ..read.unwrap_or_else(|error| nothing(&error.to_string()))
        }
    };
    tokio::pin!(finds);
    loop {
        tokio::select! {
            found = &mut finds => return found,
            _ = signs.tick() => match began.elapsed() < WORK {
                true => say(&Note::Busy),
                false => return nothing("reading it takes too long"),
            }
        }
    }
}

/// Nothing was found out.
fn nothing(why: &str) -> Probed {
    Probed {
        machine: Machine {
            gpus: Vec::new(),
            cores: 1,
            complaints: Vec::new(),
        },
        read: Err(why.to_owned()),
        written: Err(why.to_owned()),
        trainer: Ok(None),
        inputs: Vec::new(),
    }
}

/// All but the trainer.
fn look(order: &ProbeOrder) -> Probed {
    let shared = &order.shared;
    let answer = format!("{} {}", std::process::id(), now().0);
    let named = named_inputs(&order.trainer).into_iter();
    let named = named.filter(|named| order.roles.contains(&named.role));
    Probed {
        machine: Machine::this(),
        read: std::fs::read_to_string(shared).map_err(|error| error.to_string()),
        written: std::fs::write(shared.with_extension("answer"), &answer)
            .map(|()| answer)
            .map_err(|error| error.to_string()),
        trainer: Ok(None),
        inputs: named
            .map(|named| (named.role.clone(), named.read().map_err(|error| error.to_string())))
            .collect(),
    }
}

/// Whether the trainer can be started here, and what that of `hpo` says of itself.
async fn trainer(trainer: &Trainer) -> Result<Option<String>, String> {
    let directory = &trainer.directory;
    let Some(command) = &trainer.command else {
        let own = Own::Embedding.command().unwrap_or_default();
        let none = "the trainer hpo-trial-embedding is neither beside hpo nor on the PATH there";
        return version(Path::new(own.first().ok_or(none)?)).await.map(Some);
    };
    let program = command.first().map(String::as_str).unwrap_or_default();
    if !directory.is_dir() {
        return Err(format!("there is no directory `{}` there", directory.display()));
    }
    let found = match program.contains('/') {
        true => is_program(&directory.join(program)),
        false => on_path(program).is_some(),
    };
    match found {
        true => Ok(None),
        false if program.contains('/') => Err(format!("there is no program `{program}` there")),
        false => Err(format!(
            "`{program}` is not on the PATH there, which is {}",
            std::env::var_os("PATH").unwrap_or_default().to_string_lossy()
        )),
    }
}

/// What a program prints when it is asked for its version.
async fn version(program: &Path) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let shown = program.display();
    let output = match timeout(VERSION, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("`{shown}` can't be started there: {error}")),
        Err(_) => return Err(format!("`{shown}` does not answer there")),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!(
            "`{shown}` can't be used there ({}): {}",
            output.status,
            text(&output.stderr)
        )),
    }
}
