//! `prior` and `prior_confidence`: where the best value of a parameter is expected.

use toml::de::DeValue;

use super::reader::{Item, Problem, Result, Results, Table};
use super::{settings, try_first};
use crate::keys::{Fallback, Key, Kind, Refusal, Settings, Takes};
use crate::space::{Confidence, Parameter, Prior, SearchSpace};
use crate::study::SamplerSpec;

/// The guess.
pub(super) const PRIOR: Key = Key {
    name: "prior",
    takes: Takes::Scalar,
    default: Fallback::Nothing,
    about: "where you expect the best value: one that the parameter can have",
};

/// How much it is to be trusted.
pub(super) const CONFIDENCE: Key = Key {
    name: "prior_confidence",
    takes: Takes::Word(
        &[
            Confidence::Low.name(),
            Confidence::Medium.name(),
            Confidence::High.name(),
        ],
        Refusal {
            message: "is not a confidence",
            label: "unknown confidence",
            help: "",
        },
    ),
    default: Fallback::Word(Confidence::Medium.name()),
    about: "how much to trust it: the best value may well be half (`\"low\"`), a quarter or an eighth (`\"high\"`) of the range away",
};

/// The keys of a parameter that is drawn, beside those of its distribution.
pub(super) const KEYS: &[Key] = &[PRIOR, CONFIDENCE];

/// The prior of a parameter, whose distribution is known.
pub(super) fn read(item: &Item, parameter: &Parameter) -> Results<Option<Prior>> {
    let DeValue::Table(_) = item.value else {
        return Ok(None);
    };
    let table = item.table()?;
    let confidence = table.get(CONFIDENCE.name);
    let Some(value) = table.get(PRIOR.name) else {
        return match confidence {
            None => Ok(None),
            Some(item) => {
                let message = format!("`{}` has no effect without `{}`", item.name, PRIOR.name);
                let help = format!("add the value that you expect to be best, as `{} = …`", PRIOR.name);
                Err(Problem::new(item.key_span, message, "confidence in what?", help).into())
            }
        };
    };
    Ok(Some(Prior {
        value: try_first::value(&value, parameter)?,
        confidence: settings::read(&table, &[CONFIDENCE])?.choice(&CONFIDENCE, &Confidence::ALL),
    }))
}

/// Whether priors are there where the sampler uses them.
pub(super) fn check(root: &Table, space: &SearchSpace, sampler: &SamplerSpec) -> Result<()> {
    let given = space.parameters.iter().find(|parameter| parameter.prior.is_some());
    match given {
        Some(parameter) if !sampler.uses_priors() => {
            let item = root
                .get("space")
                .and_then(|item| item.table().ok()?.get(&parameter.name));
            let prior = item.and_then(|item| item.table().ok()?.get(PRIOR.name));
            let message = format!("the sampler does not use the `{}` of `{}`", PRIOR.name, parameter.name);
            let help = format!("remove it, or let `[sampler]` have {}", those_that_use_priors());
            Err(match prior {
                Some(prior) => Problem::new(prior.key_span, message, "no effect", help),
                None => Problem::missing(None, message, help),
            })
        }
        None if *sampler == SamplerSpec::PriorBand => {
            let kind = root.get("sampler").and_then(|item| item.table().ok()?.get("type"));
            let message = "`prior_band` draws by your guesses, and there are none";
            let help = format!(
                "say of a parameter where you expect its best value, as `{} = …`, or use `type = \"gaussian_process\"`",
                PRIOR.name
            );
            Err(match kind {
                Some(kind) => Problem::new(kind.span, message, "without guesses", help),
                None => Problem::missing(None, message, help),
            })
        }
        _ => Ok(()),
    }
}

/// The samplers that use priors, as one writes them down.
fn those_that_use_priors() -> String {
    let uses = |kind: &&Kind<SamplerSpec, Settings>| (kind.read)(&Settings::default()).uses_priors();
    let names: Vec<String> = SamplerSpec::KINDS
        .iter()
        .filter(uses)
        .map(|kind| format!("`\"{}\"`", kind.about.name))
        .collect();
    let (last, others) = names
        .split_last()
        .map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
    let listed = format!("{} or {last}", others.join(", "));
    listed.replacen('`', "`type = ", 1)
}
