//! The configurations of a finite space, counted and numbered.

use std::collections::BTreeMap;

use hpo_protocol::Values;

use super::value::Listed;
use super::{Distribution, Parameter, SearchSpace, Value};

/// The configurations of a space with a finite number of them, those too that its constraints do not allow.
#[derive(Debug)]
pub struct Cells<'a> {
    tree: Tree<'a>,
    parts: Vec<Part>,
    count: u64,
}

/// Configurations of parameters that conditions connect: any goes with any of another part.
#[derive(Debug)]
struct Part {
    count: u64,
    blocks: Vec<Block>,
}

/// Configurations that have the same parameters of a part.
#[derive(Debug)]
struct Block {
    /// How many configurations there are in blocks before it.
    before: u64,
    /// The parameters, and the group that the value of each is from.
    axes: Vec<(usize, usize)>,
}

/// Places in the order of a distribution's values.
#[derive(Debug, Clone)]
enum Places {
    These(Vec<u64>),
    /// All of this many except these, in ascending order.
    AllBut(u64, Vec<u64>),
}

/// More of them take too long to list.
const MOST_BLOCKS: usize = 1 << 16;

impl Places {
    fn count(&self) -> u64 {
        match self {
            Self::These(places) => places.len() as u64,
            Self::AllBut(count, places) => count - places.len() as u64,
        }
    }

    fn place(&self, number: u64) -> u64 {
        match self {
            Self::These(places) => places[number as usize],
            Self::AllBut(_, missing) => missing
                .iter()
                .fold(number, |place, one| place + u64::from(*one <= place)),
        }
    }
}

impl<'a> Cells<'a> {
    /// Counts the configurations of a space; `None` if there is a parameter without steps, or they can't be counted.
    pub fn of(space: &'a SearchSpace) -> Option<Self> {
        let tree = Tree::of(&space.parameters)?;
        let parts = tree
            .connected()
            .iter()
            .map(|part| tree.part(part))
            .collect::<Option<Vec<_>>>()?;
        let count = parts
            .iter()
            .try_fold(1u64, |product, part| product.checked_mul(part.count))?;
        // A forged study may have a choice without values.
        (count > 0).then_some(Self { tree, parts, count })
    }

    /// The number of configurations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The configuration with a number below [`count`](Self::count), whether it is allowed or not.
    pub fn configuration(&self, mut number: u64) -> Values {
        let mut configuration = Values::new();
        for part in &self.parts {
            let own = number % part.count;
            number /= part.count;
            let next = part.blocks.partition_point(|block| block.before <= own);
            let block = &part.blocks[next - 1];
            let mut own = own - block.before;
            for &(parameter, group) in &block.axes {
                let (places, _) = &self.tree.groups[parameter][group];
                let place = places.place(own % places.count());
                own /= places.count();
                let Parameter { name, distribution, .. } = &self.tree.parameters[parameter];
                configuration.insert(name.clone(), distribution.at(place));
            }
        }
        configuration
    }
}

/// Which parameters depend on which.
#[derive(Debug)]
struct Tree<'a> {
    parameters: &'a [Parameter],
    numbers: BTreeMap<&'a str, usize>,
    /// The places of each parameter, in groups of those with which the same conditions hold, and these.
    groups: Vec<Vec<(Places, Vec<Held>)>>,
}

/// A block while its parameters are chosen, and the conditions that hold in it.
#[derive(Debug)]
struct Branch {
    count: u64,
    axes: Vec<(usize, usize)>,
    held: Vec<Held>,
}

/// A condition: the number of its parameter, and its own number there.
type Held = (usize, usize);

impl<'a> Tree<'a> {
    fn of(parameters: &'a [Parameter]) -> Option<Self> {
        let numbers = parameters
            .iter()
            .enumerate()
            .map(|(n, parameter)| (parameter.name.as_str(), n))
            .collect();
        let mut tree = Self {
            parameters,
            numbers,
            groups: Vec::new(),
        };
        let mut held = vec![Vec::new(); parameters.len()];
        for (own, parameter) in parameters.iter().enumerate() {
            for (number, condition) in parameter.when.iter().enumerate() {
                if let Some(on) = tree.numbers.get(condition.parameter.as_str()) {
                    held[*on].push(((own, number), &condition.values[..]));
                }
            }
        }
        for (parameter, held) in parameters.iter().zip(held) {
            tree.groups.push(groups(&parameter.distribution, &held)?);
        }
        Some(tree)
    }

