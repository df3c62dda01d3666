//! The machines of a study: looked at before anything is trained on them.

use std::path::Path;
use std::sync::Arc;

use super::{CliError, origin};
use crate::devices::{Devices, LaunchSettings, MachineSettings, SlotSettings};
use crate::disk::create_directories;
use crate::executor::agent::{Found, ProbeError, Wanted, probe};
use crate::executor::{CommandLauncher, Gpu, Machine, Site, Slot, Threads, slots};
use crate::shell::command;
use crate::store::{StoreError, StudyDirectory, StudyReader};
use crate::study::{Origin, Trainer};
use crate::study_file::{self, StudyFile};
use crate::view::notify;

/// A clock that is further off than this many milliseconds is reported.
const CLOCK: u64 = 10_000;

/// Machines on which a study can be trained.
#[derive(Debug)]
pub(super) struct Machines {
    sites: Vec<Site>,
    /// CPU threads per trial, if the user has set them.
    threads: Option<usize>,
}

/// What of a study its machines must have.
pub(super) struct Needs<'a> {
    /// A directory that all have to see.
    pub seen: &'a Path,
    /// Its name.
    pub name: &'a str,
    /// Its trainer.
    pub trainer: &'a Trainer,
    /// What it was created on.
    pub origin: Option<&'a Origin>,
}

impl Machines {
    /// The machines that the settings name, all of which can train the study.
    ///
    /// # Errors
    /// What is wrong with each that can't.
    pub(super) fn find(settings: &SlotSettings, needs: &Needs<'_>) -> Result<Self, CliError> {
        let io = |source| StoreError::Io {
            path: needs.seen.to_owned(),
            source,
        };
        let seen = std::path::absolute(needs.seen).map_err(io)?;
        if settings.machines.iter().any(|machine| machine.launch.is_some()) {
            create_directories(&seen).map_err(io)?;
        }
        let inputs = needs.origin.map_or(&[][..], |origin| &origin.inputs);
        let wanted = Wanted {
            directory: &seen,
            trainer: needs.trainer,
            roles: inputs.iter().map(|input| input.role.clone()).collect(),
        };
        let found: Vec<Result<Site, Wrong>> = std::thread::scope(|scope| {
            let look = |(number, machine): (usize, &'_ MachineSettings)| {
                let (machine, wanted) = (machine.clone(), &wanted);
                scope.spawn(move || match machine.launch.clone() {
                    None => Ok(Site::this(machine)),
                    Some(launch) => elsewhere(number, &machine, &launch, wanted, needs),
                })
            };
            let looks: Vec<_> = settings.machines.iter().enumerate().map(look).collect();
            let found = looks.into_iter().map(|look| look.join());
            found
                .map(|found| found.unwrap_or_else(|_| Err(Wrong::panicked())))
                .collect()
        });
        let (mut sites, mut wrong) = (Vec::new(), Vec::new());
        for site in found {
            match site {
                Ok(site) => sites.push(site),
                Err(why) => wrong.push(why),
            }
        }
        if !wrong.is_empty() {
            return Err(Wrong::all(wrong));
        }
        Ok(Self {
            sites,
            threads: settings.threads_per_trial,
        })
    }

    /// What the machines that the settings name are taken to be by whoever does not look at them: each as this one is, with the GPUs that
    /// are named.
    pub(super) fn assumed(settings: &SlotSettings) -> Self {
        let this = Machine::this();
        let assume = |settings: &MachineSettings| {
            let Some(launch) = &settings.launch else {
                return Site::this(settings.clone());
            };
            let gpu = |&index: &u32| Gpu {
                index,
                uuid: String::new(),
                name: "GPU".to_owned(),
            };
            let gpus = match &settings.devices {
                Devices::Gpus(named) => named.iter().map(gpu).collect(),
                Devices::Auto | Devices::Cpu => this.gpus.clone(),
            };
            Site {
                machine: Machine { gpus, ..this.clone() },
                settings: settings.clone(),
                launcher: Arc::new(CommandLauncher::new(launch.clone())),
                host: launch.command.last().cloned(),
            }
        };
        Self {
            sites: settings.machines.iter().map(assume).collect(),
            threads: settings.threads_per_trial,
        }
    }

    /// Whether this machine is one of them.
    pub(super) fn has_this(&self) -> bool {
        self.sites.iter().any(|site| site.settings.launch.is_none())
    }

