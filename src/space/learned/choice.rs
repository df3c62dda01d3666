//! What lessons make of listed values.

use super::{Lesson, SEVERAL, Taught, most};
use crate::space::value::same;
use crate::space::{Distribution, Value};

/// A value that was tried so often, and was never good, is left out.
const OFTEN: u64 = 3;

/// Fewer good configurations than this say nothing about what is not among them.
const ENOUGH: usize = 3;

/// How far a number may lie outside of the usual ones, as a factor.
const ROOM: f64 = 2.0;

/// What the lessons make of the usual values; nothing if they have no value near them.
pub(super) fn learn(
    name: &str,
    usual: &[Value],
    lessons: &[&Lesson],
    allowed: &dyn Fn(&Value) -> bool,
) -> Option<Taught> {
    let good: Vec<Vec<&Value>> = lessons
        .iter()
        .map(|lesson| lesson.good.iter().filter_map(|good| good.get(name)).collect())
        .collect();
    let all = || good.iter().flatten().copied();
    let is_good = |value: &Value| all().any(|other| same(other, value));
    let tried = |value: &Value| -> u64 {
        let counts = lessons.iter().filter_map(|lesson| lesson.tried.get(name)).flatten();
        let own = counts.filter(|(other, _)| same(other, value));
        own.map(|(_, count)| count).sum()
    };
    let teachers = good.iter().filter(|good| !good.is_empty()).count();
    let judged = teachers >= SEVERAL && all().count() >= ENOUGH;
    let mut kept: Vec<Value> = usual
        .iter()
        .filter(|value| is_good(value) || !judged || tried(value) < OFTEN)
        .cloned()
        .collect();
    for value in all() {
        let known = kept.iter().any(|own| same(own, value));
        if !known && near(usual, value) && allowed(value) {
            kept.push(value.clone());
        }
    }
    let from: Vec<String> = lessons
        .iter()
        .zip(&good)
        .filter(|(_, good)| good.iter().any(|good| kept.iter().any(|own| same(own, good))))
        .map(|(lesson, _)| lesson.study.clone())
        .collect();
    if from.is_empty() {
        return None;
    }
    let mut opened = [false; 2];
    for (lesson, good) in lessons.iter().zip(&good) {
        if let Some(next) = above(name, lesson, good)
            && !all().any(|value| value.as_f64() >= next.as_f64())
            && !kept.iter().any(|own| same(own, &next))
            && near(usual, &next)
            && allowed(&next)
        {
            kept.push(next);
            opened[1] = true;
        }
    }
    if kept.iter().all(Value::is_number) {
        kept.sort_by(|a, b| a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)));
    }
    let distribution = match kept.as_slice() {
        [only] => Distribution::Fixed { value: only.clone() },
        _ => Distribution::Choice { values: kept },
    };
    Some(Taught {
        distribution,
        from,
        opened,
    })
}

/// Whether a value is not far from the usual ones: of texts each is.
fn near(usual: &[Value], value: &Value) -> bool {
    let numbers = || usual.iter().filter_map(Value::as_f64);
    let Some(number) = value.as_f64() else { return true };
    let [low, high] = [
        numbers().fold(f64::INFINITY, f64::min),
        numbers().fold(f64::NEG_INFINITY, f64::max),
    ];
    (low / ROOM..=high * ROOM).contains(&number)
}

/// The whole number that comes after those of a lesson, which double from one to the next, if most of its good ones, the best among them,
/// are the last.
fn above(name: &str, lesson: &Lesson, good: &[&Value]) -> Option<Value> {
    let parameter = lesson.parameters.iter().find(|parameter| parameter.name == name)?;
    let mut numbers: Vec<u64> = parameter
        .distribution
        .listed()?
        .iter()
        .map(Value::as_u64)
        .collect::<Option<_>>()?;
    numbers.sort_unstable();
    let last = *numbers.last()?;
    let doubles = numbers.windows(2).all(|pair| pair[0] > 0 && pair[1] == 2 * pair[0]);
    let at_end = doubles && numbers.len() > 1 && most(good.iter().map(|value| value.as_u64() == Some(last)));
    Some(Value::from(at_end.then(|| last.checked_mul(2))??))
}
