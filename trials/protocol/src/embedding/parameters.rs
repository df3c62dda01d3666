//! The parameters of the embedding trainer, and the names that some of them take.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::columns::Kind;
use super::declare::{Choice, choices, parameters};
use super::domain::Domain;

choices! {
    /// What is minimised.
    LossKind {
        /// The positive must be nearer than the negative, by a margin. The default for triplets; for pairs, all negatives
        /// are of the batch.
        Triplet = "triplet",
        /// The positive must be found among all texts of the batch (InfoNCE). For triplets, and the default for pairs.
        MultipleNegatives = "multiple_negatives",
        /// The cosine must be the score. For scored pairs.
        CosineSimilarity = "cosine_similarity",
        /// The label must be found. For labelled texts.
        Classification = "classification",
    }
}

impl LossKind {
    /// The kinds of rows that it can be computed for.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Triplet | Self::MultipleNegatives => &[Kind::Triplets, Kind::Pairs],
            Self::CosineSimilarity => &[Kind::Scored],
            Self::Classification => &[Kind::Labelled],
        }
    }
}

impl Kind {
    /// The training losses that rows of this kind are made for; the first is the default.
    pub fn losses(self) -> Vec<LossKind> {
        let mut losses: Vec<LossKind> = LossKind::ALL.to_vec();
        losses.retain(|loss| loss.kinds().contains(&self));
        losses.sort_by_key(|loss| *loss != self.default_loss());
        losses
    }

    /// The training loss that rows of this kind have if a trial chooses none.
    pub fn default_loss(self) -> LossKind {
        match self {
            Self::Triplets => LossKind::Triplet,
            Self::Pairs => LossKind::MultipleNegatives,
            Self::Scored => LossKind::CosineSimilarity,
            Self::Labelled => LossKind::Classification,
        }
    }
}

choices! {
    /// How far embeddings are from each other.
    DistanceKind {
        /// The sum of squared differences: from 0 to 4 for embeddings of length 1.
        SquaredEuclidean = "squared_euclidean",
        /// Its root.
        Euclidean = "euclidean",
        /// 1 less the cosine.
        Cosine = "cosine",
    }
}

choices! {
    /// Which of the wrong answers in a batch becomes the negative.
    Mining {
        /// The nearest (batch hard; Hermans et al., 2017, section 2).
        Hardest = "hardest",
        /// The nearest that is farther than the positive, or the farthest if there is none (Schroff et al., 2015, section
        /// 3.2).
        SemiHard = "semi_hard",
    }
}

choices! {
    /// What changes the weights.
    OptimizerKind {
        /// Adam with decoupled weight decay.
        Adamw = "adamw",
        /// Adam; weight decay is added to the gradient.
        Adam = "adam",
        /// Stochastic gradient descent with momentum; weight decay is added to the gradient.
        Sgd = "sgd",
    }
}

choices! {
    /// The numbers of matrix products.
    PrecisionKind {
        /// bfloat16 on GPUs that are made for it, otherwise f32.
        Auto = "auto",
        /// f32.
        Fp32 = "fp32",
        /// bfloat16.
        Bf16 = "bf16",
        /// IEEE half precision, with a scale of the loss that adapts.
        Fp16 = "fp16",
    }
}

choices! {
    /// How the learning rate changes after the warm-up.
    ScheduleKind {
        /// It stays.
        Constant = "constant",
        /// It falls in a straight line.
        Linear = "linear",
        /// It falls along half a cosine.
        Cosine = "cosine",
        /// It falls along half a cosine several times.
        CosineRestarts = "cosine_restarts",
        /// It falls whenever the validation loss has not fallen for some time.
        Plateau = "plateau",
    }
}

choices! {
    /// How the token vectors of a text become one.
    PoolingKind {
        /// The mean over all tokens, special ones included.
        Mean = "mean",
        /// The vector of the first token.
        Cls = "cls",
        /// The greatest number of all tokens, one for each place of the vector.
        Max = "max",
    }
}

/// A parameter as `hpo` checks it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name: a field of [`Parameters`].
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// When to change it; may be empty.
    pub advice: &'static str,
    /// The values it takes.
    pub domain: Domain,
    /// With what alone it has an effect; empty if it always has one. At most one.
    pub needs: &'static [Needs],
}

/// A parameter that is a choice, and those of its names with which another parameter has an effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Needs {
    /// The parameter that decides.
    pub parameter: &'static str,
    /// The names with which the other one has an effect.
    pub values: &'static [&'static str],
}

/// Numbers above 0 and up to `high`.
const fn above_zero(high: f64) -> Domain {
    Domain::Float {
        low: 0.0,
        low_included: false,
        high,
    }
}

/// Numbers from 0 to `high`.
const fn from_zero(high: f64) -> Domain {
    Domain::Float {
        low: 0.0,
        low_included: true,
        high,
    }
}

