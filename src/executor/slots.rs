//! Slots: the places where trials run.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::gpu::{self, Gpu};
use super::launcher::{Launcher, Leftovers, LocalLauncher};
use crate::devices::{Devices, SlotSettings};
use crate::ids::SlotId;

/// Unless the user says otherwise, the CPU is divided among at most so many trials: each holds the model, its moments
/// and its activations in memory.
const CPU_SLOTS: usize = 4;

/// Beyond so many threads, feeding a GPU gains nothing.
const THREADS_PER_GPU: usize = 8;

/// Whether Python writes what it prints at once. What the user has set stays.
const UNBUFFERED: &str = "PYTHONUNBUFFERED";

/// A place where one trial can run.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its number.
    pub id: SlotId,
    /// What starts its workers. Slots at the same place share one.
    pub launcher: Arc<dyn Launcher>,
    /// Its GPU; none: the CPU.
    pub gpu: Option<Gpu>,
    /// CPU threads for its worker.
    pub threads: usize,
    /// How long its worker may be silent while it owes an answer, if the user has set it.
    pub silence: Option<Duration>,
}

impl Slot {
    /// A name for the user.
    pub fn name(&self) -> String {
        match &self.gpu {
            Some(gpu) => format!("GPU {} {}", gpu.index, gpu.name),
            None if self.threads == 1 => "CPU, 1 thread".into(),
            None => format!("CPU, {} threads", self.threads),
        }
    }

    /// The variables that confine its worker to the slot's device and threads, and have Python send messages as they are printed. A
    /// worker sees no GPU but its own.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let threads = self.threads.to_string();
        let mut environment = vec![
            (
                "CUDA_VISIBLE_DEVICES",
                self.gpu.as_ref().map_or(String::new(), |gpu| gpu.uuid.clone()),
            ),
            ("OMP_NUM_THREADS", threads.clone()),
            ("MKL_NUM_THREADS", threads.clone()),
            ("RAYON_NUM_THREADS", threads),
            // Idle OpenMP threads that spin instead of waiting take the cores from the other slots.
            ("OMP_WAIT_POLICY", "passive".into()),
        ];
        if std::env::var_os(UNBUFFERED).is_none() {
            environment.push((UNBUFFERED, "1".into()));
        }
        environment
    }
}

/// Ends what earlier workers of a study have left running where these slots are, and returns how many processes it has
/// ended. The caller has the right to write to the study.
pub fn end_leftovers(slots: &[Slot], study: &Path) -> usize {
    let mut launchers: Vec<&Arc<dyn Launcher>> = Vec::new();
    for slot in slots {
        if !launchers.iter().any(|known| Arc::ptr_eq(known, &slot.launcher)) {
            launchers.push(&slot.launcher);
        }
    }
    let ended = launchers
        .iter()
        .map(|launcher| launcher.end_leftovers(study, Leftovers::All));
    ended.sum()
}

/// Why there are no slots.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// A GPU that was named is not there.
    #[error("there is no GPU {wanted}: {}", usable(.there))]
    NoSuchGpu {
        /// The number named.
        wanted: u32,
        /// Those that are there.
        there: Vec<u32>,
    },
}

fn usable(there: &[u32]) -> String {
    match there {
        [] => "no GPU can be used on this machine; use --devices auto or cpu".into(),
        there => format!("those that can be used are {there:?}"),
    }
}

/// The machine, as far as slots are concerned.
#[derive(Debug)]
pub struct Machine {
    /// GPUs that this process may use.
    pub gpus: Vec<Gpu>,
    /// CPU cores that this process may use.
    pub cores: usize,
    /// What is wrong with GPUs that are there but can't be used, a sentence each.
    pub complaints: Vec<String>,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let found = gpu::find();
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        Self {
            gpus: gpu::visible(found.gpus, visible.as_deref()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            complaints: found.complaints,
        }
    }

    /// The slots on this machine that the settings ask for. `threads` is what the study has frozen, if it has begun.
    ///
    /// # Errors
    /// If a GPU is named that is not there.
    pub fn slots(&self, settings: &SlotSettings, threads: Option<usize>) -> Result<Vec<Slot>, SlotError> {
        let gpus = match &settings.devices {
            Devices::Auto => self.gpus.clone(),
            Devices::Cpu => Vec::new(),
            Devices::Gpus(wanted) => wanted
                .iter()
                .map(|&wanted| {
                    let gpu = self.gpus.iter().find(|gpu| gpu.index == wanted);
                    gpu.cloned().ok_or_else(|| SlotError::NoSuchGpu {
                        wanted,
                        there: self.gpus.iter().map(|gpu| gpu.index).collect(),
                    })
                })
                .collect::<Result<_, _>>()?,
        };
        let threads = threads.or(settings.threads_per_trial);
        let per_device = settings.trials_per_device.map(|n| n as usize);
        let devices: Vec<Option<Gpu>> = if gpus.is_empty() {
            let count = per_device.unwrap_or_else(|| match (threads, settings.threads_per_trial) {
                (Some(threads), Some(_)) => self.cores / threads,
                (Some(threads), None) => (self.cores / threads).min(CPU_SLOTS),
                (None, _) => self.cores.min(CPU_SLOTS),
            });
            vec![None; count.max(1)]
        } else {
            let per_device = per_device.unwrap_or(1);
            gpus.into_iter().flat_map(|gpu| vec![Some(gpu); per_device]).collect()
        };
        let share = (self.cores / devices.len()).max(1);
        let launcher: Arc<dyn Launcher> = Arc::new(LocalLauncher);
        Ok((0..)
            .zip(devices)
            .map(|(id, gpu)| Slot {
                id: SlotId(id),
                launcher: Arc::clone(&launcher),
                threads: threads.unwrap_or(if gpu.is_some() {
                    share.min(THREADS_PER_GPU)
                } else {
                    share
                }),
                silence: settings.silence,
                gpu,
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

    fn settings(devices: &str, trials_per_device: Option<u32>, threads_per_trial: Option<usize>) -> SlotSettings {
        SlotSettings {
            devices: devices.parse().unwrap(),
            trials_per_device,
            threads_per_trial,
            silence: None,
        }
    }

    /// (GPU, threads) of each slot.
    fn plan(machine: &Machine, settings: &SlotSettings, frozen: Option<usize>) -> Vec<(Option<u32>, usize)> {
        let slots = machine.slots(settings, frozen).unwrap();
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
        let slots = machine(2, 8).slots(&settings("auto", None, None), None).unwrap();
        let seen = |slot: &Slot| slot.environment()[0].clone();
        assert_eq!(seen(&slots[1]), ("CUDA_VISIBLE_DEVICES", "GPU-1".into()));
        let cpu = machine(2, 8).slots(&settings("cpu", None, None), None).unwrap();
        assert_eq!(seen(&cpu[0]), ("CUDA_VISIBLE_DEVICES", String::new()));
    }

    #[test]
    fn a_gpu_that_is_not_there_is_reported() {
        let error = machine(2, 8).slots(&settings("0,5", None, None), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no GPU 5: those that can be used are [0, 1]"
        );
    }
}
