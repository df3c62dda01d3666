//! The `hpo` command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    hpo::cli::main(hpo::cli::Arguments::parse())
}
