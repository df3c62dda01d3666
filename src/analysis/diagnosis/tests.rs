//! Curves made by hand, each finding next to a near miss, and curves with noise.

use std::collections::BTreeMap;

use hpo_protocol::Unit;
use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::ids::{Timestamp, TrialId};
use crate::study::Report;

/// Validation losses, training losses and further metrics of a trial.
#[derive(Debug, Clone, Default)]
struct Made {
    losses: Vec<f64>,
    metrics: BTreeMap<&'static str, Vec<f64>>,
    untrained: Option<Measurement>,
    state: Option<TrialState>,
    exhausted: bool,
}

/// A trial that was trained to the end.
fn made(losses: &[f64]) -> Made {
    Made {
        losses: losses.to_vec(),
        ..Made::default()
    }
}

impl Made {
    fn metric(mut self, name: &'static str, values: &[f64]) -> Self {
        self.metrics.insert(name, values.to_vec());
        self
    }

    fn untrained(mut self, loss: f64, metrics: &[(&str, f64)]) -> Self {
        let metrics = metrics.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        self.untrained = Some(Measurement {
            loss: Some(loss),
            metrics,
        });
        self
    }

    fn state(mut self, state: TrialState) -> Self {
        self.state = Some(state);
        self
    }

    fn trial(&self) -> Trial {
        let reports = self.losses.iter().enumerate().map(|(i, &loss)| {
            let metrics = self
                .metrics
                .iter()
                .filter_map(|(name, of)| Some(((*name).to_owned(), *of.get(i)?)));
            let report = Report {
                violation: 0.0,
                cost: Some(loss).filter(|loss| loss.is_finite()),
                at: Timestamp(0),
                loss: Some(loss).filter(|loss| loss.is_finite()),
                metrics: metrics.collect(),
                checkpoint: None,
            };
            (i as u64 + 1, report)
        });
        Trial {
            role: crate::study::Role::Search { bracket: 0 },
            ahead: Default::default(),
            id: TrialId(0),
            parameters: Default::default(),
            seed: 0,
            state: self.state.clone().unwrap_or(TrialState::Completed),
            reports: reports.collect(),
            attempts: 1,
            failures: 0,
            failed_on: Default::default(),
            stopped_at: None,
            exhausted: self.exhausted,
            sparse: false,
            trained_ms: 0,
        }
    }

    fn diagnosis(&self) -> Diagnosis {
        diagnose(&self.trial(), self.untrained.as_ref(), &Objective::default())
    }

    fn kinds(&self) -> Vec<Kind> {
        self.diagnosis().findings.iter().map(Finding::kind).collect()
    }

    fn only(&self) -> Finding {
        let mut findings = self.diagnosis().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }
}

const FALLING: [f64; 9] = [0.9, 0.7, 0.55, 0.44, 0.36, 0.3, 0.26, 0.23, 0.21];
const OVERFIT: [f64; 9] = [0.22, 0.21, 0.2, 0.202, 0.207, 0.213, 0.218, 0.222, 0.225];
const CONVERGED: [f64; 9] = [0.232, 0.215, 0.207, 0.2035, 0.202, 0.2012, 0.2008, 0.2005, 0.2003];

fn overfit() -> Made {
    made(&OVERFIT).metric(TRAIN_LOSS, &FALLING).untrained(0.2372, &[])
}

#[test]
fn overfitting_is_a_rise_while_the_training_loss_falls() {
    let finding = overfit().only();
    assert_eq!(finding.kind(), Kind::Overfitting);
    assert_eq!(
        finding.text(Unit::Epochs, &Objective::default()),
        "from epoch 3 to 9 the validation loss rose from 0.2000 to 0.2250 while the training loss fell from 0.5500 to 0.2100"
    );
    assert!(finding.advice().contains("weight decay or dropout"));
    // A trial of the README's own search, whose loss rises for seven epochs, each time by less than its noise.
    let steady = made(&[0.2105, 0.2074, 0.2109, 0.2092, 0.2135, 0.2116, 0.2130, 0.2131, 0.2186])
        .metric(
            TRAIN_LOSS,
            &[0.6337, 0.3239, 0.1861, 0.1072, 0.0619, 0.0567, 0.0390, 0.0428, 0.0336],
        )
        .untrained(0.2372, &[]);
    assert_eq!(steady.kinds(), [Kind::Overfitting]);
}

