//! Texts, labels and groups, each kept once.

use std::collections::BTreeMap;

use indexmap::IndexSet;

use crate::error::shown;
use crate::value::name;

/// All texts, labels and groups of a study, each once.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub texts: IndexSet<String>,
    /// In the one form that [`name`] gives them.
    pub labels: IndexSet<String>,
    /// How each label was first written.
    pub written: Vec<String>,
    /// Labels that were also written in another way, each with the first of these.
    pub rewritten: BTreeMap<u32, String>,
    pub groups: IndexSet<String>,
    /// Negatives of rows that have several, but for the first one of each.
    pub others: Vec<Vec<u32>>,
}

impl Pool {
    /// The place of a label that is written like this.
    pub fn label(&mut self, written: &str) -> u32 {
        let place = intern(&mut self.labels, &name(written));
        match self.written.get(place as usize) {
            Some(first) if first != written => {
                self.rewritten.entry(place).or_insert_with(|| written.to_owned());
            }
            Some(_) => {}
            None => self.written.push(written.to_owned()),
        }
        place
    }

    /// The first labels that are written in several ways, each with two of them.
    pub fn rewritten(&self) -> Vec<[String; 2]> {
        const SHOWN: usize = 3;
        let pair =
            |(place, other): (&u32, &String)| Some([self.written.get(*place as usize)?, other].map(|text| shown(text)));
        self.rewritten.iter().filter_map(pair).take(SHOWN).collect()
    }
}

/// The place of a text among the distinct ones. There is no memory for as many as `u32` counts.
pub(crate) fn intern(texts: &mut IndexSet<String>, text: &str) -> u32 {
    let place = match texts.get_index_of(text) {
        Some(place) => place,
        None => texts.insert_full(text.to_owned()).0,
    };
    place as u32
}
