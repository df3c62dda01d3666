//! What a machine can do, and what to change.

use std::path::PathBuf;

use serde::Serialize;

use crate::words::{counted, there_are};

const GIB: f64 = (1u64 << 30) as f64;

/// What was found out about a machine, as far as it could be.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The version of `hpo`.
    pub hpo: String,
    /// The path of the embedding trainer; none: it was not found.
    pub trainer: Option<String>,
    /// What it says of itself, a line each.
    pub trainer_says: Vec<String>,
    /// Why it does not run.
    pub trainer_error: Option<String>,
    /// The GPUs that may be used.
    pub gpus: Vec<String>,
    /// What is wrong with others, a sentence each.
    pub gpu_complaints: Vec<String>,
    /// The CPU cores that may be used.
    pub cores: usize,
    /// Those that there are.
    pub all_cores: Option<usize>,
    /// How many trials it trains at once by default.
    pub slots: usize,
    /// The threads of each.
    pub threads: usize,
    /// Bytes of memory that can be used now.
    pub memory: Option<u64>,
    /// Files that a process may have open.
    pub open_files: Option<u64>,
    /// Where studies would be kept.
    pub disk: Disk,
}

/// A place on a disk, as it was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Disk {
    /// The directory.
    pub directory: PathBuf,
    /// Bytes that can still be written.
    pub free: Option<u64>,
    /// Whether it is a file system of another machine.
    pub network: bool,
    /// Why nothing can be written there.
    pub error: Option<String>,
    /// Milliseconds that it takes to make a record durable, the median of several.
    pub sync_ms: Option<f64>,
    /// Bytes a second that are written and made durable.
    pub write: Option<f64>,
}

/// Something that should be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Whether nothing can be trained so.
    pub serious: bool,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// A trial of a small model needs so much.
const MEMORY_OF_A_TRIAL: u64 = 2 << 30;
/// With less room, checkpoints of a few trials fill the disk.
const ROOM: u64 = 5 << 30;
/// A report waits for a sync or two; with a slower disk that is felt in short trials.
const SLOW_SYNC_MS: f64 = 50.0;
/// Each worker has a few pipes, and sled some files.
const OPEN_FILES: u64 = 256;

/// What should be changed on a machine.
pub fn advice(machine: &Machine) -> Vec<Advice> {
    let mut all = Vec::new();
    let mut advise = |serious: bool, message: String, help: &str| {
        all.push(Advice {
            serious,
            message,
            help: help.to_owned(),
        });
    };
    let rebuild = "build it with hpo: make install";
    match (&machine.trainer, &machine.trainer_error) {
        (None, _) => advise(
            false,
            "the embedding trainer hpo-trial-embedding is neither beside hpo nor on the PATH: only trainers of your own can be used"
                .into(),
            rebuild,
        ),
        (Some(program), Some(why)) => advise(true, format!("the trainer {program} does not run: {why}"), rebuild),
        (Some(program), None) => {
            let says = &machine.trainer_says;
            let own = format!("hpo-trial-embedding {}", machine.hpo);
            if says.first().is_none_or(|first| *first != own) {
                let other = says.first().map_or("", String::as_str);
                advise(
                    true,
                    format!("the trainer {program} is {other}, and hpo is {}", machine.hpo),
                    rebuild,
                );
            }
            if !machine.gpus.is_empty() && says.iter().any(|line| line == "GPUs: none") {
                let there = there_are(machine.gpus.len(), "GPU");
                advise(
                    true,
                    format!("{there} there, but the trainer's libtorch can't use any"),
                    "build the trainer with LIBTORCH set to a CUDA build of libtorch, or search with --devices cpu",
                );
            }
        }
    }
    for complaint in &machine.gpu_complaints {
        advise(
            false,
            complaint.clone(),
            "look at nvidia-smi; the other devices are used",
        );
    }
    if let Some(memory) = machine.memory
        && machine.gpus.is_empty()
        && memory / machine.slots.max(1) as u64 <= MEMORY_OF_A_TRIAL
    {
        let message = format!(
            "{:.1} GiB of memory are little for {} at once",
            memory as f64 / GIB,
            counted(machine.slots, "trial")
        );
        advise(
            false,
            message,
            "set trials_per_device = 1 under [slots], or search smaller batches and lengths",
        );
    }
    if let Some(files) = machine.open_files.filter(|files| *files < OPEN_FILES) {
        advise(
            false,
            format!("a process may have only {files} files open"),
            "raise the limit: ulimit -n 4096",
        );
    }
    disk_advice(&machine.disk, &mut advise);
    all
}