#[test]
fn what_only_looks_like_overfitting_is_not() {
    let not = |made: Made| assert!(!made.kinds().contains(&Kind::Overfitting), "{made:?}");
    // The training loss rises too.
    not(made(&OVERFIT).metric(TRAIN_LOSS, &FALLING.map(|loss| 1.0 - loss)));
    // Nobody knows the training loss.
    not(made(&OVERFIT));
    // Only the last report is high.
    not(made(&[0.22, 0.21, 0.205, 0.203, 0.202, 0.201, 0.2, 0.2, 0.225]).metric(TRAIN_LOSS, &FALLING));
    // Only the best one is low.
    not(made(&[0.22, 0.21, 0.17, 0.21, 0.209, 0.21, 0.209, 0.21, 0.21]).metric(TRAIN_LOSS, &FALLING));
    // It rises by less than a twentieth of what it fell.
    not(made(&[0.3, 0.25, 0.2, 0.2005, 0.201, 0.2015, 0.202, 0.2022, 0.2024]).metric(TRAIN_LOSS, &FALLING));
    // It jumps about by as much as it rises.
    not(made(&[0.22, 0.2, 0.225, 0.205, 0.23, 0.2, 0.23, 0.225, 0.23]).metric(TRAIN_LOSS, &FALLING));
    // It was never better than the untrained model.
    not(overfit().untrained(0.19, &[]));
}

#[test]
fn slow_convergence_is_a_steady_fall_at_the_end_of_the_resource() {
    let slow = made(&[0.235, 0.232, 0.23, 0.227, 0.225, 0.222, 0.22, 0.217, 0.215]).untrained(0.2372, &[]);
    let finding = slow.only();
    assert_eq!(
        finding.text(Unit::Epochs, &Objective::default()),
        "the validation loss was still falling at the end, from 0.2220 at epoch 6 to 0.2150 at epoch 9: 32 % of its whole fall"
    );
    assert!(finding.advice().contains("raise the learning rate"));
    // A trial that was pruned has not reached the end.
    assert_eq!(slow.clone().state(TrialState::Pruned { rung: 9 }).kinds(), []);
    // Nor has one that ended by itself run out of epochs.
    let exhausted = Made {
        exhausted: true,
        ..slow.clone()
    };
    assert_eq!(exhausted.kinds(), []);
    let fast = made(&CONVERGED).untrained(0.2372, &[]);
    assert!(!fast.kinds().contains(&Kind::SlowConvergence));
    // It has fallen, but not steadily.
    let jumping = made(&[0.23, 0.21, 0.228, 0.207, 0.225, 0.226, 0.205, 0.222, 0.204]).untrained(0.2372, &[]);
    assert!(!jumping.kinds().contains(&Kind::SlowConvergence));
}

