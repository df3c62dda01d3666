//! What can be saved of a damaged journal.
//!
//! Only what is proven whole counts: a line with its own checksum, from the journal or from the trial database, or a line
//! of which one bit has flipped. CRC-32C distinguishes lines of up to 256 MB that differ in fewer than four bits, so a line
//! that fits after one bit was turned back is the one that was written. And only what is consistent: the longest run of
//! records from the first on, without a gap, each of which fits those before it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::journal::{JournalError, JournalReader};
use super::line::{checksum, decode, sequence};
use super::{Tally, made_from};
use crate::ids::TrialId;
use crate::study::{Fact, Record, Study};
use crate::words::{counted, there_are};

/// Longer stretches are not searched for a flipped bit: it would take longer than a second.
const LONGEST: usize = 16 << 10;

/// What there is of a journal.
#[derive(Debug)]
pub struct Salvaged {
    /// How many records are whole and consistent.
    pub records: u64,
    /// Counts their lines.
    pub tally: Tally,
    /// Their lines, without newlines, if they are not just those of the file.
    pub lines: Vec<Vec<u8>>,
    /// The study that they give; none if not even what the study is can be read.
    pub study: Option<Study>,
    /// SHA-256 of the text that the study was made from, if the journal says so.
    pub file_sha256: Option<String>,
    /// What is wrong with the file as it is, with the places.
    pub damage: Vec<String>,
    /// What could be saved of it nevertheless.
    pub saved: Vec<String>,
    /// What is lost if only these lines are kept.
    pub lost: Lost,
}

/// What is lost of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lost {
    /// Whole records that do not follow without a gap or do not fit.
    pub left_out: u64,
    /// Records that were acknowledged and are nowhere whole.
    pub missing: u64,
    /// The trials that the whole ones speak of.
    pub trials: BTreeSet<TrialId>,
}

/// A whole line, and its sequence number.
type Numbered = (u64, Vec<u8>);

/// Lines by sequence number, and which of them are several.
#[derive(Default)]
struct Found {
    lines: BTreeMap<u64, Vec<u8>>,
    doubtful: BTreeSet<u64>,
}

impl Found {
    fn add(&mut self, seq: u64, line: &[u8]) {
        match self.lines.get(&seq) {
            Some(there) if there != line => {
                self.doubtful.insert(seq);
            }
            Some(_) => {}
            None => {
                self.lines.insert(seq, line.to_vec());
            }
        }
    }

    /// Adds what the second copy has and the journal lacks; says how much that is.
    fn add_missing(&mut self, copy: BTreeMap<u64, Vec<u8>>) -> Option<String> {
        let own = self.lines.len();
        for (seq, line) in copy {
            self.lines.entry(seq).or_insert(line);
        }
        let added = self.lines.len() - own;
        (added > 0).then(|| format!("{} whole in the trial database", there_are(added, "record")))
    }

    /// What is lost if only the first `kept` of `acknowledged` records are kept.
    fn lost(&self, kept: u64, acknowledged: u64) -> Lost {
        let rest = self.lines.range(kept..);
        let rest = rest.filter(|(seq, _)| !self.doubtful.contains(seq));
        let rest: Vec<Record> = rest
            .filter_map(|(&seq, line)| Some(decode(seq, line).ok()?.0))
            .collect();
        let left_out = rest.len() as u64;
        Lost {
            left_out,
            missing: acknowledged.saturating_sub(kept).saturating_sub(left_out),
            trials: rest.iter().filter_map(|record| record.fact.trial()).collect(),
        }
    }
}

/// Reads a journal that has nothing wrong with it; none if it does not begin with what the study is. `acknowledged` is how many records
/// it must have.
///
/// # Errors
/// Why whoever reads it as a study refuses it.
pub fn read_whole(path: &Path, acknowledged: u64) -> Result<Option<Salvaged>, JournalError> {
    let mut journal = JournalReader::open(path)?;
    let first = journal.next_record()?;
    let Some(Fact::StudyCreated { spec, file_sha256, .. }) = first.as_ref().map(|first| &first.fact) else {
        return Ok(None);
    };
    let Ok(mut study) = Study::restore((**spec).clone(), &first) else {
        return Ok(None);
    };
    journal.read_on(|record| study.follow(&record))?;
    journal.check_end(acknowledged)?;
    Ok(Some(Salvaged {
        records: journal.seq(),
        tally: journal.tally(),
        lines: Vec::new(),
        study: Some(study),
        file_sha256: file_sha256.clone(),
        damage: Vec::new(),
        saved: Vec::new(),
        lost: Lost::default(),
    }))
}

