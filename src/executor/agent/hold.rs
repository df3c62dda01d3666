//! The agent that keeps a job of Slurm for the steps that are started beside it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::executor::launcher::Leaving;

/// How often it is looked whether there are steps.
const GLANCE: Duration = Duration::from_secs(5);

/// The same once the job is asked to end.
const LAST_GLANCE: Duration = Duration::from_millis(100);

/// How long the job waits for a step: for its first one, or for another one after the last has ended. Whoever submitted it has gone then.
const ALONE: Duration = Duration::from_secs(5 * 60);

/// Stays for as long as steps are started in this job. When it is asked to end, it lets those that run end first: a job ends with the
/// process that it was submitted for, and they may be saving what they train.
pub(super) async fn hold(has_steps: impl Fn() -> bool, has_to_leave: impl Future<Output = Leaving>) {
    let lasts = async {
        let mut alone_since = Instant::now();
        while alone_since.elapsed() < ALONE {
            sleep(GLANCE).await;
            if has_steps() {
                alone_since = Instant::now();
            }
        }
    };
    tokio::select! {
        () = lasts => {}
        _ = has_to_leave => while has_steps() {
            sleep(LAST_GLANCE).await;
        },
    }
}

/// Whether a process on this machine belongs to a step of the job whose batch script this process is.
pub(super) fn has_steps() -> bool {
    let Some(job) = std::env::var_os("SLURM_JOB_ID") else {
        return false;
    };
    let job = [b"SLURM_JOB_ID=", job.as_encoded_bytes()].concat();
    let own = std::env::var_os("SLURM_STEP_ID").unwrap_or_default();
    let own = [b"SLURM_STEP_ID=", own.as_encoded_bytes()].concat();
    let of_step = |environment: Vec<u8>| {
        let mut variables = environment.split(|byte| *byte == 0);
        let step = variables
            .clone()
            .find(|variable| variable.starts_with(b"SLURM_STEP_ID="));
        step.is_some_and(|step| step != own) && variables.any(|variable| variable == job)
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_process = |entry: &std::fs::DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let mut environments = processes
        .filter(is_process)
        .filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
    environments.any(of_step)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_job_in_which_nothing_is_started_any_more_ends() {
        let began = Instant::now();
        hold(|| began.elapsed() < ALONE * 2, std::future::pending()).await;
        let lasted = began.elapsed();
        assert!(
            lasted >= ALONE * 3 - GLANCE * 2 && lasted <= ALONE * 3 + GLANCE * 2,
            "{lasted:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_is_asked_to_end_lets_its_steps_end_first() {
        let (began, asked) = (Instant::now(), Cell::new(false));
        let asks = async {
            sleep(GLANCE / 2).await;
            asked.set(true);
            Leaving::Asked
        };
        hold(|| began.elapsed() < GLANCE, asks).await;
        assert!(asked.get() && began.elapsed() >= GLANCE && began.elapsed() < GLANCE * 2);
    }
}