#[test]
fn divergence_is_no_number_or_a_rise_above_the_untrained_model() {
    let ended = made(&[0.3, f64::NAN])
        .state(TrialState::Diverged { resource: 2 })
        .only();
    assert_eq!(
        ended.text(Unit::Epochs, &Objective::default()),
        "the validation loss was not finite at epoch 2"
    );
    let rising = made(&[0.24, 0.3, 0.41]).untrained(0.2372, &[]);
    assert_eq!(
        rising.only().text(Unit::Epochs, &Objective::default()),
        "the validation loss rises, 0.4100 at epoch 3, above the untrained model's 0.2372"
    );
    assert_eq!(rising.only().advice(), "lower the learning rate");
    // An explosion is found although three reports have hardly any spread.
    assert_eq!(
        made(&[0.24, 0.25, 1.0]).untrained(0.2372, &[]).kinds(),
        [Kind::Divergence]
    );
    let not = |made: Made| assert!(!made.kinds().contains(&Kind::Divergence), "{made:?}");
    not(made(&[0.24, 0.3]).untrained(0.2372, &[]));
    not(made(&[0.24, 0.3, 0.41]));
    not(made(&[0.41, 0.3, 0.24]).untrained(0.2372, &[]));
    not(made(&[0.24, 0.3, 0.41]).untrained(0.5, &[]));
    not(made(&[0.24, 0.2403, 0.2406]).untrained(0.2372, &[]));
    // It had learned something and learns its training data by heart now.
    not(made(&[0.2, 0.22, 0.3, 0.35, 0.41])
        .metric(TRAIN_LOSS, &FALLING)
        .untrained(0.2372, &[]));
}

#[test]
fn collapse_is_a_mean_cosine_near_1_that_training_brought_about() {
    let collapsed = made(&[0.45, 0.5]).metric(MEAN_COSINE, &[0.7, 0.993]);
    let finding = collapsed.clone().untrained(0.2372, &[(MEAN_COSINE, 0.12)]).only();
    assert_eq!(
        finding.text(Unit::Epochs, &Objective::default()),
        "all embeddings are nearly alike since epoch 2: mean cosine 0.993 at epoch 2 (untrained 0.120)"
    );
    assert_eq!(collapsed.kinds(), [Kind::Collapse]);
    // The model was like that before.
    assert_eq!(collapsed.untrained(0.2372, &[(MEAN_COSINE, 0.98)]).kinds(), []);
    assert_eq!(made(&[0.45, 0.5]).metric(MEAN_COSINE, &[0.7, 0.94]).kinds(), []);
    // It has recovered.
    assert_eq!(made(&[0.45, 0.3]).metric(MEAN_COSINE, &[0.99, 0.4]).kinds(), []);
}

#[test]
fn a_plateau_is_flat_at_the_end_and_says_where_it_lies() {
    let advice = |losses: &[f64]| made(losses).untrained(0.2372, &[]).only().advice();
    let plateau = made(&CONVERGED).untrained(0.2372, &[]).only();
    assert_eq!(
        plateau.text(Unit::Epochs, &Objective::default()),
        "from epoch 6 to 9 the validation loss stayed between 0.2003 and 0.2012"
    );
    assert!(plateau.advice().contains("shorter training"));
    assert!(advice(&[0.2371, 0.237, 0.237, 0.2369, 0.2369]).contains("raise the learning rate"));
    assert!(advice(&[0.35, 0.45, 0.5, 0.5, 0.5, 0.5, 0.5]).contains("lower the learning rate"));
    let not = |losses: &[f64]| assert_eq!(made(losses).untrained(0.2372, &[]).kinds(), []);
    // Four reports are not enough.
    not(&[0.2003; 4]);
    // It falls, though not by enough to call it slow.
    not(&[0.232, 0.222, 0.215, 0.21, 0.207, 0.205, 0.2035, 0.202, 0.201]);
    // It jumps too much for a conclusion.
    not(&[0.22, 0.21, 0.2, 0.21, 0.2, 0.21, 0.2, 0.21, 0.2]);
}

