//! Finding the GPUs of this machine through NVML, the driver's own library.

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;
use serde::{Deserialize, Serialize};

/// A GPU as the driver describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Its number, as `nvidia-smi` shows it.
    pub index: u32,
    /// The driver's identifier, `GPU-…`: the same whatever order CUDA counts in.
    pub uuid: String,
    /// The model.
    pub name: String,
}

impl Gpu {
    /// The variable that says which GPUs a process sees, by numbers or identifiers.
    pub(super) const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";
}

/// The memory of a GPU, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GpuMemory {
    /// What all processes together have of it.
    pub used: u64,
    /// All of it.
    pub total: u64,
}

impl GpuMemory {
    /// That of a GPU of this machine, as it is now; none if the driver does not say.
    pub fn of(gpu: &Gpu) -> Option<Self> {
        let memory = Nvml::init()
            .and_then(|driver| driver.device_by_uuid(gpu.uuid.as_str())?.memory_info())
            .ok()?;
        Some(Self {
            used: memory.used,
            total: memory.total,
        })
    }
}

/// What NVML is asked for; a test answers in its place.
pub(super) trait GpuDriver {
    /// How many GPUs there are.
    ///
    /// # Errors
    /// Whatever the driver says.
    fn count(&self) -> Result<u32, NvmlError>;

    /// One of them.
    ///
    /// # Errors
    /// Whatever the driver says; a GPU that has fallen off the bus, say.
    fn gpu(&self, index: u32) -> Result<Gpu, NvmlError>;
}

impl GpuDriver for Nvml {
    fn count(&self) -> Result<u32, NvmlError> {
        self.device_count()
    }

    fn gpu(&self, index: u32) -> Result<Gpu, NvmlError> {
        let device = self.device_by_index(index)?;
        Ok(Gpu {
            index,
            uuid: device.uuid()?,
            name: device.name()?,
        })
    }
}

/// The GPUs of this machine that can be used, and the complaints about those that can't.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Usable GPUs, by index.
    pub gpus: Vec<Gpu>,
    /// One sentence for each GPU that is there but can't be used, or for the driver itself.
    pub complaints: Vec<String>,
}

/// Looks for GPUs. A machine without a driver has none, which is no complaint.
pub(super) fn find() -> Found {
    list(Nvml::init().as_ref())
}

/// The GPUs that a driver lists, if it could be loaded.
fn list(driver: Result<&impl GpuDriver, &NvmlError>) -> Found {
    let mut found = Found::default();
    let driver = match driver {
        Ok(driver) => driver,
        Err(NvmlError::LibloadingError(_) | NvmlError::DriverNotLoaded | NvmlError::LibraryNotFound) => return found,
        Err(error) => {
            found
                .complaints
                .push(format!("the GPU driver does not answer: {error}"));
            return found;
        }
    };
    match driver.count() {
        Ok(count) => {
            for index in 0..count {
                match driver.gpu(index) {
                    Ok(gpu) => found.gpus.push(gpu),
                    Err(error) => found.complaints.push(format!("GPU {index} can't be used: {error}")),
                }
            }
        }
        Err(error) => found
            .complaints
            .push(format!("the GPU driver does not count its GPUs: {error}")),
    }
    found
}

/// Those of `gpus` that `CUDA_VISIBLE_DEVICES` leaves to this process: all if it is not set. As in CUDA, an entry is a
/// number or the beginning of an identifier, and the first that fits nothing ends the list.
pub(super) fn visible(gpus: Vec<Gpu>, cuda_visible_devices: Option<&str>) -> Vec<Gpu> {
    let Some(list) = cuda_visible_devices else {
        return gpus;
    };
    list.split(',')
        .map_while(|entry| {
            let entry = entry.trim();
            let fits = |gpu: &&Gpu| match entry.parse::<u32>() {
                Ok(index) => gpu.index == index,
                Err(_) => !entry.is_empty() && gpu.uuid.starts_with(entry),
            };
            gpus.iter().find(fits).cloned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(Result<Vec<Result<Gpu, NvmlError>>, NvmlError>);

    impl GpuDriver for Fake {
        fn count(&self) -> Result<u32, NvmlError> {
            match &self.0 {
                Ok(gpus) => Ok(gpus.len() as u32),
                Err(_) => Err(NvmlError::Unknown),
            }
        }

        fn gpu(&self, index: u32) -> Result<Gpu, NvmlError> {
            match &self.0.as_ref().unwrap()[index as usize] {
                Ok(gpu) => Ok(gpu.clone()),
                Err(_) => Err(NvmlError::GpuLost),
            }
        }
    }

    fn gpu(index: u32) -> Gpu {
        Gpu {
            index,
            uuid: format!("GPU-{index}f00-ba12"),
            name: "NVIDIA A100".into(),
        }
    }

    #[test]
    fn a_lost_gpu_is_reported_and_the_others_are_used() {
        let driver = Fake(Ok(vec![Ok(gpu(0)), Err(NvmlError::GpuLost), Ok(gpu(2))]));
        let found = list(Ok(&driver));
        assert_eq!(found.gpus, [gpu(0), gpu(2)]);
        assert_eq!(found.complaints.len(), 1);
        assert!(found.complaints[0].starts_with("GPU 1 can't be used"));
    }

    #[test]
    fn no_driver_is_no_complaint_but_a_broken_one_is() {
        assert_eq!(list(Err::<&Fake, _>(&NvmlError::LibraryNotFound)), Found::default());
        assert_eq!(list(Err::<&Fake, _>(&NvmlError::NoPermission)).complaints.len(), 1);
        assert_eq!(list(Ok(&Fake(Err(NvmlError::Unknown)))).complaints.len(), 1);
    }

    #[test]
    fn this_machine_answers() {
        let found = find();
        let driver = std::path::Path::new("/proc/driver/nvidia/version").exists();
        assert!(driver || found == Found::default(), "{found:?}");
    }

    #[test]
    fn visible_devices_are_read_as_cuda_reads_them() {
        let gpus: Vec<Gpu> = (0..3).map(gpu).collect();
        let seen = |list| visible(gpus.clone(), list).iter().map(|g| g.index).collect::<Vec<_>>();
        assert_eq!(seen(None), [0, 1, 2]);
        assert_eq!(seen(Some("2, 0")), [2, 0]);
        assert_eq!(seen(Some("GPU-1f")), [1]);
        assert_eq!(seen(Some("0,7,1")), [0]);
        assert_eq!(seen(Some("")), [0u32; 0]);
        assert_eq!(seen(Some("-1")), [0u32; 0]);
    }
}
