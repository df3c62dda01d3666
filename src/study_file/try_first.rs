//! `[[try_first]]`: configurations that come before those that are drawn.

use hpo_protocol::Values;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use toml::de::DeValue;

use super::reader::{Item, Problem, Problems, Result, Results, Table, did_you_mean, shown};
use super::study::StudyTable;
use crate::space::{Parameter, Scale, SearchSpace, Value};
use crate::space::{Required, TRIES, require, same};
use crate::words::counted;

const EXAMPLE: &str = "write a line `[[try_first]]` and below it values such as `learning_rate = 1e-5`";

/// Reads the tables into the space from which their values must come; `study` is that, if it could be read, and `grid` whether every
/// configuration is tried once.
pub(super) fn read(item: &Item, space: SearchSpace, study: Option<&StudyTable>, grid: bool) -> Results<SearchSpace> {
    let tables = item.array(EXAMPLE)?;
    let mut points = Vec::new();
    let mut whole: Vec<(Values, &str)> = Vec::new();
    let mut problems = Problems::default();
    for item in &tables {
        let Some(point) = problems.keep(point(item, &space, grid)) else {
            continue;
        };
        if let Some(configuration) = only(&space, &point) {
            if let Some((_, other)) = whole.iter().find(|(other, _)| *other == configuration) {
                let message = format!("`{}` is the same configuration as `{other}`", item.name);
                let problem = Problem::new(item.span.clone(), message, "once more", "remove one of the two");
                problems.0.push(problem);
            }
            whole.push((configuration, &item.name));
        }
        points.push(point);
    }
    problems.or(Some(()))?;
    let trials = study.map(|study| study.trials);
    let beyond = trials.and_then(|trials| Some((trials, tables.get(usize::try_from(trials).ok()?)?)));
    let space = SearchSpace {
        try_first: points,
        ..space
    };
    match beyond {
        Some((trials, item)) => {
            let message = format!(
                "there are {} to be tried first, but `study.trials` is {trials}",
                counted(tables.len(), "configuration")
            );
            let help = "raise `trials`, or remove some of them";
            Err(Problem::new(item.span.clone(), message, "never tried", help).into())
        }
        None if grid => {
            let cells = space.first_cells(study.map_or(0, |study| study.seed));
            let missing = tables.iter().zip(&cells).find(|(_, cell)| cell.is_none());
            missing.map_or(Ok(()), |(item, _)| Err(none_left(item)))?;
            Ok(space)
        }
        None => Ok(space),
    }
}

/// Of a grid.
fn none_left(item: &Item) -> Problem {
    let message = "the grid has no configuration with these values that is not tried first already";
    let help = "remove one of those with these values, or change the values, or the constraints";
    Problem::new(item.span.clone(), message, "nothing left", help)
}

/// The configuration, if nothing of it is left to be drawn.
fn only(space: &SearchSpace, point: &Values) -> Option<Values> {
    let mut values = point.clone();
    for parameter in &space.parameters {
        if parameter.distribution.scale() == Scale::Constant {
            values.insert(parameter.name.clone(), parameter.distribution.quantile(0.5));
        }
    }
    let known = space.only_active(values);
    // Without what is not known nothing is missing that depends on it.
    let mut missing = space
        .parameters
        .iter()
        .filter(|parameter| !known.contains_key(&parameter.name));
    missing.all(|parameter| !parameter.is_active(&known)).then_some(known)
}

pub(super) fn point(item: &Item, space: &SearchSpace, grid: bool) -> Results<Values> {
    let DeValue::Table(_) = item.value else {
        return Err(item.wrong_type("a table", EXAMPLE).into());
    };
    let table = item.table()?;
    if table.items().next().is_none() {
        let message = "this `[[try_first]]` has no values, so that all would be drawn";
        let help = "write the values to begin with, or remove it";
        return Err(Problem::new(table.span, message, "empty", help).into());
    }
    let (mut values, mut problems) = (Values::new(), Problems::default());
    for item in table.items() {
        let known = problems.keep(known_value(&item, space));
        values.extend(known.map(|value| (item.key.to_owned(), value)));
    }
    let values = problems.or(Some(values))?;
    together(&table, space, &values)?;
    if let Some(constraint) = space.constraints.iter().find(|one| one.allows(&values) == Ok(false)) {
        let message = format!(
            "this configuration breaks the constraint `{}`",
            shown(constraint.text())
        );
        let help = "change its values, or the constraint";
        return Err(Problem::new(table.span, message, "not allowed", help).into());
    }
    // A grid looks through all there are.
    if !grid
        && space
            .complete(&values, TRIES, &mut ChaCha8Rng::seed_from_u64(0))
            .is_none()
    {
        let message = format!("none of {TRIES} drawn configurations with these values fulfils the constraints");
        let help = "change the values, or the constraints, or give more of the values";
        return Err(Problem::new(table.span, message, "hardly ever allowed", help).into());
    }
    Ok(values)
}

/// The value of a parameter that there is.
fn known_value(item: &Item, space: &SearchSpace) -> Result<Value> {
    match space.parameters.iter().find(|parameter| parameter.name == item.key) {
        Some(parameter) => value(item, parameter),
        None => {
            let message = format!("`[space]` has no parameter `{}`", shown(item.key));
            let names = space.parameters.iter().map(|parameter| parameter.name.as_str());
            let help = did_you_mean(item.key, names);
            Err(Problem::new(item.key_span.clone(), message, "unknown parameter", help))
        }
    }
}

/// Whether a configuration can have all of the parameters.
fn together(table: &Table, space: &SearchSpace, values: &Values) -> Result<()> {
    let mut all = Required::new();
    for item in table.items() {
        let mut own = Required::new();
        // A parameter that is never there is reported at its conditions.
        let _ = require(&space.parameters, item.key, &mut own);
        let against = own.iter().find(|(other, wanted)| {
            let value = values.get(**other);
            value.is_some_and(|value| !wanted.iter().any(|wanted| same(wanted, value)))
        });
        if let Some((other, _)) = against {
            let message = format!("there is no `{}` with this `{other}`", item.key);
            let help = format!("remove it, or change `{other}`");
            return Err(Problem::new(item.key_span, message, "not with the others", help));
        }
        if let Err(other) = require(&space.parameters, item.key, &mut all) {
            let message = format!("there is no `{}` with the values above", item.key);
            let help = format!("only one of them can be there, by `{other}`: remove it, or the other one");
            return Err(Problem::new(item.key_span, message, "not with the others", help));
        }
    }
    Ok(())
}

/// The value in the form in which it would be drawn.
pub(super) fn value(item: &Item, parameter: &Parameter) -> Result<Value> {
    let given = item.scalar()?;
    let distribution = &parameter.distribution;
    let own = distribution
        .adopt(&given)
        .filter(|_| !distribution.is_whole() || given.is_i64());
    own.ok_or_else(|| {
        let message = format!(
            "`{}` is never {}",
            parameter.name,
            shown(&given.to_string()).replace('\\', "")
        );
        let help = format!(
            "write a value that `{}` can have by `[space]`, or widen that",
            parameter.name
        );
        Problem::new(item.span.clone(), message, "not in the space", help)
    })
}