    /// The parameters that conditions connect, each after those that it depends on.
    fn connected(&self) -> Vec<Vec<usize>> {
        // The part of each parameter is the lowest number in it.
        let mut part: Vec<usize> = (0..self.parameters.len()).collect();
        for (own, parameter) in self.parameters.iter().enumerate() {
            for on in parameter
                .when
                .iter()
                .filter_map(|one| self.numbers.get(one.parameter.as_str()))
            {
                let (one, other) = (part[own], part[*on]);
                part.iter_mut()
                    .filter(|part| **part == one.max(other))
                    .for_each(|part| *part = one.min(other));
            }
        }
        let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (own, part) in part.iter().enumerate() {
            parts.entry(*part).or_default().push(own);
        }
        parts.into_values().map(|part| self.ordered(part)).collect()
    }

    /// Each after those that it depends on.
    fn ordered(&self, mut part: Vec<usize>) -> Vec<usize> {
        let mut ordered: Vec<usize> = Vec::new();
        while !part.is_empty() {
            let ready = |own: &usize| {
                let mut on = self.parameters[*own].when.iter();
                on.all(|one| {
                    self.numbers
                        .get(one.parameter.as_str())
                        .is_none_or(|on| ordered.contains(on))
                })
            };
            // In a cycle nothing is ready; a study's file has none.
            let next = part.iter().position(ready).unwrap_or(0);
            ordered.push(part.remove(next));
        }
        ordered
    }

    /// The configurations of connected parameters; `None` if they can't be counted.
    fn part(&self, parameters: &[usize]) -> Option<Part> {
        let mut open = vec![Branch {
            count: 1,
            axes: Vec::new(),
            held: Vec::new(),
        }];
        for &parameter in parameters {
            let conditions = self.parameters[parameter].when.len();
            let mut next = Vec::new();
            for branch in open {
                if (0..conditions).any(|number| !branch.held.contains(&(parameter, number))) {
                    next.push(branch);
                    continue;
                }
                for (group, (places, more)) in self.groups[parameter].iter().enumerate() {
                    next.push(Branch {
                        count: branch.count.checked_mul(places.count())?,
                        axes: [&branch.axes[..], &[(parameter, group)]].concat(),
                        held: [&branch.held[..], more].concat(),
                    });
                }
            }
            open = next;
            if open.len() > MOST_BLOCKS {
                return None;
            }
        }
        let mut part = Part {
            count: 0,
            blocks: Vec::new(),
        };
        for Branch { count, axes, .. } in open {
            let before = part.count;
            part.count = before.checked_add(count)?;
            part.blocks.push(Block { before, axes });
        }
        Some(part)
    }
}

