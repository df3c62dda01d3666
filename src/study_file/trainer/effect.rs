//! Whether every searched parameter of the embedding trainer can make a difference.

use hpo_data::{Kind, Rows, Sets};
use hpo_protocol::embedding::{LossKind, PARAMETERS, Parameters};
use serde_json::{Value, json};

use crate::space::{Distribution, SearchSpace};

/// What is wrong with a parameter.
#[derive(Debug, PartialEq)]
pub(super) struct NoEffect {
    pub parameter: String,
    pub message: String,
    pub label: &'static str,
    pub help: String,
}

/// What of the data decides whether parameters have an effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Data {
    kind: Kind,
    /// The most negatives that a training row has.
    negatives: usize,
    synonyms: bool,
}

impl Data {
    pub fn of(sets: &Sets) -> Self {
        let negatives = match &sets.train.rows {
            Rows::Triplets(rows) => rows.iter().map(|row| row.negatives.len()).max().unwrap_or(0),
            Rows::Pairs(_) | Rows::Scored(_) | Rows::Labelled(_) => 0,
        };
        Self {
            kind: sets.report.kind,
            negatives,
            synonyms: sets.synonyms.is_some(),
        }
    }
}

/// Whether words are replaced by synonyms in any trial.
pub(super) fn can_replace(space: &SearchSpace) -> bool {
    let values = named(space, "synonym_replacement").unwrap_or_default();
    values
        .iter()
        .any(|value| value.as_f64().is_some_and(|share| share > 0.0))
}

/// The first loss that the data are not made for, or the first searched parameter that changes nothing whatever the others
/// are. A fixed one does no harm, since exported configurations have them, but for the one that needs a file; those that
/// [`fixed_for_nothing`] gives are worth a warning.
pub(super) fn without_effect(space: &SearchSpace, data: Data) -> Option<NoEffect> {
    if !data.synonyms && can_replace(space) {
        return Some(NoEffect {
            parameter: "synonym_replacement".to_owned(),
            message: "`synonym_replacement` needs synonyms, and there are none".to_owned(),
            label: "nothing to replace words with",
            help: "name a file of them with `synonyms = \"synonyms.tsv\"` under `[trial]`, or remove it".to_owned(),
        });
    }
    let possible = data.kind.losses();
    for value in named(space, "loss").into_iter().flatten() {
        if !possible.iter().any(|loss| value == json!(loss)) {
            let names: Vec<String> = possible.iter().map(|loss| format!("`{loss}`")).collect();
            return Some(NoEffect {
                parameter: "loss".to_owned(),
                message: format!("the loss {value} can't be computed for {}", data.kind).replace('"', "`"),
                label: "not for these data",
                help: format!("use {}, or leave `loss` out", names.join(" or ")),
            });
        }
    }
    let defaults = json!(Parameters::default());
    let values = |name: &str| -> Vec<Value> {
        let default = match name {
            "loss" => json!(possible[0]),
            _ => defaults[name].clone(),
        };
        let conditional = space
            .parameters
            .iter()
            .any(|other| other.name == name && !other.when.is_empty());
        match named(space, name) {
            // A configuration that does not have it has the default.
            Some(values) if conditional => values.into_iter().chain([default]).collect(),
            Some(values) => values,
            None => vec![default],
        }
    };
    let searched = space
        .parameters
        .iter()
        .filter(|parameter| !parameter.distribution.is_fixed());
    searched
        .map(|parameter| parameter.name.as_str())
        .find_map(|name| idle(space, name, data, &values))
}

/// The fixed parameters that change nothing with these data, whatever the others are: nobody would have exported them.
pub(super) fn fixed_for_nothing(space: &SearchSpace, data: Data) -> Vec<NoEffect> {
    let usual = json!(Parameters::default());
    let fixed = space
        .parameters
        .iter()
        .filter(|parameter| parameter.distribution.is_fixed());
    let fixed = fixed.map(|parameter| {
        (
            parameter.name.as_str(),
            parameter.distribution.listed().unwrap_or_default(),
        )
    });
    let unusual = fixed.filter(|(name, values)| !values.contains(&usual[*name]));
    unusual
        .filter_map(|(name, values)| on_data(name, data, values))
        .collect()
}

