//! A line of the journal: `{"seq":N,"at":MS,"fact":{…},"crc32c":"xxxxxxxx"}`. The checksum is CRC-32C of the bytes before
//! `,"crc32c"`.

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;
use crate::study::{Fact, Record, Reported};

const TAIL: usize = r#","crc32c":"00000000"}"#.len();

#[derive(Serialize)]
struct LineOut<'a> {
    seq: u64,
    at: Timestamp,
    fact: &'a Fact,
}

#[derive(Deserialize)]
struct LineIn {
    seq: u64,
    at: Timestamp,
    fact: Fact,
}

/// Most lines are reports: they are read without the detour that a tagged enum takes.
#[derive(Deserialize)]
struct ReportIn {
    seq: u64,
    at: Timestamp,
    fact: Reported,
}

impl From<ReportIn> for LineIn {
    fn from(line: ReportIn) -> Self {
        Self {
            seq: line.seq,
            at: line.at,
            fact: Fact::Reported(line.fact),
        }
    }
}

/// The line of a record, newline included.
///
/// # Errors
/// If the record can't be written as JSON.
pub fn encode(seq: u64, record: &Record) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&LineOut {
        seq,
        at: record.at,
        fact: &record.fact,
    })?;
    line.pop();
    let crc = crc32c::crc32c(&line);
    line.extend_from_slice(format!(",\"crc32c\":\"{crc:08x}\"}}\n").as_bytes());
    Ok(line)
}

/// The checksum of a line without its newline, if it is that of what the line holds.
pub(super) fn checksum(line: &[u8]) -> Option<u32> {
    let (body, tail) = line.split_at_checked(line.len().checked_sub(TAIL)?)?;
    let hex = tail.strip_prefix(br#","crc32c":""#)?.strip_suffix(br#""}"#)?;
    // A number may be written in several ways, a checksum in one only.
    let plain = hex.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let written = u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?;
    (plain && written == crc32c::crc32c(body)).then_some(written)
}

/// The sequence number that a line says it has, whether or not it is whole.
pub(super) fn sequence(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(br#"{"seq":"#)?;
    let end = digits.iter().position(|digit| !digit.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// Whether a line begins as the writer begins those of reports.
fn is_report(line: &[u8]) -> bool {
    const BEGIN: &[u8] = br#""fact":{"type":"reported","#;
    // Behind two numbers.
    let begin = line.iter().take(64).position(|&byte| byte == b'f').unwrap_or(0);
    line.get(begin.saturating_sub(1)..)
        .is_some_and(|rest| rest.starts_with(BEGIN))
}

/// The record of a line without its newline, if it is the one numbered `seq`, and the line's checksum.
pub(super) fn decode(seq: u64, line: &[u8]) -> Result<(Record, u32), String> {
    let checksum = checksum(line).ok_or("its checksum does not fit")?;
    let record: LineIn = if is_report(line) {
        serde_json::from_slice::<ReportIn>(line).map(Into::into)
    } else {
        serde_json::from_slice(line)
    }
    .map_err(|error| error.to_string())?;
    if record.seq != seq {
        return Err(format!("it is record {}, but record {seq} was due", record.seq));
    }
    let (at, fact) = (record.at, record.fact);
    Ok((Record { at, fact }, checksum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TrialId;
    use crate::study::Checkpoint;

    #[test]
    fn a_line_is_json_with_a_checksum_of_all_before_it() {
        let record = Record {
            at: Timestamp(5),
            fact: Fact::TrialPruned {
                trial: TrialId(5),
                rung: 1,
            },
        };
        let line = String::from_utf8(encode(3, &record).unwrap()).unwrap();
        assert_eq!(
            line,
            "{\"seq\":3,\"at\":5,\"fact\":{\"type\":\"trial_pruned\",\"trial\":5,\"rung\":1},\"crc32c\":\"9d5b2b75\"}\n"
        );
    }

    #[test]
    fn a_report_is_read_as_any_other_record() {
        for last in [false, true] {
            let fact = Fact::Reported(Reported {
                diverged: false,
                trial: TrialId(3),
                attempt: 2,
                resource: 9,
                loss: Some(0.25),
                metrics: [("mrr@10".to_owned(), 0.5)].into_iter().collect(),
                checkpoint: Some(Checkpoint {
                    file: "trial-0003/a2-e9".into(),
                    bytes: 7,
                    sha256: "ab".into(),
                }),
                last,
            });
            let record = Record { at: Timestamp(5), fact };
            let mut line = encode(8, &record).unwrap();
            line.pop();
            assert!(is_report(&line));
            let slow: LineIn = serde_json::from_slice(&line).unwrap();
            assert_eq!((slow.at, &slow.fact), (record.at, &record.fact));
            assert_eq!(decode(8, &line).unwrap().0, record);
        }
    }
}
