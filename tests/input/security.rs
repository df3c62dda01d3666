//! What a study keeps is its owner's alone, and nothing leads out of its directory.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use hpo_test_support::{EXAMPLE, FAULTY, Place};

/// All files and directories below a directory, and itself.
fn everything(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(everything(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

#[test]
fn nobody_else_can_read_a_study() {
    let place = Place::new();
    let file = place.space("s", 3, 1, FAULTY, "fills_cache = true\nfeatures = [\"export\"]");
    // Who is used to sharing everything has such a mask.
    let hpo = place.hpo(&["search".as_ref(), file.as_os_str()]);
    let mut open = Command::new("sh");
    open.args(["-c", "umask 000; exec \"$@\"", "sh"])
        .arg(hpo.get_program())
        .args(hpo.get_args());
    open.envs(hpo.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert!(open.output().unwrap().status.success());
    let found = everything(&place.path("studies"));
    let has = |name: &str| found.iter().any(|path| path.ends_with(name));
    for name in [
        "s/journal.jsonl",
        "s/db",
        "s/logs/hpo.log",
        "s/best-model/model",
        ".cache/file",
    ] {
        assert!(has(name), "{name}");
    }
    for path in found {
        let mode = path.symlink_metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
    }
}

#[test]
fn checkpoints_that_a_link_leads_to_are_not_deleted() {
    let place = Place::new();
    let elsewhere = place.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("thesis"), "three years of work").unwrap();
    let file = place.space("s", 9, 1, EXAMPLE, "");
    place.kill_search(&file, "trial", 6);
    symlink(&elsewhere, place.study("s").join("checkpoints/trial-9999")).unwrap();
    place.search(&file).ok();
    assert!(elsewhere.join("thesis").exists());
}

#[test]
fn a_model_is_taken_from_nowhere_but_where_it_was_asked_to_be() {
    for (fault, said) in [
        ("export elsewhere", "the worker sent `exported` out of turn"),
        ("export a link", "is not a directory"),
        ("export a pipe", "partial/pipe is neither a file nor a directory"),
        (
            "export a link to a file",
            "partial/link is neither a file nor a directory",
        ),
    ] {
        let place = Place::new();
        let elsewhere = place.path("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let trial = format!("fault = {fault:?}\nfeatures = [\"export\"]\nelsewhere = {elsewhere:?}");
        let stdout = place.search(&place.space("s", 3, 1, FAULTY, &trial)).ok().stdout();
        assert!(stdout.contains(said), "{stdout}");
        assert!(elsewhere.is_dir());
        let left = std::fs::read_dir(place.study("s"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let models: Vec<_> = left.filter(|name| name.to_string_lossy().contains("model")).collect();
        assert!(models.is_empty(), "{models:?}");
    }
}

#[test]
fn no_shell_reads_what_a_study_says() {
    let place = Place::new();
    let trap = place.path("trap");
    let file = place.space(
        "s",
        1,
        1,
        FAULTY,
        &format!("padding = \"$(touch {0}) `touch {0}`; touch {0}\"", trap.display()),
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let name = format!("[\"python3\", \"; touch {}\"]", trap.display());
    let command = text.lines().find(|line| line.starts_with("command")).unwrap();
    place.search(&file).ok();
    std::fs::write(
        place.path("t.toml"),
        text.replace(command, &format!("command = {name}")),
    )
    .unwrap();
    place
        .search(&place.path("t.toml"))
        .fails(1, &["can't open file", "; touch"]);
    assert!(!trap.exists());
}
