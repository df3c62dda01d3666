use proptest::prelude::*;

use super::*;

/// Pieces out of which files are made that get past the syntax.
const PIECES: &[&str] = &[
    "[study]\n",
    "[space]\n",
    "[trial]\n",
    "[policy]\n",
    "[slots]\n",
    "[[space]]\n",
    "trials",
    "model",
    "command",
    "metrics",
    "environment",
    "metrics_file",
    "\"{x}{\"",
    "\"{seed}\"",
    "margin",
    "devices",
    " = ",
    ".",
    "{ ",
    " }",
    "[",
    "]",
    ", ",
    "type",
    "low",
    "high",
    "values",
    "\"choice\"",
    "\"uniform\"",
    "\"log_uniform\"",
    "\"\"",
    "\"ä\\u0000\"",
    "-1",
    "0",
    "1e999",
    "inf",
    "nan",
    "0x7fffffffffffffff",
    "9223372036854775808",
    "true",
    "1979-05-27",
    "\n",
    "'''",
    "#",
];

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}", at in 0usize..200) {
        let _ = parse_at(&text);
        let at = GOOD.floor_char_boundary(at);
        if let Err(error) = parse_at(&format!("{}{text}{}", &GOOD[..at], &GOOD[at..])) {
            prop_assert!(error.0.iter().all(|error| error.render(true).len() < 4000));
        }
    }

    #[test]
    fn no_pieces_make_it_panic(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30), at in 0usize..200) {
        let text = pieces.concat();
        let at = at.min(GOOD.len());
        for text in [&text, &format!("{}{text}{}", &GOOD[..at], &GOOD[at..])] {
            if let Err(error) = parse_at(text) {
                prop_assert!(error.render(false).starts_with("error: "));
                prop_assert!(error.0.into_iter().all(|error| error.help.is_some_and(|help| !help.is_empty())));
            }
        }
    }

    #[test]
    fn what_is_read_can_be_drawn(low in -1e3f64..1e3, high in -1e3f64..1e3) {
        let text = GOOD.replace("margin = 1", &format!("margin = {{ type = \"uniform\", low = {low:?}, high = {high:?} }}"));
        prop_assert_eq!(parse_at(&text).is_ok(), 0.0 <= low && low < high && high <= 4.0);
    }

    #[test]
    fn no_bytes_make_data_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 0usize..90) {
        const LINE: &[u8] = br#"{"anchor":"a","positive":"b","negative":"c","id":[1]}"#;
        let cut = cut.min(LINE.len());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.jsonl");
        for bytes in [bytes.clone(), [&LINE[..cut], &bytes, &LINE[cut..]].concat()] {
            std::fs::write(&path, bytes).unwrap();
            let settings = serde_json::json!({ "model": "m", "train": path, "validation": path });
            if let Err(error) = hpo_data::load(&serde_json::from_value(settings).unwrap()) {
                let error = trainer::in_data(error);
                prop_assert!(error.render(false).starts_with("error: "));
            }
        }
    }
}
