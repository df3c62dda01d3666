//! What a grid tries first.

use std::collections::{HashMap, VecDeque};

use hpo_protocol::Values;

use super::{Cells, Distribution, Parameter, SearchSpace, shuffled};

/// How many configurations with the given values are searched.
const MOST: u64 = 1 << 20;

impl SearchSpace {
    /// The configurations that a grid tries first, one for each of `try_first` and no two the same. `None` where the others
    /// leave no configuration with the given values.
    pub fn first_cells(&self, seed: u64) -> Vec<Option<Values>> {
        let mut firsts = Firsts {
            space: self,
            seed,
            chosen: vec![None; self.try_first.len()],
            owners: HashMap::new(),
        };
        (0..self.try_first.len()).for_each(|number| firsts.place(number));
        firsts.chosen
    }

    /// The configurations that have all of these values, and others that lack some of them.
    fn with(&self, given: &Values) -> Option<Self> {
        let required = self.required_by(given)?;
        let narrowed = |parameter: &Parameter| {
            let own = &parameter.distribution;
            let distribution = match (given.get(&parameter.name), required.get(parameter.name.as_str())) {
                (Some(value), _) => Distribution::Fixed {
                    value: own.own(value).unwrap_or_else(|| value.clone()),
                },
                (None, Some(wanted)) => {
                    let mut values = Vec::new();
                    for value in wanted.iter().filter_map(|value| own.own(value)) {
                        if !values.contains(&value) {
                            values.push(value);
                        }
                    }
                    Distribution::Choice { values }
                }
                (None, None) => own.clone(),
            };
            Parameter {
                distribution,
                ..parameter.clone()
            }
        };
        Some(Self {
            parameters: self.parameters.iter().map(narrowed).collect(),
            ..Self::default()
        })
    }
}

/// Configurations while they are assigned.
struct Firsts<'a> {
    space: &'a SearchSpace,
    seed: u64,
    chosen: Vec<Option<Values>>,
    /// To which each assigned one belongs.
    owners: HashMap<Values, usize>,
}

impl Firsts<'_> {
    /// Assigns one to a number. If none is left, others exchange theirs for another one: the shortest such chain (Kuhn, 1955).
    fn place(&mut self, number: usize) {
        let mut wanted: HashMap<Values, usize> = HashMap::new();
        let mut open = VecDeque::from([number]);
        while let Some(number) = open.pop_front() {
            let given = &self.space.try_first[number];
            let Some(space) = self.space.with(given) else { continue };
            let Some(cells) = Cells::of(&space) else { continue };
            let seed = self.seed.wrapping_add(number as u64);
            let all = (0..cells.count().min(MOST))
                .map(|place| cells.configuration(shuffled(place, cells.count(), seed)))
                .filter(|one| self.space.allows(one) && given.keys().all(|name| one.contains_key(name)));
            for configuration in all {
                if wanted.contains_key(&configuration) {
                    continue;
                }
                wanted.insert(configuration.clone(), number);
                match self.owners.get(&configuration) {
                    Some(owner) => open.push_back(*owner),
                    None => return self.pass_on(configuration, &wanted),
                }
            }
        }
    }

    /// Gives an unassigned configuration to the number that wants it, that number's previous one to the next, and so on.
    fn pass_on(&mut self, free: Values, wanted: &HashMap<Values, usize>) {
        let mut free = Some(free);
        while let Some(configuration) = free {
            let Some(&number) = wanted.get(&configuration) else {
                return;
            };
            self.owners.insert(configuration.clone(), number);
            free = self.chosen[number].replace(configuration);
        }
    }
}
