//! `constraints` of `[study]`: what must be true of every configuration.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::reader::{Item, Problem, Result, Table, did_you_mean, shown};
use crate::space::{Constraint, SearchSpace};

/// The key under `[study]`.
pub(super) const KEY: &str = "constraints";

const EXAMPLE: &str = "write, for example, `constraints = [\"batch_size * accumulation <= 256\"]`";
/// Points that are tried before a space is said to be empty.
pub(super) const TRIES: usize = 20_000;
const MOST_BYTES: usize = 1000;

/// The space with the constraints of the file.
pub(super) fn add(root: &Table, mut space: SearchSpace) -> Result<SearchSpace> {
    let study = root.get("study").and_then(|item| item.table().ok());
    let Some(list) = study.and_then(|table| table.get(KEY)) else {
        return Ok(space);
    };
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let samples: Vec<_> = (0..TRIES).map(|_| space.sample(&mut random)).collect();
    for item in list.array(EXAMPLE)? {
        let text = item.string()?;
        if text.len() > MOST_BYTES {
            return Err(item.problem("is too long", "too long", "write several simpler constraints"));
        }
        let wrong = |error: crate::space::ConstraintError| {
            Problem::new(place(&item, error.span), error.message, "here", error.help)
        };
        let constraint = Constraint::try_from(text.to_owned()).map_err(wrong)?;
        if let Some((name, span)) = (constraint.parameters().into_iter())
            .find(|(name, _)| !space.parameters.iter().any(|parameter| parameter.name == *name))
        {
            let message = format!("`[space]` has no parameter `{}`", shown(name));
            let names = space.parameters.iter().map(|parameter| parameter.name.as_str());
            let help = did_you_mean(name, names);
            return Err(Problem::new(place(&item, span), message, "unknown parameter", help));
        }
        let allowed = samples.iter().map(|sample| constraint.allows(sample));
        let allowed = allowed.collect::<std::result::Result<Vec<bool>, _>>().map_err(wrong)?;
        if !allowed.contains(&true) {
            return Err(none(&item, "no configuration fulfils this constraint"));
        }
        space.constraints.push(constraint);
    }
    if !samples.iter().any(|sample| space.allows(sample)) {
        return Err(none(&list, "no configuration fulfils all constraints together"));
    }
    Ok(space)
}

fn none(item: &Item, message: &str) -> Problem {
    let help = format!("of {TRIES} random configurations none did: change it, or the ranges of the parameters");
    Problem::new(item.span.clone(), message, "never true", help)
}

/// The place in the document of a part of a text, if it is written without escapes.
fn place(item: &Item, part: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let quotes = item.string().map_or(0, str::len) + 2;
    if item.span.len() != quotes {
        return item.span.clone();
    }
    let start = item.span.start + 1;
    // The end of the text is where the closing quote stands.
    start + part.start..(start + part.end).max(start + part.start + 1)
}
