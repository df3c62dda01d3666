use hpo_protocol::embedding::{DistanceKind, Mining};

use super::*;

const ROWS: [[u32; 3]; 3] = [[0, 1, 2], [3, 4, 5], [0, 6, 7]];

fn examples(rows: Rows) -> Examples {
    Examples::new(rows, vec![[0].into(); 8], 2)
}

fn triplets(rows: &[[u32; 3]]) -> Rows {
    Rows::Triplets(rows.iter().copied().map(Into::into).collect())
}

fn loss(parameters: &Parameters, batch: &Rows, data: &Examples, numbers: &[f32], width: i64) -> f64 {
    let embeddings = Tensor::from_slice(numbers).view([-1, width]);
    let loss = Loss::new(parameters, data).unwrap();
    loss.of(&embeddings, batch, data, None).unwrap().double_value(&[])
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
}

fn triplet(batch_negatives: f64) -> Parameters {
    Parameters {
        margin: 5.0,
        batch_negatives,
        ..Parameters::default()
    }
}

/// Anchors, positives, negatives. The first and the third row have one anchor, so 1 and 0.5 are right for both.
const NUMBERS: [f32; 9] = [0.0, 10.0, 0.0, 1.0, 11.0, 0.5, 4.0, 3.0, 2.0];
const OWN: f64 = (0.25 - 4.0 + 5.0) / 3.0;

#[test]
fn the_hardest_of_the_batch_is_never_a_right_answer() {
    let (rows, data) = (triplets(&ROWS), examples(triplets(&ROWS)));
    near(loss(&triplet(0.0), &rows, &data, &NUMBERS, 1), OWN);
    // Only for the first row the nearest of the others, 2, is nearer than the positive and the margin.
    let hardest = (1.0 - 4.0 + 5.0) / 3.0;
    near(loss(&triplet(0.5), &rows, &data, &NUMBERS, 1), OWN + 0.5 * hardest);
}

#[test]
fn a_row_alone_has_no_batch_negatives() {
    let data = examples(triplets(&ROWS));
    for batch_negatives in [0.0, 3.0] {
        let parameters = triplet(batch_negatives);
        assert_eq!(
            loss(&parameters, &triplets(&ROWS[..1]), &data, &[0.0, 1.0, 2.0], 1),
            2.0
        );
    }
}

#[test]
fn a_semi_hard_negative_is_farther_than_the_positive() {
    let rows = [[0, 1, 2], [3, 4, 5]];
    let (batch, data) = (triplets(&rows), examples(triplets(&rows)));
    let with = |mining| Parameters { mining, ..triplet(1.0) };
    // For the anchor at 0, whose positive is at 1, the others are at 0.5 and 2; for the one at 5, whose positive is at
    // 0.5, all others are nearer: its farthest is its neighbour's positive at 1.
    let numbers = [0.0, 5.0, 1.0, 0.5, 9.0, 2.0];
    let own = (1.0 - 81.0 + 5.0f64).max(0.0) + (20.25 - 9.0 + 5.0);
    let hardest = (1.0 - 0.25 + 5.0) + (20.25 - 16.0 + 5.0);
    near(
        loss(&with(Mining::Hardest), &batch, &data, &numbers, 1),
        (own + hardest) / 2.0,
    );
    let semi_hard = (1.0 - 4.0 + 5.0) + (20.25 - 16.0 + 5.0);
    near(
        loss(&with(Mining::SemiHard), &batch, &data, &numbers, 1),
        (own + semi_hard) / 2.0,
    );
}

#[test]
fn pairs_have_the_negatives_of_their_batch() {
    let rows = Rows::Pairs(vec![[0, 1], [2, 3]]);
    let data = examples(rows.clone());
    let parameters = Parameters {
        loss: Some(LossKind::Triplet),
        ..triplet(0.0)
    };
    let expected = (1.0 - 4.0 + 5.0 + (1.0 - 0.0 + 5.0)) / 2.0;
    near(loss(&parameters, &rows, &data, &[0.0, 1.0, 1.0, 2.0], 1), expected);
    assert!(Loss::new(&parameters, &data).unwrap().couples(&data));
}

#[test]
fn distances_are_those_of_their_names() {
    let data = examples(triplets(&ROWS));
    let batch = triplets(&ROWS[..1]);
    let numbers = [1.0, 0.0, 3.0, 4.0, 0.0, 2.0];
    for (distance, positive, negative) in [
        (DistanceKind::SquaredEuclidean, 20.0, 5.0),
        (DistanceKind::Euclidean, 20f64.sqrt(), 5f64.sqrt()),
        (DistanceKind::Cosine, 1.0 - 0.6, 1.0),
    ] {
        let parameters = Parameters {
            distance,
            ..triplet(0.0)
        };
        near(loss(&parameters, &batch, &data, &numbers, 2), positive - negative + 5.0);
    }
}