/// Numbers of at least 0.
const NOT_NEGATIVE: Domain = from_zero(f64::MAX);

/// Numbers above 0.
const POSITIVE: Domain = above_zero(f64::MAX);

/// Numbers from `-most` to `most`.
const fn from_minus(most: f64) -> Domain {
    Domain::Float {
        low: -most,
        low_included: true,
        high: most,
    }
}

/// Decay rates of running means: 1 would never forget.
const MEANS: Domain = from_zero(0.999_999);

const fn at_least(low: i64) -> Domain {
    Domain::Integer { low }
}

const fn one_of(choices: &'static [Choice]) -> Domain {
    Domain::Choice(choices)
}

parameters! {
    /// One configuration of the embedding trainer. Every field can be fixed or searched under `[space]`.
    Parameters {
        /// The optimizer.
        optimizer: OptimizerKind = OptimizerKind::Adamw, one_of(OptimizerKind::CHOICES),
            advice "rarely";
        /// The highest learning rate.
        learning_rate: f64 = 2e-5, POSITIVE,
            advice "search it first: 1e-6 to 3e-4 (`sgd` needs much more)";
        /// Examples per optimizer step.
        batch_size: u64 = 32, at_least(1),
            advice "larger for steadier steps, smaller for more of them";
        /// How many rows of a batch are embedded at a time; if not given, all. Fewer need less memory for the gradient of
        /// the same batch.
        micro_batch_size: Option<u64> = None, at_least(1),
            advice "down if memory is short: a batch that does not fit is halved by itself as well, which costs the attempt";
        /// Dropout probability everywhere the encoder has one: embeddings, attention, feed-forward.
        dropout: f64 = 0.1, from_zero(0.9),
            advice "up if training loss falls and validation loss rises";
        /// Weight decay; biases and LayerNorm have none.
        weight_decay: f64 = 1e-2, NOT_NEGATIVE,
            advice "up against overfitting";
        /// Adam's decay of the running mean of gradients.
        beta1: f64 = 0.9, MEANS,
            if optimizer is [OptimizerKind::Adamw, OptimizerKind::Adam];
        /// Adam's decay of the running mean of squared gradients.
        beta2: f64 = 0.999, MEANS,
            if optimizer is [OptimizerKind::Adamw, OptimizerKind::Adam],
            advice "down to 0.98 if the loss jumps";
        /// What Adam adds to the root of the squares.
        epsilon: f64 = 1e-8, above_zero(1.0),
            if optimizer is [OptimizerKind::Adamw, OptimizerKind::Adam];
        /// Momentum of SGD.
        momentum: f64 = 0.9, MEANS,
            if optimizer is [OptimizerKind::Sgd];
        /// The greatest length of the whole gradient; longer ones are scaled down to it. 0 is without a limit.
        max_grad_norm: f64 = 1.0, NOT_NEGATIVE,
            advice "down if the loss jumps";
        /// The learning rate of a layer as a share of that of the layer above it; the embeddings come after the lowest
        /// layer.
        layer_decay: f64 = 1.0, above_zero(1.0),
            advice "0.8 to 0.95 with few data: lower layers keep what they know";
        /// The numbers of matrix products in training; weights, sums and validation are in f32.
        precision: PrecisionKind = PrecisionKind::Auto, one_of(PrecisionKind::CHOICES),
            advice "fp32 if the loss jumps. On CPUs without bf16 instructions bf16 is very slow";
        /// The lowest layers that are not trained, and the embeddings with them if there is any. They run without
        /// dropout, and what they make of a text is computed once per worker and length.
        frozen_layers: u64 = 0, at_least(0),
            advice "few data, or to train faster: of MiniLM's 6 layers, 3 frozen train about twice as fast, 5 about five times";
        /// Whether the embeddings are not trained.
        freeze_embeddings: bool = false, Domain::Bool,
            advice "large vocabularies, few data";
        /// How the learning rate changes over the steps of the maximum resource: a promoted trial continues along the same
        /// curve.
        schedule: ScheduleKind = ScheduleKind::Constant, one_of(ScheduleKind::CHOICES),
            advice "`\"linear\"` or `\"cosine\"` for long trials";
        /// Steps over which the learning rate rises to its highest; takes precedence over `warmup_ratio`.
        warmup_steps: Option<u64> = None, at_least(0);
        /// The same as a share of all steps.
        warmup_ratio: f64 = 0.0, from_zero(1.0),
            advice "0.1 if the first steps do harm: high learning rates, small batches";
        /// The lowest learning rate of a schedule as a share of the highest.
        min_learning_rate_ratio: f64 = 0.0, from_zero(1.0),
            if schedule is [
                ScheduleKind::Linear, ScheduleKind::Cosine, ScheduleKind::CosineRestarts, ScheduleKind::Plateau
            ],
            advice "0.1 if the last epochs still learn";
        /// How often the schedule `cosine_restarts` starts again, at equal distances.
        restarts: u64 = 1, at_least(0),
            if schedule is [ScheduleKind::CosineRestarts],
            advice "rarely";
        /// What the schedule `plateau` multiplies the learning rate with.
        plateau_factor: f64 = 0.5, above_zero(1.0),
            if schedule is [ScheduleKind::Plateau];
        /// Validations in a row without a lower loss after which it does so.
        plateau_patience: u64 = 1, at_least(1),
            if schedule is [ScheduleKind::Plateau];
        /// Validations in a row without a lower loss after which the trial ends, and stands at all further rungs with its
        /// best; 0 is never.
        patience: u64 = 0, at_least(0),
            advice "2 or 3 in long trials";
        /// The loss; if not given, that of the data's kind.
        loss: Option<LossKind> = None, one_of(LossKind::CHOICES),
            advice "`\"multiple_negatives\"` with large batches is the usual choice for retrieval";
        /// Margin of the triplet loss: how much nearer the positive must be.
        margin: f64 = 0.5, from_zero(4.0),
            if loss is [LossKind::Triplet],
            advice "larger keeps more triplets at work";
        /// Distance of the triplet loss.
        distance: DistanceKind = DistanceKind::SquaredEuclidean, one_of(DistanceKind::CHOICES),
            if loss is [LossKind::Triplet],
            advice "choose `margin` for it: from 0 to 4, 2 and 2 for embeddings of length 1";
        /// Weight of a second triplet loss whose negative is chosen within the batch; 0 is without it. For pairs, which
        /// have no other, it does not count.
        batch_negatives: f64 = 0.0, NOT_NEGATIVE,
            if loss is [LossKind::Triplet],
            advice "1 if your negatives are all of one hard kind: it teaches about the rest of the corpus and lifts ranking";
        /// Which one is chosen.
        mining: Mining = Mining::Hardest, one_of(Mining::CHOICES),
            if loss is [LossKind::Triplet],
            advice "`\"semi_hard\"` if training collapses (`mean_cosine` near 1), or if negatives are often right answers";
        /// What the multiple-negatives ranking loss divides cosines by.
        temperature: f64 = 0.05, POSITIVE,
            if loss is [LossKind::MultipleNegatives],
            advice "0.01 to 0.1: smaller minds the hardest more";
        /// Whether that loss also asks each positive for its anchor.
        symmetric: bool = false, Domain::Bool,
            if loss is [LossKind::MultipleNegatives],
            advice "if both sides are asked for, such as translations";
        /// Dropout probability of embeddings before classification.
        head_dropout: f64 = 0.0, from_zero(0.9),
            if loss is [LossKind::Classification],
            advice "against overfitting";
        /// Augmentation of training texts, drawn again for each text in each epoch: the probability of each word that has
        /// synonyms to be replaced by one.
        synonym_replacement: f64 = 0.0, from_zero(1.0),
            advice "0.05 to 0.3 against overfitting with few data";
        /// Likewise: the largest share of a text's tokens that is cut off its ends.
        crop: f64 = 0.0, from_zero(0.9),
            advice "0.05 to 0.2 against overfitting with few data";
        /// Likewise: the probability of each token to be left out.
        token_deletion: f64 = 0.0, from_zero(0.9),
            advice "0.05 to 0.2 against overfitting with few data";
        /// Likewise: the probability of each token to change places with the next one.
        token_swap: f64 = 0.0, from_zero(1.0),
            advice "0.05 to 0.2 against overfitting with few data";
        /// How token vectors become an embedding; if not given, the model's own way.
        pooling: Option<PoolingKind> = None, one_of(PoolingKind::CHOICES),
            advice "a base model that was never tuned for embeddings";
        /// Whether the model scales embeddings to length 1; if not given, the model's own way. Validation always does;
        /// without it the training loss sees their lengths, and `margin` is on their scale.
        normalize: Option<bool> = None, Domain::Bool,
            advice "`true` for a plain language model";
        /// Tokens per text, special tokens included, in training, in validation and once exported; at most `max_length`
        /// under `[trial]`, which it is if there is none.
        // Checkpoints hold the parameters, and trials that have none of this are those of before there was any.
        #[serde(skip_serializing_if = "Option::is_none")]
        max_length: Option<u64> = None, at_least(3),
            advice "down if what matters stands at the beginning of your texts: shorter ones are faster to train and to embed";
        /// How many negatives of a row a step uses at most, drawn again in each epoch; if not given, 8.
        #[serde(skip_serializing_if = "Option::is_none")]
        negatives_per_row: Option<u64> = None, at_least(1),
            if loss is [LossKind::Triplet, LossKind::MultipleNegatives],
            advice "down if memory is short or steps are slow, up if rows have many hard negatives";
        /// False negatives: a text whose cosine with the anchor is above the positive's less this is not counted as a negative. If not
        /// given, all are.
        #[serde(skip_serializing_if = "Option::is_none")]
        absolute_margin: Option<f64> = None, from_minus(2.0),
            if loss is [LossKind::Triplet, LossKind::MultipleNegatives],
            advice "0 to 0.1 if negatives are often right answers, as mined ones are; below 0 to leave out only what is far nearer than the positive";
        /// Likewise, as a share of the positive's cosine.
        #[serde(skip_serializing_if = "Option::is_none")]
        relative_margin: Option<f64> = None, from_minus(1.0),
            if loss is [LossKind::Triplet, LossKind::MultipleNegatives],
            advice "0.05 counts texts up to 95 % of the positive's cosine as negatives";
        /// The prompts of the trial, in training, in validation and once exported: the name of one of the `prompt_sets` under `[trial]`.
        /// If not given, the `prompts` there.
        #[serde(skip_serializing_if = "Option::is_none")]
        prompts: Option<String> = None, Domain::Name,
            advice "if the model's makers name none, or your texts are of another kind than theirs";
        /// The directory of the base model, relative to that of the file, in the place of `model` under `[trial]`.
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<String> = None, Domain::Directory,
            advice "search it, as a choice, if you don't know which base model suits your data";
    }
}

