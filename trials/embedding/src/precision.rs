//! In what numbers a trial computes.

use hpo_protocol::embedding::PrecisionKind;
use tch::{Device, Kind, Tensor};

use crate::error::Result;

/// What `auto` chooses on a device: bfloat16 where it is known to be faster, which are GPUs that have it, and CPUs with
/// instructions for it if a matrix product is then measured to be faster.
pub fn auto(device: Device) -> PrecisionKind {
    let faster = match device {
        Device::Cuda(_) => tch::Cuda::is_available() && bf16_pays(device).unwrap_or(false),
        Device::Cpu => has_bf16() && bf16_pays(device).unwrap_or(false),
        Device::Mps | Device::Vulkan => false,
    };
    if faster {
        PrecisionKind::Bf16
    } else {
        PrecisionKind::Fp32
    }
}

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    // Those with AVX-512 alone have it too, but only the tiles of AMX are known to be much faster.
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    flags
        .lines()
        .any(|line| line.starts_with("flags") && line.split(' ').any(|flag| flag == "amx_bf16"))
}

#[cfg(not(target_arch = "x86_64"))]
fn has_bf16() -> bool {
    false
}

/// Whether a matrix product of the size of a layer takes less than two thirds of the time it takes in f32.
fn bf16_pays(device: Device) -> Result<bool> {
    let time = |kind: Kind| -> Result<std::time::Duration> {
        let left = Tensor::f_ones([1024, 1024], (kind, device))?;
        let mut best = std::time::Duration::MAX;
        for _ in 0..4 {
            let began = std::time::Instant::now();
            // Reading a number waits for the device.
            left.f_matmul(&left)?.f_double_value(&[0, 0])?;
            best = best.min(began.elapsed());
        }
        Ok(best)
    };
    Ok(time(Kind::BFloat16)?.as_secs_f64() * 1.5 < time(Kind::Float)?.as_secs_f64())
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
