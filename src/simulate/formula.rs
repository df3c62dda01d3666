//! Learning curves that are formulas.

use std::f64::consts::PI;

use hpo_data::mix;
use hpo_protocol::Values;
use hpo_protocol::embedding::Parameters;

/// A formula that gives every configuration a learning curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formula {
    /// The curve of a fine-tuned text encoder over 27 epochs, with noise, overfitting and divergence at high learning rates:
    /// a function of `learning_rate`, `batch_size`, `dropout`, `weight_decay` and `margin`.
    Curve,
    /// The three-dimensional Hartmann function with a fidelity (Kandasamy et al., "Multi-fidelity Bayesian Optimisation with
    /// Continuous Approximations", 2017, appendix) and noise; `x1` to `x3` lie in 0 to 1.
    Hartmann3,
    /// The same in six dimensions, `x1` to `x6`.
    Hartmann6,
}

/// A parameter that the objective needs is not a number in the configuration.
#[derive(Debug, thiserror::Error)]
#[error("this objective needs a number for the parameter `{parameter}`")]
pub struct Missing {
    /// Its name.
    pub parameter: String,
}

/// The curve that a formula gives a configuration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FormulaCurve {
    formula: Formula,
    numbers: Vec<f64>,
    hash: u64,
}

/// The resource at which [`Formula::Curve`] and Hartmann's fidelity end.
pub(super) const END: f64 = 27.0;

impl Formula {
    /// The names of the parameters it needs.
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Curve => &["learning_rate", "batch_size", "dropout", "weight_decay", "margin"],
            Self::Hartmann3 => &["x1", "x2", "x3"],
            Self::Hartmann6 => &["x1", "x2", "x3", "x4", "x5", "x6"],
        }
    }

    /// The lowest loss without noise at the end, at the best configuration there is.
    pub fn optimum(self) -> f64 {
        match self {
            Self::Curve => 0.209_563_587_7,
            Self::Hartmann3 => -3.862_779_786,
            Self::Hartmann6 => -3.322_368_011,
        }
    }

    /// What the embedding trainer takes for those of its parameters that a study does not have.
    fn usual(self, name: &str) -> Option<f64> {
        let usual = Parameters::default();
        match (self, name) {
            (Self::Curve, "learning_rate") => Some(usual.learning_rate),
            (Self::Curve, "batch_size") => Some(usual.batch_size as f64),
            (Self::Curve, "dropout") => Some(usual.dropout),
            (Self::Curve, "weight_decay") => Some(usual.weight_decay),
            (Self::Curve, "margin") => Some(usual.margin),
            _ => None,
        }
    }

    /// The curve of a configuration. `seed` decides the noise where the configuration does not. Of the parameters that it lacks,
    /// [`Formula::Curve`] takes the embedding trainer's defaults, unless it lacks them all.
    ///
    /// # Errors
    /// If a parameter is missing or not a number.
    pub(super) fn curve(self, configuration: &Values, seed: u64) -> Result<FormulaCurve, Missing> {
        let has_one = self.parameters().iter().any(|name| configuration.contains_key(*name));
        let number = |&name: &&str| {
            let given = match configuration.get(name) {
                Some(given) => given.as_f64(),
                None => self.usual(name).filter(|_| has_one),
            };
            given.ok_or_else(|| Missing {
                parameter: name.to_owned(),
            })
        };
        let numbers = self.parameters().iter().map(number).collect::<Result<Vec<_>, _>>()?;
        let start = match self {
            Self::Curve => 0x6870_6F2D_6375_7276,
            Self::Hartmann3 | Self::Hartmann6 => seed,
        };
        let hash = numbers.iter().fold(start, |hash, number| mix(hash ^ number.to_bits()));
        Ok(FormulaCurve {
            formula: self,
            numbers,
            hash,
        })
    }
}

impl FormulaCurve {
    /// The curve of the same configuration with the noise of another run.
    pub fn with_noise_of(self, seed: u64) -> Self {
        let hash = mix(self.hash ^ seed);
        Self { hash, ..self }
    }

    /// The loss at a resource, which is the `t`-th epoch; `t` is above 0 and need not be whole.
    pub fn loss(&self, resource: u64, t: f64) -> f64 {
        let noise = match self.formula {
            Formula::Curve => 0.002 + 0.008 / t.sqrt(),
            Formula::Hartmann3 | Formula::Hartmann6 => 0.02,
        };
        self.clean(t) + noise * self.noise(resource)
    }

    /// How much worse the configuration is than the best one, at the end and without noise.
    pub fn regret(&self) -> f64 {
        self.clean(END) - self.formula.optimum()
    }

    fn clean(&self, t: f64) -> f64 {
        match self.formula {
            Formula::Curve => encoder(&self.numbers, t),
            // The fidelity rises with the resource from a third to 1.
            Formula::Hartmann3 => hartmann(&HARTMANN3, &self.numbers, t / END),
            Formula::Hartmann6 => hartmann(&HARTMANN6, &self.numbers, t / END),
        }
    }

    /// A number of mean 0 and variance 1: the sum of four uniform ones (Irwin and Hall).
    fn noise(&self, resource: u64) -> f64 {
        let mut z = self.hash ^ resource.wrapping_mul(0xD134_2543_DE82_EF95);
        let mut sum = 0.0;
        for _ in 0..4 {
            z = mix(z);
            sum += (z >> 11) as f64 / (1u64 << 53) as f64;
        }
        (sum - 2.0) * 3f64.sqrt()
    }
}

