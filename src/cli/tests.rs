//! Every command that the documentation shows is one that there is.

use std::fs;
use std::path::Path;

use clap::error::ErrorKind;

use super::*;

/// A command as a page shows it.
struct Shown {
    /// The page and the line.
    place: String,
    words: Vec<String>,
    /// Whether it is a mention in a sentence, which may leave out what the command needs.
    is_mention: bool,
}

/// What people read. The changelog is left out: commands of before may have other options now.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = ["", "docs", "python"].map(|directory| fs::read_dir(root.join(directory)).unwrap());
    let files = listed.into_iter().flatten().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "md") && !path.ends_with("CHANGELOG.md"))
        .collect()
}

/// The commands of a line of a shell, each as its words. Enough of a shell's rules for what pages show.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![vec![String::new()]];
    let mut quote = None;
    let text = line.replace("$(", ";");
    for letter in text.chars() {
        let command = commands.last_mut().unwrap();
        let word = command.last_mut().unwrap();
        if Some(letter) == quote {
            quote = None;
        } else if quote.is_some() {
            word.push(letter);
        } else if matches!(letter, '\'' | '"') {
            quote = Some(letter);
        } else if letter == '#' && word.is_empty() {
            break;
        } else if matches!(letter, '&' | '|' | ';' | ')' | '>') {
            commands.push(vec![String::new()]);
        } else if letter == ' ' {
            command.push(String::new());
        } else {
            word.push(letter);
        }
    }
    // What a placeholder such as `FILE` stands for.
    let is_placeholder = |word: &String| word.chars().all(|letter| letter.is_ascii_uppercase());
    let given = |word: String| if is_placeholder(&word) { "1".to_owned() } else { word };
    let filled = commands
        .into_iter()
        .map(|words| words.into_iter().filter(|word| !word.is_empty()).map(given).collect());
    filled.collect()
}

/// A mention without the signs for what may be left out or repeated, and with the first of several verbs.
fn plain(mention: &str) -> String {
    let words = mention
        .split(' ')
        .map(|word| word.split(['\\', '|']).next().unwrap_or(word));
    words.collect::<Vec<_>>().join(" ").replace(['[', ']', '…'], "")
}

fn shown(page: &Path) -> Vec<Shown> {
    let (mut all, mut in_code) = (Vec::new(), false);
    for (number, line) in fs::read_to_string(page).unwrap().lines().enumerate() {
        let mut add = |text: &str, is_mention| {
            let found = commands(text)
                .into_iter()
                .filter(|words| words.first().is_some_and(|word| word == "hpo"));
            all.extend(found.map(|words| Shown {
                place: format!("{}:{}", page.display(), number + 1),
                words,
                is_mention,
            }));
        };
        if line.starts_with("```") {
            in_code = !in_code;
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| in_code) {
            add(command, false);
        } else if !in_code {
            for mention in line.split('`').skip(1).step_by(2) {
                add(&plain(mention), true);
            }
        }
    }
    all
}

#[test]
fn commands_in_the_docs_are_ones_that_there_are() {
    let all: Vec<Shown> = pages().iter().flat_map(|page| shown(page)).collect();
    assert!(all.len() > 100, "only {} commands were found", all.len());
    let wrong = all.iter().filter_map(|command| {
        let error = Arguments::command().try_get_matches_from(&command.words).err()?;
        let is_short = matches!(
            error.kind(),
            ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        );
        // What stands for any value, or an option that is mentioned without one.
        let has_no_value = command.words.iter().any(|word| word == "1")
            || (command.is_mention && command.words.last().is_some_and(|word| word.starts_with("--")));
        let is_placeholder =
            matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) && has_no_value;
        let is_right = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
            || is_placeholder
            || (is_short && command.is_mention);
        (!is_right).then(|| format!("{}: {}: {error}", command.place, command.words.join(" ")))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
