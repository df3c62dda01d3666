//! Searches that end at a limit, through the real binary.

use hpo_test_support::{Place, WHOLE};

#[test]
fn a_search_ends_at_its_limit_with_its_best_model_and_continues_with_a_higher_one() {
    let place = Place::new();
    place.search(&place.space("whole", 9, 2, WHOLE, "")).ok();
    let file = place.space("s", 9, 2, WHOLE, "");
    let text = std::fs::read_to_string(&file).unwrap();
    let limited = |lines: &str| {
        std::fs::write(&file, text.replacen("[study]\n", &format!("[study]\n{lines}\n"), 1)).unwrap();
        place.search(&file).ok()
    };
    for (lines, limit) in [
        ("resource_limit = 3", "3 epochs"),
        ("stop_when = { no_better_in = 1 }", "1 trial without a better one"),
    ] {
        let output = limited(lines);
        let said = format!("study s ends at its limit, {limit}; raise ");
        assert!(output.stderr().contains(&said), "{}", output.stderr());
        assert!(output.stdout().contains("best model: "), "{}", output.stdout());
        assert!(place.study("s").join("best-model/model").is_file());
        let status = place.run(&["status", "s", "--json"]).json();
        assert_eq!(status["state"], "at its limit");
        assert!(status["left_ms"].as_u64() > Some(0), "{status}");
        let status = place.run(&["status", "s"]).ok().stdout();
        assert!(status.contains(" left once it goes on\n"), "{status}");
        // The same limit again changes nothing.
        let records = place.journal("s").len();
        assert!(limited(lines).stderr().contains(&said));
        assert_eq!(place.journal("s").len(), records);
    }
    limited("");
    assert_eq!(
        place.answer("s"),
        place.answer("whole"),
        "it goes on as if it had never been limited"
    );
}

#[test]
fn the_time_of_all_runs_together_is_limited() {
    let place = Place::new();
    let file = place.space("s", 9, 1, WHOLE, "");
    let path = file.to_str().unwrap();
    // All of it takes more than two seconds.
    let mut search = place.hpo(&["search", path, "--time-limit", "1s"]);
    let output = search.env("HPO_TEST_EPOCH", "0.2").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("study s ends at its limit, 1.0 s; raise `time_limit`"),
        "{told}"
    );
    assert_eq!(place.facts("s", "limit_reached").len(), 1);
    for wrong in ["0", "soon", "5", "-1h", "1x", ""] {
        let argument = format!("--time-limit={wrong}");
        place.run(&["search", path, &argument]).fails(2, &["such as"]);
    }
}
