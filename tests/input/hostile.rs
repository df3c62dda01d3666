//! Whatever is done to valid input, there is an answer: no panic, and memory in proportion to the input.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hpo::ids::{SlotId, Timestamp};
use hpo::space::Constraint;
use hpo::store::{StudyDirectory, StudyReader};
use hpo::study::{Event, Study};
use hpo::study_file;
use hpo_protocol::{FromWorker, ToWorker};
use hpo_test_support::Place;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What damage, slips and malice put into a text.
const WORDS: &[&str] = &[
    "",
    " ",
    "\n",
    "\t",
    "\"",
    "'",
    "\\",
    "\0",
    "\u{1b}[2J",
    "\u{feff}",
    "ä",
    "\u{10ffff}",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "=",
    ",",
    ".",
    "#",
    "-",
    "0",
    "-1",
    "1e999",
    "-1e-999",
    "nan",
    "inf",
    "18446744073709551615",
    "9223372036854775808",
    "0x",
    "true",
    "null",
    "[[",
    "]]",
    "[space]",
    "[[try_first]]",
    "../../",
    "and",
    "or not",
    "min(",
    "1979-05-27",
];

/// A change of a text at a place, which is a share of its length.
#[derive(Debug, Clone)]
enum Edit {
    Insert(f64, &'static str),
    Replace(f64, usize, &'static str),
    Repeat(f64, usize),
    Flip(f64, u8),
    Cut(f64),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = || 0.0..1.0f64;
    let word = || prop::sample::select(WORDS);
    prop_oneof![
        (place(), word()).prop_map(|(at, word)| Edit::Insert(at, word)),
        (place(), 0..40usize, word()).prop_map(|(at, length, word)| Edit::Replace(at, length, word)),
        (place(), 0..200usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
        (place(), any::<u8>()).prop_map(|(at, bits)| Edit::Flip(at, bits)),
        place().prop_map(Edit::Cut),
    ]
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec(edit(), 1..6)
}

fn apply(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut text = text.to_vec();
    for edit in edits {
        let at = |share: f64| ((share * text.len() as f64) as usize).min(text.len());
        match *edit {
            Edit::Insert(share, word) => drop(text.splice(at(share)..at(share), word.bytes())),
            Edit::Replace(share, length, word) => {
                let end = (at(share) + length).min(text.len());
                drop(text.splice(at(share)..end, word.bytes()));
            }
            Edit::Repeat(share, length) => {
                let (begin, end) = (at(share), (at(share) + length).min(text.len()));
                let piece = text[begin..end].to_vec();
                drop(text.splice(begin..begin, piece));
            }
            Edit::Flip(share, bits) => {
                let place = at(share);
                if let Some(byte) = text.get_mut(place) {
                    *byte ^= bits;
                }
            }
            Edit::Cut(share) => text.truncate(at(share)),
        }
    }
    text
}

/// The studies that come with hpo.
static STUDIES: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("search_spaces");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let studies: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    assert!(!studies.is_empty());
    studies
});

/// The journal of a study that has run, with promotions, failures and a stop.
static JOURNAL: LazyLock<Vec<String>> = LazyLock::new(|| {
    let place = Place::new();
    let trial = format!("fault = \"crash\"\ntrial = 1\nonce = {:?}", place.path("once"));
    place
        .search(&place.space("s", 9, 2, "tests/trainers/faulty.py", &trial))
        .ok();
    let text = std::fs::read_to_string(place.study("s").join("journal.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
});

/// Opens a study with this journal as `hpo status` does, and goes on with it as a scheduler would.
fn open(journal: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("journal.jsonl"), journal).unwrap();
    match StudyReader::open(StudyDirectory::new(directory.path())) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(reader) => {
            let mut study: Study = reader.study().clone();
            let limits = study.spec().limits();
            let overview = hpo::analysis::Overview::of(&study);
            let _ = hpo::view::status_json(&overview, reader.directory(), false);
            let opened = Event::Opened {
                process: 1,
                slots: vec!["CPU".into()],
                limits,
            };
            if study.spec().trials <= 100 {
                study.handle(Timestamp(1), opened);
                study.handle(Timestamp(2), Event::Idle { slots: vec![SlotId(0)] });
            }
        }
    }
}

/// A journal line of a record, with the checksum it should have.
fn sealed(record: &Value) -> String {
    let mut body = record.clone();
    body.as_object_mut().unwrap().remove("crc32c");
    let mut line = body.to_string();
    line.pop();
    let crc = crc32c::crc32c(line.as_bytes());
    format!("{line},\"crc32c\":\"{crc:08x}\"}}\n")
}

/// Places of all values in a value.
fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| pointers(value, format!("{at}/{key}"), found)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(n, value)| pointers(value, format!("{at}/{n}"), found)),
        _ => {}
    }
    found.push(at);
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(0),
        json!(1),
        json!(2),
        json!(7),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(u32::MAX),
        json!(1e308),
        json!(0.5),
        json!(""),
        json!("../../etc/passwd"),
        json!([]),
        json!({}),
        json!(true),
        json!([1, 1]),
        json!([9, 3, 1]),
        json!([0]),
    ])
}