    /// The slots that the settings ask for on them. `frozen` is the number of threads of the study, if it has begun.
    ///
    /// # Errors
    /// If a named GPU does not exist.
    pub(super) fn slots(&self, frozen: Option<usize>) -> Result<Vec<Slot>, CliError> {
        let wanted = self.threads;
        slots(&self.sites, Threads { wanted, frozen })
            .map_err(|error| CliError::usage(error.to_string(), "list the GPUs of a machine with nvidia-smi"))
    }

    /// What is wrong with GPUs that are there but can't be used, a sentence each.
    pub(super) fn complaints(&self) -> impl Iterator<Item = &String> {
        self.sites.iter().flat_map(|site| &site.machine.complaints)
    }
}

/// The directory of a study or, if there is none yet, that in which it will be.
pub(super) fn seen(study: &StudyDirectory) -> &Path {
    match study.root().exists() {
        true => study.root(),
        false => parent(study.root()),
    }
}

/// The directory that something is in.
pub(super) fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// The settings of a study's slots that are the latest: in the file that it was created from or, if that is gone, as it was then.
pub(super) fn latest(reader: &StudyReader) -> Option<SlotSettings> {
    let kept = || {
        let path = reader.directory().study_file();
        let text = std::fs::read_to_string(&path).ok()?;
        study_file::parse(&text, &path).ok()
    };
    let file: Option<StudyFile> = origin::file(reader).ok().flatten().or_else(kept);
    file.map(|file| file.slots)
}

/// The machine for what takes no device: this one if trials run on it, or else the first.
pub(super) fn for_export(settings: &SlotSettings) -> SlotSettings {
    let all = &settings.machines;
    let here = all.iter().find(|machine| machine.launch.is_none());
    SlotSettings {
        threads_per_trial: None,
        machines: vec![MachineSettings {
            // Copying weights needs no GPU, and the memory of those present may be full.
            devices: Devices::Cpu,
            trials_per_device: Some(1),
            ..here.or(all.first()).cloned().unwrap_or_default()
        }],
    }
}

/// Looks at a machine that is not this one.
fn elsewhere(
    number: usize,
    settings: &MachineSettings,
    launch: &LaunchSettings,
    wanted: &Wanted<'_>,
    needs: &Needs<'_>,
) -> Result<Site, Wrong> {
    let wrong = |message: String, help: String| Wrong {
        message: format!(
            "{}: `{}`: {message}",
            settings.place.as_deref().unwrap_or("slots"),
            command(&launch.command)
        ),
        help,
    };
    let found = probe(number, settings, launch, wanted);
    let Found {
        site,
        clock_ahead,
        inputs,
    } = found.map_err(|error: ProbeError| wrong(error.to_string(), error.help(launch)))?;
    let host = site.host.clone().unwrap_or_default();
    let different = needs.origin.map_or(Vec::new(), |origin| {
        origin::wrong_there(origin, needs.trainer, needs.name, &inputs)
    });
    if !different.is_empty() {
        let help = format!("the files must be the same on {host} as here, at the same paths");
        return Err(wrong(format!("on {host}, {}", different.join("; ")), help));
    }
    if clock_ahead.unsigned_abs() > CLOCK {
        let (off, seconds) = match clock_ahead > 0 {
            true => ("ahead", clock_ahead.unsigned_abs() / 1000),
            false => ("behind", clock_ahead.unsigned_abs() / 1000),
        };
        notify(&format!(
            "note: the clock of {host} is {seconds} seconds {off} of the one here. The study's times are taken here, but those in files \
             that are written there are not"
        ));
    }
    Ok(site)
}

/// Why a machine can't train, and what to do about it.
#[derive(Debug)]
struct Wrong {
    message: String,
    help: String,
}

impl Wrong {
    fn panicked() -> Self {
        Self {
            message: "looking at a machine has panicked".to_owned(),
            help: "this is a mistake in hpo: please report it".to_owned(),
        }
    }

    fn all(wrong: Vec<Self>) -> CliError {
        let messages: Vec<&str> = wrong.iter().map(|one| one.message.as_str()).collect();
        let mut helps: Vec<&str> = wrong.iter().map(|one| one.help.as_str()).collect();
        helps.dedup();
        CliError::usage(messages.join("\n"), helps.join("\n"))
    }
}