/// The places of a distribution's values, in groups of those with which the same of the conditions hold.
fn groups(distribution: &Distribution, held: &[(Held, &[Value])]) -> Option<Vec<(Places, Vec<Held>)>> {
    let count = distribution.scale().count()?;
    let listed: Option<Listed> = distribution.listed().map(|values| values.iter().collect());
    let place = |value: &Value| match &listed {
        Some(listed) => listed.place(value).map(|place| place as u64),
        None => distribution.place(value),
    };
    let mut by_place: BTreeMap<u64, Vec<Held>> = BTreeMap::new();
    for (condition, values) in held {
        for place in values.iter().filter_map(place).filter(|place| *place < count) {
            let of = by_place.entry(place).or_default();
            if !of.contains(condition) {
                of.push(*condition);
            }
        }
    }
    let named: Vec<u64> = by_place.keys().copied().collect();
    let mut groups: BTreeMap<Vec<Held>, Vec<u64>> = BTreeMap::new();
    for (place, conditions) in by_place {
        groups.entry(conditions).or_default().push(place);
    }
    let others = Places::AllBut(count, named);
    let groups = groups
        .into_iter()
        .map(|(conditions, places)| (Places::These(places), conditions));
    let others = (others.count() > 0).then_some((others, Vec::new()));
    Some(groups.chain(others).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Parameters with few values, each of which may depend on earlier ones: for each, its kind, and of some conditions the parameter
    /// (counted back) and the values that fit, by bits.
    fn space(shapes: &[(u8, Vec<(usize, u8)>)]) -> SearchSpace {
        let mut parameters: Vec<serde_json::Value> = Vec::new();
        for (own, (kind, conditions)) in shapes.iter().enumerate() {
            let (distribution, _) = values(*kind);
            let on = conditions.iter().filter(|(back, _)| *back < own).map(|(back, bits)| {
                let on = own - 1 - back;
                let (_, values) = values(shapes[on].0);
                let fit = values
                    .iter()
                    .enumerate()
                    .filter(|(place, _)| bits >> (place % 8) & 1 == 1);
                let mut fit: Vec<_> = fit.map(|(_, value)| value.clone()).collect();
                if fit.is_empty() {
                    fit.push(values[0].clone());
                }
                json!({"parameter": format!("p{on}"), "values": fit})
            });
            let on: Vec<_> = on.collect();
            parameters.push(json!({"name": format!("p{own}"), "distribution": distribution, "when": on}));
        }
        // Conditions may stand before what they depend on.
        parameters.reverse();
        serde_json::from_value(json!({ "parameters": parameters })).unwrap()
    }

    /// A distribution and its values, as a person would write them.
    fn values(kind: u8) -> (serde_json::Value, Vec<serde_json::Value>) {
        match kind {
            0 => (json!({"type": "fixed", "value": "x"}), vec![json!("x")]),
            1 => (
                json!({"type": "choice", "values": ["a", 1, true]}),
                vec![json!("a"), json!(1.0), json!(true)],
            ),
            2 => (
                json!({"type": "integer", "low": -2, "high": 3, "step": 2}),
                vec![json!(-2), json!(0), json!(2)],
            ),
            _ => (
                json!({"type": "log_uniform", "low": 0.1, "high": 0.45, "step": 0.1}),
                vec![json!(0.1), json!(0.2), json!(0.3), json!(0.4)],
            ),
        }
    }

    /// The configurations, counted out by hand.
    fn all(space: &SearchSpace) -> BTreeSet<String> {
        let mut all = vec![Values::new()];
        for parameter in &space.parameters {
            let count = parameter.distribution.scale().count().unwrap();
            let with = |values: Values| {
                (0..count).map(move |place| {
                    let mut values = values.clone();
                    values.insert(parameter.name.clone(), parameter.distribution.at(place));
                    values
                })
            };
            all = all.into_iter().flat_map(with).collect();
        }
        all.into_iter()
            .map(|values| json!(space.only_active(values)).to_string())
            .collect()
    }

    proptest! {
        #[test]
        fn every_configuration_has_one_number(
            shapes in prop::collection::vec((0..4u8, prop::collection::vec((0..4usize, any::<u8>()), 0..3)), 1..6),
        ) {
            let space = space(&shapes);
            let cells = Cells::of(&space).unwrap();
            let numbered: Vec<String> = (0..cells.count()).map(|number| json!(cells.configuration(number)).to_string()).collect();
            let different: BTreeSet<String> = numbered.iter().cloned().collect();
            prop_assert_eq!(different.len(), numbered.len());
            prop_assert_eq!(different, all(&space));
        }
    }

    #[test]
    fn values_that_no_condition_names_need_not_be_listed() {
        let space = |high: u64| -> SearchSpace {
            serde_json::from_value(json!({ "parameters": [
                {"name": "a", "distribution": {"type": "integer", "low": 1, "high": high}},
                {"name": "b", "distribution": {"type": "choice", "values": [1, 2]}, "when": [{"parameter": "a", "values": [7, 9]}]},
            ]}))
            .unwrap()
        };
        let large = space(1 << 40);
        let cells = Cells::of(&large).unwrap();
        assert_eq!(cells.count(), (1 << 40) + 2);
        let numbers: BTreeSet<u64> = (0..20)
            .map(|number| cells.configuration(number)["a"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, (1..=18).collect::<BTreeSet<u64>>());
    }

    #[test]
    fn what_cannot_be_counted_has_no_cells() {
        let space = |distribution: serde_json::Value, parameters: usize| -> SearchSpace {
            let parameter = |n| json!({"name": format!("p{n}"), "distribution": distribution});
            let parameters: Vec<_> = (0..parameters).map(parameter).collect();
            serde_json::from_value(json!({ "parameters": parameters })).unwrap()
        };
        let integer = |high: i64| json!({"type": "integer", "low": 1, "high": high});
        assert_eq!(
            Cells::of(&space(integer(1 << 31), 2)).map(|cells| cells.count()),
            Some(1 << 62)
        );
        assert!(Cells::of(&space(integer(1 << 32), 2)).is_none());
        assert!(Cells::of(&space(json!({"type": "choice", "values": []}), 2)).is_none());
        assert!(Cells::of(&space(json!({"type": "uniform", "low": 0, "high": 1}), 1)).is_none());
        assert!(Cells::of(&space(json!({"type": "normal", "mean": 0, "std": 1, "step": 1}), 1)).is_none());
    }
}
