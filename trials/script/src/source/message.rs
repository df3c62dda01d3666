//! Reports that a script prints as messages of the worker protocol, anywhere in a line.

use hpo_protocol::lenient;
use serde_json::{Map, Value};

use super::{ValueError, number, shown};
use crate::collect::Record;

/// Where such values stand.
const PLACE: &str = "a message";

/// The reports in a line. Of the protocol's report only the loss, the metrics and the resource count, and whether it is the last.
///
/// # Errors
/// If one of its values is no number.
pub(super) fn find(line: &str) -> Result<Vec<Record>, ValueError> {
    let mut records = Vec::new();
    let bytes = line.as_bytes();
    if !line.contains("\"report\"") {
        return Ok(records);
    }
    let mut at = 0;
    while let Some(brace) = bytes[at..].iter().position(|byte| *byte == b'{') {
        let start = at + brace;
        at = start + 1;
        let Ok((json, length)) = lenient::object(&bytes[start..], b"null") else {
            continue;
        };
        let Ok(Value::Object(message)) = serde_json::from_slice::<Value>(&json) else {
            continue;
        };
        if message.get("type").and_then(Value::as_str) == Some("report") {
            if let Some(name) = lenient::twice(&json) {
                let (name, place) = (shown(&name), PLACE.to_owned());
                return Err(ValueError::Twice { name, place });
            }
            records.push(report(&message)?);
            at = start + length;
        }
    }
    Ok(records)
}

fn report(message: &Map<String, Value>) -> Result<Record, ValueError> {
    let mut values = Vec::new();
    let of = |name: &str, value: &Value| value_of(name, value).map(|number| (name.to_owned(), number));
    if let Some(loss) = message.get("loss") {
        values.push(of("loss", loss)?);
    }
    for (name, value) in message.get("metrics").and_then(Value::as_object).into_iter().flatten() {
        values.push(of(name, value)?);
    }
    let resource = message.get("resource").filter(|resource| !resource.is_null());
    Ok(Record {
        resource: resource.map(|resource| value_of("resource", resource)).transpose()?,
        values,
        whole: true,
        last: message.get("last") == Some(&Value::Bool(true)),
    })
}

/// A number; what stands for one that is not finite, null included, too.
fn value_of(name: &str, value: &Value) -> Result<f64, ValueError> {
    let read = match value {
        Value::Null => Some(f64::NAN),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => number(text).filter(|number| !number.is_finite()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    read.ok_or_else(|| ValueError::Said {
        name: name.to_owned(),
        found: shown(&value.to_string()),
        place: PLACE.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_found_beside_other_text() {
        let found = find(
            r#"50%|##{ {"type": "report", "loss": NaN, "resource": 2, "metrics": {"acc": 0.5}} and {"type":"report","loss":1}"#,
        );
        let found = found.unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].resource, found[0].whole, found[0].last),
            (Some(2.0), true, false)
        );
        assert!(found[0].values[0].1.is_nan() && found[0].values[1] == ("acc".to_owned(), 0.5));
        assert_eq!(
            (found[1].resource, &found[1].values[..]),
            (None, &[("loss".to_owned(), 1.0)][..])
        );
        assert_eq!(find(r#"{"type": "progress"} "report""#), Ok(vec![]));
        let error = find(r#"{"type":"report","loss":1,"metrics":{"acc":1,"acc":2}}"#);
        assert!(error.is_err_and(|error| error.to_string().starts_with("`acc` stands twice in a message")));
        let error = find(r#"{"type":"report","loss":"low"}"#).unwrap_err().to_string();
        assert_eq!(error, "`loss` is no number: a message has `\"low\"`");
    }
}
