//! `constraints` of `[study]`: what must be true of every configuration.

use hpo_protocol::Values;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::grid;
use super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean, shown};
use crate::keys::{Fallback, Key, Takes};
use crate::space::{Cells, Constraint, SearchSpace, TRIES};

/// The key under `[study]`.
pub(super) const KEY: Key = Key {
    name: "constraints",
    takes: Takes::Texts,
    default: Fallback::Nothing,
    about: "what must be true of every configuration: see [Constraints](#constraints)",
};

const EXAMPLE: &str = "write, for example, `constraints = [\"batch_size * accumulation <= 256\"]`";
const MOST_BYTES: usize = 1000;

/// The space with the constraints of the file; `grid` if its configurations are not drawn, but looked through.
pub(super) fn add(root: &Table, mut space: SearchSpace, grid: bool) -> Results<SearchSpace> {
    let study = root.get("study").and_then(|item| item.table().ok());
    let Some(list) = study.and_then(|table| table.get(KEY.name)) else {
        return Ok(space);
    };
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let samples: Vec<_> = (0..TRIES).map(|_| space.sample(&mut random)).collect();
    let mut problems = Problems::default();
    for item in list.array(EXAMPLE)? {
        let constraint = problems.keep(constraint(&item, &space, &samples, grid));
        space.constraints.extend(constraint);
    }
    problems.or(Some(()))?;
    if !samples.iter().any(|sample| space.allows(sample)) {
        rare(&list, &space, grid, |one| space.allows(one), "all constraints together")?;
    }
    Ok(space)
}

/// A constraint of which something drawn is true.
fn constraint(item: &Item, space: &SearchSpace, samples: &[Values], grid: bool) -> Result<Constraint> {
    let text = item.string()?;
    if text.len() > MOST_BYTES {
        return Err(item.problem("is too long", "too long", "write several simpler constraints"));
    }
    let wrong =
        |error: crate::space::ConstraintError| Problem::new(place(item, error.span), error.message, "here", error.help);
    let constraint = Constraint::try_from(text.to_owned()).map_err(wrong)?;
    if let Some((name, span)) = (constraint.parameters().into_iter())
        .find(|(name, _)| !space.parameters.iter().any(|parameter| parameter.name == *name))
    {
        let message = format!("`[space]` has no parameter `{}`", shown(name));
        let names = space.parameters.iter().map(|parameter| parameter.name.as_str());
        let help = did_you_mean(name, names);
        return Err(Problem::new(place(item, span), message, "unknown parameter", help));
    }
    let allowed = samples.iter().map(|sample| constraint.allows(sample));
    let allowed = allowed.collect::<std::result::Result<Vec<bool>, _>>().map_err(wrong)?;
    if !allowed.contains(&true) {
        let allows = |one: &Values| constraint.allows(one).unwrap_or(false);
        rare(item, space, grid, allows, "this constraint")?;
    }
    Ok(constraint)
}

/// What to do about constraints that nothing drawn fulfils: a grid finds what there is.
fn rare(item: &Item, space: &SearchSpace, grid: bool, allows: impl Fn(&Values) -> bool, what: &str) -> Result<()> {
    const HELP: &str = "change it, or the ranges of the parameters";
    let cells = Cells::of(space);
    let all = cells.as_ref().and_then(grid::all);
    let (message, label, help) = match all.map(|mut all| all.any(|one| allows(&one))) {
        Some(true) if grid => return Ok(()),
        Some(true) => {
            let help = format!("{HELP}; or look through all of them with `[sampler]` and `type = \"grid\"`");
            let message = format!("none of {TRIES} drawn configurations fulfils {what}");
            (message, "almost never true", help)
        }
        Some(false) => (
            format!("no configuration fulfils {what}"),
            "never true",
            HELP.to_owned(),
        ),
        None => {
            let message = format!("none of {TRIES} drawn configurations fulfils {what}");
            (message, "never or almost never true", HELP.to_owned())
        }
    };
    Err(Problem::new(item.span.clone(), message, label, help))
}

/// The place in the document of a part of a text, if it is written without escapes.
pub(super) fn place(item: &Item, part: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let quotes = item.string().map_or(0, str::len) + 2;
    if item.span.len() != quotes {
        return item.span.clone();
    }
    let start = item.span.start + 1;
    // The end of the text is where the closing quote stands.
    start + part.start..(start + part.end).max(start + part.start + 1)
}
