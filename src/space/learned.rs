//! A space for a new study, learned from earlier ones.
//!
//! The range of a parameter becomes the bounding box of what was good in earlier studies (Perrone et al., "Learning search spaces for
//! Bayesian optimization: another view of hyperparameter transfer learning", 2019), with a margin for what so few good configurations do
//! not show. The new study begins with the best configurations of the earlier ones (Feurer et al., "Initializing Bayesian hyperparameter
//! optimization via meta-learning", 2015), each unlike those before it.

mod choice;
mod range;

use std::collections::BTreeMap;

use hpo_protocol::Values;

use super::{Distribution, Parameter, Scale, SearchSpace, Value};

/// What an earlier study teaches.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// Its name.
    pub study: String,
    /// The parameters that it had.
    pub parameters: Vec<Parameter>,
    /// Its good configurations, the best first, at least one.
    pub good: Vec<Values>,
    /// How often it tried each value of the parameters whose values it listed.
    pub tried: BTreeMap<String, Vec<(Value, u64)>>,
}

/// A space, and the configurations to begin with.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// The parameters of the space.
    pub parameters: Vec<LearnedParameter>,
    /// What to try first, in this order.
    pub first: Vec<LearnedFirst>,
}

/// A parameter, and where its values come from.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedParameter {
    /// The parameter.
    pub parameter: Parameter,
    /// What it would be without the lessons.
    pub usual: Distribution,
    /// The studies that it is from; none: it is as usual.
    pub from: Vec<String>,
    /// Whether it goes below, or above, what the studies had tried, because their best values lay at that end.
    pub opened: [bool; 2],
}

/// A configuration to begin with.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedFirst {
    /// Its values; others are drawn.
    pub values: Values,
    /// The place of the lesson that it is from.
    pub lesson: usize,
    /// Its place among the good ones of that.
    pub place: usize,
}

/// A single study narrows nothing: what is good on its data may not be on others. On networks trained on four data sets, ranges that one
/// study had narrowed were worse in the end than the usual ones, and those of three better.
const SEVERAL: usize = 2;

/// With how many configurations of earlier studies a study begins at most.
const FIRST: usize = 3;

/// Configurations are alike if no number differs by more than this share of its range, and nothing else differs.
const ALIKE: f64 = 0.1;

impl Learned {
    /// The usual space, without lessons.
    pub fn usual(space: SearchSpace) -> Self {
        let parameters = space.parameters.into_iter().map(|parameter| LearnedParameter {
            usual: parameter.distribution.clone(),
            parameter,
            from: Vec::new(),
            opened: [false; 2],
        });
        Self {
            parameters: parameters.collect(),
            first: Vec::new(),
        }
    }

    /// What the lessons make of the usual space, the most important lesson first. Parameters that it fixes stay. `allowed` says whether the
    /// trainer takes a value of a parameter; it takes those of the usual space and of the lessons.
    pub fn of(usual: &SearchSpace, lessons: &[Lesson], allowed: &dyn Fn(&str, &Value) -> bool) -> Self {
        let mut learned = Self::usual(usual.clone());
        for one in &mut learned.parameters {
            one.learn(lessons, allowed);
        }
        learned.drop_unreachable();
        learned.first = first(&learned.space(), lessons);
        learned
    }

    /// The space.
    pub fn space(&self) -> SearchSpace {
        SearchSpace {
            parameters: self.parameters.iter().map(|one| one.parameter.clone()).collect(),
            ..SearchSpace::default()
        }
    }

    /// Removes conditions that always hold, and parameters whose conditions never do.
    fn drop_unreachable(&mut self) {
        let values = |space: &SearchSpace, name: &str| -> Option<Vec<Value>> {
            let parameter = space.parameters.iter().find(|parameter| parameter.name == name)?;
            Some(parameter.distribution.listed()?.to_vec())
        };
        // What depends on a parameter stands behind it.
        let mut place = 0;
        while place < self.parameters.len() {
            let space = self.space();
            let when = &mut self.parameters[place].parameter.when;
            let mut never = false;
            when.retain_mut(|condition| {
                let Some(possible) = values(&space, &condition.parameter) else {
                    return true;
                };
                condition.values.retain(|value| possible.contains(value));
                never |= condition.values.is_empty();
                !possible.iter().all(|value| condition.values.contains(value))
            });
            match never {
                true => drop(self.parameters.remove(place)),
                false => place += 1,
            }
        }
    }
}