impl Parameters {
    /// [`negatives_per_row`](Self::negatives_per_row) if a trial has none.
    pub const NEGATIVES_PER_ROW: u64 = 8;

    /// Whether what a trial has learned by some resource depends on the maximum resource, over which its learning rate changes.
    pub fn follow_maximum(&self) -> bool {
        let warms_up = self.warmup_steps.is_none() && self.warmup_ratio > 0.0;
        let falls = match self.schedule {
            ScheduleKind::Constant | ScheduleKind::Plateau => false,
            ScheduleKind::Linear | ScheduleKind::Cosine | ScheduleKind::CosineRestarts => true,
        };
        warms_up || falls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_domain() {
        let all = Parameters {
            max_length: Some(8),
            negatives_per_row: Some(1),
            absolute_margin: Some(0.1),
            relative_margin: Some(0.1),
            prompts: Some("own".to_owned()),
            model: Some("m".to_owned()),
            ..Parameters::default()
        };
        let fields = serde_json::to_value(all).unwrap();
        let names: Vec<_> = PARAMETERS.iter().map(|p| p.name).collect();
        assert_eq!(names, fields.as_object().unwrap().keys().collect::<Vec<_>>());
        for parameter in PARAMETERS {
            let value = &fields[parameter.name];
            assert!(
                value.is_null() || parameter.domain.contains(value),
                "{}",
                parameter.name
            );
            assert!(parameter.about.ends_with('.'), "{}", parameter.name);
        }
    }

    #[test]
    fn what_decides_about_an_effect_is_a_parameter_with_these_names() {
        for needs in PARAMETERS.iter().flat_map(|parameter| parameter.needs) {
            let decides = PARAMETERS.iter().find(|other| other.name == needs.parameter).unwrap();
            let Domain::Choice(choices) = decides.domain else {
                panic!("`{}` is no choice", needs.parameter);
            };
            let is_known = |name: &&str| choices.iter().any(|choice| choice.name == *name);
            assert!(needs.values.iter().all(is_known), "{}", needs.parameter);
        }
    }

    #[test]
    fn a_choice_is_written_by_its_name() {
        for (kind, choice) in LossKind::ALL.iter().zip(LossKind::CHOICES) {
            assert_eq!(serde_json::json!(kind), choice.name);
            assert_eq!((kind.name(), kind.to_string()), (choice.name, choice.name.to_owned()));
        }
        assert!(serde_json::from_str::<LossKind>("\"triplets\"").is_err());
    }

    #[test]
    fn every_kind_has_its_losses_the_default_one_first() {
        use LossKind::{Classification, CosineSimilarity, MultipleNegatives, Triplet};
        assert_eq!(Kind::Triplets.losses(), [Triplet, MultipleNegatives]);
        assert_eq!(Kind::Pairs.losses(), [MultipleNegatives, Triplet]);
        assert_eq!(Kind::Scored.losses(), [CosineSimilarity]);
        assert_eq!(Kind::Labelled.losses(), [Classification]);
    }

    /// Checkpoints are compared by this text: those written before there was the parameter must remain readable.
    #[test]
    fn a_length_that_is_not_given_is_not_written() {
        let written = serde_json::to_string(&Parameters::default()).unwrap();
        assert!(written.ends_with(r#""pooling":null,"normalize":null}"#), "{written}");
    }
}
