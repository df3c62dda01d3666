//! How much each parameter affects the objective: the decomposition of variance of functional ANOVA (Hutter et al., "An Efficient
//! Approach for Assessing Hyperparameter Importance", 2014), with a Gaussian process in place of their forest, and estimated by
//! drawing (Saltelli et al., "Variance based sensitivity analysis of model output", 2010, table 2).

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::space::{Scale, SearchSpace};
use crate::study::{History, Objective, Observation, Purpose, Study, Surrogate, Trial, TrialState, generator};

/// Draws of configurations; shares are accurate to about 0.03.
const DRAWS: usize = 512;
/// A model that explains less than this of unseen values (R squared) says nothing about parameters.
const EXPLAINED: f64 = 0.3;

/// What a study says about its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importances {
    /// The share of the variance of the values, each left out in turn, that a model of the others explains: at most 1.
    pub explained: f64,
    /// The parameters that are searched, the most important first.
    pub parameters: Vec<Importance>,
}

/// How much one parameter affects the objective at the last rung, over the whole space. Values worse than the median count by their
/// logarithm, so that the badness of the bad ones does not dominate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Its name.
    pub parameter: String,
    /// The share of the variance that vanishes if only this parameter is known, 0 to 1.
    pub alone: f64,
    /// The share that remains if all others are known, 0 to 1: interactions with others count too.
    pub total: f64,
}

/// How much each parameter matters for an objective of the study; `None` if too few trials have a value, or the values can't be predicted
/// from the parameters.
pub fn importance(study: &Study, objective: &Objective) -> Option<Importances> {
    let spec = study.spec();
    let rungs = spec.policy.rungs();
    let observations: Vec<Observation<'_>> = study
        .search_trials()
        .map(|trial| all_of(trial, &rungs, objective))
        .collect();
    let space = SearchSpace {
        constraints: Vec::new(),
        ..spec.space.clone()
    };
    let searched: Vec<usize> = (0..space.parameters.len())
        .filter(|place| space.parameters[*place].distribution.scale() != Scale::Constant)
        .collect();
    let surrogate = Surrogate::new(&History {
        space: &space,
        rungs: &rungs,
        observations: &observations,
    })?;
    let enough = surrogate.trials() >= (3 * searched.len()).max(10);
    let explained = surrogate
        .explained()
        .filter(|explained| enough && *explained >= EXPLAINED)?;

    let mut random = generator(spec.seed, 0, Purpose::Importance);
    let mut draw = || -> Vec<Vec<f64>> {
        let point = |_| space.parameters.iter().map(|_| random.random()).collect();
        (0..DRAWS).map(point).collect()
    };
    let (one, other) = (draw(), draw());
    let (of_one, of_other) = (surrogate.costs(&one)?, surrogate.costs(&other)?);
    let all: Vec<f64> = of_one.iter().chain(&of_other).copied().collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let variance = all.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / all.len() as f64;
    if variance <= 0.0 {
        return None;
    }
    let mut parameters = Vec::new();
    for place in searched {
        let mut mixed = one.clone();
        for (point, from) in mixed.iter_mut().zip(&other) {
            point[place] = from[place];
        }
        let of_mixed = surrogate.costs(&mixed)?;
        let (mut alone, mut total) = (0.0, 0.0);
        for ((a, b), mixed) in of_one.iter().zip(&of_other).zip(&of_mixed) {
            alone += (b - mean) * (mixed - a);
            total += (a - mixed).powi(2) / 2.0;
        }
        let share = |sum: f64| (sum / DRAWS as f64 / variance).clamp(0.0, 1.0);
        parameters.push(Importance {
            parameter: space.parameters[place].name.clone(),
            alone: share(alone).min(share(total)),
            total: share(total),
        });
    }
    parameters.sort_by(|a, b| b.total.total_cmp(&a.total));
    Some(Importances { explained, parameters })
}