#[test]
fn ranking_that_gets_worse_while_the_loss_falls_is_reported() {
    let losses = [0.347, 0.33, 0.31, 0.3];
    let since_untrained = made(&losses)
        .metric("mrr@10", &[0.36, 0.355, 0.35, 0.345])
        .untrained(0.36, &[("mrr@10", 0.379)])
        .state(TrialState::Pruned { rung: 4 });
    assert_eq!(
        since_untrained.only().text(Unit::Epochs, &Objective::default()),
        "from the untrained model to epoch 4 the validation loss fell from 0.3600 to 0.3000, \
         but mrr@10 fell from 0.3790 to 0.3450"
    );
    assert!(since_untrained.only().advice().contains("negatives"));
    let since_its_best = made(&[0.35, 0.34, 0.33, 0.32, 0.31, 0.3, 0.29])
        .metric("recall@5", &[0.6, 0.62, 0.62, 0.6, 0.59, 0.57, 0.55])
        .untrained(0.36, &[("recall@5", 0.5)])
        .state(TrialState::Pruned { rung: 7 });
    assert!(matches!(
        since_its_best.only(),
        Finding::RankingDecline { since: 2, .. }
    ));
    let of_an_evaluation = made(&losses)
        .metric("docs.ndcg@10", &[0.36, 0.355, 0.35, 0.345])
        .untrained(0.36, &[("docs.ndcg@10", 0.379)])
        .state(TrialState::Pruned { rung: 4 });
    assert!(matches!(of_an_evaluation.only(), Finding::RankingDecline { metric, .. } if metric == "docs.ndcg@10"));

    let not = |made: Made| assert_eq!(made.state(TrialState::Pruned { rung: 4 }).kinds(), []);
    // The loss rises too.
    not(made(&[0.3, 0.31, 0.33]).metric("mrr@10", &[0.36, 0.35, 0.34]));
    // The last report alone is worse.
    not(made(&losses).metric("mrr@10", &[0.38, 0.381, 0.38, 0.35]));
    // Within 2 %.
    not(made(&losses).metric("mrr@10", &[0.38, 0.379, 0.377, 0.375]));
    // Two reports are not enough.
    not(made(&losses[..2])
        .metric("mrr@10", &[0.36, 0.34])
        .untrained(0.36, &[("mrr@10", 0.379)]));
    // Higher is not better for every metric.
    not(made(&losses).metric("seconds", &[38.0, 37.0, 36.0, 35.0]));
}

#[test]
fn what_cannot_be_checked_is_unknown() {
    let unknown = |made: Made| made.diagnosis().unknown().collect::<Vec<_>>();
    assert_eq!(unknown(made(&[])), Kind::ALL);
    assert!(!unknown(made(&[0.3])).contains(&Kind::Divergence));
    assert_eq!(unknown(overfit()), [Kind::Collapse, Kind::RankingDecline]);
    let running = TrialState::Waiting { to: 9 };
    assert!(unknown(overfit().state(running)).contains(&Kind::SlowConvergence));
}

#[test]
fn the_unit_of_the_loss_does_not_matter() {
    for scale in [1e-6, 1.0, 1e6] {
        let losses = OVERFIT.map(|loss| loss * scale);
        let scaled = made(&losses)
            .metric(TRAIN_LOSS, &FALLING)
            .untrained(0.2372 * scale, &[]);
        assert_eq!(scaled.kinds(), [Kind::Overfitting]);
    }
}

/// Curves, each with what must be found in it.
fn clear() -> Vec<(Made, Vec<Kind>)> {
    let linear: Vec<f64> = (1..=12).map(|t| 0.24 - 0.005 * f64::from(t)).collect();
    let rising: Vec<f64> = (1..=6).map(|t| 0.24 + 0.05 * f64::from(t)).collect();
    let bent: Vec<f64> = (1..=12).map(|t| 0.2 + 0.04 * (-f64::from(t) / 1.2).exp()).collect();
    let healthy: Vec<f64> = (1..=12).map(|t| 0.2 + 0.04 * (-f64::from(t) / 4.5).exp()).collect();
    let twelve = |from: f64, step: f64| -> Vec<f64> { (1..=12).map(|t| from + step * f64::from(t)).collect() };
    let with = |losses: &[f64]| made(losses).untrained(0.24, &[("mrr@10", 0.4)]);
    vec![
        (overfit(), vec![Kind::Overfitting]),
        (with(&linear), vec![Kind::SlowConvergence]),
        (with(&rising), vec![Kind::Divergence]),
        (with(&bent), vec![Kind::Plateau]),
        (
            with(&healthy)
                .metric(TRAIN_LOSS, &healthy)
                .metric("mrr@10", &twelve(0.4, 0.005)),
            vec![],
        ),
        (
            with(&healthy).metric("mrr@10", &twelve(0.4, -0.008)),
            vec![Kind::RankingDecline],
        ),
    ]
}

