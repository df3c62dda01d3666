//! Slots: the places where trials run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gpu::{self, Gpu};
use super::launcher::{Launcher, Leftovers, LocalLauncher};
use crate::devices::{Devices, MachineSettings, Reach, SlurmSettings};
use crate::ids::SlotId;
use crate::words::counted;

/// Unless the user says otherwise, the CPU is divided among at most so many trials: each holds the model, its moments
/// and its activations in memory.
const CPU_SLOTS: usize = 4;

/// Beyond so many threads, feeding a GPU gains nothing.
const THREADS_PER_GPU: usize = 8;

/// A place where one trial can run.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its number.
    pub id: SlotId,
    /// The name of the machine that it is on; none: this one.
    pub host: Option<String>,
    /// What starts its workers. Slots at the same place share one.
    pub launcher: Arc<dyn Launcher>,
    /// Its GPU; none: the CPU.
    pub gpu: Option<Gpu>,
    /// What is asked of Slurm for it, in words: then its devices are what Slurm gives.
    pub job: Option<String>,
    /// CPU threads for its worker.
    pub threads: usize,
    /// How long its worker may be silent while it owes an answer, if the user has set it.
    pub silence: Option<Duration>,
}

impl Slot {
    /// A name for the user.
    pub fn name(&self) -> String {
        if let Some(job) = &self.job {
            return job.clone();
        }
        let device = match &self.gpu {
            Some(gpu) => format!("GPU {} {}", gpu.index, gpu.name),
            None if self.threads == 1 => "CPU, 1 thread".into(),
            None => format!("CPU, {} threads", self.threads),
        };
        match &self.host {
            Some(host) => format!("{host}: {device}"),
            None => device,
        }
    }

    /// The variables that confine its worker to the slot's device and threads. A worker sees no GPU but its own.
    pub fn environment(&self) -> Vec<(String, String)> {
        let threads = self.threads.to_string();
        let seen = (
            Gpu::VISIBLE,
            self.gpu.as_ref().map_or(String::new(), |gpu| gpu.uuid.clone()),
        );
        let common = [
            ("OMP_NUM_THREADS", threads.clone()),
            ("MKL_NUM_THREADS", threads.clone()),
            ("RAYON_NUM_THREADS", threads),
            // Idle OpenMP threads that spin instead of waiting take the cores from the other slots.
            ("OMP_WAIT_POLICY", "passive".into()),
        ];
        let own = Some(seen).filter(|_| self.job.is_none());
        let all = own.into_iter().chain(common);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Ends what earlier workers of a study have left running where these slots are, on all machines at once, and returns how many
/// processes it has ended. The caller has the right to write to the study.
pub fn end_leftovers(slots: &[Slot], study: &Path) -> usize {
    let mut launchers: Vec<&Arc<dyn Launcher>> = Vec::new();
    for slot in slots {
        if !launchers.iter().any(|known| Arc::ptr_eq(known, &slot.launcher)) {
            launchers.push(&slot.launcher);
        }
    }
    std::thread::scope(|scope| {
        let end = |launcher: &'_ Arc<dyn Launcher>| {
            let launcher = Arc::clone(launcher);
            scope.spawn(move || launcher.end_leftovers(study, Leftovers::All))
        };
        let ending: Vec<_> = launchers.into_iter().map(end).collect();
        ending.into_iter().map(|ended| ended.join().unwrap_or(0)).sum()
    })
}

/// Why there are no slots.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// A GPU that was named is not there.
    #[error("there is no GPU {wanted}{}: {}", host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default(), usable(.there))]
    NoSuchGpu {
        /// The number named.
        wanted: u32,
        /// Those that are there.
        there: Vec<u32>,
        /// The machine; none: this one.
        host: Option<String>,
    },
}

fn usable(there: &[u32]) -> String {
    match there {
        [] => "no GPU can be used there; use `devices = \"auto\"` or `\"cpu\"`".into(),
        there => format!("those that can be used are {there:?}"),
    }
}

/// What a machine has, as far as slots are concerned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// GPUs that may be used.
    pub gpus: Vec<Gpu>,
    /// CPU cores that may be used.
    pub cores: usize,
    /// What is wrong with GPUs that are there but can't be used, a sentence each.
    pub complaints: Vec<String>,
}

impl Machine {
    /// What this process may use of this machine.
    pub fn this() -> Self {
        let found = gpu::find();
        let visible = std::env::var(Gpu::VISIBLE).ok();
        Self {
            gpus: gpu::visible(found.gpus, visible.as_deref()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            complaints: found.complaints,
        }
    }
}

/// A machine of a study.
#[derive(Debug, Clone)]
pub struct Site {
    /// What it has.
    pub machine: Machine,
    /// What is to be used of it.
    pub settings: MachineSettings,
    /// What starts workers there.
    pub launcher: Arc<dyn Launcher>,
    /// Its name; none: this machine.
    pub host: Option<String>,
}

/// The numbers of threads per trial that are set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Threads {
    /// By the user, at least 1.
    pub wanted: Option<usize>,
    /// By the study, if it has begun: its number for good, at least 1.
    pub frozen: Option<usize>,
}

