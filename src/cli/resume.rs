//! `hpo resume`.

use std::path::PathBuf;

use super::request::carry_out;
use super::run::{Private, SlotArguments};
use super::search::search;
use super::study::{Studies, find};
use super::{CliError, origin, run, train};
use crate::shell::path_word;
use crate::store::{Request, StudyReader};
use crate::study_file;
use crate::view::notify;

/// The arguments of `hpo resume`.
#[derive(Debug, clap::Args)]
pub(super) struct Resume {
    /// The study: its name, its directory, or its file
    study: PathBuf,

    #[command(flatten)]
    slots: SlotArguments,
}

impl Resume {
    /// Has a search go on that is paused, or goes on with what `hpo search` has begun; with what the study's file says now, if it is still there.
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let _private = Private::new();
        let directory = find(studies, Some(&self.study))?;
        let reader = StudyReader::open(directory.clone())?;
        if reader.study().is_held() && reader.is_running() {
            return carry_out(
                &directory,
                &Request::Resume,
                "the search goes on, in the process that has it",
            );
        }
        let again = self
            .slots
            .command(["resume".as_ref(), &*path_word(directory.root())], &Studies::default());
        let file = origin::file(&reader)?;
        if let Some(mut file) = file {
            if train::is_once(reader.study().spec()) {
                train::once(&mut file);
            }
            return search(&file, directory, None, &self.slots, &again).map(drop);
        }
        // The study's file sets the slots; if it can no longer be read, the defaults will do.
        let path = directory.study_file();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let kept = study_file::parse(&text, &path).ok();
        if kept.is_none() || reader.is_made_from(&text) == Some(false) {
            notify(&format!(
                "note: {} no longer is what the study was created from: only the slots are taken from it, as far as it can be read",
                path.display()
            ));
        }
        if reader.study().is_over() {
            return run::print_finished(&reader);
        }
        let (slots, notified) = kept.map(|file| (file.slots, file.notify)).unwrap_or_default();
        let settings = self.slots.over(&slots)?;
        let trainer = origin::trainer(&reader)?;
        let around = self.slots.around(notified.as_ref(), &again);
        run::go_on(&directory, reader, &trainer, &settings, None, around).map(drop)
    }
}