/// All that is known of a trial.
fn all_of<'a>(trial: &'a Trial, rungs: &[u64], objective: &Objective) -> Observation<'a> {
    let reached = rungs.iter().take_while(|rung| **rung <= trial.resource());
    let costs = reached.filter_map(|&rung| Some((rung, objective.signed(trial.value_by(objective, rung)?))));
    Observation {
        parameters: &trial.parameters,
        costs: costs.collect(),
        failed: matches!(trial.state, TrialState::Diverged { .. }),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::ids::{SlotId, TrialId};
    use crate::space::Parameter;
    use crate::study::tests::{at, spec};
    use crate::study::{Direction, Fact, Measures, PolicyKind, Reported};

    /// A study whose losses are a function of two of its three parameters.
    fn study(loss: &dyn Fn(f64, f64) -> f64) -> Study {
        let parameter = |name: &str| Parameter {
            name: name.into(),
            ..spec(1, 9, 3).space.parameters[0].clone()
        };
        let mut spec = spec(40, 9, 3);
        spec.policy.kind = PolicyKind::None;
        spec.space.parameters = ["idle", "strong", "weak"].map(parameter).into();
        let mut study = Study::new(spec.clone());
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let rungs = vec![9];
        study
            .follow(&at(Fact::BracketOpened {
                first: 0,
                trials: 40,
                rungs,
            }))
            .unwrap();
        for trial in 0..40 {
            let parameters = spec.space.sample(&mut random);
            let number = |name: &str| parameters[name].as_f64().unwrap();
            let loss = Some(loss(number("strong"), number("weak")));
            let metrics = Measures::from(&[("ms".to_owned(), -number("weak"))].into());
            study
                .follow(&at(Fact::TrialCreated {
                    trial: TrialId(trial),
                    bracket: 0,
                    parameters,
                    seed: 0,
                }))
                .unwrap();
            let (slot, attempt) = (0, 1);
            study
                .follow(&at(Fact::SegmentStarted {
                    trial: TrialId(trial),
                    attempt,
                    slot: SlotId(slot),
                    from: 0,
                    to: 9,
                    ahead: false,
                }))
                .unwrap();
            study
                .follow(&at(Fact::Reported(Reported {
                    trial: TrialId(trial),
                    attempt,
                    resource: 9,
                    loss,
                    metrics,
                    diverged: false,
                    checkpoint: None,
                    last: true,
                })))
                .unwrap();
        }
        study
    }

    fn of_loss(loss: &dyn Fn(f64, f64) -> f64) -> Option<Importances> {
        importance(&study(loss), &Objective::default())
    }

    #[test]
    fn each_of_several_objectives_has_an_importance_of_its_own() {
        let metric = "ms".to_owned();
        let direction = Direction::Maximize;
        let found = importance(&study(&|strong, _| strong), &Objective { metric, direction }).unwrap();
        assert_eq!(found.parameters[0].parameter, "weak", "{found:?}");
        assert!(found.parameters[0].alone > 0.9, "{found:?}");
    }

    /// Of three parameters one decides, one helps it, and one does nothing.
    #[test]
    fn the_importance_of_parameters_is_what_they_do() {
        let found = of_loss(&|strong, weak| 3.0 * (strong - 0.3).powi(2) + 0.3 * weak).unwrap();
        assert!(found.explained > 0.9, "{found:?}");
        let order: Vec<&str> = found.parameters.iter().map(|one| one.parameter.as_str()).collect();
        assert_eq!(order, ["strong", "weak", "idle"], "{found:?}");
        assert!(
            found.parameters[0].total > 0.8 && found.parameters[2].total < 0.05,
            "{found:?}"
        );
        let shares = found.parameters.iter().map(|one| one.alone).sum::<f64>();
        assert!(
            (shares - 1.0).abs() < 0.15,
            "a sum of parts has no interactions: {found:?}"
        );

        let product = of_loss(&|strong, weak| (strong - 0.5) * (weak - 0.5)).unwrap();
        let strong = product.parameters.iter().find(|one| one.parameter == "strong").unwrap();
        assert!(
            strong.alone < 0.3 && strong.total > 0.6,
            "all is interaction: {product:?}"
        );

        assert_eq!(
            of_loss(&|strong, _| (1e9 * strong).fract()),
            None,
            "there is nothing to know"
        );
    }
}