impl LearnedParameter {
    fn learn(&mut self, lessons: &[Lesson], allowed: &dyn Fn(&str, &Value) -> bool) {
        let name = &self.parameter.name;
        let searched = |lesson: &&Lesson| {
            let mut parameters = lesson.parameters.iter();
            parameters.any(|own| own.name == *name && own.distribution.scale() != Scale::Constant)
        };
        let lessons: Vec<&Lesson> = lessons.iter().filter(searched).collect();
        let allowed = |value: &Value| allowed(name, value);
        let learned = match &self.usual {
            Distribution::Uniform { low, high, step: None } => {
                range::learn(name, [*low, *high], false, &lessons, &allowed)
            }
            Distribution::LogUniform { low, high, step: None } => {
                range::learn(name, [*low, *high], true, &lessons, &allowed)
            }
            Distribution::Choice { values } => choice::learn(name, values, &lessons, &allowed),
            Distribution::Fixed { .. }
            | Distribution::Uniform { .. }
            | Distribution::LogUniform { .. }
            | Distribution::Integer { .. }
            | Distribution::LogInteger { .. }
            | Distribution::Normal { .. }
            | Distribution::LogNormal { .. } => None,
        };
        if let Some(Taught {
            distribution,
            from,
            opened,
        }) = learned
        {
            self.parameter.distribution = distribution;
            self.from = from;
            self.opened = opened;
        }
    }
}

/// What lessons make of a parameter; see [`LearnedParameter`].
struct Taught {
    distribution: Distribution,
    from: Vec<String>,
    opened: [bool; 2],
}

/// Whether at least half of the good values, and the best of them, lie at an end.
fn most(mut at_end: impl Iterator<Item = bool>) -> bool {
    let Some(best) = at_end.next() else { return false };
    let (mut count, mut all) = (usize::from(best), 1);
    for one in at_end {
        count += usize::from(one);
        all += 1;
    }
    best && all > 1 && 2 * count >= all
}

/// The best of each lesson, then the second best of each, and so on, as long as they are unlike.
fn first(space: &SearchSpace, lessons: &[Lesson]) -> Vec<LearnedFirst> {
    let mut first: Vec<LearnedFirst> = Vec::new();
    let places = lessons.iter().map(|lesson| lesson.good.len()).max().unwrap_or(0);
    for place in 0..places {
        for (number, lesson) in lessons.iter().enumerate() {
            let values = lesson.good.get(place).and_then(|good| taken(space, good));
            let Some(values) = values.filter(|values| !first.iter().any(|other| alike(space, values, &other.values)))
            else {
                continue;
            };
            first.push(LearnedFirst {
                values,
                lesson: number,
                place,
            });
            if first.len() == FIRST {
                return first;
            }
        }
    }
    first
}

/// What the space has of a configuration; none if that is nothing, or it can't have it.
fn taken(space: &SearchSpace, good: &Values) -> Option<Values> {
    let mut values = Values::new();
    for parameter in &space.parameters {
        let distribution = &parameter.distribution;
        let fixed = distribution.scale() == Scale::Constant;
        let value = match good.get(&parameter.name) {
            _ if fixed => Some(distribution.quantile(0.5)),
            Some(value) => distribution
                .adopt(&rounded(value))
                .or_else(|| distribution.adopt(value)),
            None => None,
        };
        values.extend(value.map(|value| (parameter.name.clone(), value)));
    }
    let mut values = space.only_active(values);
    values.retain(|name, _| {
        let mut parameters = space.parameters.iter();
        parameters.any(|parameter| parameter.name == *name && parameter.distribution.scale() != Scale::Constant)
    });
    (!values.is_empty() && space.can_have(&values)).then_some(values)
}

/// A fraction with three significant digits; all else as it is.
fn rounded(value: &Value) -> Value {
    match value.as_f64().filter(|_| value.is_f64()) {
        Some(number) => format!("{number:.2e}")
            .parse()
            .map_or_else(|_| value.clone(), |number: f64| number.into()),
        None => value.clone(),
    }
}

fn alike(space: &SearchSpace, one: &Values, other: &Values) -> bool {
    space.parameters.iter().all(|parameter| {
        let distribution = &parameter.distribution;
        match (one.get(&parameter.name), other.get(&parameter.name)) {
            (Some(one), Some(other)) if distribution.listed().is_none() => {
                let shares = distribution.share(one).zip(distribution.share(other));
                shares.is_some_and(|(one, other)| (one - other).abs() <= ALIKE)
            }
            (one, other) => one == other,
        }
    })
}

#[cfg(test)]
mod tests;
