//! The command line: one file per verb.

mod agent;
mod audit;
mod checked;
mod compare;
mod completions;
mod dashboard;
mod doctor;
mod dry_run;
mod enqueue;
mod error;
mod explain;
mod export;
mod export_trials;
mod from;
mod fsck;
mod gc;
mod history;
mod hook;
mod import;
mod informed;
mod init;
mod layout;
mod learn;
mod limits;
mod machines;
mod named;
mod number;
mod origin;
mod output;
mod pause;
mod plot;
mod prepared;
mod report;
mod request;
mod resume;
mod retry;
mod rm;
mod run;
mod same;
mod schema;
mod search;
mod show;
mod simulate;
mod space;
mod status;
mod stop;
mod study;
#[cfg(test)]
mod tests;
mod train;
mod trials;
mod version;
mod watch;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{ExitCode, exit};

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::executor::SCRIPT_WORKER;
pub use error::CliError;
use limits::Needs;
use study::Studies;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 the study failed or audit found a difference, 2 bad input, 3 the study can't be opened (missing, foreign, damaged, in use) or \
fsck found damage, 130 stopped by the user";

/// The variable that says where studies are kept.
const STUDIES: &str = "HPO_STUDIES";

/// Hyperparameter search for fine-tuning text-embedding models.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Where studies are kept [default: studies beside the study's file; for a study given by its name alone, studies in the
    /// current directory]
    #[arg(long, global = true, env = STUDIES, value_name = "DIR")]
    studies: Option<PathBuf>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a study's file for a model and data, or for a training script, to begin with
    Init(init::Init),
    /// Say what this machine can do, and what to change
    Doctor(doctor::Doctor),
    /// Search a space, or resume a search that was stopped
    Search(search::Search),
    /// Resume a study that was stopped, or a search that is paused
    Resume(resume::Resume),
    /// Stop a search that runs elsewhere, or end one of its trials
    Stop(stop::Stop),
    /// Pause a search that runs elsewhere: what it trains is saved, and nothing is begun until `hpo resume`
    Pause(pause::Pause),
    /// Try a configuration with the next trials of a study
    Enqueue(enqueue::Enqueue),
    /// Give failed trials all their attempts again, also in a finished study
    Retry(retry::Retry),
    /// Train once with fixed values, without a search
    Train(train::Train),
    /// Run a study on virtual time, over learning curves that need no training
    Simulate(simulate::Simulate),
    /// Inspect a search space
    #[command(subcommand)]
    Space(space::Space),
    /// Print the JSON schema of study files, by which editors complete and check them
    Schema(schema::Schema),
    /// Show the status of a study
    Status(status::Status),
    /// List all studies of a directory, with what each was about, what it found and what it cost
    History(history::History),
    /// Compare studies with each other, or trials of one study
    Compare(compare::Compare),
    /// Delete studies
    Rm(rm::Rm),
    /// Say what studies take on the disk, and remove what nothing needs
    Gc(gc::Gc),
    /// List the trials of a study
    Trials(trials::Trials),
    /// Show everything about one trial
    Show(show::Show),
    /// Explain a trial: why it was drawn, and why it was stopped or promoted at each rung
    Explain(explain::Explain),
    /// Take every decision of a study again, and say which this version would take otherwise
    Audit(audit::Audit),
    /// Serve a page for all studies of a directory, which shows what happens while it happens
    Dashboard(dashboard::Dashboard),
    /// Draw a picture of a study
    Plot(plot::Plot),
    /// Write a report of a study: its result, pictures, and what it was made with
    Report(report::Report),
    /// Write the best configuration, the fine-tuned model, or all trials for other tools
    Export(export::Export),
    /// Create a study that knows results of something else
    #[command(subcommand)]
    Import(import::Import),
    /// Check a study for damage, and repair it
    Fsck(fsck::Fsck),
    /// Run a worker for a search on another machine, which starts this by itself
    #[command(hide = true)]
    Agent(agent::Agent),
    /// Print the script by which a shell completes the words of a command
    Completions(completions::Completions),
    /// Write the manual pages
    Man(completions::Man),
    /// Train with a script, as a worker that is given orders on its standard input
    #[command(name = SCRIPT_WORKER, hide = true)]
    ScriptWorker,
}

impl Arguments {
    /// Those that the process was given. Ends the process if they ask for help or the version, or are wrong.
    pub fn given() -> Self {
        let mut command = Self::command();
        // As if it were not set.
        if std::env::var_os(STUDIES).is_some_and(|studies| studies.is_empty()) {
            command = command.mut_arg("studies", |studies| studies.env(Resettable::Reset));
        }
        // The trainer is asked too, which takes a moment.
        if std::env::args_os().any(|argument| argument == "--version") {
            command = command.long_version(&*version::whole().leak());
        }
        let given = command
            .try_get_matches()
            .and_then(|matches| Self::from_arg_matches(&matches));
        given.unwrap_or_else(|error| {
            let unsaid = error.print().is_err_and(|error| error.kind() != ErrorKind::BrokenPipe);
            // What was asked for can't be read, if it is no mistake that is said.
            exit(if unsaid { 1 } else { error.exit_code() })
        })
    }
}

/// Runs the command; errors go to standard error, rendered for people.
pub fn main(arguments: Arguments) -> ExitCode {
    match Needs::least().check().and_then(|()| run(arguments)) {
        Ok(code) => code,
        Err(error) => {
            error.print();
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let studies = Studies(arguments.studies);
    match arguments.verb {
        Verb::Init(verb) => verb.run(),
        Verb::Doctor(verb) => verb.run(&studies),
        Verb::Search(verb) => verb.run(&studies),
        Verb::Resume(verb) => verb.run(&studies),
        Verb::Stop(verb) => verb.run(&studies),
        Verb::Pause(verb) => verb.run(&studies),
        Verb::Enqueue(verb) => verb.run(&studies),
        Verb::Retry(verb) => verb.run(&studies),
        Verb::Train(verb) => verb.run(&studies),
        Verb::Simulate(verb) => verb.run(),
        Verb::Space(verb) => verb.run(),
        Verb::Schema(verb) => verb.run(),
        Verb::Status(verb) => verb.run(&studies),
        Verb::History(verb) => verb.run(&studies),
        Verb::Compare(verb) => verb.run(&studies),
        Verb::Rm(verb) => verb.run(&studies),
        Verb::Gc(verb) => verb.run(&studies),
        Verb::Trials(verb) => verb.run(&studies),
        Verb::Show(verb) => verb.run(&studies),
        Verb::Explain(verb) => verb.run(&studies),
        Verb::Audit(verb) => verb.run(&studies),
        Verb::Dashboard(verb) => verb.run(&studies),
        Verb::Plot(verb) => verb.run(&studies),
        Verb::Report(verb) => verb.run(&studies),
        Verb::Export(verb) => verb.run(&studies),
        Verb::Import(verb) => verb.run(&studies),
        Verb::Fsck(verb) => verb.run(&studies),
        Verb::Agent(verb) => return verb.run().map(ExitCode::from),
        Verb::Completions(verb) => verb.run(),
        Verb::Man(verb) => verb.run(),
        Verb::ScriptWorker => return Ok(hpo_script::work()),
    }?;
    Ok(ExitCode::SUCCESS)
}
