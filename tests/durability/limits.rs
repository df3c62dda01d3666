//! The limits that the system sets a process are reported before anything is written, or waited for like a full disk.

use hpo_test_support::{EXAMPLE, Place};

#[test]
fn too_few_files_or_threads_are_reported_before_there_is_a_study() {
    let place = Place::new();
    place.space("s", 2, 2, EXAMPLE, "");
    for (limit, what) in [
        (
            4,
            "more files can't be open at a time, as is needed here: Too many open files",
        ),
        (12, "more files can't be open at a time"),
        (24, "help: raise the limit, for example with `ulimit -n 1024`"),
    ] {
        let run = place.shell(&format!("ulimit -n {limit}; hpo search s.toml"));
        assert!(run.fails(2, &[what]).stdout().is_empty());
    }
    assert!(!place.path("studies").exists());
    place.shell("ulimit -n 64; hpo search s.toml").ok();
}

#[test]
fn a_limit_for_the_size_of_files_is_like_a_full_disk() {
    let place = Place::new();
    place.space("s", 2, 1, EXAMPLE, "");
    // It goes on by itself, so that it has to be stopped; what it tries again in between is of no interest.
    // It goes on by itself once it can, so that it has to be stopped.
    let limited = r#"exec 3< <(ulimit -f 1; exec hpo search s.toml 2>&1); search=$!
                     while read -r line <&3; do
                         echo "$line"
                         case $line in *'is reached'*) kill -TERM $search ;; esac
                     done"#;
    let said = place.shell(limited).stdout();
    let expected =
        "the limit for the size of files (ulimit -f) is reached: the journal can't be written: file too large";
    assert!(said.contains(expected), "{said}");
    assert!(!said.contains("Unable to write"), "{said}");
    place.shell("hpo search s.toml").ok();
}

#[test]
fn an_empty_variable_for_studies_is_none_and_a_path_that_is_not_utf_8_is_refused() {
    let place = Place::new();
    place.space("s", 1, 1, EXAMPLE, "");
    let path = r"$(printf 'a\377')";
    for (script, help) in [
        (
            format!("hpo search s.toml --studies {path}"),
            "name another directory for studies",
        ),
        (
            format!("mkdir {path} && cp s.toml {path} && hpo search {path}/s.toml"),
            "rename its directories",
        ),
    ] {
        place
            .shell(&script)
            .fails(2, &["is not UTF-8, so that workers can't be told it", help]);
    }
    assert!(!place.path("studies").exists());
    place.shell("HPO_STUDIES= hpo search s.toml").ok();
    assert!(place.path("studies/s/journal.jsonl").exists());
    place
        .shell("hpo --studies= status")
        .fails(2, &["a value is required for '--studies <DIR>'"]);
}

#[test]
fn output_that_cannot_be_written_is_an_error_for_every_verb() {
    let place = Place::new();
    for verb in ["--help", "--version", "schema", "help search"] {
        place.shell(&format!("hpo {verb} > /dev/full")).fails(1, &[]);
        place.shell(&format!("hpo {verb} | true")).ok();
    }
}

#[test]
fn a_small_stack_is_enough() {
    let place = Place::new();
    place.space("s", 2, 1, EXAMPLE, "");
    place.shell("ulimit -s 64; hpo space check s.toml").ok();
}
