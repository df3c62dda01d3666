//! What a worker's standard output says: messages, and what is printed beside them.
//!
//! Trainers print more than messages, and on the same line: a progress bar that ends without a newline, codes that set colours,
//! the beginning of a sentence. So a message is looked for anywhere in a line, as long as no other text follows it. What Python
//! and others write for a number that is not finite is not JSON, but understood.

use std::collections::BTreeMap;

use hpo_protocol::lenient::{is_not_finite, object, twice};
use hpo_protocol::{Baseline, FromWorker, Metrics};
use serde_json::{Map, Value};

use super::failure::Failure;
use crate::diagnostic::visible;

/// How much is shown of a line that is no message, or of a name, in characters.
const SHOWN: usize = 200;

/// A part of a line.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// A message. What is not finite in it, null included, is NaN.
    Message(FromWorker),
    /// It is no message, and was not meant as one.
    Print(&'a [u8]),
    /// It was meant as a message.
    Invalid(Failure),
}

/// The parts of a line, in their order. Spaces and control codes beside messages are no part.
pub(super) fn parts(line: &[u8]) -> Vec<Part<'_>> {
    if find(line, b"type").is_none() {
        return vec![Part::Print(line)];
    }
    let mut parts = Vec::new();
    let (mut at, mut printed) = (0, 0);
    while let Some(brace) = line[at..].iter().position(|byte| *byte == b'{') {
        let start = at + brace;
        at = start + 1;
        let Ok((json, length)) = object(&line[start..], b"null") else {
            continue;
        };
        at = start + length;
        if let Some(value) = of_ours(&json)
            && is_separate(&line[at..])
        {
            push_print(&mut parts, &line[printed..start]);
            match message(&json, value) {
                Ok(message) => {
                    parts.extend(doubled(&json).map(Part::Message));
                    parts.push(Part::Message(message));
                }
                Err(failure) => parts.push(Part::Invalid(failure)),
            }
            printed = at;
        }
    }
    if !parts.is_empty() {
        push_print(&mut parts, &line[printed..]);
        return parts;
    }
    vec![match objection(line) {
        Some(failure) => Part::Invalid(failure),
        None => Part::Print(line),
    }]
}

/// A remark that something stands twice in a message, which JSON allows.
fn doubled(json: &[u8]) -> Option<FromWorker> {
    let name = shown(&twice(json)?);
    Some(FromWorker::Remark {
        about: "the same name twice".to_owned(),
        text: format!(
            "the trainer reports `{name}` twice in one message: the value that stands there last is taken; give each its own name"
        ),
    })
}

fn push_print<'a>(parts: &mut Vec<Part<'a>>, text: &'a [u8]) {
    if !is_blank(text) {
        parts.push(Part::Print(text));
    }
}

/// What is wrong with a line in which there is no message, if one was meant: it begins with a type, or names one of ours.
fn objection(line: &[u8]) -> Option<Failure> {
    let first = line.iter().position(|byte| *byte == b'{')?;
    let begins = is_blank(&line[..first]);
    let marker = last_marker(line);
    let own = type_after(&line[first + 1..]).filter(|_| begins);
    let start = match own {
        Some(value) if is_meant(value) => first,
        // Other programs have messages of their own.
        Some(_) => return None,
        None if begins && marker.is_some() => first,
        None => line[..marker?].iter().rposition(|byte| *byte == b'{')?,
    };
    let text = &line[start..];
    let json = match object(text, b"null") {
        // A whole message in the middle of other text is quoted there.
        Ok((json, _)) if !begins && of_ours(&json).is_some() => return None,
        // At the beginning of a line, what follows it makes it none.
        Ok((json, length)) => [&json, &text[length..]].concat(),
        Err(json) => json,
    };
    let source = serde_json::from_slice::<FromWorker>(&json).err()?;
    Some(invalid(text, source))
}

/// Whether the text behind `"type":` may well be meant as one of our types: it is nearly one, or none of anybody's.
fn is_meant(value: &[u8]) -> bool {
    const NEARLY: f64 = 0.6;
    let value = String::from_utf8_lossy(value.trim_ascii_start());
    let Some(text) = value.strip_prefix(['"', '\'']) else {
        return !value.starts_with(|c: char| c.is_ascii_digit() || c == 'n');
    };
    let name = text.split(['"', '\'']).next().unwrap_or_default().to_lowercase();
    // What is not UTF-8 is damaged.
    let is_damaged = name.contains(char::REPLACEMENT_CHARACTER);
    let alike = |own: &&str| strsim::normalized_damerau_levenshtein(&name, own) >= NEARLY || own.starts_with(&name);
    is_damaged || FromWorker::TYPES.iter().any(alike)
}

