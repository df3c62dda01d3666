//! What of a configuration decides how long its trial takes.

use hpo_protocol::Values;
use nalgebra::{DMatrix, DVector};

use crate::space::Parameter;

/// How strongly coefficients are drawn to zero: a few trials say little of many parameters.
const RIDGE: f64 = 0.2;
/// A parameter with more choices than this is not looked at choice by choice.
const CHOICES: usize = 12;

/// The logarithm of a pace as a linear function of the configuration (ridge regression; Hoerl and Kennard, 1970). A pace is the time that
/// a resource takes, in any unit.
#[derive(Debug, Clone)]
pub struct PaceModel {
    parameters: Vec<Parameter>,
    centre: DVector<f64>,
    coefficients: DVector<f64>,
    /// The pace at the centre.
    usual: f64,
}

impl PaceModel {
    /// By the paces, above 0, of known configurations and these parameters of theirs; `None` if they say nothing.
    pub fn fit(parameters: &[&Parameter], known: &[(&Values, f64)]) -> Option<Self> {
        let rows: Vec<Vec<f64>> = known.iter().map(|(values, _)| features(parameters, values)).collect();
        let columns = rows.first()?.len();
        if columns == 0 || rows.len() < 2 {
            return None;
        }
        let points = DMatrix::from_fn(rows.len(), columns, |row, column| rows[row][column]);
        let centre = points.row_mean().transpose();
        let centred = DMatrix::from_fn(rows.len(), columns, |row, column| rows[row][column] - centre[column]);
        let logs = DVector::from_iterator(known.len(), known.iter().map(|(_, pace)| pace.ln()));
        let logs = logs.add_scalar(-logs.mean());
        let transposed = centred.transpose();
        let matrix = &transposed * &centred + DMatrix::identity(columns, columns) * RIDGE;
        let coefficients = matrix.cholesky()?.solve(&(transposed * logs));
        // So that the mean of all paces is the one that was seen, which that of their logarithms does not give.
        let fitted = (&centred * &coefficients).map(f64::exp).sum();
        let usual = known.iter().map(|(_, pace)| pace).sum::<f64>() / fitted;
        Some(Self {
            parameters: parameters.iter().copied().cloned().collect(),
            centre,
            coefficients,
            usual,
        })
    }

    /// That of a configuration.
    pub fn pace(&self, configuration: &Values) -> f64 {
        let parameters: Vec<&Parameter> = self.parameters.iter().collect();
        let difference = DVector::from_vec(features(&parameters, configuration)) - &self.centre;
        self.usual * difference.dot(&self.coefficients).exp()
    }
}

/// The places of the configurations, those first that differ most from those before them in these parameters (farthest-point
/// clustering; Gonzalez, 1985); `first` are the places to begin with.
pub fn most_different_first(parameters: &[&Parameter], configurations: &[&Values], first: &[usize]) -> Vec<usize> {
    let points: Vec<Vec<f64>> = configurations
        .iter()
        .map(|values| features(parameters, values))
        .collect();
    let mut nearest = vec![f64::INFINITY; points.len()];
    let mut order: Vec<usize> = Vec::new();
    let mut take = |place: usize, nearest: &mut Vec<f64>| {
        for (other, nearest) in points.iter().zip(nearest.iter_mut()) {
            let far: f64 = other.iter().zip(&points[place]).map(|(a, b)| (a - b) * (a - b)).sum();
            *nearest = nearest.min(far);
        }
        nearest[place] = f64::NEG_INFINITY;
        order.push(place);
    };
    for &place in first {
        if nearest[place] >= 0.0 {
            take(place, &mut nearest);
        }
    }
    // Of those that are equally far the first.
    while let Some(place) = (0..points.len())
        .rev()
        .max_by(|a, b| nearest[*a].total_cmp(&nearest[*b]))
        && nearest[place] >= 0.0
    {
        take(place, &mut nearest);
    }
    order
}

/// A configuration as numbers from 0 to 1: of a parameter with a few choices one for each, of others the share of its range.
fn features(parameters: &[&Parameter], configuration: &Values) -> Vec<f64> {
    let each = parameters.iter().flat_map(|parameter| {
        let value = configuration.get(&parameter.name);
        match parameter
            .distribution
            .listed()
            .filter(|choices| choices.len() <= CHOICES)
        {
            Some(choices) => choices
                .iter()
                .map(|choice| f64::from(u8::from(Some(choice) == value)))
                .collect(),
            None => vec![
                value
                    .and_then(|value| parameter.distribution.share(value))
                    .unwrap_or(0.5),
            ],
        }
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::space::Distribution;

    fn parameters() -> Vec<Parameter> {
        let parameter = |name: &str, distribution| Parameter {
            name: name.to_owned(),
            distribution,
            when: Vec::new(),
            prior: None,
        };
        let values = [16, 32, 64].map(|size| json!(size)).into();
        vec![
            parameter("size", Distribution::Choice { values }),
            parameter(
                "share",
                Distribution::Uniform {
                    low: 0.0,
                    high: 1.0,
                    step: None,
                },
            ),
        ]
    }

    fn configuration(size: u32, share: f64) -> Values {
        [("size".to_owned(), json!(size)), ("share".to_owned(), json!(share))].into()
    }

    #[test]
    fn what_differs_most_comes_first_and_each_once() {
        let parameters = parameters();
        let all =
            [(16, 0.0), (16, 0.1), (16, 0.9), (32, 0.1), (64, 0.1)].map(|(size, share)| configuration(size, share));
        let all: Vec<&Values> = all.iter().collect();
        let order = |first: &[usize]| most_different_first(&parameters.iter().collect::<Vec<_>>(), &all, first);
        assert_eq!(order(&[]), [0, 3, 4, 2, 1]);
        assert_eq!(order(&[2, 2]), [2, 3, 4, 0, 1]);
    }

    #[test]
    fn a_pace_that_a_parameter_decides_is_foreseen() {
        let parameters = parameters();
        let known: Vec<(Values, f64)> = (0..30)
            .map(|number| {
                let share = f64::from(number) / 29.0;
                (
                    configuration([16, 32, 64][number as usize % 3], share),
                    10.0 * 3f64.powf(share),
                )
            })
            .collect();
        let known: Vec<(&Values, f64)> = known.iter().map(|(values, pace)| (values, *pace)).collect();
        let model = PaceModel::fit(&parameters.iter().collect::<Vec<_>>(), &known).unwrap();
        for share in [0.0, 0.5, 1.0] {
            let (found, true_pace) = (model.pace(&configuration(16, share)), 10.0 * 3f64.powf(share));
            assert!((found / true_pace - 1.0).abs() < 0.08, "{share}: {found} {true_pace}");
        }
        assert!(PaceModel::fit(&parameters.iter().collect::<Vec<_>>(), &known[..1]).is_none());
    }
}
