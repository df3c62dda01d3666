//! Values of parameters, and which of them are the same.

use std::collections::HashMap;

/// A value of a parameter: a JSON scalar.
pub type Value = serde_json::Value;

/// Whether the trainer could not distinguish the two: 1 and 1.0 are the same.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    let float = a.is_f64() || b.is_f64();
    a == b || (float && a.is_number() && a.as_f64() == b.as_f64())
}

/// A list of values in which one that the trainer could not distinguish from it is found at once.
#[derive(Debug, Default)]
pub(crate) struct Listed<'a>(HashMap<Bucket<'a>, Vec<(&'a Value, usize)>>);

/// The key that equal values share.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Bucket<'a> {
    Number(u64),
    Text(&'a str),
    Other(Option<bool>),
}

impl<'a> Listed<'a> {
    fn bucket(value: &'a Value) -> Bucket<'a> {
        match (value.as_f64(), value.as_str()) {
            // Both zeros are equal.
            (Some(number), _) => Bucket::Number((number + 0.0).to_bits()),
            (_, Some(text)) => Bucket::Text(text),
            _ => Bucket::Other(value.as_bool()),
        }
    }

    /// The place of a value in the list.
    pub fn place(&self, value: &Value) -> Option<usize> {
        let bucket = self.0.get(&Listed::bucket(value))?;
        bucket.iter().find(|(own, _)| same(own, value)).map(|(_, place)| *place)
    }

    /// Adds a value with its place; false if it is in the list.
    pub fn insert(&mut self, value: &'a Value, place: usize) -> bool {
        let new = self.place(value).is_none();
        if new {
            self.0.entry(Self::bucket(value)).or_default().push((value, place));
        }
        new
    }
}

impl<'a> FromIterator<&'a Value> for Listed<'a> {
    fn from_iter<T: IntoIterator<Item = &'a Value>>(values: T) -> Self {
        let mut listed = Self::default();
        for (place, value) in values.into_iter().enumerate() {
            listed.insert(value, place);
        }
        listed
    }
}
