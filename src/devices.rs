//! Which devices trials run on, as the user names them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Where trials run; not a part of what the study is, except that the threads per trial become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSettings {
    /// CPU threads per trial, at least 1, on all machines; none to choose it.
    pub threads_per_trial: Option<usize>,
    /// The machines, at least one.
    pub machines: Vec<MachineSettings>,
}

impl Default for SlotSettings {
    fn default() -> Self {
        Self {
            threads_per_trial: None,
            machines: vec![MachineSettings::default()],
        }
    }
}

/// A machine on which trials run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineSettings {
    /// Where the study's file says so, for messages: the file and the line.
    pub place: Option<String>,
    /// How a program is started there.
    pub reach: Reach,
    /// The devices.
    pub devices: Devices,
    /// How many trials share a device, at least 1; none to choose it.
    pub trials_per_device: Option<u32>,
    /// How long a worker may be silent while it owes an answer; none to choose it.
    pub silence: Option<Duration>,
}

impl MachineSettings {
    /// Makes it a machine with one slot on each of its devices, or one in all if Slurm gives them.
    pub fn have_one_slot(&mut self) {
        match &mut self.reach {
            Reach::Slurm(slurm) => (slurm.max_slots, slurm.min_slots) = (1, 1),
            Reach::Here | Reach::Launch(_) => self.trials_per_device = Some(1),
        }
    }
}

/// How a program is started on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reach {
    /// It is this machine.
    #[default]
    Here,
    /// By a command.
    Launch(LaunchSettings),
    /// It is whatever machines Slurm gives.
    Slurm(SlurmSettings),
}

/// What is asked of Slurm for each slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlurmSettings {
    /// As [`LaunchSettings::hpo`].
    pub hpo: String,
    /// How many slots there are at most, at least 1.
    pub max_slots: u32,
    /// How many of them must be there before anything is trained, from 1 to `max_slots`.
    pub min_slots: u32,
    /// Whether each slot is a job, rather than a step of the job that `hpo` runs in; none to choose it.
    pub submit: Option<bool>,
    /// The partition; none: the usual one.
    pub partition: Option<String>,
    /// The account; none: the user's own.
    pub account: Option<String>,
    /// Generic resources, such as `gpu:1`.
    pub gres: Option<String>,
    /// CPUs, at least 1.
    pub cpus: u32,
    /// Memory, such as `16G`.
    pub memory: Option<String>,
    /// How long a job may run, in minutes, at least 1; none: as long as the partition says.
    pub minutes: Option<u64>,
    /// Further arguments.
    pub arguments: Vec<String>,
}

/// A command that starts a program somewhere else, with its standard streams connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchSettings {
    /// The command, which what is to be started there is added to; at least one word.
    pub command: Vec<String>,
    /// What `hpo` is there: a name on the `PATH`, or an absolute path. No shell changes any of its characters.
    pub hpo: String,
}

/// The devices that trials run on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Devices {
    /// All GPUs there are, or the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPUs with these numbers: at least one, all different.
    Gpus(Vec<u32>),
}

/// What is wrong with a text that should name devices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DevicesError {
    /// Neither a known word nor numbers.
    #[error("write \"auto\", \"cpu\" or the numbers of GPUs such as \"0,1\"")]
    Unknown,
    /// A number that is there twice.
    #[error("GPU {0} is named twice; use trials_per_device to put several trials on one GPU")]
    Twice(u32),
}

impl FromStr for Devices {
    type Err = DevicesError;

    fn from_str(text: &str) -> Result<Self, DevicesError> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            numbers => Self::gpus(numbers.split(',').map(|number| number.trim().parse().ok())),
        }
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpus(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
                f.write_str(&numbers.join(","))
            }
        }
    }
}

impl Devices {
    /// The GPUs with these numbers; none stands for a text that is no number.
    ///
    /// # Errors
    /// If there is no number, something else than a number, or one is there twice.
    pub(crate) fn gpus(numbers: impl IntoIterator<Item = Option<u32>>) -> Result<Self, DevicesError> {
        let mut gpus = Vec::new();
        for number in numbers {
            let number = number.ok_or(DevicesError::Unknown)?;
            if gpus.contains(&number) {
                return Err(DevicesError::Twice(number));
            }
            gpus.push(number);
        }
        if gpus.is_empty() {
            Err(DevicesError::Unknown)
        } else {
            Ok(Self::Gpus(gpus))
        }
    }
}