/// Reads a line; what can be read must come back the same when it is written and read again.
fn survives<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(line: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<T>(line) {
        let again: T = serde_json::from_slice(&serde_json::to_vec(&message).unwrap()).unwrap();
        assert_eq!(again, message);
    }
}

const FROM_WORKER: &[&str] = &[
    r#"{"type":"ready","protocol":1,"trainer":"mine 1.0","features":["evaluate","export","heartbeats","new"]}"#,
    r#"{"type":"fatal","message":"no model"}"#,
    r#"{"type":"evaluated","loss":0.5,"metrics":{"mrr@10":0.4}}"#,
    r#"{"type":"progress","trial":4,"attempt":1,"resource":1.4,"examples_per_second":20.5}"#,
    r#"{"type":"report","trial":4,"attempt":1,"resource":1,"loss":0.31,"metrics":{"accuracy":0.8},"checkpoint":"/c/a1","last":true}"#,
    r#"{"type":"done","trial":4,"attempt":1}"#,
    r#"{"type":"stopped","trial":4,"attempt":1,"checkpoint":null}"#,
    r#"{"type":"failed","trial":4,"attempt":1,"message":"\u001b[2J"}"#,
    r#"{"type":"exported","directory":"/m","test":{"loss":0.21,"metrics":{}}}"#,
];

const TO_WORKER: &[&str] = &[
    r#"{"type":"start","protocol":1,"study":"s","threads":1,"settings":{"target":3.0,"list":[1,"a"]},"cache":"/c"}"#,
    r#"{"type":"evaluate"}"#,
    r#"{"type":"run","trial":4,"attempt":1,"seed":7,"parameters":{"lr":1e-5},"from":0,"to":3,"max":9,"checkpoint":null,"checkpoints":"/c"}"#,
    r#"{"type":"stop","trial":4,"attempt":1,"save":true}"#,
    r#"{"type":"export","checkpoint":"/c/a1","directory":"/m"}"#,
];

#[test]
fn the_messages_that_are_changed_are_messages() {
    for line in FROM_WORKER {
        serde_json::from_str::<FromWorker>(line).unwrap();
    }
    for line in TO_WORKER {
        serde_json::from_str::<ToWorker>(line).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_study_that_was_changed_is_read_or_refused_with_the_reason(study in prop::sample::select(&STUDIES[..]), edits in edits()) {
        let (path, text) = study;
        let text = apply(&text, &edits);
        let text = String::from_utf8_lossy(&text);
        match study_file::parse(&text, &path) {
            Err(error) => {
                for error in error.0 {
                    let shown = error.render(true);
                    prop_assert!(shown.len() < 8000, "{}", shown);
                    prop_assert!(!error.help.unwrap_or_default().is_empty());
                }
            }
            // What is read can be begun with.
            Ok(file) if file.study.trials <= 100 => {
                let mut study = Study::new(file.study.spec(1, 1));
                let limits = study.spec().limits();
                study.handle(Timestamp(0), Event::Opened { process: 1, slots: vec!["CPU".into()], limits });
                study.handle(Timestamp(1), Event::Idle { slots: vec![SlotId(0)] });
            }
            Ok(_) => {}
        }
    }

    #[test]
    fn a_constraint_that_was_changed_is_read_or_refused_with_the_reason(edits in edits()) {
        let text = b"batch_size >= 32 or `learning rate` < 1e-4 and not (abs(a - min(b, 2)) % 3 == 0) or optimizer == 'sgd'";
        let text = String::from_utf8_lossy(&apply(text, &edits)).into_owned();
        if let Err(error) = Constraint::try_from(text.clone()) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
        }
    }

    #[test]
    fn a_message_that_was_changed_is_read_or_refused(line in 0..FROM_WORKER.len() + TO_WORKER.len(), edits in edits()) {
        let lines = [FROM_WORKER, TO_WORKER].concat();
        let line = apply(lines[line].as_bytes(), &edits);
        survives::<FromWorker>(&line);
        survives::<ToWorker>(&line);
    }

    #[test]
    fn a_journal_that_was_damaged_is_read_or_refused_with_the_place(edits in edits()) {
        open(&apply(JOURNAL.join("\n").as_bytes(), &edits));
    }

    #[test]
    fn a_journal_that_was_forged_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), odd_value()), 1..4),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..3),
        left_out in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut records: Vec<Value> = JOURNAL.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (line, place, value) in changes {
            // The first says what the study is, which includes the command that it runs.
            let record = line.get_mut(&mut records[1..]);
            let mut places = Vec::new();
            pointers(&record["fact"], "/fact".into(), &mut places);
            let place = place.get(&places);
            if place != "/fact" {
                *record.pointer_mut(place).unwrap() = value;
            }
        }
        for (one, other) in order {
            let (one, other) = (one.index(records.len() - 1), other.index(records.len() - 1));
            records.swap(1 + one, 1 + other);
        }
        if let Some(line) = left_out {
            records.remove(1 + line.index(records.len() - 1));
        }
        let lines = records.iter_mut().enumerate().map(|(seq, record)| {
            record["seq"] = seq.into();
            sealed(record)
        });
        open(lines.collect::<String>().as_bytes());
    }
}
