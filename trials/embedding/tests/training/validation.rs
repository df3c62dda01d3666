//! The validation measures what its definition says, whatever the batches that it encodes in.

use std::collections::BTreeSet;

use crate::one_thread;
use crate::study::triplets;
use crate::tiny_model::{directory, tiny_model};
use hpo_data::Rows;
use hpo_protocol::embedding::RolePrompts;
use hpo_trial_embedding::examples::Examples;
use hpo_trial_embedding::kept_tokens::KeptTokens;
use hpo_trial_embedding::model::Base;
use hpo_trial_embedding::validate::{Measured, RankingLoss, Validation};
use serde_json::json;
use tch::Device;

const MARGIN: f64 = 0.5;
const TRIPLET: RankingLoss = RankingLoss::Triplet { margin: MARGIN };
const TEMPERATURE: f64 = 0.05;

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

#[test]
fn metrics_are_those_of_the_definition() {
    one_thread();
    let path = directory("validation");
    tiny_model(&path, "");
    // Enough text for several packed batches.
    triplets(&path.join("validation.jsonl"), 3, 400);
    let base = Base::load(&path, Device::Cpu).unwrap();
    let model = base.model(&base.weights).unwrap();
    let tokens = KeptTokens::new(&path, 16, base.config.vocab_size, None);
    triplets(&path.join("train.jsonl"), 4, 10);
    let settings =
        json!({ "model": path, "train": path.join("train.jsonl"), "validation": path.join("validation.jsonl") });
    let sets = hpo_data::load(&serde_json::from_value(settings).unwrap()).unwrap();
    let data = Examples::of(&sets.validation, &tokens, &RolePrompts::default()).unwrap();

    let embed = |place: u32| -> Vec<f64> {
        let row = model.embed(&[data.text(place)]).unwrap();
        Vec::try_from(row.get(0).to_kind(tch::Kind::Double)).unwrap()
    };
    let texts: Vec<Vec<f64>> = (0..data.texts() as u32).map(embed).collect();
    let distance = |one: u32, other: u32| -> f64 {
        let pairs = texts[one as usize].iter().zip(&texts[other as usize]);
        pairs.map(|(a, b)| (a - b).powi(2)).sum()
    };
    let Rows::Triplets(rows) = data.rows() else {
        panic!("no triplets");
    };
    let triplets: Vec<[u32; 3]> = rows
        .iter()
        .map(|row| [row.anchor, row.positive, row.negatives[0]])
        .collect();
    let count = triplets.len() as f64;
    let (mut loss, mut accuracy) = (0.0, 0.0);
    for &[anchor, positive, negative] in &triplets {
        let (near, far) = (distance(anchor, positive), distance(anchor, negative));
        loss += (near - far + MARGIN).max(0.0) / count;
        accuracy += f64::from(near < far) / count;
    }
    let corpus: BTreeSet<u32> = triplets.iter().flat_map(|row| [row[1], row[2]]).collect();
    let queries: BTreeSet<u32> = triplets.iter().map(|row| row[0]).collect();
    let (mut mrr, mut recall, mut ndcg) = (0.0, 0.0, 0.0);
    let (mut entropies, mut log_ranks) = (Vec::new(), Vec::new());
    for &query in &queries {
        let mut ranking: Vec<u32> = corpus.iter().copied().filter(|&text| text != query).collect();
        ranking.sort_by(|&one, &other| distance(query, one).total_cmp(&distance(query, other)));
        let right = data.positives(query);
        // The cosine is 1 less half the squared distance of embeddings of length 1.
        let likelihood = |text: u32| (-distance(query, text) / 2.0 / TEMPERATURE).exp();
        let wrong = ranking.iter().filter(|text| !right.contains(text));
        let of_wrong: f64 = wrong.map(|&text| likelihood(text)).sum();
        entropies.extend(right.iter().map(|&text| (1.0 + of_wrong / likelihood(text)).ln()));
        let rank = |text: u32| {
            let before = ranking.iter().take_while(|&&other| other != text);
            1 + before.filter(|other| !right.contains(other)).count()
        };
        log_ranks.extend(right.iter().map(|&text| (rank(text) as f64).ln()));
        let top = &ranking[..10];
        recall += top.iter().filter(|text| right.contains(text)).count() as f64 / right.len() as f64;
        let gain = |place: usize| 1.0 / (place as f64 + 2.0).log2();
        let found = (0..10).filter(|&place| right.contains(&top[place]));
        ndcg += found.map(gain).sum::<f64>() / (0..right.len().min(10)).map(gain).sum::<f64>();
        if let Some(first) = top.iter().position(|text| right.contains(text)) {
            mrr += 1.0 / (first + 1) as f64;
        }
    }

    let mut cosines = 0.0;
    for one in 0..data.texts() as u32 {
        let others = (0..data.texts() as u32).filter(|&other| other != one);
        cosines += others.map(|other| 1.0 - distance(one, other) / 2.0).sum::<f64>();
    }
    let pairs = (data.texts() * (data.texts() - 1)) as f64;

    let measure = |loss| {
        let data = Examples::of(&sets.validation, &tokens, &RolePrompts::default()).unwrap();
        Validation::new(data, loss).measure(&model, None, usize::MAX).unwrap()
    };
    let measured = measure(TRIPLET);
    // Rounding may change the order of two texts that are equally near, and so the rank of one of 400 by one of some hundred.
    for (chosen, expected, tolerance) in [
        (TRIPLET, loss, 1e-5),
        (RankingLoss::CrossEntropy, mean(&entropies), 1e-5),
        (RankingLoss::LogRank, mean(&log_ranks), 1e-4),
    ] {
        let Measured { loss, metrics } = measure(chosen);
        assert!(
            (loss - expected).abs() < tolerance,
            "{chosen:?}: {loss} is not {expected}"
        );
        assert_eq!(metrics, measured.metrics);
    }
    let queries = queries.len() as f64;
    for (name, expected) in [
        ("triplet_accuracy", accuracy),
        ("mrr@10", mrr / queries),
        ("recall@10", recall / queries),
        ("ndcg@10", ndcg / queries),
        ("mean_cosine", cosines / pairs),
    ] {
        let found = measured.metrics[name];
        assert!((found - expected).abs() < 1e-6, "{name} is {found}, not {expected}");
    }
}