/// What is wrong with a parameter of these values that changes nothing because of the data.
fn on_data(name: &str, data: Data, values: &[Value]) -> Option<NoEffect> {
    let Data { kind, negatives, .. } = data;
    let none = |why: String| NoEffect {
        parameter: name.to_owned(),
        message: format!("`{name}` has no effect {why}"),
        label: "set for nothing",
        help: "remove it".to_owned(),
    };
    let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name);
    let mut of_losses = parameter.into_iter().flat_map(|parameter| parameter.needs);
    if of_losses.any(|needs| {
        let used = |loss: &LossKind| needs.values.contains(&loss.name());
        needs.parameter == "loss" && !kind.losses().iter().any(used)
    }) {
        return Some(none(format!("on {kind}: no loss for them uses it")));
    }
    let least = || {
        let each = values
            .iter()
            .map(|value| value.as_u64().unwrap_or(Parameters::NEGATIVES_PER_ROW));
        each.min().unwrap_or(Parameters::NEGATIVES_PER_ROW)
    };
    match (name, kind) {
        ("batch_negatives", Kind::Pairs) => Some(none("on pairs, which have no other negatives".to_owned())),
        ("negatives_per_row", Kind::Pairs) => Some(none("on pairs, which have no negatives of their own".to_owned())),
        ("negatives_per_row", Kind::Triplets) if negatives == 1 => {
            let together = "remove it; a row has several if its record lists them, and `negatives` under `[trial]` is not `\"apart\"`";
            Some(NoEffect {
                help: together.to_owned(),
                ..none("on these data: no training row has several negatives".to_owned())
            })
        }
        ("negatives_per_row", Kind::Triplets) if least() >= negatives as u64 => Some(none(format!(
            "on these data: no training row has more than {negatives} negatives"
        ))),
        _ => None,
    }
}

/// What is wrong with a parameter that changes nothing, given the values that each parameter can have.
fn idle(space: &SearchSpace, name: &str, data: Data, values: &dyn Fn(&str) -> Vec<Value>) -> Option<NoEffect> {
    if let Some(nothing) = on_data(name, data, &values(name)) {
        return Some(nothing);
    }
    let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name);
    for needs in parameter.iter().flat_map(|parameter| parameter.needs) {
        let (decides, with) = (needs.parameter, needs.values);
        let values = required(space, name, decides).unwrap_or_else(|| values(decides));
        if !values.iter().any(|value| with.iter().any(|with| value == with)) {
            return Some(no_effect(
                name,
                decides,
                &values[0],
                &format!("`{}`", with.join("` or `")),
            ));
        }
    }
    let never = |decides: &str, wanted: &dyn Fn(&Value) -> bool| !values(decides).iter().any(wanted);
    let positive = |value: &Value| value.as_f64().is_some_and(|number| number > 0.0);
    if name == "mining" && data.kind == Kind::Triplets && never("batch_negatives", &positive) {
        return Some(no_effect(name, "batch_negatives", &json!(0), "above 0"));
    }
    if name == "warmup_ratio" && !never("warmup_steps", &Value::is_number) {
        return Some(no_effect(name, "warmup_steps", &json!("set"), "left out"));
    }
    if name == "freeze_embeddings" && never("frozen_layers", &|value| value == 0) {
        return Some(no_effect(name, "frozen_layers", &json!("above 0"), "0 in some trials"));
    }
    None
}

/// The values of another parameter with which alone a configuration has this one.
fn required(space: &SearchSpace, name: &str, other: &str) -> Option<Vec<Value>> {
    let parameter = space.parameters.iter().find(|parameter| parameter.name == name)?;
    let condition = parameter.when.iter().find(|condition| condition.parameter == other)?;
    Some(condition.values.clone())
}