/// The slots on all these machines, numbered from 0. Unless the study or the user has set a number of threads, it is the largest with
/// which each machine has threads enough.
///
/// # Errors
/// If a GPU is named that is not there.
pub fn slots(sites: &[Site], threads: Threads) -> Result<Vec<Slot>, SlotError> {
    let on_all = |threads: Threads| -> Result<Vec<Slot>, SlotError> {
        let each = sites.iter().map(|site| site.slots(threads));
        Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
    };
    let mut slots = on_all(threads)?;
    let fewest = slots.iter().map(|slot| slot.threads).min();
    if slots.iter().any(|slot| Some(slot.threads) != fewest) {
        slots = on_all(Threads {
            frozen: fewest,
            ..threads
        })?;
    }
    for (number, slot) in (0..).zip(&mut slots) {
        slot.id = SlotId(number);
    }
    Ok(slots)
}

impl Site {
    /// This machine.
    pub fn this(settings: MachineSettings) -> Self {
        Self {
            machine: Machine::this(),
            settings,
            launcher: Arc::new(LocalLauncher),
            host: None,
        }
    }

    /// The slots that Slurm gives, numbered from 0.
    fn jobs(&self, slurm: &SlurmSettings, threads: Threads) -> Vec<Slot> {
        let cpus = counted(slurm.cpus as usize, "CPU");
        let gres = slurm.gres.as_ref().map_or(String::new(), |gres| format!(", {gres}"));
        let slot = |id| Slot {
            id: SlotId(id),
            host: self.host.clone(),
            launcher: Arc::clone(&self.launcher),
            gpu: None,
            job: Some(format!("Slurm: {cpus}{gres}")),
            threads: threads.frozen.or(threads.wanted).unwrap_or(slurm.cpus as usize),
            silence: self.settings.silence,
        };
        (0..slurm.max_slots).map(slot).collect()
    }

