//! The machines of a study: looked at before anything is trained on them.

use std::path::Path;
use std::sync::Arc;

use super::{CliError, origin};
use crate::devices::{Devices, LaunchSettings, MachineSettings, Reach, SlotSettings, SlurmSettings};
use crate::disk::create_directories;
use crate::executor::agent::{Found, ProbeError, Wanted, probe};
use crate::executor::{
    CommandLauncher, Gpu, Launcher, LocalLauncher, Look, Machine, Site, Slot, SlurmError, SlurmLauncher, Threads,
    Unfit, slots, step, would_take,
};
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
        if settings.machines.iter().any(|machine| machine.reach != Reach::Here) {
            create_directories(&seen).map_err(io)?;
        }
        let inputs = needs.origin.map_or(&[][..], |origin| &origin.inputs);
        let wanted = Wanted {
            directory: &seen,
            trainer: needs.trainer,
            roles: inputs.iter().map(|input| input.role.clone()).collect(),
        };
        let tables: Vec<&SlurmSettings> = settings.machines.iter().filter_map(of_slurm).collect();
        let found: Vec<Result<Site, Wrong>> = std::thread::scope(|scope| {
            let look = |(number, machine): (usize, &'_ MachineSettings)| {
                let (machine, wanted, tables) = (machine.clone(), &wanted, &tables);
                scope.spawn(move || match &machine.reach {
                    Reach::Here => Ok(Site::this(machine)),
                    Reach::Launch(launch) => elsewhere(number, &machine, launch, wanted, needs),
                    Reach::Slurm(slurm) => by_slurm((number, &machine), slurm, tables, wanted, needs),
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
            let (launcher, host): (Arc<dyn Launcher>, _) = match &settings.reach {
                Reach::Here => return Site::this(settings.clone()),
                Reach::Launch(launch) => (
                    Arc::new(CommandLauncher::new(launch.clone())),
                    launch.command.last().cloned(),
                ),
                Reach::Slurm(_) => (Arc::new(LocalLauncher), None),
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
                launcher,
                host,
            }
        };
        Self {
            sites: settings.machines.iter().map(assume).collect(),
            threads: settings.threads_per_trial,
        }
    }

    /// Whether this machine is one of them.
    pub(super) fn has_this(&self) -> bool {
        self.sites.iter().any(|site| site.settings.reach == Reach::Here)
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
    let here = all.iter().find(|machine| machine.reach == Reach::Here);
    let mut machine = here.or(all.first()).cloned().unwrap_or_default();
    machine.have_one_slot();
    // Copying weights needs no GPU, and the memory of those present may be full.
    machine.devices = Devices::Cpu;
    SlotSettings {
        threads_per_trial: None,
        machines: vec![machine],
    }
}

/// What a table asks of Slurm, if it does.
fn of_slurm(machine: &MachineSettings) -> Option<&SlurmSettings> {
    match &machine.reach {
        Reach::Slurm(slurm) => Some(slurm),
        Reach::Here | Reach::Launch(_) => None,
    }
}

/// Whether Slurm would take the jobs that the tables ask for, as far as that can be found out here.
///
/// # Errors
/// If it would not.
pub(super) fn ask_slurm(settings: &SlotSettings) -> Result<(), CliError> {
    for machine in &settings.machines {
        let Some(slurm) = of_slurm(machine).filter(|slurm| slurm.submit != Some(false)) else {
            continue;
        };
        let place = place(machine);
        match would_take(slurm) {
            Ok(()) => notify(&format!("{place}: Slurm would take these jobs")),
            Err(error @ (SlurmError::Missing(..) | SlurmError::Away(_))) => notify(&format!(
                "note: {place}: whether Slurm would take these jobs can't be found out: {error}"
            )),
            Err(error @ (SlurmError::Refused { .. } | SlurmError::TooLong { .. })) => {
                return Err(CliError::usage(format!("{place}: {error}"), error.help()));
            }
        }
    }
    Ok(())
}

/// Where a table is, for messages.
fn place(machine: &MachineSettings) -> &str {
    machine.place.as_deref().unwrap_or("slots")
}

/// Machines that Slurm gives: as steps of the job that this runs in, or as jobs, which are looked at once they run.
fn by_slurm(
    (number, settings): (usize, &MachineSettings),
    slurm: &SlurmSettings,
    tables: &[&SlurmSettings],
    wanted: &Wanted<'_>,
    needs: &Needs<'_>,
) -> Result<Site, Wrong> {
    let inside = std::env::var_os("SLURM_JOB_ID").is_some();
    if !slurm.submit.unwrap_or(!inside) {
        return match inside {
            true => elsewhere(number, settings, &step(slurm), wanted, needs),
            false => Err(Wrong {
                message: format!(
                    "{}: `submit = false` asks for steps of the job that hpo runs in, and it runs in none",
                    place(settings)
                ),
                help: "run hpo in an allocation, such as `salloc` makes, or leave out `submit`".to_owned(),
                again: false,
            }),
        };
    }
    would_take(slurm).map_err(|error| Wrong {
        message: format!("{}: {error}", place(settings)),
        help: error.help().to_owned(),
        again: false,
    })?;
    Ok(Site {
        machine: Machine {
            gpus: Vec::new(),
            cores: slurm.cpus as usize,
            complaints: Vec::new(),
        },
        settings: settings.clone(),
        launcher: Arc::new(SlurmLauncher::new(
            slurm.clone(),
            tables,
            later(settings, wanted, needs),
        )),
        host: None,
    })
}

/// A look at machines of a table that are there only later.
fn later(settings: &MachineSettings, wanted: &Wanted<'_>, needs: &Needs<'_>) -> Arc<Look> {
    let (directory, roles) = (wanted.directory.to_owned(), wanted.roles.clone());
    let (settings, trainer, origin) = (settings.clone(), needs.trainer.clone(), needs.origin.cloned());
    let name = needs.name.to_owned();
    Arc::new(move |number, launch| {
        let wanted = Wanted {
            directory: &directory,
            trainer: &trainer,
            roles: roles.clone(),
        };
        let needs = Needs {
            seen: &directory,
            name: &name,
            trainer: &trainer,
            origin: origin.as_ref(),
        };
        match look(number, &settings, launch, &wanted, &needs) {
            Ok((_, remark)) => Ok(remark.into_iter().collect()),
            Err(Wrong { message, help, again }) => Err(Unfit {
                message: format!("{message}; {help}"),
                again,
            }),
        }
    })
}

/// Looks at a machine that is not this one, and says what is odd about it.
fn elsewhere(
    number: usize,
    settings: &MachineSettings,
    launch: &LaunchSettings,
    wanted: &Wanted<'_>,
    needs: &Needs<'_>,
) -> Result<Site, Wrong> {
    let (site, remark) = look(number, settings, launch, wanted, needs)?;
    remark.iter().for_each(|remark| notify(&format!("note: {remark}")));
    Ok(site)
}

/// Looks at a machine that is not this one; returns what is odd about it too.
fn look(
    number: usize,
    settings: &MachineSettings,
    launch: &LaunchSettings,
    wanted: &Wanted<'_>,
    needs: &Needs<'_>,
) -> Result<(Site, Option<String>), Wrong> {
    let wrong = |message: String, help: String| Wrong {
        message: format!("{}: `{}`: {message}", place(settings), command(&launch.command)),
        help,
        again: false,
    };
    let found = probe(number, settings, launch, wanted);
    let Found {
        site,
        clock_ahead,
        inputs,
    } = found.map_err(|error: ProbeError| Wrong {
        again: matches!(error, ProbeError::NoAnswer(_) | ProbeError::Launch(_)),
        ..wrong(error.to_string(), error.help(launch))
    })?;
    let host = site.host.clone().unwrap_or_default();
    let different = needs.origin.map_or(Vec::new(), |origin| {
        origin::wrong_there(origin, needs.trainer, needs.name, &inputs)
    });
    if !different.is_empty() {
        let help = format!("the files must be the same on {host} as here, at the same paths");
        return Err(wrong(format!("on {host}, {}", different.join("; ")), help));
    }
    let remark = (clock_ahead.unsigned_abs() > CLOCK).then(|| {
        let (off, seconds) = match clock_ahead > 0 {
            true => ("ahead", clock_ahead.unsigned_abs() / 1000),
            false => ("behind", clock_ahead.unsigned_abs() / 1000),
        };
        format!(
            "the clock of {host} is {seconds} seconds {off} of the one here. The study's times are taken here, but those in files that \
             are written there are not"
        )
    });
    Ok((site, remark))
}

/// Why a machine can't train, and what to do about it.
#[derive(Debug)]
struct Wrong {
    message: String,
    help: String,
    /// Whether it may only not have answered this time.
    again: bool,
}

impl Wrong {
    fn panicked() -> Self {
        Self {
            message: "looking at a machine has panicked".to_owned(),
            help: "this is a mistake in hpo: please report it".to_owned(),
            again: false,
        }
    }

    fn all(wrong: Vec<Self>) -> CliError {
        let messages: Vec<&str> = wrong.iter().map(|one| one.message.as_str()).collect();
        let mut helps: Vec<&str> = wrong.iter().map(|one| one.help.as_str()).collect();
        helps.dedup();
        CliError::usage(messages.join("\n"), helps.join("\n"))
    }
}