fn noisy(mut made: Made, share: f64, rng: &mut impl Rng) -> Made {
    let mut shake = |values: &mut Vec<f64>| {
        let size = share * range(values.iter().copied());
        for value in values {
            *value += size * (2.0 * rng.random::<f64>() - 1.0);
        }
    };
    shake(&mut made.losses);
    made.metrics.values_mut().for_each(shake);
    made
}

proptest! {
    #[test]
    fn a_little_noise_changes_no_finding(seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for (curve, kinds) in clear() {
            prop_assert_eq!(curve.kinds(), kinds.clone(), "without noise");
            let shaken = noisy(curve, 0.01, &mut rng);
            prop_assert_eq!(shaken.kinds(), kinds, "{:?}", shaken);
        }
    }

    #[test]
    fn any_curve_is_read_without_a_panic_and_described_in_numbers(
        losses in prop::collection::vec(prop_oneof![4 => 0.0f64..1.0, 1 => any::<f64>()], 0..30),
        training in prop::collection::vec(any::<f64>(), 0..30),
        ranking in prop::collection::vec(prop_oneof![0.0f64..1.0, any::<f64>()], 0..30),
        untrained in prop::option::of((any::<f64>(), any::<f64>())),
        state in 0..3,
    ) {
        let state = match state {
            0 => TrialState::Completed,
            1 => TrialState::Diverged { resource: losses.len() as u64 },
            _ => TrialState::Waiting { to: 50 },
        };
        let mut made = made(&losses)
            .metric(TRAIN_LOSS, &training)
            .metric("mrr@10", &ranking)
            .metric(MEAN_COSINE, &ranking)
            .state(state);
        if let Some((loss, metric)) = untrained {
            made = made.untrained(loss, &[("mrr@10", metric), (MEAN_COSINE, metric)]);
        }
        for finding in made.diagnosis().findings {
            let text = finding.text(Unit::Epochs, &Objective::default());
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
            prop_assert!(!finding.advice().is_empty());
            prop_assert_eq!(finding.json(&crate::study::tests::spec(1, 9, 3))["numbers"].clone(), serde_json::to_value(&finding).unwrap());
        }
    }
}

/// Curves of pure noise around a level rise and fall by chance alone.
#[test]
fn noise_alone_is_seldom_taken_for_a_finding() {
    const CURVES: usize = 4000;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for reports in [3usize, 5, 9, 27] {
        let mut found: BTreeMap<Kind, usize> = BTreeMap::new();
        for _ in 0..CURVES {
            let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            let level = 0.2 + 0.01 * normal();
            let noise: Vec<f64> = (0..reports).map(|_| level + 0.004 * normal()).collect();
            let ranking: Vec<f64> = (0..reports).map(|_| 0.4 + 0.008 * normal()).collect();
            let training: Vec<f64> = (0..reports).map(|t| 1.0 / (t + 1) as f64).collect();
            let made = made(&noise)
                .metric(TRAIN_LOSS, &training)
                .metric("mrr@10", &ranking)
                .untrained(0.2372, &[("mrr@10", 0.4)]);
            for kind in made.kinds() {
                *found.entry(kind).or_default() += 1;
            }
        }
        for kind in [
            Kind::Divergence,
            Kind::Overfitting,
            Kind::RankingDecline,
            Kind::SlowConvergence,
        ] {
            let share = found.get(&kind).copied().unwrap_or(0) as f64 / CURVES as f64;
            assert!(share < 0.03, "{reports} reports, {kind:?}: {share}");
        }
    }
}