    /// Its slots, numbered from 0.
    fn slots(&self, threads: Threads) -> Result<Vec<Slot>, SlotError> {
        let Self { machine, settings, .. } = self;
        if let Reach::Slurm(slurm) = &settings.reach {
            return Ok(self.jobs(slurm, threads));
        }
        let gpus = match &settings.devices {
            Devices::Auto => machine.gpus.clone(),
            Devices::Cpu => Vec::new(),
            Devices::Gpus(wanted) => wanted
                .iter()
                .map(|&wanted| {
                    let gpu = machine.gpus.iter().find(|gpu| gpu.index == wanted);
                    gpu.cloned().ok_or_else(|| SlotError::NoSuchGpu {
                        wanted,
                        there: machine.gpus.iter().map(|gpu| gpu.index).collect(),
                        host: self.host.clone(),
                    })
                })
                .collect::<Result<_, _>>()?,
        };
        let per_trial = threads.frozen.or(threads.wanted);
        let per_device = settings.trials_per_device.map(|n| n as usize);
        let devices: Vec<Option<Gpu>> = if gpus.is_empty() {
            let count = per_device.unwrap_or_else(|| match (per_trial, threads.wanted) {
                (Some(threads), Some(_)) => machine.cores / threads,
                (Some(threads), None) => (machine.cores / threads).min(CPU_SLOTS),
                (None, _) => machine.cores.min(CPU_SLOTS),
            });
            vec![None; count.max(1)]
        } else {
            let per_device = per_device.unwrap_or(1);
            gpus.into_iter().flat_map(|gpu| vec![Some(gpu); per_device]).collect()
        };
        let share = (machine.cores / devices.len()).max(1);
        Ok((0..)
            .zip(devices)
            .map(|(id, gpu)| Slot {
                id: SlotId(id),
                host: self.host.clone(),
                launcher: Arc::clone(&self.launcher),
                threads: per_trial.unwrap_or(if gpu.is_some() {
                    share.min(THREADS_PER_GPU)
                } else {
                    share
                }),
                silence: settings.silence,
                gpu,
                job: None,
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(gpus: u32, cores: usize) -> Machine {
        let gpus = (0..gpus).map(|index| Gpu {
            index,
            uuid: format!("GPU-{index}"),
            name: "A100".into(),
        });
        Machine {
            gpus: gpus.collect(),
            cores,
            complaints: vec![],
        }
    }

    fn settings(devices: &str, per_device: Option<u32>, threads: Option<usize>) -> (MachineSettings, Option<usize>) {
        let settings = MachineSettings {
            devices: devices.parse().unwrap(),
            trials_per_device: per_device,
            ..MachineSettings::default()
        };
        (settings, threads)
    }

    fn site(machine: &Machine, settings: MachineSettings) -> Site {
        Site {
            machine: machine.clone(),
            settings,
            launcher: Arc::new(LocalLauncher),
            host: None,
        }
    }

    /// (GPU, threads) of each slot.
    fn plan(
        machine: &Machine,
        (settings, wanted): &(MachineSettings, Option<usize>),
        frozen: Option<usize>,
    ) -> Vec<(Option<u32>, usize)> {
        let threads = Threads {
            wanted: *wanted,
            frozen,
        };
        let slots = slots(&[site(machine, settings.clone())], threads).unwrap();
        assert!(slots.iter().enumerate().all(|(n, slot)| slot.id == SlotId(n as u32)));
        slots
            .iter()
            .map(|slot| (slot.gpu.as_ref().map(|gpu| gpu.index), slot.threads))
            .collect()
    }

    #[test]
    fn the_cores_are_divided_among_cpu_slots() {
        assert_eq!(
            plan(&machine(0, 2), &settings("auto", None, None), None),
            [(None, 1); 2]
        );
        assert_eq!(
            plan(&machine(0, 16), &settings("auto", None, None), None),
            [(None, 4); 4]
        );
        assert_eq!(
            plan(&machine(0, 16), &settings("cpu", Some(2), None), None),
            [(None, 8); 2]
        );
        assert_eq!(
            plan(&machine(0, 16), &settings("cpu", None, Some(2)), None),
            [(None, 2); 8]
        );
        assert_eq!(plan(&machine(0, 1), &settings("cpu", None, Some(4)), None), [(None, 4)]);
    }

    #[test]
    fn the_threads_that_a_study_has_frozen_hold_on_another_machine() {
        assert_eq!(
            plan(&machine(0, 16), &settings("auto", None, None), Some(1)),
            [(None, 1); 4]
        );
        assert_eq!(
            plan(&machine(0, 2), &settings("auto", None, None), Some(4)),
            [(None, 4)]
        );
    }

    #[test]
    fn each_gpu_is_a_slot_or_several() {
        let machine = machine(2, 8);
        assert_eq!(
            plan(&machine, &settings("auto", None, None), None),
            [(Some(0), 4), (Some(1), 4)]
        );
        assert_eq!(
            plan(&machine, &settings("1", Some(2), None), None),
            [(Some(1), 4), (Some(1), 4)]
        );
        assert_eq!(plan(&machine, &settings("cpu", Some(1), None), None), [(None, 8)]);
    }

    #[test]
    fn a_worker_sees_its_own_gpu_and_no_other() {
        let of = |devices| {
            let site = site(&machine(2, 8), settings(devices, None, None).0);
            slots(&[site], Threads::default()).unwrap()
        };
        let seen = |slot: &Slot| slot.environment()[0].clone();
        assert_eq!(seen(&of("auto")[1]), ("CUDA_VISIBLE_DEVICES".into(), "GPU-1".into()));
        assert_eq!(seen(&of("cpu")[0]), ("CUDA_VISIBLE_DEVICES".into(), String::new()));
    }

    #[test]
    fn a_gpu_that_is_not_there_is_reported() {
        let mut site = site(&machine(2, 8), settings("0,5", None, None).0);
        let report = |site: &Site| {
            slots(std::slice::from_ref(site), Threads::default())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(report(&site), "there is no GPU 5: those that can be used are [0, 1]");
        site.host = Some("gpu-box".into());
        assert_eq!(
            report(&site),
            "there is no GPU 5 on gpu-box: those that can be used are [0, 1]"
        );
    }

    #[test]
    fn several_machines_have_one_number_of_threads_and_their_slots_are_numbered_through() {
        let sites = [("auto", 0, 2), ("cpu", 1, 16), ("auto", 2, 32)].map(|(devices, gpus, cores)| Site {
            host: Some(format!("with-{cores}")),
            ..site(&machine(gpus, cores), settings(devices, None, None).0)
        });
        let planned = |threads| {
            let slots = slots(&sites, threads).unwrap();
            assert!(slots.iter().enumerate().all(|(n, slot)| slot.id == SlotId(n as u32)));
            let named = slots.iter().map(Slot::name);
            named.collect::<Vec<_>>()
        };
        let cpu = |host: &str, threads: usize, count: usize| {
            let s = if threads == 1 { "" } else { "s" };
            vec![format!("{host}: CPU, {threads} thread{s}"); count]
        };
        let gpus = ["with-32: GPU 0 A100".to_owned(), "with-32: GPU 1 A100".to_owned()];
        let expected = [cpu("with-2", 1, 2), cpu("with-16", 1, 4), gpus.to_vec()].concat();
        assert_eq!(planned(Threads::default()), expected);
        let wanted = Threads {
            wanted: Some(4),
            frozen: None,
        };
        let expected = [cpu("with-2", 4, 1), cpu("with-16", 4, 4), gpus.to_vec()].concat();
        assert_eq!(planned(wanted), expected);
    }
}