/// A short length must not win by making answers equal: a model that cannot distinguish them is not given the benefit.
#[test]
fn texts_that_are_equal_once_cut_earn_nothing() {
    one_thread();
    let path = directory("validation-cut");
    tiny_model(&path, "");
    let base = Base::load(&path, Device::Cpu).unwrap();
    let model = base.model(&base.weights).unwrap();
    let texts: [&[u32]; 4] = [&[7, 8], &[9, 10, 11], &[9, 10, 12], &[13, 14]];
    let validation = |rows, loss| Validation::new(Examples::new(rows, texts.map(Box::from).into(), 0), loss);
    let measure = |validation: &Validation, max_length| validation.measure(&model, None, max_length).unwrap();
    let triplets = validation(Rows::Triplets(vec![[0, 1, 2].into()]), TRIPLET);
    let (whole, cut) = (measure(&triplets, 3), measure(&triplets, 2));
    assert_ne!(whole.loss, cut.loss);
    assert!((cut.loss - MARGIN).abs() < 1e-6, "{}", cut.loss);
    assert_eq!((cut.metrics["triplet_accuracy"], cut.metrics["mrr@10"]), (0.0, 0.5));
    for loss in [RankingLoss::CrossEntropy, RankingLoss::LogRank] {
        let ranked = measure(&validation(Rows::Triplets(vec![[0, 1, 2].into()]), loss), 2);
        assert!((ranked.loss - 2f64.ln()).abs() < 1e-6, "{}", ranked.loss);
    }
    let pairs = measure(
        &validation(Rows::Pairs(vec![[0, 1], [3, 2]]), RankingLoss::CrossEntropy),
        2,
    );
    assert_eq!(pairs.metrics["mrr@10"], 0.5);
    assert!((pairs.loss - 2f64.ln()).abs() < 1e-6, "{}", pairs.loss);
}
