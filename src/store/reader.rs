//! Reading a study from outside, while it runs or after: by following its journal.

use super::{StoreError, StudyDirectory, first_record};
use crate::study::{Record, Study};

use super::journal::JournalReader;

/// A study as its journal tells it. Any number of processes can read one at the same time as it runs.
#[derive(Debug)]
pub struct StudyReader {
    directory: StudyDirectory,
    journal: JournalReader,
    study: Study,
}

impl StudyReader {
    /// Reads all that the journal holds now.
    ///
    /// # Errors
    /// If there is no study, or its journal can't be read.
    pub fn open(directory: StudyDirectory) -> Result<Self, StoreError> {
        let (journal, first, spec) = first_record(&directory)?;
        let mut reader = Self {
            study: Study::new(spec),
            journal,
            directory,
        };
        reader.take_in(&first)?;
        reader.refresh()?;
        Ok(reader)
    }

    /// Takes in what has been recorded since, and returns it.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub fn refresh(&mut self) -> Result<Vec<Record>, StoreError> {
        let mut news = Vec::new();
        while let Some(record) = self.journal.next_record()? {
            self.take_in(&record)?;
            news.push(record);
        }
        Ok(news)
    }

    /// The study as of the last record read.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// Where the study lies.
    pub fn directory(&self) -> &StudyDirectory {
        &self.directory
    }

    /// Whether a scheduler is at work on it now.
    pub fn is_running(&self) -> bool {
        self.directory.is_locked()
    }

    fn take_in(&mut self, record: &Record) -> Result<(), StoreError> {
        self.study.follow(record).map_err(|source| StoreError::Foreign {
            study: self.directory.root().to_owned(),
            reason: source.to_string(),
        })
    }
}
