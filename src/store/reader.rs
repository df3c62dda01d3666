//! Reading a study from outside, while it runs or after: by following its journal; and going on with it.

use super::acknowledged::Known;
use super::database::{self, Database};
use super::end::JournalEnd;
use super::error::DatabaseError;
use super::journal::{JournalError, JournalReader, JournalWriter};
use super::keeper::{Kept, Unchecked, bring_up};
use super::lines::more_than;
use super::{
    Committer, Store, StoreError, StudyDirectory, StudyLock, acknowledged, first_record, foreign, in_use, made_by,
    made_from,
};
use crate::study::{Misfit, Origin, Record, Study};

/// A study as its journal gives it. Any number of processes can read one at the same time as it runs.
#[derive(Debug)]
pub struct StudyReader {
    directory: StudyDirectory,
    journal: JournalReader,
    study: Study,
    file_sha256: Option<String>,
    origin: Option<Origin>,
    version: String,
}

impl StudyReader {
    /// Reads all that the journal holds now.
    ///
    /// # Errors
    /// If there is no study, or its journal can't be read or has lost records.
    pub fn open(directory: StudyDirectory) -> Result<Self, StoreError> {
        Self::open_with(directory, |_, _| {})
    }

    /// The same, and shows each record but the first, with the study as that leaves it.
    ///
    /// # Errors
    /// As above.
    pub fn open_with(directory: StudyDirectory, each: impl FnMut(&Study, Record)) -> Result<Self, StoreError> {
        let (journal, first, spec) = first_record(&directory)?;
        let (file_sha256, origin) = made_from(&first);
        let mut reader = Self {
            study: Study::restore(spec, [&first]).map_err(|misfit| foreign(&directory, misfit))?,
            journal,
            directory,
            file_sha256,
            origin,
            version: made_by(&first),
        };
        reader.refresh(each)?;
        Ok(reader)
    }

    /// Takes in what has been recorded since, and shows each record, with the study as that leaves it.
    ///
    /// # Errors
    /// If the journal can't be read or has lost records.
    pub fn refresh(&mut self, mut each: impl FnMut(&Study, Record)) -> Result<(), StoreError> {
        // Known before the journal is read: a study that runs goes on meanwhile.
        let known = acknowledged::known(&self.directory.journal()).records();
        let study = &mut self.study;
        self.journal.read_on(|record| {
            study.follow(&record)?;
            each(study, record);
            Ok(())
        })?;
        Ok(self.journal.check_end(known)?)
    }

    /// Goes on with the study as the one that writes it.
    ///
    /// # Errors
    /// If the journal can't be read or has lost records.
    pub fn take_over(mut self, lock: StudyLock) -> Result<Store, StoreError> {
        let (writer, lines) = self.ready()?;
        Ok(Store {
            study: self.study,
            committer: Committer::start(&self.directory, writer, lines),
            lock,
        })
    }

    /// Makes the journal's end and what sled has what they must be, and leaves the study alone. Returns the database, or why there
    /// is none; with both, a part was made anew for that reason. The caller has the right to write to the study.
    ///
    /// # Errors
    /// If the journal can't be read or has lost records.
    pub fn complete(mut self) -> Result<(Option<Database>, Option<DatabaseError>), StoreError> {
        let (_, lines) = self.ready()?;
        let end = JournalEnd::of(&self.directory.journal());
        let (database, trouble) = match end {
            Some(end) => database::bring_up(&self.directory, &self.study, end),
            None => (None, None),
        };
        // A large study and what the copy of its journal needs meanwhile take as much memory as two.
        drop(self);
        Ok(match bring_up(&lines) {
            Kept::Whole(reason) => (database, reason.or(trouble)),
            Kept::Unusable(error) => (None, Some(error)),
        })
    }

    /// What writes the journal on, and the second copy as it must be after all that the journal has.
    fn ready(&mut self) -> Result<(JournalWriter, Unchecked), StoreError> {
        if !self.journal.is_in_place() {
            // Another process has begun it anew since it was read.
            return Err(in_use(&self.directory, None));
        }
        self.refresh(|_, _| {})?;
        let path = self.directory.journal();
        // Otherwise only the second copy may know that the journal has lost its end.
        if !matches!(acknowledged::known(&path), Known::AtLeast(_))
            && let Some(records) = more_than(&self.directory.database(), self.journal.seq())
        {
            self.journal.check_end(records)?;
        }
        self.directory.complete().map_err(|source| StoreError::Io {
            path: self.directory.root().to_owned(),
            source,
        })?;
        let writer = JournalWriter::resume(&path, &self.journal).map_err(|source| StoreError::Io { path, source })?;
        Ok((writer, self.lines()))
    }

    /// The second copy, as it must be after the last record read.
    pub(super) fn lines(&self) -> Unchecked {
        Unchecked::new(&self.directory, self.journal.tally(), self.study.trials().len() as u64)
    }

    /// The study as of the last record read.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// Whether the study was made from this text; none if that is unknown, as of older ones.
    pub fn is_made_from(&self, text: &str) -> Option<bool> {
        let recorded = self.file_sha256.as_ref()?;
        Some(*recorded == crate::disk::sha256(text.as_bytes()))
    }

    /// What the study was created from and on; none if that is unknown.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The version of `hpo` that created the study.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where the study lies.
    pub fn directory(&self) -> &StudyDirectory {
        &self.directory
    }

    /// Whether a scheduler is at work on it now.
    pub fn is_running(&self) -> bool {
        self.directory.is_locked()
    }
}

/// Shows all records of a study, the first included, as far as its journal is whole. Returns what is wrong with it there, if it is
/// damaged, cut short, or goes on with what does not fit.
///
/// # Errors
/// If there is no study, or its journal can't be read.
pub fn read_whole(
    directory: &StudyDirectory,
    mut each: impl FnMut(Record) -> Result<(), Misfit>,
) -> Result<Option<JournalError>, StoreError> {
    // Known before the journal is read: a study that runs goes on meanwhile.
    let known = acknowledged::known(&directory.journal()).records();
    let (mut journal, first, _) = first_record(directory)?;
    each(first).map_err(|misfit| foreign(directory, misfit))?;
    match journal.read_on(each) {
        Ok(()) => Ok(journal.check_end(known).err()),
        Err(damage @ (JournalError::Damaged { .. } | JournalError::CutShort { .. })) => Ok(Some(damage)),
        Err(error @ (JournalError::Io { .. } | JournalError::Newer { .. })) => Err(error.into()),
    }
}
