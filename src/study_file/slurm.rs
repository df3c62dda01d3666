//! The keys of `[slots]` with which Slurm gives the machines.

use super::reader::{Item, Problems, Result, Results, Table};
use super::study::{SPAN, span_ms};
use crate::devices::SlurmSettings;
use crate::keys::{Fallback, Key, Refusal, Settings, Takes};

pub(super) const CLUSTER: Key = Key {
    name: "cluster",
    takes: Takes::Word(
        &["slurm"],
        Refusal {
            message: "is not a cluster that is known",
            label: "unknown cluster",
            help: "write `cluster = \"slurm\"`",
        },
    ),
    default: Fallback::Described("none"),
    about: "`\"slurm\"`: each slot is a job of Slurm or, where `hpo` runs in a job itself, a step of it; see \
            [slurm.md](slurm.md). The keys below are for it",
};

pub(super) const MAX_SLOTS: Key = Key {
    name: "max_slots",
    takes: Takes::Integer { least: 1, most: 4096 },
    default: Fallback::Described("must be there with `cluster`"),
    about: "so many jobs are submitted, or steps are started, for as long as there is work",
};

pub(super) const MIN_SLOTS: Key = Key {
    name: "min_slots",
    takes: Takes::Integer { least: 1, most: 4096 },
    default: Fallback::Integer(1),
    about: "nothing is trained before so many of the jobs run",
};

pub(super) const SUBMIT: Key = Key {
    name: "submit",
    takes: Takes::Flag,
    default: Fallback::Described("`true` unless `hpo` runs in a job"),
    about: "`true`: each slot is a job of its own (`sbatch`), also if `hpo` runs in a job; `false`: a step of the job that `hpo` runs in \
            (`srun`)",
};

pub(super) const PARTITION: Key = Key {
    name: "partition",
    takes: Takes::Text,
    default: Fallback::Described("Slurm's"),
    about: "the partition, or several with commas between them. Of jobs only, as are `account` and `time_limit`",
};

pub(super) const ACCOUNT: Key = Key {
    name: "account",
    takes: Takes::Text,
    default: Fallback::Described("Slurm's"),
    about: "the account that the jobs are charged to",
};

pub(super) const GRES: Key = Key {
    name: "gres",
    takes: Takes::Text,
    default: Fallback::Nothing,
    about: "generic resources of each slot, such as `\"gpu:1\"`. Without a GPU among them (or among the `arguments`) it trains on the CPU",
};

pub(super) const CPUS: Key = Key {
    name: "cpus",
    takes: Takes::Integer { least: 1, most: 4096 },
    default: Fallback::Integer(1),
    about: "CPUs of each slot, and its threads unless `threads_per_trial` is set",
};

pub(super) const MEMORY: Key = Key {
    name: "memory",
    takes: Takes::Text,
    default: Fallback::Described("Slurm's"),
    about: "memory of each slot, such as `\"16G\"`",
};

pub(super) const TIME_LIMIT: Key = Key {
    name: "time_limit",
    takes: Takes::Text,
    default: Fallback::Described("the partition's"),
    about: "how long each job may run, such as `\"4h\"`, rounded up to minutes. Before its end what it trains is saved, and another job is \
            submitted",
};

pub(super) const ARGUMENTS: Key = Key {
    name: "arguments",
    takes: Takes::Texts,
    default: Fallback::Nothing,
    about: "further arguments of `sbatch` or `srun`, such as `[\"--constraint=a100\", \"--qos=low\"]`",
};

/// The keys that mean something with Slurm alone.
const OWN: [&Key; 10] = [
    &MAX_SLOTS,
    &MIN_SLOTS,
    &SUBMIT,
    &PARTITION,
    &ACCOUNT,
    &GRES,
    &CPUS,
    &MEMORY,
    &TIME_LIMIT,
    &ARGUMENTS,
];

/// What hpo says to Slurm itself.
const TAKEN: [&str; 10] = [
    "--job-name",
    "--nodes",
    "--ntasks",
    "--chdir",
    "--signal",
    "--output",
    "--parsable",
    "--array",
    "--wrap",
    "--requeue",
];

