//! `[slots]` or several `[[slots]]`: where trials run.

use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::reader::{Item, Problem, Problems, Result, Results, Span, Table};
use super::{known, settings, slurm};
use crate::devices::{Devices, DevicesError, LaunchSettings, MachineSettings, Reach, SlotSettings};
use crate::keys::{Fallback, Interval, Key, Refusal, Settings, Takes};

const LAUNCH: Key = Key {
    name: "launch",
    takes: Takes::Texts,
    default: Fallback::Described("none: this machine"),
    about: "a command that starts a program on another machine and connects its standard streams, such as `[\"ssh\", \"gpu-box\"]`; see \
            [machines.md](machines.md)",
};

const HPO: Key = Key {
    name: "hpo",
    takes: Takes::Text,
    default: Fallback::Word("hpo"),
    about: "with `launch` or `cluster`: the absolute path of `hpo` on that machine, if it is not on the `PATH` there",
};

const DEVICES: Key = Key {
    name: "devices",
    takes: Takes::Devices,
    default: Fallback::Word("auto"),
    about: "`\"auto\"`: all GPUs that NVML reports and `CUDA_VISIBLE_DEVICES` leaves, or the CPU; `\"cpu\"`; `\"0,1\"` or `[0, 1]`: GPUs \
            by number. `--devices` takes precedence",
};

const TRIALS_PER_DEVICE: Key = Key {
    name: "trials_per_device",
    takes: Takes::Integer { least: 1, most: 1024 },
    default: Fallback::Described("1 a GPU; on a CPU one a core, at most 4"),
    about: "how many trials run on one device at once",
};

const THREADS_PER_TRIAL: Key = Key {
    name: "threads_per_trial",
    takes: Takes::Integer { least: 1, most: 4096 },
    default: Fallback::Described("the cores divided among the slots"),
    about: "CPU threads of each worker. Another number gives other bits, so it is one for all machines, and frozen when \
            the study begins",
};

const SILENCE: Key = Key {
    name: "silence_minutes",
    takes: Takes::Number(
        Interval {
            // A year.
            high: 525_600.0,
            high_included: true,
            ..Interval::POSITIVE
        },
        Refusal {
            message: "is not a time that a worker may be silent",
            label: "not above 0, or more than a year",
            help: "write minutes such as 90, or leave it out: then only workers that promise signs of life are held to them",
        },
    ),
    default: Fallback::Described("see [trainers.md](trainers.md#when-a-worker-goes-wrong)"),
    about: "a worker that owes an answer and has given no sign of life for so long is replaced. A trainer of your own that prints \
            nothing while it trains must be given the time of its longest silence",
};

/// Its keys.
pub(super) const KEYS: &[Key] = &[
    LAUNCH,
    HPO,
    DEVICES,
    TRIALS_PER_DEVICE,
    THREADS_PER_TRIAL,
    SILENCE,
    slurm::CLUSTER,
    slurm::MAX_SLOTS,
    slurm::MIN_SLOTS,
    slurm::SUBMIT,
    slurm::PARTITION,
    slurm::ACCOUNT,
    slurm::GRES,
    slurm::CPUS,
    slurm::MEMORY,
    slurm::TIME_LIMIT,
    slurm::ARGUMENTS,
];

const EXAMPLE: &str =
    "write a line `[[slots]]` and below it keys such as `launch = [\"ssh\", \"gpu-box\"]`, once for each machine";

/// A number of threads, and where it stands.
type Threads = (usize, String, Span);

/// Reads one table or several of a file at `path`, whose text this is; none if there is a problem.
pub(super) fn read(root: &Table, problems: &mut Problems, text: &str, path: &Path) -> Option<SlotSettings> {
    let Some(item) = root.get("slots") else {
        return Some(SlotSettings::default());
    };
    let line = |span: &Span| {
        text.as_bytes()[..span.start]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1
    };
    let tables = problems.keep(tables(&item))?;
    let machine = |table: &Table| {
        let (machine, threads) = known(problems, table, read_one)?;
        let place = Some(format!("{}:{}", path.display(), line(&table.span)));
        Some((MachineSettings { place, ..machine }, threads))
    };
    // Each is read, whatever is wrong with another one.
    let read: Vec<Option<(MachineSettings, Option<Threads>)>> = tables.iter().map(machine).collect();
    let (machines, threads): (Vec<_>, Vec<_>) = read.into_iter().collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let mut threads = threads.into_iter().flatten();
    let first = threads.next();
    for (number, name, span) in threads {
        if let Some((other, its_name, its_span)) = first.as_ref().filter(|(other, ..)| *other != number) {
            let message = format!(
                "`{name}` is {number}, but `{its_name}` in line {} is {other}: all trials of a study have the same number of threads",
                line(its_span)
            );
            let help = "write the same number in both, or leave one of them out";
            problems.0.push(Problem::new(span, message, "another number", help));
            return None;
        }
    }
    Some(SlotSettings {
        threads_per_trial: first.map(|(number, ..)| number),
        machines,
    })
}

