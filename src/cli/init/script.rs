//! `hpo init --script`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::CliError;
use super::super::checked::check_files;
use super::super::output::{check_output, write};
use super::help::{HelpError, ask};
use super::{in_file, plain, tell};
use crate::shell::command;
use crate::study_file::{self, ScriptStart, Unproposed, propose_script, read_help};
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
    let (environment, words) = after_variables(words);
    refuse_shell(script, &words)?;
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
    let said = ask(&words, &environment).map_err(|error| unhelpful(&shown, error))?;
    let help = read_help(&said);
    if help.options.is_empty() {
        return Err(CliError::usage(
            format!("`{shown}` prints no options"),
            format!("the script must list them as argparse, click and typer do; or {BY_HAND}"),
        ));
    }
    let directory = output.parent().unwrap_or(Path::new(""));
    let here = in_file(Path::new("."), directory)?;
    let start = ScriptStart {
        environment,
        directory: (![".", ""].contains(&here.as_str())).then_some(here),
    };
    let proposal = propose_script(&words, &start, &help).map_err(|why| unproposed(script, &shown, why))?;
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

/// The variables that a shell would set for a command before which they stand, and the command.
fn after_variables(words: Vec<String>) -> (Vec<(String, String)>, Vec<String>) {
    let variable = |word: &String| {
        let (name, value) = word.split_once('=')?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then(|| (name.to_owned(), value.to_owned()))
    };
    let variables: Vec<_> = words.iter().map_while(variable).collect();
    let command = words[variables.len()..].to_vec();
    (variables, command)
}

/// What a shell would not pass on to a program.
const OF_SHELL: [&str; 9] = ["|", "||", "&&", "&", ";", ">", ">>", "<", "2>&1"];

/// Refuses what only a shell could run: one that is no shell would be passed it as arguments.
fn refuse_shell(script: &str, words: &[String]) -> Result<(), CliError> {
    let of_shell = |word: &&String| OF_SHELL.contains(&word.as_str()) || word.ends_with(';');
    match words.iter().find(of_shell) {
        Some(word) => Err(CliError::usage(
            format!("`{word}` in the command is for a shell, and none is involved"),
            format!(
                "give the command that starts the script alone, from the directory in which it is to run; or write `{script}` with \"$@\" \
                 for its options into a file run.sh, and give \"bash run.sh\""
            ),
        )),
        None if words.is_empty() => Err(CliError::usage(
            "the text of --script is no command",
            "write the command behind the variables",
        )),
        None => Ok(()),
    }
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