/// Looks through the journal at `path`, of which `acknowledged` records are known to have been durable, with the whole lines
/// that the database has.
///
/// # Errors
/// If the file is there and can't be read.
pub fn salvage(path: &Path, acknowledged: u64, mut database: BTreeMap<u64, Vec<u8>>) -> io::Result<Salvaged> {
    let mut damage = Vec::new();
    let mut saved = Vec::new();
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            damage.push(format!("{} is not there", path.display()));
            Vec::new()
        }
        read => read?,
    };
    let mut found = scan(path, &bytes, acknowledged, &mut damage, &mut saved);
    if let Some(seq) = found.doubtful.first() {
        damage.push(format!("{}: there are several records {seq}", path.display()));
    }
    let foreign = |(seq, line): (&u64, &Vec<u8>)| database.get(seq).is_some_and(|other| other != line);
    if found.lines.iter().any(foreign) {
        database.clear();
        saved.push("the trial database is not that of this journal".into());
    }
    let whole = found.lines.last_key_value().map_or(0, |(seq, _)| seq + 1);
    let acknowledged = acknowledged
        .max(whole)
        .max(database.last_key_value().map_or(0, |(seq, _)| seq + 1));
    let ended = bytes.is_empty() || bytes.ends_with(b"\n");
    if acknowledged > whole || !ended && acknowledged > complete_lines(&bytes) {
        damage.push(format!(
            "{}: the journal ends at byte {} with record {}, but {} had been acknowledged",
            path.display(),
            bytes.len(),
            complete_lines(&bytes),
            counted(acknowledged, "record"),
        ));
    }
    saved.extend(found.add_missing(database));
    let (lines, study) = consistent(path, &mut found, &mut damage);
    let first = lines.first().and_then(|line| decode(0, line).ok());
    let mut tally = Tally::default();
    for line in &lines {
        tally.count(line);
    }
    Ok(Salvaged {
        records: lines.len() as u64,
        tally,
        study,
        file_sha256: first.and_then(|(record, _)| made_from(&record).0),
        damage,
        saved,
        lost: found.lost(lines.len() as u64, acknowledged),
        lines,
    })
}

fn complete_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// Finds the whole lines of a file, and those that are one bit away from it.
fn scan(path: &Path, bytes: &[u8], acknowledged: u64, damage: &mut Vec<String>, saved: &mut Vec<String>) -> Found {
    let mut found = Found::default();
    let mut rest = bytes;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let offset = bytes.len() - rest.len();
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            // Being written when the writer died, unless it is known to have been whole.
            if let Some(seq) = sequence(rest).filter(|&seq| seq < acknowledged && checksum(rest).is_some()) {
                found.add(seq, rest);
            } else if let Some((bit, lines)) = turn_back(rest) {
                saved.push(format!(
                    "one bit of line {number} has flipped, at byte {}",
                    offset + bit / 8
                ));
                lines.iter().for_each(|(seq, line)| found.add(*seq, line));
            }
            break;
        };
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(seq) = sequence(line).filter(|_| checksum(line).is_some()) {
            found.add(seq, line);
            continue;
        }
        damage.push(format!(
            "{}:{number}: the record at byte {offset} is damaged",
            path.display()
        ));
        // A newline may have become something else, or something else a newline.
        let next = rest.iter().position(|&byte| byte == b'\n');
        let alone = &bytes[offset..=offset + end];
        let both = next.map(|next| &bytes[offset..=offset + end + 1 + next]);
        if let Some((bit, lines)) = turn_back(alone) {
            saved.push(format!(
                "one bit of line {number} has flipped, at byte {}",
                offset + bit / 8
            ));
            lines.iter().for_each(|(seq, line)| found.add(*seq, line));
        } else if let Some((bit, lines)) = both.and_then(turn_back) {
            saved.push(format!(
                "one bit of line {number} has flipped, at byte {}",
                offset + bit / 8
            ));
            lines.iter().for_each(|(seq, line)| found.add(*seq, line));
            rest = &rest[next.map_or(0, |next| next + 1)..];
        }
    }
    found
}

/// The bit that must be turned back for a stretch to consist of whole lines only, one after the other, and these lines.
fn turn_back(stretch: &[u8]) -> Option<(usize, Vec<Numbered>)> {
    if stretch.len() > LONGEST {
        return None;
    }
    let mut turned = stretch.to_vec();
    (0..8 * stretch.len()).find_map(|bit| {
        turned[bit / 8] ^= 1 << (bit % 8);
        let lines = whole_lines(&turned);
        turned[bit / 8] ^= 1 << (bit % 8);
        Some((bit, lines?))
    })
}

fn whole_lines(stretch: &[u8]) -> Option<Vec<Numbered>> {
    let mut lines: Vec<Numbered> = Vec::new();
    for line in stretch.strip_suffix(b"\n")?.split(|&byte| byte == b'\n') {
        let seq = checksum(line).and_then(|_| sequence(line))?;
        if lines.last().is_some_and(|(last, _)| last + 1 != seq) {
            return None;
        }
        lines.push((seq, line.to_vec()));
    }
    Some(lines)
}

/// The longest run of records from the first on that has no gap and can be folded.
fn consistent(path: &Path, found: &mut Found, damage: &mut Vec<String>) -> (Vec<Vec<u8>>, Option<Study>) {
    let mut lines = Vec::new();
    let mut study: Option<Study> = None;
    for (seq, line) in (0..).map_while(|seq| Some((seq, found.lines.get(&seq)?))) {
        if found.doubtful.contains(&seq) {
            break;
        }
        let record = match decode(seq, line) {
            Ok((record, _)) => record,
            Err(reason) => {
                damage.push(format!("{}: record {seq} can't be read: {reason}", path.display()));
                break;
            }
        };
        if let (None, Fact::StudyCreated { spec, .. }) = (&study, &record.fact) {
            study = Some(Study::new((**spec).clone()));
        }
        let Some(study) = &mut study else {
            damage.push(format!("{}: it does not begin with what the study is", path.display()));
            break;
        };
        if let Err(misfit) = study.follow(&record) {
            damage.push(format!("{}: record {seq} does not fit: {misfit}", path.display()));
            break;
        }
        lines.push(line.clone());
    }
    (lines, study)
}
