//! The agent as the keeper of one worker: between the streams of the launch command and those of the worker.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::message::{LaunchOrder, Note};
use crate::executor::gpu::Gpu;
use crate::executor::launcher::{self, KEEPALIVE, Launch, Leaving, LocalWorker, Purpose, RunningWorker, SILENCE};
use crate::executor::slots::Machine;

/// How long the worker may take to end by itself: first for the end of its input, then for the request to terminate. `hpo` gives it a
/// little more time, and sees its end.
const FAREWELL: Duration = Duration::from_millis(1500);

/// How long `hpo` may take to have the worker saved and ended that has to leave. Slurm kills it after 30 seconds unless it is set up
/// otherwise.
const LEAVE: Duration = Duration::from_secs(25);

/// How long after a worker's end by SIGTERM it may become known that all that runs here was asked to end.
const SAME_MOMENT: Duration = Duration::from_millis(500);

/// What a shell returns if there is no such program.
const NOT_FOUND: u8 = 127;

/// Runs a worker until it ends, `hpo` ends, or it `has_to_leave` and was not ended by `hpo` in time, and returns its exit code as a shell
/// does.
pub(super) async fn launch(
    order: LaunchOrder,
    input: impl AsyncBufRead + Unpin,
    has_to_leave: impl Future<Output = Leaving>,
) -> u8 {
    let purpose = match order.slot {
        Some(slot) => {
            // One whose connection was lost may not have noticed it yet.
            launcher::kill_workers(&order.study, Purpose::Slot(slot));
            Purpose::Slot(slot)
        }
        // It is known here by a process that lasts as long as the `hpo` that asks for it.
        None => Purpose::Export(std::process::id()),
    };
    let command = match order.own {
        Some(own) => own.command().unwrap_or_default(),
        None => order.command,
    };
    let mut environment = order.environment;
    let given = std::env::var(Gpu::VISIBLE).ok();
    let place = environment.iter().position(|(name, _)| name == Gpu::VISIBLE);
    match (given, place) {
        (Some(given), Some(place)) => {
            let wanted = &mut environment[place].1;
            *wanted = device(wanted, given, || Machine::this().gpus);
        }
        // It was to have those that Slurm gives, and Slurm has given none.
        (None, None) => environment.push((Gpu::VISIBLE.to_owned(), String::new())),
        (Some(_), None) | (None, Some(_)) => {}
    }
    let started = launcher::start(
        &Launch {
            command: &command,
            own: order.own,
            directory: &order.directory,
            environment,
            study: &order.study,
            purpose,
        },
        Stdio::inherit,
    );
    let (worker, stdin) = match started {
        Ok(started) => started,
        Err(error) => {
            say_exited(false, error.to_string());
            return NOT_FOUND;
        }
    };
    attend(worker, relay(input, stdin), has_to_leave).await
}

/// Waits for the end of a worker whose orders are `relayed`, or ends it. Of the end of one that has to leave nothing is said: it is none
/// of its own.
async fn attend(
    mut worker: LocalWorker,
    relayed: impl Future<Output = ()>,
    has_to_leave: impl Future<Output = Leaving>,
) -> u8 {
    tokio::pin!(relayed, has_to_leave);
    let mut signs = interval(KEEPALIVE);
    let mut leaves: Option<Instant> = None;
    let ended = loop {
        tokio::select! {
            status = worker.ended() => break Some(status),
            () = &mut relayed => break None,
            why = &mut has_to_leave, if leaves.is_none() => {
                say(&Note::Leaving { why });
                leaves = Some(Instant::now() + LEAVE);
            }
            () = sleep_until(leaves.unwrap_or_else(Instant::now)), if leaves.is_some() => break None,
            _ = signs.tick() => say(&Note::Busy),
        }
    };
    let ended = match ended {
        Some(status) => status,
        None => end(&mut worker).await,
    };
    if leaves.is_none()
        && matches!(&ended, Ok(status) if status.signal() == Some(libc::SIGTERM))
        && let Ok(why) = timeout(SAME_MOMENT, &mut has_to_leave).await
    {
        say(&Note::Leaving { why });
        leaves = Some(Instant::now());
    }
    let (success, description, code) = match ended {
        Ok(status) => (status.success(), hpo_script::describe(status), exit_code(status)),
        Err(error) => (false, error.to_string(), 1),
    };
    if leaves.is_none() {
        say_exited(success, description);
    }
    code
}