#[test]
fn the_gradient_of_equal_texts_is_finite() {
    let data = examples(triplets(&ROWS));
    let parameters = Parameters {
        distance: DistanceKind::Euclidean,
        ..triplet(0.0)
    };
    let embeddings = Tensor::from_slice(&[1f32, 1.0, 2.0])
        .view([3, 1])
        .set_requires_grad(true);
    let loss = Loss::new(&parameters, &data).unwrap();
    let loss = loss.of(&embeddings, &triplets(&ROWS[..1]), &data, None).unwrap();
    let gradient = Tensor::run_backward(&[loss], &[&embeddings], false, false).remove(0);
    assert!(gradient.isfinite().all().int64_value(&[]) == 1, "{gradient:?}");
}

fn log_sum_exp(values: &[f64]) -> f64 {
    values.iter().map(|value| value.exp()).sum::<f64>().ln()
}

#[test]
fn the_answer_is_found_among_all_of_the_batch_but_other_right_ones() {
    // Both rows have one anchor, so each other's positive is left out.
    let rows = [[0, 1, 2], [0, 4, 5], [6, 7, 3]];
    let (batch, data) = (triplets(&rows), examples(triplets(&rows)));
    let with = |symmetric| Parameters {
        loss: Some(LossKind::MultipleNegatives),
        temperature: 0.5,
        symmetric,
        ..Parameters::default()
    };
    let numbers = [
        1.0, 0.0, 1.0, 0.0, 0.0, 2.0, // anchors
        3.0, 4.0, 1.0, 0.0, 0.0, 1.0, // positives
        1.0, 0.0, -1.0, 0.0, 4.0, 3.0, // negatives
    ];
    let first = log_sum_exp(&[1.2, 0.0, 2.0, -2.0, 1.6]) - 1.2;
    let second = log_sum_exp(&[2.0, 0.0, 2.0, -2.0, 1.6]) - 2.0;
    let third = log_sum_exp(&[1.6, 0.0, 2.0, 0.0, 0.0, 1.2]) - 2.0;
    let forward = (first + second + third) / 3.0;
    near(loss(&with(false), &batch, &data, &numbers, 2), forward);
    let backward =
        (log_sum_exp(&[1.2, 1.6]) - 1.2 + log_sum_exp(&[2.0, 0.0]) - 2.0 + log_sum_exp(&[0.0, 0.0, 2.0]) - 2.0) / 3.0;
    near(
        loss(&with(true), &batch, &data, &numbers, 2),
        (forward + backward) / 2.0,
    );
}

#[test]
fn cosines_are_pulled_to_their_scores() {
    let rows = Rows::Scored(vec![([0, 1], 0.1), ([2, 3], -1.0)]);
    let data = examples(rows.clone());
    let numbers = [1.0, 0.0, 0.0, 1.0, 3.0, 4.0, 0.0, 1.0];
    let expected = ((0.6 - 0.1f64).powi(2) + (1.0 + 1.0f64).powi(2)) / 2.0;
    near(loss(&Parameters::default(), &rows, &data, &numbers, 2), expected);
}

#[test]
fn labels_are_found() {
    let rows = Rows::Labelled(vec![(0, 1), (1, 0)]);
    let data = examples(rows.clone());
    let classifier = Classifier {
        weight: Tensor::from_slice(&[1f32, 0.0, 0.0, 2.0]).view([2, 2]),
        bias: Tensor::from_slice(&[0f32, 1.0]),
    };
    let embeddings = Tensor::from_slice(&[1f32, 1.0, 2.0, 0.0]).view([2, 2]);
    let with = |head_dropout| Parameters {
        head_dropout,
        ..Parameters::default()
    };
    let of = |parameters: &Parameters| {
        let loss = Loss::new(parameters, &data).unwrap();
        loss.of(&embeddings, &rows, &data, Some(&classifier))
            .unwrap()
            .double_value(&[])
    };
    let expected = (log_sum_exp(&[1.0, 3.0]) - 3.0 + log_sum_exp(&[2.0, 1.0]) - 2.0) / 2.0;
    near(of(&with(0.0)), expected);
    assert!((0..5).any(|_| (of(&with(0.5)) - expected).abs() > 0.01));
}

#[test]
fn a_loss_that_the_data_are_not_made_for_is_refused() {
    let parameters = Parameters {
        loss: Some(LossKind::Classification),
        ..Parameters::default()
    };
    let error = Loss::new(&parameters, &examples(triplets(&ROWS))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the loss `classification` can't be computed for triplets; use `triplet` or `multiple_negatives`, or leave \
         `loss` out"
    );
}
