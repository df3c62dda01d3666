//! What the design forbids stays out.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

fn sources(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(path.to_str().unwrap()));
        } else {
            found.push(path);
        }
    }
    found
}

fn forbid(directory: &str, words: &[&str]) {
    let sources = sources(directory);
    assert!(!sources.is_empty());
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in words {
            assert!(!text.contains(word), "{} speaks of {word}", path.display());
        }
    }
}

const IO: [&str; 9] = [
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::time",
    "std::thread",
    "std::env",
    "tokio",
    "sled",
];

#[test]
fn the_core_does_no_io_and_reads_no_clock() {
    let outside = [
        "crate::store",
        "crate::executor",
        "crate::scheduler",
        "crate::view",
        "crate::export",
        "crate::cli",
    ];
    forbid("src/study", &[&IO[..], &outside[..]].concat());
    forbid("src/analysis", &IO);
}

#[test]
fn dependencies_point_one_way() {
    forbid(
        "src/store",
        &[
            "crate::executor",
            "crate::scheduler",
            "crate::view",
            "crate::export",
            "crate::cli",
        ],
    );
    forbid(
        "src/executor",
        &["crate::scheduler", "crate::view", "crate::export", "crate::cli"],
    );
    forbid("src/view", &["crate::cli", "crate::executor"]);
    forbid("src/export", &["crate::cli", "crate::scheduler", "crate::executor"]);
    forbid("trials/embedding/src", &["hpo::"]);
}

#[test]
fn hpo_itself_needs_no_libtorch() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--package", "hpo", "--edges", "normal", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("hpo-protocol"), "{tree}");
    assert!(!tree.contains("torch-sys"), "{tree}");
}
