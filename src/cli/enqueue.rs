//! `hpo enqueue`.

use std::path::PathBuf;

use hpo_protocol::Values;
use serde_json::Value;

use super::CliError;
use super::request::carry_out;
use super::study::{Studies, find};
use crate::store::{Request, StudyReader};
use crate::study_file::{Misgiven, given};

/// The arguments of `hpo enqueue`.
#[derive(Debug, clap::Args)]
pub(super) struct Enqueue {
    /// The study: its name or its directory
    study: PathBuf,

    /// Values of parameters, such as learning_rate=1e-5; those that are left out are drawn
    #[arg(required = true, value_name = "NAME=VALUE", value_parser = pair)]
    values: Vec<(String, Value)>,
}

/// A parameter and its value: a number or true or false as it is written in a study's file, or else a text.
fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("it must be the name of a parameter, `=`, and a value")?;
    let scalar = serde_json::from_str(value).ok();
    let scalar = scalar.filter(|value: &Value| value.is_number() || value.is_boolean());
    Ok((name.trim().to_owned(), scalar.unwrap_or_else(|| value.into())))
}

impl Enqueue {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let directory = find(studies, Some(&self.study))?;
        let mut values = Values::new();
        for (name, value) in &self.values {
            if values.insert(name.clone(), value.clone()).is_some() {
                return Err(CliError::usage(format!("`{name}` is given twice"), "give it one value"));
            }
        }
        let reader = StudyReader::open(directory.clone())?;
        let parameters = given(reader.study(), &values)?;
        drop(reader);
        carry_out(
            &directory,
            &Request::Enqueue { parameters },
            "enqueued: it is tried with the next trials that are drawn",
        )
    }
}

impl From<Misgiven> for CliError {
    fn from(wrong: Misgiven) -> Self {
        Self::usage(wrong.message, wrong.help)
    }
}
