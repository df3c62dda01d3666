//! What failures of trials come to, and which entry of the documentation there is for one.

use crate::analysis::{Failures, Overview};
use crate::shell::about;
use crate::store::StudyDirectory;
use crate::words::counted;

const FAILURES: &str = include_str!("../../docs/failures.md");

/// What is quoted of a message must have so many bytes: less is found in too many others.
const LEAST: usize = 12;

/// A line that leads to the entry for a message; empty if there is none. What a trainer has printed, behind the first line, is not looked at.
pub(super) fn see(message: &str) -> String {
    let entry = message.lines().next().and_then(entry);
    entry.map_or(String::new(), |entry| {
        format!("why, and what to do: “{entry}” in docs/failures.md\n")
    })
}

/// How many trials of a search have failed, why, and where to look; empty if none has.
pub(super) fn failed(overview: &Overview, directory: &StudyDirectory) -> String {
    let Some(failures) = &overview.failures else {
        return String::new();
    };
    let Failures {
        count,
        message,
        alike,
        trial,
    } = failures;
    let all = counted(overview.searched(), "trial");
    let of_them = match count == alike {
        true => String::new(),
        false => format!("{alike} of them with: "),
    };
    let show = about(directory.root(), ["show"]);
    format!(
        "{count} of {all} failed: {of_them}{message}\n  the end of the output, and where the log is: {show} {trial}\n  {}",
        see(message)
    )
    .trim_end()
    .to_owned()
        + "\n"
}

/// The heading of the entry that quotes most of a message.
fn entry(message: &str) -> Option<&'static str> {
    let (mut heading, mut code) = ("", false);
    let mut found: Option<(usize, &str)> = None;
    for line in FAILURES.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            heading = title;
        } else if line.starts_with("```") {
            code = !code;
        } else if code
            && let Some(bytes) = quoted(line, message)
            && found.is_none_or(|(most, _)| bytes > most)
        {
            found = Some((bytes, heading));
        }
    }
    found.map(|(_, heading)| heading)
}

/// How much of a message a quotation has, in which `…` stands for anything; none if it is not one of this message.
fn quoted(quotation: &str, message: &str) -> Option<usize> {
    let (mut rest, mut bytes) = (message, 0);
    for part in quotation.split('…') {
        let (_, behind) = rest.split_once(part)?;
        (rest, bytes) = (behind, bytes + part.len());
    }
    (bytes >= LEAST).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_leads_to_the_entry_that_quotes_most_of_it() {
        let line = see("the worker ended unexpectedly (signal: 9 (SIGKILL))\nthe end of its output:\nthe disk is full");
        let expected = "why, and what to do: “The worker ended unexpectedly” in docs/failures.md\n";
        assert_eq!(line, expected);
        assert_eq!(
            entry("out of memory: 4096 more bytes cannot be allocated"),
            Some("A batch does not fit")
        );
        assert_eq!(
            entry("the script ended with exit status: 2"),
            Some("A script ends with an error")
        );
        assert_eq!(see("something that nobody has foreseen"), "");
    }

    #[test]
    fn entries_have_headings() {
        let mut code = false;
        let quotations = FAILURES.lines().filter(|line| {
            let fence = line.starts_with("```");
            code ^= fence;
            code && !fence
        });
        for quotation in quotations {
            let found = entry(quotation);
            assert!(found != Some(""), "{quotation} has no heading");
        }
    }
}
