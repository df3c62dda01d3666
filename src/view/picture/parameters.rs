//! The parameters that are searched, each with an axis of its own.

use super::panel::Axis;
use super::scale::Scale;
use crate::space::{Distribution, Parameter, Scale as Kind, same};
use crate::study::{Study, Trial};
use crate::view::format::short;

/// More choices than this are shown by the first of them.
const BANDS: usize = 60;

/// A parameter as pictures show it.
pub(super) struct Searched<'s> {
    pub parameter: &'s Parameter,
    pub axis: Axis,
}

impl<'s> Searched<'s> {
    /// All that are searched, with room for the values of these trials.
    pub fn all(study: &'s Study, trials: &[&Trial]) -> Vec<Self> {
        let parameters = study.spec().space.parameters.iter();
        let searched = parameters.filter(|parameter| parameter.distribution.scale() != Kind::Constant);
        searched
            .map(|parameter| Self {
                parameter,
                axis: axis(parameter, trials),
            })
            .collect()
    }

    /// Where a trial's value lies on the axis: a number, or the place of its band; none if the trial does not have the parameter.
    pub fn of(&self, trial: &Trial) -> Option<f64> {
        let value = trial.parameters.get(&self.parameter.name)?;
        match &self.axis {
            Axis::Numbers(_) => value.as_f64(),
            Axis::Bands(_) => {
                let place = self
                    .parameter
                    .distribution
                    .listed()?
                    .iter()
                    .position(|own| same(own, value))?;
                Some(place.min(BANDS - 1) as f64)
            }
        }
    }

    /// Whether all configurations have it.
    pub fn is_everywhere(&self) -> bool {
        self.parameter.when.is_empty()
    }
}

fn axis(parameter: &Parameter, trials: &[&Trial]) -> Axis {
    let distribution = &parameter.distribution;
    if let Some(values) = distribution.listed() {
        let bands = values.iter().take(BANDS);
        return Axis::Bands(bands.map(|value| short(parameter, value)).collect());
    }
    let values = trials
        .iter()
        .filter_map(|trial| trial.parameters.get(&parameter.name)?.as_f64());
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    // Of a bell without bounds, what was drawn.
    let (low, high) = match *distribution {
        Distribution::Uniform { low, high, .. } | Distribution::LogUniform { low, high, .. } => (low, high),
        Distribution::Integer { low, high, .. } | Distribution::LogInteger { low, high, .. } => {
            (low as f64, high as f64)
        }
        Distribution::Normal { .. }
        | Distribution::LogNormal { .. }
        | Distribution::Fixed { .. }
        | Distribution::Choice { .. } => (low, high),
    };
    let logarithmic = matches!(
        distribution,
        Distribution::LogUniform { .. } | Distribution::LogInteger { .. } | Distribution::LogNormal { .. }
    );
    let scale = match low <= high {
        true => Scale::new(low, high, logarithmic),
        false => Scale::new(0.0, 1.0, false),
    };
    Axis::Numbers(if distribution.is_whole() { scale.whole() } else { scale })
}

/// A number of a trial that is spread evenly from -1 to 1 over trials, so that marks at the same place lie beside each other: the
/// golden ratio's multiples (Weyl's sequence).
pub(super) fn spread(trial: &Trial) -> f64 {
    let share = (trial.id.0 as f64 * 0.618_033_988_749_895).fract();
    2.0 * share - 1.0
}
