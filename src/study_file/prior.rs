//! `prior` and `prior_confidence`: where the best value of a parameter is expected.

use toml::de::DeValue;

use super::reader::{Item, Problem, Result, Table, did_you_mean};
use super::try_first;
use crate::space::{Confidence, Parameter, Prior, SearchSpace};
use crate::study::SamplerSpec;

/// The guess.
pub(super) const KEY: &str = "prior";
/// How much it is to be trusted.
pub(super) const CONFIDENCE: &str = "prior_confidence";

const CONFIDENCES: &[(&str, Confidence)] = &[
    ("low", Confidence::Low),
    ("medium", Confidence::Medium),
    ("high", Confidence::High),
];

/// The prior of a parameter, whose distribution is known.
pub(super) fn read(item: &Item, parameter: &Parameter) -> Result<Option<Prior>> {
    let DeValue::Table(_) = item.value else {
        return Ok(None);
    };
    let table = item.table()?;
    let confidence = table.get(CONFIDENCE);
    let Some(value) = table.get(KEY) else {
        return match confidence {
            None => Ok(None),
            Some(item) => {
                let message = format!("`{}` has no effect without `{KEY}`", item.name);
                let help = format!("add the value that you expect to be best, as `{KEY} = …`");
                Err(Problem::new(item.key_span, message, "confidence in what?", help))
            }
        };
    };
    Ok(Some(Prior {
        value: try_first::value(&value, parameter)?,
        confidence: confidence.map_or(Ok(Confidence::default()), |item| self::confidence(&item))?,
    }))
}

fn confidence(item: &Item) -> Result<Confidence> {
    let name = item.string()?;
    let known = CONFIDENCES.iter().find(|(known, _)| *known == name);
    known.map(|(_, confidence)| *confidence).ok_or_else(|| {
        let help = did_you_mean(name, CONFIDENCES.iter().map(|(known, _)| *known));
        item.problem("is not a confidence", "unknown confidence", help)
    })
}

/// Whether priors are there where the sampler uses them.
pub(super) fn check(root: &Table, space: &SearchSpace, sampler: &SamplerSpec) -> Result<()> {
    let given = space.parameters.iter().find(|parameter| parameter.prior.is_some());
    match given {
        Some(parameter) if !sampler.uses_priors() => {
            let item = root
                .get("space")
                .and_then(|item| item.table().ok()?.get(&parameter.name));
            let prior = item.and_then(|item| item.table().ok()?.get(KEY));
            let message = format!("the sampler does not use the `{KEY}` of `{}`", parameter.name);
            let help =
                "remove it, or let `[sampler]` have `type = \"gaussian_process\"`, `\"tpe\"` or `\"prior_band\"`";
            Err(match prior {
                Some(prior) => Problem::new(prior.key_span, message, "no effect", help),
                None => Problem::missing(None, message, help),
            })
        }
        None if *sampler == SamplerSpec::PriorBand => {
            let kind = root.get("sampler").and_then(|item| item.table().ok()?.get("type"));
            let message = "`prior_band` draws by your guesses, and there are none";
            let help = format!(
                "say of a parameter where you expect its best value, as `{KEY} = …`, or use `type = \"gaussian_process\"`"
            );
            Err(match kind {
                Some(kind) => Problem::new(kind.span, message, "without guesses", help),
                None => Problem::missing(None, message, help),
            })
        }
        _ => Ok(()),
    }
}