/// The GPU of a worker that is to have the one that is `wanted`, if any. What has started this process may have `given` it another one:
/// Ray and others place each worker by itself, not always where the machine was looked at.
fn device(wanted: &str, given: String, visible: impl FnOnce() -> Vec<Gpu>) -> String {
    match wanted.is_empty() || given.is_empty() || visible().iter().any(|gpu| gpu.uuid == wanted) {
        true => wanted.to_owned(),
        false => given,
    }
}

fn say_exited(success: bool, description: String) {
    say(&Note::Exited { success, description });
}

/// Says it on standard error: standard output is the worker's. If nobody listens, nobody has to know.
fn say(note: &Note) {
    let _ = io::stderr().write_all(note.line().as_bytes());
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Ends a worker whose input has ended.
async fn end(worker: &mut LocalWorker) -> io::Result<ExitStatus> {
    if let Ok(status) = timeout(FAREWELL, worker.ended()).await {
        return status;
    }
    worker.terminate();
    if let Ok(status) = timeout(FAREWELL, worker.ended()).await {
        return status;
    }
    worker.kill();
    worker.ended().await
}

/// Passes on what comes until there is nothing more, or nothing for too long. A worker that has closed its input may go on.
async fn relay(mut input: impl AsyncBufRead + Unpin, stdin: impl AsyncWrite + Unpin) {
    let mut stdin = Some(stdin);
    let mut fresh = true;
    while let Ok(Ok(read)) = timeout(SILENCE, input.fill_buf()).await {
        if read.is_empty() {
            return;
        }
        let (taken, kept) = (read.len(), without_empty_lines(read, &mut fresh));
        input.consume(taken);
        if let Some(pipe) = &mut stdin
            && (pipe.write_all(&kept).await.is_err() || pipe.flush().await.is_err())
        {
            stdin = None;
        }
    }
}

/// The bytes without empty lines; `fresh` is whether a line begins with them, and afterwards whether one begins behind them.
fn without_empty_lines(bytes: &[u8], fresh: &mut bool) -> Vec<u8> {
    let mut keep = |byte: &&u8| {
        let empty = *fresh && **byte == b'\n';
        *fresh = **byte == b'\n';
        !empty
    };
    bytes.iter().filter(|byte| keep(byte)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::BufReader;

    #[test]
    fn a_worker_has_the_gpu_that_it_was_given_where_it_is() {
        let gpu = |uuid: &str| Gpu {
            index: 0,
            uuid: uuid.to_owned(),
            name: String::new(),
        };
        let device = |wanted, given: &str, visible: &str| device(wanted, given.to_owned(), || vec![gpu(visible)]);
        assert_eq!(device("GPU-a", "0", "GPU-a"), "GPU-a");
        assert_eq!(device("GPU-a", "3", "GPU-b"), "3", "it was placed elsewhere");
        assert_eq!(device("", "3", "GPU-b"), "", "it is to train on the CPU");
        assert_eq!(device("GPU-a", "", "GPU-b"), "GPU-a", "no GPU was given");
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_stay_with_the_agent() {
        let (mut hpo, input) = tokio::io::duplex(64);
        let (pipe, mut worker) = tokio::io::duplex(1 << 10);
        let began = tokio::time::Instant::now();
        let sends = async {
            for part in ["\n", "{\"a\":1}", "\n", "\n\n{\"b\"", ":2}\n", "\n"] {
                hpo.write_all(part.as_bytes()).await.unwrap();
                tokio::time::sleep(SILENCE * 3 / 4).await;
            }
            hpo
        };
        let ((), _silent) = tokio::join!(relay(BufReader::new(input), pipe), sends);
        assert_eq!(began.elapsed(), SILENCE * 19 / 4, "as long after the last one");
        let mut read = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut worker, &mut read)
            .await
            .unwrap();
        assert_eq!(read, b"{\"a\":1}\n{\"b\":2}\n");
    }
}
