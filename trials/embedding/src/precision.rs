//! In what numbers a trial computes.

use std::ffi::c_int;

use hpo_protocol::embedding::PrecisionKind;
use libloading::Library;
use tch::{Device, Kind};

/// What `auto` chooses on a device: bfloat16 on GPUs that are made for it. It depends on the kind of device alone, so that all workers of
/// a study choose the same, whatever else their machine does.
pub fn auto(device: Device) -> PrecisionKind {
    match device {
        Device::Cuda(number) if compute_capability(number).is_some_and(|major| major >= BF16_SINCE) => {
            PrecisionKind::Bf16
        }
        // On CPUs the kernels of this crate, which compute in f32, are faster, even where the processor has AMX.
        Device::Cuda(_) | Device::Cpu | Device::Mps | Device::Vulkan => PrecisionKind::Fp32,
    }
}

/// The compute capability from which GPUs multiply matrices of bfloat16 (Ampere): before, it is emulated.
const BF16_SINCE: c_int = 8;

/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` of the CUDA driver.
const COMPUTE_CAPABILITY_MAJOR: c_int = 75;

/// The first number of the compute capability of a GPU that this process sees; none if the driver does not tell.
fn compute_capability(number: usize) -> Option<c_int> {
    type Init = unsafe extern "C" fn(u32) -> c_int;
    type DeviceGet = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
    type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
    let ordinal = c_int::try_from(number).ok()?;
    let (mut device, mut major) = (0, 0);
    // SAFETY: these are the signatures of the driver's functions in cuda.h; libtorch has loaded the driver if there is a GPU, and
    // initialising it twice does nothing.
    let errors = unsafe {
        let driver = Library::new("libcuda.so.1").ok()?;
        let init = driver.get::<Init>(b"cuInit\0").ok()?;
        let get = driver.get::<DeviceGet>(b"cuDeviceGet\0").ok()?;
        let attribute = driver.get::<Attribute>(b"cuDeviceGetAttribute\0").ok()?;
        [
            init(0),
            get(&mut device, ordinal),
            attribute(&mut major, COMPUTE_CAPABILITY_MAJOR, device),
        ]
    };
    (errors == [0; 3]).then_some(major)
}

/// The numbers of a precision's matrix products.
pub fn kind(precision: PrecisionKind) -> Kind {
    match precision {
        PrecisionKind::Auto | PrecisionKind::Fp32 => Kind::Float,
        PrecisionKind::Bf16 => Kind::BFloat16,
        PrecisionKind::Fp16 => Kind::Half,
    }
}

/// Good steps after which the scale is doubled.
const PATIENCE: u64 = 2000;

/// The scale of losses that keeps small gradients above what 16 bits can hold (Micikevicius et al., 2018, section 3.2):
/// halved whenever gradients overflow, doubled after many that do not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaler {
    /// The scale.
    pub scale: f64,
    /// Steps since it was changed.
    pub good: u64,
}

impl Scaler {
    /// The scale at the beginning: above 1 only for fp16.
    pub fn new(precision: PrecisionKind) -> Self {
        Self {
            scale: if precision == PrecisionKind::Fp16 { 65536.0 } else { 1.0 },
            good: 0,
        }
    }

    /// Takes in whether the gradients of a step were finite. The answer is whether training can continue: it can't if they
    /// are not even at a scale of 1.
    pub fn observe(&mut self, precision: PrecisionKind, finite: bool) -> bool {
        if precision != PrecisionKind::Fp16 {
            return finite;
        }
        if !finite {
            let can_shrink = self.scale > 1.0;
            *self = Self {
                scale: (self.scale / 2.0).max(1.0),
                good: 0,
            };
            return can_shrink;
        }
        self.good += 1;
        if self.good >= PATIENCE {
            *self = Self {
                scale: self.scale * 2.0,
                good: 0,
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_kind_of_device_decides_what_auto_is() {
        assert_eq!(auto(Device::Cpu), PrecisionKind::Fp32);
        // There is no such GPU.
        assert_eq!(auto(Device::Cuda(1 << 20)), PrecisionKind::Fp32);
    }

    #[test]
    fn the_scale_shrinks_at_overflow_and_grows_again() {
        let mut scaler = Scaler::new(PrecisionKind::Fp16);
        assert!(scaler.observe(PrecisionKind::Fp16, false));
        assert_eq!(scaler.scale, 32768.0);
        for _ in 0..PATIENCE {
            assert!(scaler.observe(PrecisionKind::Fp16, true));
        }
        assert_eq!(scaler, Scaler::new(PrecisionKind::Fp16));
        while scaler.scale > 1.0 {
            assert!(scaler.observe(PrecisionKind::Fp16, false));
        }
        assert!(!scaler.observe(PrecisionKind::Fp16, false));
        let mut plain = Scaler::new(PrecisionKind::Bf16);
        assert!(plain.observe(PrecisionKind::Bf16, true) && !plain.observe(PrecisionKind::Bf16, false));
        assert_eq!(plain.scale, 1.0);
    }
}