fn invalid(text: &[u8], source: serde_json::Error) -> Failure {
    let line = shown(&String::from_utf8_lossy(text));
    Failure::NotAMessage { line, source }
}

fn shown(text: &str) -> String {
    visible(&text.chars().take(SHOWN).collect::<String>())
}

/// The value of an object that is of one of the types of messages.
fn of_ours(json: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let ours = FromWorker::TYPES.contains(&value.get("type")?.as_str()?);
    ours.then_some(value)
}

/// Reads a message, whose `value` is at hand.
fn message(json: &[u8], mut value: Value) -> Result<FromWorker, Failure> {
    let take = |of: Option<&mut Value>| of.and_then(Value::as_object_mut).map(take_out).unwrap_or_default();
    if is_report(&value) && value.get("trial").is_none() {
        return Err(Failure::NoTrial(shown(&String::from_utf8_lossy(json))));
    }
    let is_rounded = round_resource(&mut value);
    let own = take(Some(&mut value));
    let [test, untrained] = ["test", "untrained"].map(|key| take(value.get_mut(key)));
    let each = value
        .get_mut("models")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten();
    let models: BTreeMap<String, TakenOut> = each.map(|(name, of)| (name.clone(), take(Some(of)))).collect();
    let each = value.get("models").and_then(Value::as_object).into_iter().flatten();
    let no_number = [Some(&value), value.get("test"), value.get("untrained")]
        .into_iter()
        .flatten()
        .chain(each.map(|(_, of)| of))
        .find_map(no_number);
    let read =
        match !is_rounded && own.nothing && test.nothing && untrained.nothing && models.values().all(|of| of.nothing) {
            // Only here it shows if a key stands there twice.
            true => serde_json::from_slice(json),
            false => serde_json::from_value(value),
        };
    let mut message = read.map_err(|source| match no_number {
        Some((key, value)) => Failure::NotANumber { key, value },
        None => invalid(json, source),
    })?;
    match &mut message {
        FromWorker::Report { loss, metrics, .. } => own.put_back(loss, metrics),
        FromWorker::Evaluated(Baseline::One(measured)) => own.put_back(&mut measured.loss, &mut measured.metrics),
        FromWorker::Evaluated(Baseline::Models { models: measured }) => {
            for (name, taken) in models {
                if let Some(measured) = measured.get_mut(&name) {
                    taken.put_back(&mut measured.loss, &mut measured.metrics);
                }
            }
        }
        FromWorker::Exported {
            test: on_test,
            untrained: without_training,
            ..
        } => {
            for (taken, measured) in [(test, on_test), (untrained, without_training)] {
                if let Some(measured) = measured {
                    taken.put_back(&mut measured.loss, &mut measured.metrics);
                }
            }
        }
        FromWorker::Ready { .. }
        | FromWorker::Fatal { .. }
        | FromWorker::Progress { .. }
        | FromWorker::Done { .. }
        | FromWorker::Stopped { .. }
        | FromWorker::Remark { .. }
        | FromWorker::Failed { .. }
        | FromWorker::Measured { .. } => {}
    }
    Ok(message)
}

fn is_report(value: &Value) -> bool {
    value.get("type").is_some_and(|kind| kind == "report")
}

/// Makes a whole number of a resource such as `1.0`, as programs write it that count epochs with their fractions.
fn round_resource(value: &mut Value) -> bool {
    let is_report = is_report(value);
    let Some(resource) = value
        .get_mut("resource")
        .filter(|resource| is_report && resource.is_f64())
    else {
        return false;
    };
    let whole = resource
        .as_f64()
        .filter(|number| number.fract() == 0.0 && (0.0..9e15).contains(number));
    if let Some(whole) = whole {
        *resource = Value::from(whole as u64);
    }
    whole.is_some()
}