fn no_effect(name: &str, decides: &str, value: &Value, with: &str) -> NoEffect {
    let value = value.as_str().map_or(value.to_string(), str::to_owned);
    NoEffect {
        parameter: name.to_owned(),
        message: format!("`{name}` has no effect: `{decides}` is {value}"),
        label: "searched for nothing",
        help: format!("remove it, or let `{decides}` be {with}"),
    }
}

/// The values that a parameter of the space can have; of a range, its ends.
fn named(space: &SearchSpace, name: &str) -> Option<Vec<Value>> {
    let parameter = space.parameters.iter().find(|parameter| parameter.name == name)?;
    Some(match &parameter.distribution {
        Distribution::Fixed { value } => vec![value.clone()],
        Distribution::Choice { values } => values.clone(),
        Distribution::Uniform { low, high, .. } | Distribution::LogUniform { low, high, .. } => {
            vec![json!(low), json!(high)]
        }
        Distribution::Integer { low, high, .. } | Distribution::LogInteger { low, high, .. } => {
            vec![json!(low), json!(high)]
        }
        Distribution::Normal { low, high, .. } | Distribution::LogNormal { low, high, .. } => {
            vec![json!(low), json!(high)]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study_file::parse;

    fn data(kind: Kind, negatives: usize) -> Data {
        Data {
            kind,
            negatives,
            synonyms: false,
        }
    }

    fn space(lines: &str) -> SearchSpace {
        let text = format!(
            "[study]\ntrials = 3\n[policy]\nmax_resource = 3\n[trial]\nmodel = \"m\"\ntrain = \"t.jsonl\"\n[space]\n{lines}\n"
        );
        parse(&text, "s.toml".as_ref()).unwrap().study.space
    }

    fn said(lines: &str, kind: Kind) -> Option<String> {
        without_effect(&space(lines), data(kind, 4)).map(|idle| format!("{}; {}", idle.message, idle.help))
    }

    const RANGE: &str = "{ type = \"uniform\", low = 0.1, high = 0.5 }";

    #[test]
    fn a_searched_parameter_that_changes_nothing_is_told() {
        let cases = [
            (
                format!("momentum = {RANGE}"),
                Kind::Triplets,
                "`momentum` has no effect: `optimizer` is adamw; remove it, or let `optimizer` be `sgd`",
            ),
            (
                format!("beta1 = {RANGE}\noptimizer = \"sgd\""),
                Kind::Pairs,
                "`beta1` has no effect: `optimizer` is sgd; remove it, or let `optimizer` be `adamw` or `adam`",
            ),
            (
                format!("margin = {RANGE}"),
                Kind::Pairs,
                "`margin` has no effect: `loss` is multiple_negatives; remove it, or let `loss` be `triplet`",
            ),
            (
                format!("temperature = {RANGE}"),
                Kind::Triplets,
                "`temperature` has no effect: `loss` is triplet; remove it, or let `loss` be `multiple_negatives`",
            ),
            (
                "mining = { type = \"choice\", values = [\"hardest\", \"semi_hard\"] }".to_owned(),
                Kind::Triplets,
                "`mining` has no effect: `batch_negatives` is 0; remove it, or let `batch_negatives` be above 0",
            ),
            (
                format!("warmup_ratio = {RANGE}\nwarmup_steps = 10"),
                Kind::Scored,
                "`warmup_ratio` has no effect: `warmup_steps` is set; remove it, or let `warmup_steps` be left out",
            ),
            (
                "freeze_embeddings = { type = \"choice\", values = [true, false] }\nfrozen_layers = 2".to_owned(),
                Kind::Scored,
                "`freeze_embeddings` has no effect: `frozen_layers` is above 0; remove it, or let `frozen_layers` be 0 in some trials",
            ),
            (
                format!("batch_negatives = {RANGE}\nloss = \"triplet\""),
                Kind::Pairs,
                "`batch_negatives` has no effect on pairs, which have no other negatives; remove it",
            ),
            (
                "negatives_per_row = { type = \"choice\", values = [1, 4] }".to_owned(),
                Kind::Pairs,
                "`negatives_per_row` has no effect on pairs, which have no negatives of their own; remove it",
            ),
            (
                format!("absolute_margin = {RANGE}"),
                Kind::Labelled,
                "`absolute_margin` has no effect on labelled texts: no loss for them uses it; remove it",
            ),
            (
                "negatives_per_row = { type = \"choice\", values = [4, 8] }".to_owned(),
                Kind::Triplets,
                "`negatives_per_row` has no effect on these data: no training row has more than 4 negatives; remove it",
            ),
            (
                "momentum = { type = \"uniform\", low = 0.1, high = 0.5, when = { optimizer = \"adamw\" } }\n\
                 optimizer = { type = \"choice\", values = [\"adamw\", \"sgd\"] }"
                    .to_owned(),
                Kind::Triplets,
                "`momentum` has no effect: `optimizer` is adamw; remove it, or let `optimizer` be `sgd`",
            ),
            (
                "synonym_replacement = 0.1".to_owned(),
                Kind::Pairs,
                "`synonym_replacement` needs synonyms, and there are none; name a file of them with `synonyms = \"synonyms.tsv\"` under `[trial]`, or remove it",
            ),
            (
                "loss = \"classification\"".to_owned(),
                Kind::Triplets,
                "the loss `classification` can't be computed for triplets; use `triplet` or `multiple_negatives`, or leave `loss` out",
            ),
        ];
        for (space, kind, expected) in cases {
            assert_eq!(said(&space, kind).as_deref(), Some(expected), "{space}");
        }
    }

    #[test]
    fn a_fixed_one_is_told_if_the_data_rule_it_out() {
        let said = |lines: &str, data: Data| -> Vec<String> {
            let all = fixed_for_nothing(&space(lines), data);
            all.into_iter().map(|idle| idle.message).collect()
        };
        let lines =
            "absolute_margin = 0.1\nrelative_margin = 0.05\nnegatives_per_row = 4\nmargin = 0.5\nmomentum = 0.5";
        let none = "no loss for them uses it";
        for kind in [Kind::Scored, Kind::Labelled] {
            let expected = ["absolute_margin", "relative_margin", "negatives_per_row"]
                .map(|name| format!("`{name}` has no effect on {kind}: {none}"));
            assert_eq!(said(lines, data(kind, 0)), expected);
        }
        for (of, why) in [
            (data(Kind::Pairs, 0), "on pairs, which have no negatives of their own"),
            (
                data(Kind::Triplets, 1),
                "on these data: no training row has several negatives",
            ),
            (
                data(Kind::Triplets, 3),
                "on these data: no training row has more than 3 negatives",
            ),
        ] {
            assert_eq!(said(lines, of), [format!("`negatives_per_row` has no effect {why}")]);
        }
        assert_eq!(said(lines, data(Kind::Triplets, 5)), Vec::<String>::new());
    }

    #[test]
    fn one_that_changes_something_in_some_trial_is_not() {
        let cases = [
            (
                format!("momentum = {RANGE}\noptimizer = {{ type = \"choice\", values = [\"adamw\", \"sgd\"] }}"),
                Kind::Triplets,
            ),
            (format!("margin = {RANGE}"), Kind::Triplets),
            (
                "negatives_per_row = { type = \"choice\", values = [3, 8] }".to_owned(),
                Kind::Triplets,
            ),
            (format!("head_dropout = {RANGE}"), Kind::Labelled),
            (
                format!(
                    "batch_negatives = {RANGE}\nmining = {{ type = \"choice\", values = [\"hardest\", \"semi_hard\"] }}"
                ),
                Kind::Triplets,
            ),
            // Fixed, as in an exported configuration.
            ("momentum = 0.5\nrestarts = 3".to_owned(), Kind::Triplets),
        ];
        for (space, kind) in cases {
            assert_eq!(said(&space, kind), None, "{space}");
        }
    }
}