/// What a table asks of Slurm, with `hpo` there; none if it asks nothing of it. `others` are keys that mean nothing then, each with what to
/// do instead.
pub(super) fn read(
    table: &Table,
    settings: &Settings,
    hpo: &str,
    others: &[(&Key, &str)],
) -> Results<Option<SlurmSettings>> {
    let mut problems = Problems::default();
    if table.get(CLUSTER.name).is_none() {
        let idle = OWN.iter().filter_map(|key| table.get(key.name));
        problems.0.extend(idle.map(|item| {
            let help = "remove it, or add `cluster = \"slurm\"`";
            item.problem("has no effect without `cluster`", "not used", help)
        }));
        return problems.or(Some(None));
    }
    let with = others
        .iter()
        .filter_map(|(key, help)| Some((table.get(key.name)?, help)));
    problems
        .0
        .extend(with.map(|(item, help)| item.problem("has no effect with `cluster`", "not used", *help)));
    let max_slots = settings.count_if_any(&MAX_SLOTS);
    if max_slots.is_none() && table.get(MAX_SLOTS.name).is_none() {
        problems.0.push(table.missing(MAX_SLOTS.name, "max_slots = 4"));
    }
    let min_slots = settings.count(&MIN_SLOTS);
    if let (Some(most), Some(item)) = (max_slots, table.get(MIN_SLOTS.name))
        && min_slots > most
    {
        let help = "lower it, or raise `max_slots`";
        problems
            .0
            .push(item.problem(format!("is more than `max_slots`, which is {most}"), "too many", help));
    }
    let mut text = |key: &Key| problems.keep(table.get(key.name).map(|item| word(&item)).transpose());
    let (partition, account, gres, memory) = (text(&PARTITION), text(&ACCOUNT), text(&GRES), text(&MEMORY));
    let minutes = problems.keep(table.get(TIME_LIMIT.name).map(|item| minutes(&item)).transpose());
    let arguments = problems.keep(table.get(ARGUMENTS.name).map(|item| arguments(&item)).transpose());
    let whole = (|| {
        Some(SlurmSettings {
            hpo: hpo.to_owned(),
            max_slots: u32::try_from(max_slots?).ok()?,
            min_slots: u32::try_from(min_slots).ok()?,
            submit: settings.flag_if_any(&SUBMIT),
            partition: partition?,
            account: account?,
            gres: gres?,
            cpus: u32::try_from(settings.count(&CPUS)).ok()?,
            memory: memory?,
            minutes: minutes?,
            arguments: arguments?.unwrap_or_default(),
        })
    })();
    problems.or(whole.map(Some))
}

fn word(item: &Item) -> Result<String> {
    let text = item.string()?;
    match text.trim().is_empty() || text.chars().any(char::is_whitespace) {
        true => Err(item.problem(
            "must be one word",
            "not one word",
            "write it as Slurm takes it, without blanks",
        )),
        false => Ok(text.to_owned()),
    }
}

/// Slurm counts time limits in minutes, and takes none at all for no limit.
fn minutes(item: &Item) -> Result<u64> {
    let text = item.string()?;
    let zero = text.chars().all(|c| !c.is_ascii_digit() || c == '0') && text.contains('0');
    match span_ms(text) {
        Some(ms) => Ok(ms.div_ceil(60_000)),
        None if zero => Err(item.problem(
            "is no time, and Slurm would take it for a job without a limit",
            "no time",
            "write how long a job may run, such as `4h`, or leave it out for the longest time of the partition",
        )),
        None => Err(item.problem("is not a span of time", "not understood", SPAN)),
    }
}

fn arguments(item: &Item) -> Result<Vec<String>> {
    let help = "write each argument as a text of its own: `[\"--constraint=a100\", \"--qos=low\"]`";
    let words = item.array(help)?;
    words.iter().map(|word| argument(word)).collect()
}

fn argument(item: &Item) -> Result<String> {
    let text = item.string()?;
    let name = text.split('=').next().unwrap_or_default();
    if !text.starts_with('-') {
        let help = "write a value behind its option in the same text: `\"--qos=low\"`";
        return Err(item.problem("is not an option", "no option", help));
    }
    match TAKEN.contains(&name) {
        true => Err(item.problem("is what hpo sets itself", "not for arguments", "remove it")),
        false => Ok(text.to_owned()),
    }
}
