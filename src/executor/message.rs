//! What a worker's standard output says: messages, and what is printed beside them.
//!
//! Trainers print more than messages, and on the same line: a progress bar that ends without a newline, codes that set colours,
//! the beginning of a sentence. So a message is looked for anywhere in a line, as long as no other text follows it. What Python
//! and others write for a number that is not finite is not JSON, but understood.

use hpo_protocol::FromWorker;
use serde_json::Value;

use super::failure::Failure;
use crate::diagnostic::visible;

/// How much is shown of a line that is no message, or of a name, in characters.
const SHOWN: usize = 200;

/// No message is nested deeper.
const DEEPEST: usize = 64;

/// How many keys of a report without a loss are shown.
const KEYS: usize = 8;

/// A message of a worker.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    pub message: FromWorker,
    /// The names of the metrics in it that were not finite and are left out, fit to be shown.
    pub left_out: Vec<String>,
}

/// A part of a line.
#[derive(Debug)]
pub(super) enum Part<'a> {
    Message(Message),
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
        let Ok((json, length)) = object(&line[start..]) else {
            continue;
        };
        at = start + length;
        if let Some(value) = of_ours(&json)
            && is_separate(&line[at..])
        {
            push_print(&mut parts, &line[printed..start]);
            parts.push(match message(&json, value) {
                Ok(message) => Part::Message(message),
                Err(failure) => Part::Invalid(failure),
            });
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
    let start = match begins && (marker.is_some() || type_after(&line[first + 1..]).is_some()) {
        true => first,
        false => line[..marker?].iter().rposition(|byte| *byte == b'{')?,
    };
    let text = &line[start..];
    let json = match object(text) {
        // A whole message in the middle of other text is quoted there.
        Ok((json, _)) if !begins && of_ours(&json).is_some() => return None,
        // At the beginning of a line, what follows it makes it none.
        Ok((json, length)) => [&json, &text[length..]].concat(),
        Err(json) => json,
    };
    let source = serde_json::from_slice::<FromWorker>(&json).err()?;
    Some(invalid(text, source))
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
fn message(json: &[u8], mut value: Value) -> Result<Message, Failure> {
    if value["type"] == "report" && value.get("loss").is_none() {
        return Err(without_loss(&value));
    }
    let mut left_out = Vec::new();
    let mut changed = leave_out(&mut value, &mut left_out);
    if let Some(test) = value.get_mut("test") {
        changed |= leave_out(test, &mut left_out);
    }
    let read = match changed {
        true => serde_json::from_value(value),
        // Only here it shows if a key stands there twice.
        false => serde_json::from_slice(json),
    };
    match read {
        Ok(message) => Ok(Message { message, left_out }),
        Err(source) => Err(invalid(json, source)),
    }
}

/// Makes a loss that is not finite null, and leaves out such metrics; whether there were any.
fn leave_out(measured: &mut Value, left_out: &mut Vec<String>) -> bool {
    let is_infinite = |value: &Value| value.as_str().is_some_and(is_not_finite);
    let Some(measured) = measured.as_object_mut() else {
        return false;
    };
    let mut changed = false;
    if let Some(loss) = measured.get_mut("loss").filter(|loss| is_infinite(loss)) {
        *loss = Value::Null;
        changed = true;
    }
    if measured.get("metrics").is_some_and(Value::is_null) {
        measured.remove("metrics");
        changed = true;
    }
    if let Some(Value::Object(metrics)) = measured.get_mut("metrics") {
        metrics.retain(|name, value| {
            let out = value.is_null() || is_infinite(value);
            if out {
                left_out.push(shown(name));
            }
            !out
        });
        changed |= !left_out.is_empty();
    }
    changed
}

/// The failure of a report that has no loss.
fn without_loss(report: &Value) -> Failure {
    let own = ["type", "trial", "attempt", "resource", "metrics", "checkpoint", "last"];
    let keys = |value: Option<&Value>| -> Vec<String> {
        let object = value.and_then(Value::as_object);
        object.into_iter().flat_map(|object| object.keys().cloned()).collect()
    };
    let mut has = keys(Some(report));
    has.retain(|key| !own.contains(&key.as_str()));
    has.extend(keys(report.get("metrics")));
    has.truncate(KEYS);
    Failure::NoLoss {
        resource: shown(&report["resource"].to_string()),
        has: has.iter().map(|key| shown(key)).collect(),
    }
}

/// Strict JSON for the object that `text` begins with, and how many bytes of the text it is; if it has no end, as much as there is.
fn object(text: &[u8]) -> Result<(Vec<u8>, usize), Vec<u8>> {
    let (mut json, mut depth, mut at) = (Vec::new(), 0, 0);
    while at < text.len() && depth <= DEEPEST {
        let rest = &text[at..];
        let word = rest.iter().take_while(|byte| is_of_word(**byte)).count();
        let length = match rest[0] {
            b'"' => string(rest),
            _ => word.max(1),
        };
        let piece = &rest[..length];
        match piece {
            b"{" | b"[" => depth += 1,
            b"}" | b"]" => depth -= 1,
            _ => {}
        }
        let infinite = word > 0 && std::str::from_utf8(piece).is_ok_and(is_not_finite);
        json.extend_from_slice(if infinite { b"null" } else { piece });
        at += length;
        if depth == 0 {
            return Ok((json, at));
        }
    }
    Err(json)
}

/// The length of the string that `text` begins with, or of all of it if the string has no end.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

/// Whether a word is a number that is not finite, as any language writes it, or too large to be one.
fn is_not_finite(word: &str) -> bool {
    word.parse::<f64>().is_ok_and(|number| !number.is_finite())
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
mod tests {
    use super::*;

    /// The parts of a line in short.
    fn short(line: &str) -> Vec<String> {
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let part = |part: Part<'_>| match part {
            Part::Message(Message { message, left_out }) => {
                let value = serde_json::to_value(message).unwrap();
                let loss = value.get("loss").map(|loss| format!(" {loss}")).unwrap_or_default();
                let metrics = value
                    .get("metrics")
                    .map(|metrics| format!(" {metrics}"))
                    .unwrap_or_default();
                let left_out = left_out.iter().map(|name| format!(" -{name}")).collect::<String>();
                format!("<{}{loss}{metrics}{left_out}>", value["type"].as_str().unwrap())
            }
            Part::Print(print) => text(print),
            Part::Invalid(failure) => format!("! {failure}"),
        };
        parts(line.as_bytes()).into_iter().map(part).collect()
    }

    const DONE: &str = r#"{"type": "done", "trial": 4, "attempt": 1}"#;

    fn report(rest: &str) -> String {
        format!(r#"{{"type":"report","trial":4,"attempt":1,"resource":1,"checkpoint":null,{rest}}}"#)
    }

    #[test]
    fn a_message_is_found_beside_what_is_printed() {
        assert_eq!(short(DONE), ["<done>"]);
        for before in [
            "training: 100%|####| 3/3 [00:01]",
            "Loading model ... ",
            "INFO:root:",
            "{1, 2} {'a': 3} ",
            "{\"a\" ",
        ] {
            assert_eq!(short(&format!("{before}{DONE}")), [before, "<done>"], "{before}");
        }
        for blank in [
            "\x1b[0m",
            "\x1b[1;32m \x1b[K",
            "\t ",
            "\u{feff}",
            "\x1b]0;title\x07",
            "\x1b7",
        ] {
            assert_eq!(short(&format!("{blank}{DONE}")), ["<done>"], "{blank:?}");
        }
        assert_eq!(short(&format!("{DONE} \x1b[0m")), ["<done>"]);
        assert_eq!(
            short(&format!("a {DONE}{DONE} {DONE}\x1b[0m b")),
            ["a ", "<done>", "<done>", "<done>", "\x1b[0m b"]
        );
    }

    #[test]
    fn what_was_not_meant_as_a_message_is_a_print() {
        for print in [
            "",
            "epoch 1 of 3",
            "{'loss': 0.69, 'grad_norm': nan, 'epoch': 1.0}",
            r#"{"loss": NaN, "step": 10}"#,
            r#"{"level":"info","type":"log","text":"a"}"#,
            &format!("the answer is {DONE}, it says"),
            &format!("'{DONE}'"),
            "{{{{ type ",
            "type: {",
        ] {
            assert_eq!(short(print), [print]);
        }
    }

    #[test]
    fn what_was_meant_as_a_message_is_refused() {
        for (line, said) in [
            (r#"{"type": "report", "loss": NaN"#, "EOF while parsing"),
            (r#"Loading ... {"type": "ready", "protocol": 1"#, "EOF while parsing"),
            (
                r#"{"trial": 1, "metrics": {"a": 1}, "type": "report", "lo"#,
                "EOF while parsing",
            ),
            (r#"{"type": "reports"}"#, "unknown variant `reports`"),
            (r#"{"type": "done", "trial": 4}"#, "missing field `attempt`"),
            (
                r#"{"type": "done", "trial": 4, "trial": 5, "attempt": 1}"#,
                "duplicate field `trial`",
            ),
            ("{'type': 'ready', 'protocol': 1}", "key must be a string"),
            ("now {'type': 'ready', 'protocol': 1}", "key must be a string"),
            (&format!("{DONE} at last"), "trailing characters"),
            (&r#"{"type":"#.repeat(10_000), "expected variant identifier"),
            (&report(r#""loss":"0.5""#), "expected f64"),
        ] {
            let parts = short(line);
            let [refused] = &parts[..] else { panic!("{parts:?}") };
            assert!(
                refused.starts_with("! the worker sent") && refused.contains(said),
                "{refused}"
            );
        }
        assert!(matches!(parts(b"{\"type\": \"\xff\xfe\"}")[..], [Part::Invalid(_)]));
    }

    #[test]
    fn a_number_that_is_not_finite_is_understood_however_it_is_written() {
        for word in [
            "NaN",
            "nan",
            "-nan",
            "Infinity",
            "-Infinity",
            "inf",
            "-inf",
            "1e999",
            "-1e999",
            "null",
            "\"NaN\"",
            "\"-Infinity\"",
        ] {
            let line = report(&format!(
                r#""loss":{word},"metrics":{{"a":{word},"nan":0.5,"b":{word}}}"#
            ));
            assert_eq!(short(&line), [r#"<report null {"nan":0.5} -a -b>"#], "{word}");
        }
        let text = report(r#""loss":0.5,"metrics":{"a NaN":1.0},"note":"NaN \" NaN""#);
        assert_eq!(short(&text), [r#"<report 0.5 {"a NaN":1.0}>"#]);
        assert_eq!(short(&report(r#""loss":0.5,"metrics":null"#)), ["<report 0.5 {}>"]);
        let tested = r#"{"type":"exported","directory":"/m","test":{"loss":0.5,"metrics":{"a":NaN}}}"#;
        assert_eq!(short(tested), ["<exported -a>"]);
    }

    #[test]
    fn a_report_without_a_loss_is_no_divergence() {
        let said = short(&report(r#""val_loss":0.5,"metrics":{"accuracy":0.5}"#));
        let expected = "! the report of resource 1 has no `loss` (it has `val_loss`, `accuracy`)";
        assert!(said[0].starts_with(expected), "{said:?}");
        assert_eq!(short(&report(r#""loss":null"#)), ["<report null {}>"]);
    }

    /// However often it could begin, a line is read in a time that grows with its length.
    #[test]
    fn no_line_takes_long() {
        for piece in ["{", "{\"", "{\"type\":", "{\"}", "{}", "'type'", "\"type\":\"done\"{"] {
            parts(piece.repeat((1 << 20) / piece.len()).as_bytes());
        }
    }
}
