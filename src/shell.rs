//! Commands that can be pasted into a shell.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::diagnostic::visible;

/// A command as it can be pasted into a shell.
pub(crate) fn command<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> String {
    let words: Vec<String> = words.into_iter().map(shell_word).collect();
    words.join(" ")
}

/// A text as one word of a POSIX shell. What does not show, and bytes that are not UTF-8, are written as escapes in `$'…'`, which
/// the usual shells know.
pub(crate) fn shell_word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-./:=@_%,".contains(c);
    match word.to_str() {
        // Some shells replace a word that begins with `=`.
        Some(text) if !text.is_empty() && !text.starts_with('=') && text.chars().all(plain) => text.to_owned(),
        Some(text) if visible(text) == text => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let mut escaped = String::new();
            for chunk in word.as_bytes().utf8_chunks() {
                for c in chunk.valid().chars() {
                    match c {
                        '\'' | '\\' => escaped.extend(['\\', c]),
                        c if visible(c.encode_utf8(&mut [0; 4])) == c.to_string() => escaped.push(c),
                        c => escaped.extend(c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("\\{byte:03o}"))),
                    }
                }
                escaped.extend(chunk.invalid().iter().map(|byte| format!("\\{byte:03o}")));
            }
            format!("$'{escaped}'")
        }
    }
}

/// A path as one word of a command: never one that is taken for an option.
pub(crate) fn path_word(path: &Path) -> OsString {
    match path.as_os_str().as_bytes().first() {
        Some(b'-') => Path::new(".").join(path).into_os_string(),
        _ => path.as_os_str().to_owned(),
    }
}

/// A command of `hpo` about the study in a directory, such as `hpo trials studies/s`; `words` are what stands before the study.
pub(crate) fn about<'w>(study: &Path, words: impl IntoIterator<Item = &'w str>) -> String {
    let words = ["hpo"].into_iter().chain(words).map(Into::into);
    command(words.chain([path_word(study)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_command_comes_out_of_a_shell_as_it_was() {
        let words: [&[u8]; 12] = [
            b"plain-1.0/x_y:z@a=b",
            b"my study.toml",
            b"it's",
            b"$HOME`x`\"\\!*?[a]{b}~;&|<>()#",
            b"",
            b"=zsh",
            b"~",
            b"line\nbreak\ttab'\\",
            b"\xe4 latin1",
            "überall 你好".as_bytes(),
            "\u{202e}hidden\u{200b}".as_bytes(),
            b"\x1b[31m1",
        ];
        for word in words {
            let script = format!("printf %s {}", command([OsStr::from_bytes(word)]));
            assert!(!script.contains(char::is_control), "{script:?}");
            let output = std::process::Command::new("bash")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(output.stdout, word, "{script}");
        }
        assert_eq!(
            command(["hpo", "search", "my study.toml"]),
            "hpo search 'my study.toml'"
        );
        assert_eq!(path_word(Path::new("-x.toml")), "./-x.toml");
        assert_eq!(path_word(Path::new("x.toml")), "x.toml");
    }
}