/// The first among a loss and metrics that is no number: its key and its value, fit to be shown.
fn no_number(measured: &Value) -> Option<(String, String)> {
    let loss = measured.get("loss").map(|loss| ("loss", loss));
    let metrics = measured.get("metrics").and_then(Value::as_object).into_iter().flatten();
    let values = loss
        .into_iter()
        .chain(metrics.map(|(name, value)| (name.as_str(), value)));
    let mut wrong = values.filter(|(_, value)| !value.is_number());
    wrong.next().map(|(key, value)| (shown(key), shown(&value.to_string())))
}

/// What was taken out of a loss and metrics: numbers that are not finite, which JSON does not have.
#[derive(Debug)]
struct TakenOut {
    loss: bool,
    metrics: Vec<String>,
    nothing: bool,
}

impl Default for TakenOut {
    fn default() -> Self {
        Self {
            loss: false,
            metrics: Vec::new(),
            nothing: true,
        }
    }
}

impl TakenOut {
    fn put_back(self, loss: &mut Option<f64>, metrics: &mut Metrics) {
        if self.loss {
            *loss = Some(f64::NAN);
        }
        metrics.extend(self.metrics.into_iter().map(|name| (name, f64::NAN)));
    }
}

fn take_out(measured: &mut Map<String, Value>) -> TakenOut {
    let is_infinite = |value: &Value| value.is_null() || value.as_str().is_some_and(is_not_finite);
    let mut out = TakenOut::default();
    if measured.get("loss").is_some_and(is_infinite) {
        measured.remove("loss");
        out.loss = true;
    }
    let no_metrics = measured.get("metrics").is_some_and(Value::is_null);
    if no_metrics {
        measured.remove("metrics");
    }
    if let Some(Value::Object(metrics)) = measured.get_mut("metrics") {
        let infinite = metrics.iter().filter(|(_, value)| is_infinite(value));
        out.metrics = infinite.map(|(name, _)| name.clone()).collect();
        metrics.retain(|_, value| !is_infinite(value));
    }
    out.nothing = !out.loss && out.metrics.is_empty() && !no_metrics;
    out
}

/// Whether nothing stands behind a message that makes it a part of other text: its line ends, a control code or another message
/// follows.
fn is_separate(behind: &[u8]) -> bool {
    let next = behind.iter().find(|byte| !matches!(**byte, b' ' | b'\t'));
    next.is_none_or(|next| *next == b'{' || *next < b' ')
}

/// Whether a text shows nothing: spaces, control codes and escape sequences.
fn is_blank(mut text: &[u8]) -> bool {
    let after = |text: &[u8], ends: &dyn Fn(u8) -> bool| {
        let end = text.iter().position(|byte| ends(*byte));
        end.map_or(text.len(), |end| end + 1)
    };
    loop {
        text = match text {
            [] => return true,
            [b'\x1b', b'[', rest @ ..] => &rest[after(rest, &|byte| (b'@'..=b'~').contains(&byte))..],
            [b'\x1b', b']', rest @ ..] => &rest[after(rest, &|byte| matches!(byte, b'\x07' | b'\\'))..],
            [b'\x1b', _, rest @ ..] | [b'\xef', b'\xbb', b'\xbf', rest @ ..] => rest,
            [byte, rest @ ..] if *byte <= b' ' || *byte == b'\x7f' => rest,
            _ => return false,
        };
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

/// What stands after a key `type`, in quotes of either kind, and its colon, if `text` begins with these.
fn type_after(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    let quote = *text.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let rest = text[1..].strip_prefix(b"type")?.strip_prefix(&[quote])?;
    rest.trim_ascii_start().strip_prefix(b":")
}

/// Where a line last names a type of ours.
fn last_marker(line: &[u8]) -> Option<usize> {
    let names_ours = |at: usize| {
        let value = type_after(&line[at..]).map(<[u8]>::trim_ascii_start)?;
        let name = value.strip_prefix(b"\"").or(value.strip_prefix(b"'"))?;
        let ours = |name: &[u8], ours: &str| {
            name.strip_prefix(ours.as_bytes())
                .is_some_and(|rest| rest.starts_with(&value[..1]))
        };
        FromWorker::TYPES.iter().any(|one| ours(name, one)).then_some(())
    };
    let quotes = (0..line.len()).rev().filter(|&at| matches!(line[at], b'"' | b'\''));
    quotes.into_iter().find(|&at| names_ours(at).is_some())
}

#[cfg(test)]
mod tests;
