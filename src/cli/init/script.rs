//! `hpo init --script`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::CliError;
use super::super::checked::check_files;
use super::super::output::{check_output, write};
use super::help::{HelpError, ask};
use super::{in_file, plain, tell};
use crate::shell::command;
use crate::study_file::{self, Unproposed, propose_script, read_help};
use crate::view::notify;

/// What to do without a file that was written.
const BY_HAND: &str = "write the study's file by hand: docs/scripts.md begins with one";

/// Writes a study's file for the command of a training script, by what it says of its options.
///
/// # Errors
/// If it does not say, or if it says nothing that can be searched.
pub(super) fn init(script: &str, output: Option<&Path>, force: bool) -> Result<(), CliError> {
    let words = shlex::split(script).filter(|words| !words.is_empty()).ok_or_else(|| {
        CliError::usage(
            "the text of --script is no command",
            "give the command that starts the script in quotes, such as --script \"python3 train.py\"",
        )
    })?;
    let output = match output {
        Some(path) => path.to_owned(),
        None => {
            let name = plain(name(&words));
            PathBuf::from(format!("{}.toml", if name.is_empty() { "script" } else { &name }))
        }
    };
    check_output(&output, force)?;
    let shown = command(words.iter().map(String::as_str).chain(["--help"]));
    notify(&format!("running `{shown}`, and nothing else, to learn its options"));
    let said = ask(&words).map_err(|error| unhelpful(&shown, error))?;
    let help = read_help(&said);
    if help.options.is_empty() {
        return Err(CliError::usage(
            format!("`{shown}` prints no options"),
            format!("the script must list them as argparse, click and typer do; or {BY_HAND}"),
        ));
    }
    let directory = output.parent().unwrap_or(Path::new(""));
    let seen = seen(&words, directory)?;
    let proposal = propose_script(&seen, &help).map_err(|why| unproposed(script, &shown, why))?;
    check_files(&study_file::parse(&proposal.text, &output)?)?;
    write(&output, proposal.text.as_bytes(), true)?;
    tell(
        &output,
        "",
        &proposal,
        "say in it what the script prints, under `metrics`",
    )
}

/// What a study of a command is called: a module of Python, or the first file with an ending, or the program.
fn name(words: &[String]) -> &str {
    let module = words.get(2).filter(|_| words.get(1).is_some_and(|word| word == "-m"));
    if let Some(module) = module {
        return module.rsplit('.').next().unwrap_or(module);
    }
    let has_ending = |path: &&Path| {
        let ending = path.extension().and_then(OsStr::to_str);
        path.is_file() && ending.is_some_and(|ending| ending.chars().all(|c| c.is_ascii_alphabetic()))
    };
    let mut paths = words.iter().map(Path::new);
    let found = paths.clone().find(has_ending).or_else(|| paths.next());
    found
        .and_then(Path::file_stem)
        .and_then(OsStr::to_str)
        .unwrap_or_default()
}

/// The words of a command as a file in `directory` names them: paths from there.
fn seen(words: &[String], directory: &Path) -> Result<Vec<String>, CliError> {
    let each = words.iter().enumerate().map(|(place, word)| {
        // A program without a slash is looked for on the PATH.
        let is_path = Path::new(word).exists() && (place > 0 || word.contains('/'));
        if directory == Path::new("") || !is_path {
            return Ok(word.clone());
        }
        let path = in_file(Path::new(word), directory)?;
        Ok(match place == 0 && !path.contains('/') {
            true => format!("./{path}"),
            false => path,
        })
    });
    each.collect()
}

fn unhelpful(shown: &str, error: HelpError) -> CliError {
    match error {
        HelpError::Stopped => CliError::Stopped,
        HelpError::Io(_) | HelpError::Failed { .. } | HelpError::TooLong(_) => CliError::usage(
            format!("`{shown}` {error}"),
            format!("run it yourself: it must print the script's options; or {BY_HAND}"),
        ),
    }
}

fn unproposed(script: &str, shown: &str, why: Unproposed) -> CliError {
    match why {
        Unproposed::Lacking(names) => CliError::usage(
            format!(
                "the script must be given {}, which the command does not have",
                names.join(", ")
            ),
            format!("add what is to be the same in all trials: hpo init --script \"{script} …\""),
        ),
        Unproposed::NothingKnown => CliError::usage(
            format!("`{shown}` lists no option that hpo knows a range for, such as a learning rate or a batch size"),
            BY_HAND,
        ),
    }
}