fn tables<'a>(item: &Item<'a>) -> Results<Vec<Table<'a>>> {
    let DeValue::Array(_) = item.value else {
        return Ok(vec![item.table()?]);
    };
    let elements = item.array(EXAMPLE)?;
    if elements.is_empty() {
        return Err(item.problem("has no tables", "no machine", EXAMPLE).into());
    }
    let table = |element: &Item<'a>| match matches!(element.value, DeValue::Table(_)) {
        true => element.table(),
        false => Err(element.wrong_type("a table", EXAMPLE)),
    };
    Ok(elements.iter().map(table).collect::<Result<_>>()?)
}

/// A machine, without its place in the file, and the number of threads that its table has.
fn read_one(table: &Table) -> Results<(MachineSettings, Option<Threads>)> {
    let settings = settings::read(table, KEYS)?;
    let devices = table.get(DEVICES.name).map(|item| devices(&item)).transpose()?;
    let threads = settings.count_if_any(&THREADS_PER_TRIAL).and_then(|number| {
        let item = table.get(THREADS_PER_TRIAL.name)?;
        Some((number as usize, item.name, item.span))
    });
    let machine = MachineSettings {
        place: None,
        reach: reach(table, &settings)?,
        devices: devices.unwrap_or_default(),
        trials_per_device: settings.count_if_any(&TRIALS_PER_DEVICE).map(|n| n as u32),
        silence: settings
            .number_if_any(&SILENCE)
            .map(|minutes| Duration::from_secs_f64(minutes * 60.0)),
    };
    Ok((machine, threads))
}

fn reach(table: &Table, settings: &Settings) -> Results<Reach> {
    let hpo = table.get(HPO.name);
    let there = hpo.as_ref().map_or(Ok("hpo".to_owned()), hpo_there)?;
    let idle: [(&Key, &str); 3] = [
        (&LAUNCH, "Slurm starts the programs itself: remove one of the two"),
        (&DEVICES, "ask Slurm for GPUs: `gres = \"gpu:1\"`"),
        (&TRIALS_PER_DEVICE, "a trial has its job to itself: set `max_slots`"),
    ];
    if let Some(slurm) = slurm::read(table, settings, &there, &idle)? {
        return Ok(Reach::Slurm(slurm));
    }
    match (table.get(LAUNCH.name), hpo) {
        (Some(item), _) => Ok(Reach::Launch(launch(&item, there)?)),
        (None, Some(hpo)) => Err(hpo
            .problem(
                "has no effect without `launch` or `cluster`",
                "not used",
                "remove it, or add the command that reaches the machine: `launch = [\"ssh\", \"gpu-box\"]`",
            )
            .into()),
        (None, None) => Ok(Reach::Here),
    }
}

fn launch(item: &Item, hpo: String) -> Result<LaunchSettings> {
    let help = "write the words of a command in brackets: `launch = [\"ssh\", \"gpu-box\"]`";
    let words = item.array(help)?;
    if words.is_empty() {
        return Err(item.problem("is empty", "no command", help));
    }
    let words = words.iter().map(|word| word.string().map(str::to_owned));
    Ok(LaunchSettings {
        command: words.collect::<Result<_>>()?,
        hpo,
    })
}

/// A launch command may give its words to a shell or not, so they must mean the same to both.
fn hpo_there(item: &Item) -> Result<String> {
    let path = item.string()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    if path == "hpo" || path.starts_with('/') && path.chars().all(plain) {
        return Ok(path.to_owned());
    }
    Err(item.problem(
        "must be an absolute path of letters, digits and `_./-`",
        "not such a path",
        "write the path of hpo on that machine, such as `/opt/hpo/bin/hpo`; a link there may stand for another path",
    ))
}

fn devices(item: &Item) -> Result<Devices> {
    let wrong =
        |error: DevicesError| -> Problem { item.problem("does not name devices", "not devices", error.to_string()) };
    if let DeValue::String(text) = item.value {
        return text.parse().map_err(wrong);
    }
    let DeValue::Array(_) = item.value else {
        return Err(item.wrong_type("a string or an array", DevicesError::Unknown.to_string()));
    };
    let numbers = item.array("")?.into_iter().map(|number| number.integer(0..=1023));
    let numbers: Vec<i64> = numbers.collect::<Result<_>>()?;
    Devices::gpus(numbers.into_iter().map(|n| u32::try_from(n).ok())).map_err(wrong)
}