fn disk_advice(disk: &Disk, advise: &mut impl FnMut(bool, String, &str)) {
    let elsewhere = "keep studies elsewhere, with --studies or HPO_STUDIES";
    let shown = disk.directory.display();
    if let Some(why) = &disk.error {
        advise(true, format!("can't write to {shown}: {why}"), elsewhere);
    }
    if let Some(ms) = disk.sync_ms.filter(|ms| *ms > SLOW_SYNC_MS) {
        let message = format!("{shown} takes {ms:.0} ms to make a record durable, for which each report waits");
        advise(false, message, elsewhere);
    }
    if let Some(free) = disk.free.filter(|free| *free < ROOM) {
        let message = format!("{shown} has only {:.1} GiB left for checkpoints", free as f64 / GIB);
        advise(false, message, elsewhere);
    }
}

/// All of it, in lines.
pub fn text(machine: &Machine) -> String {
    let trainer = machine.trainer.as_ref().map_or("not found".to_owned(), |program| {
        let says = machine.trainer_says.join(", ");
        format!("{program}\n             {says}").trim_end().to_owned()
    });
    let gpus = match machine.gpus.as_slice() {
        [] => "none".to_owned(),
        gpus => gpus.join(", "),
    };
    let cores = match machine.all_cores.filter(|all| *all > machine.cores) {
        Some(all) => format!("{} of {all} cores may be used", machine.cores),
        None => counted(machine.cores, "core"),
    };
    let memory = machine.memory.map_or("unknown".to_owned(), |memory| {
        format!("{:.1} GiB can be used", memory as f64 / GIB)
    });
    let disk = &machine.disk;
    let mut of_disk = vec![disk.directory.display().to_string()];
    of_disk.extend(disk.free.map(|free| format!("{:.0} GiB free", free as f64 / GIB)));
    of_disk.extend(disk.network.then(|| "on the network".to_owned()));
    of_disk.extend(disk.sync_ms.map(|ms| format!("a record is durable after {ms:.1} ms")));
    of_disk.extend(
        disk.write
            .map(|write| format!("{:.0} MiB/s", write / (1u64 << 20) as f64)),
    );
    let mut page = format!(
        "hpo          {}\ntrainer      {trainer}\nGPUs         {gpus}\nCPU          {cores}\nmemory       {memory}\nstudies      {}\n\
         at once      {} of {} each\n",
        machine.hpo,
        of_disk.join(", "),
        counted(machine.slots, "trial"),
        counted(machine.threads, "CPU thread"),
    );
    let advice = advice(machine);
    for Advice { serious, message, help } in &advice {
        let what = if *serious { "error" } else { "warning" };
        page += &format!("\n{what}: {message}\nhelp: {help}\n");
    }
    if advice.is_empty() {
        page += "\nnothing to change\n";
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            hpo: "1.2.3".into(),
            trainer: Some("/bin/hpo-trial-embedding".into()),
            trainer_says: vec!["hpo-trial-embedding 1.2.3".into(), "GPUs: none".into()],
            trainer_error: None,
            gpus: Vec::new(),
            gpu_complaints: Vec::new(),
            cores: 4,
            all_cores: Some(4),
            slots: 4,
            threads: 1,
            memory: Some(32 << 30),
            open_files: Some(1024),
            disk: Disk {
                directory: "/studies".into(),
                free: Some(100 << 30),
                network: false,
                error: None,
                sync_ms: Some(1.0),
                write: Some(1e9),
            },
        }
    }

    /// What is wrong with a machine that differs from a good one.
    fn wrong(change: impl FnOnce(&mut Machine)) -> Vec<(bool, String)> {
        let mut machine = machine();
        change(&mut machine);
        let all = advice(&machine).into_iter();
        all.map(|advice| (advice.serious, advice.message)).collect()
    }

    #[test]
    fn a_good_machine_is_left_alone_and_each_flaw_is_named() {
        assert_eq!(wrong(|_| {}), []);
        assert!(text(&machine()).ends_with("\nnothing to change\n"));
        let one = |change: fn(&mut Machine), serious: bool, part: &str| {
            let found = wrong(change);
            assert!(
                matches!(found.as_slice(), [(is, message)] if *is == serious && message.contains(part)),
                "{part}: {found:?}"
            );
        };
        one(|m| m.trainer = None, false, "neither beside hpo nor on the PATH");
        one(|m| m.trainer_error = Some("no libtorch".into()), true, "no libtorch");
        one(
            |m| m.hpo = "1.2.4".into(),
            true,
            "is hpo-trial-embedding 1.2.3, and hpo is 1.2.4",
        );
        one(|m| m.gpus = vec!["A".into(), "B".into()], true, "2 GPUs are there");
        one(
            |m| m.gpu_complaints = vec!["GPU 1 can't be used".into()],
            false,
            "GPU 1",
        );
        one(
            |m| m.memory = Some(6 << 30),
            false,
            "6.0 GiB of memory are little for 4 trials",
        );
        one(|m| m.open_files = Some(64), false, "only 64 files");
        one(|m| m.disk.free = Some(1 << 30), false, "only 1.0 GiB left");
        one(|m| m.disk.sync_ms = Some(80.0), false, "80 ms");
        one(|m| m.disk.error = Some("read-only".into()), true, "read-only");
    }
}
