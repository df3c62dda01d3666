//! Commands that make a file of data of another file, as they can be pasted into a shell.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The endings of compressed files.
const COMPRESSED: [&str; 4] = ["gz", "zst", "xz", "bz2"];

/// A command that unpacks a file into one beside it; `program` writes it to the standard output.
pub(super) fn unpack(program: &str, path: &Path) -> String {
    let is_called_so = path
        .extension()
        .is_some_and(|ending| COMPRESSED.iter().any(|known| ending.eq_ignore_ascii_case(known)));
    let to = match is_called_so {
        true => path.with_extension(""),
        false => beside(path, "unpacked", path.extension().unwrap_or_default().to_owned()),
    };
    format!("{program} {} > {}", word(path), word(&to))
}

/// A command that writes the elements of an array one per line into a file beside it.
pub(super) fn lines(path: &Path) -> String {
    let to = match path.extension().is_some_and(|ending| ending == "jsonl") {
        // A shell empties the file before it is read.
        true => beside(path, "lines", "jsonl".into()),
        false => path.with_extension("jsonl"),
    };
    format!("jq -c '.[]' {} > {}", word(path), word(&to))
}

/// Another name beside a file.
fn beside(path: &Path, what: &str, ending: OsString) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{what}."));
    name.push(ending);
    path.with_file_name(name)
}

/// A path as one word of a POSIX shell.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = match text.starts_with('-') {
        true => format!("./{text}"),
        false => text.into_owned(),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-./:=@_%,".contains(c);
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_overwrites_what_it_reads() {
        let unpacked = |path: &str| unpack("gzip -dc", Path::new(path));
        assert_eq!(unpacked("/d/t.jsonl.gz"), "gzip -dc /d/t.jsonl.gz > /d/t.jsonl");
        assert_eq!(unpacked("t.csv"), "gzip -dc t.csv > t-unpacked.csv");
        let of = |path: &str| lines(Path::new(path));
        assert_eq!(
            of("/my data/t.json"),
            "jq -c '.[]' '/my data/t.json' > '/my data/t.jsonl'"
        );
        assert_eq!(
            of("-it's.jsonl"),
            r"jq -c '.[]' './-it'\''s.jsonl' > './-it'\''s-lines.jsonl'"
        );
    }
}