/// The loss of a fine-tuned encoder after `t` epochs: a floor that depends on the configuration, a power law down to it, the
/// rise of overfitting, and a gate to divergence.
fn encoder(numbers: &[f64], t: f64) -> f64 {
    let &[rate, batch, dropout, decay, margin] = numbers else {
        return f64::NAN;
    };
    let b = (batch / 32.0).log2();
    let u = rate.log10() - 0.15 * b;
    let x = u + 4.4;
    let w = decay.log10();
    let floor = 0.20
        + 0.060 * x * x
        + 0.60 * (dropout - 0.18).powi(2)
        + 0.006 * (w + 2.6).powi(2)
        + 0.12 * (margin - 0.35 - 0.08 * x).powi(2)
        - 0.008 * b;
    let speed = 0.9 * 10f64.powf(0.7 * x) * (1.0 - 0.8 * dropout) * 2f64.powf(-0.25 * b);
    let overfit = 0.12 * (-dropout / 0.10).exp() / (1.0 + (decay / 1e-3).sqrt()) * (t / END).powi(2);
    let good = floor + (1.0 - floor) * (1.0 + speed * t).powf(-1.3) + overfit;
    let gate = 1.0 / (1.0 + (-10.0 * (u + 3.45 + 0.05 * b)).exp());
    (1.0 - gate) * good + gate * (1.0 + 0.02 * t)
}

/// The weights, scales and centres of the bumps of a Hartmann function.
struct Bumps<const D: usize> {
    scales: [[f64; D]; 4],
    centres: [[f64; D]; 4],
}

const HARTMANN3: Bumps<3> = Bumps {
    scales: [
        [3.0, 10.0, 30.0],
        [0.1, 10.0, 35.0],
        [3.0, 10.0, 30.0],
        [0.1, 10.0, 35.0],
    ],
    centres: [
        [0.3689, 0.1170, 0.2673],
        [0.4699, 0.4387, 0.7470],
        [0.1091, 0.8732, 0.5547],
        [0.0381, 0.5743, 0.8828],
    ],
};

const HARTMANN6: Bumps<6> = Bumps {
    scales: [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ],
    centres: [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ],
};

/// At a low fidelity (0 to 1) the bumps have other heights, so that the optimum is elsewhere.
fn hartmann<const D: usize>(bumps: &Bumps<D>, x: &[f64], fidelity: f64) -> f64 {
    const HEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
    let missing = 0.5 * (1.0 + (PI * fidelity.clamp(0.0, 1.0)).cos());
    let bump = |number: usize| {
        let distance = |d: usize| bumps.scales[number][d] * (x[d] - bumps.centres[number][d]).powi(2);
        // Neighbours differ in how much of them is missing.
        let shift = 0.3 * missing * if number.is_multiple_of(2) { 1.0 } else { -1.0 };
        (HEIGHTS[number] * (1.0 - 0.3 * missing) + shift) * (-(0..D).map(distance).sum::<f64>()).exp()
    };
    -(0..4).map(bump).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn curve(rate: f64, batch: u64, dropout: f64, decay: f64, margin: f64) -> FormulaCurve {
        let values = json!({"learning_rate": rate, "batch_size": batch, "dropout": dropout, "weight_decay": decay, "margin": margin});
        Formula::Curve
            .curve(&serde_json::from_value(values).unwrap(), 0)
            .unwrap()
    }

    /// Computed by an implementation in Python.
    #[test]
    fn the_curve_is_the_same_to_the_last_digits_elsewhere() {
        let usual = curve(5e-5, 32, 0.125, 1e-3, 0.5);
        let wild = curve(1e-3, 128, 0.0, 1e-6, 0.05);
        assert_eq!((usual.hash, wild.hash), (0x048c_2c4e_688d_5741, 0x382b_857a_9ef4_38fe));
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        near(usual.loss(1, 1.0), 0.513_927_929_719_822);
        near(usual.loss(27, 27.0), 0.238_271_942_044_727);
        near(wild.loss(1, 1.0), 1.000_887_817_742_697);
        near(wild.loss(27, 27.0), 1.454_769_679_505_748);
    }

    #[test]
    fn the_optimum_has_no_regret() {
        let best = curve(1.16107e-4, 128, 0.203525, 5.29987e-3, 0.363189);
        assert!(best.regret().abs() < 1e-9, "{}", best.regret());
        let at = |formula: Formula, x: &[f64]| {
            let values = formula
                .parameters()
                .iter()
                .zip(x)
                .map(|(name, x)| ((*name).to_owned(), json!(x)));
            formula.curve(&values.collect(), 0).unwrap().regret()
        };
        assert!(at(Formula::Hartmann3, &[0.114614, 0.555649, 0.852547]).abs() < 1e-6);
        let six = [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573];
        assert!(at(Formula::Hartmann6, &six).abs() < 1e-6);
    }

    #[test]
    fn a_parameter_that_is_missing_is_named() {
        let error = Formula::Hartmann3.curve(&Values::new(), 0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this objective needs a number for the parameter `x1`"
        );
    }
}
