//! Files that are none of the formats, whatever their names say: each begins with bytes of its own.

use std::path::Path;

use super::convert::unpack;
use crate::error::DataError;

/// So many bytes of a file are looked at.
pub(super) const LENGTH: u64 = 32;

/// The first bytes, what a file is that begins with them, and what to do.
type Magic = (&'static [u8], &'static str, &'static str);

const UTF_16: (&str, &str) = ("UTF-16", "save it as UTF-8");

/// Compressed files: their first bytes, what they are, and what unpacks them to its standard output.
const COMPRESSED: [Magic; 4] = [
    (b"\x1f\x8b", "compressed by gzip", "gzip -dc"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "zstd -dc"),
    (b"\xfd7zXZ\0", "compressed by xz", "xz -dc"),
    (b"BZh91AY", "compressed by bzip2", "bzip2 -dc"),
];

const FOREIGN: [Magic; 8] = [
    (b"\xff\xfe\0\0", "UTF-32", "save it as UTF-8"),
    (b"\xff\xfe", UTF_16.0, UTF_16.1),
    (b"\xfe\xff", UTF_16.0, UTF_16.1),
    (
        b"PK\x03\x04",
        "a ZIP archive, as workbooks of spreadsheets are",
        "unpack it, or save the sheet as CSV",
    ),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (
        b"version https://git-lfs.",
        "a pointer of Git LFS, not the file itself",
        "fetch the file: git lfs pull",
    ),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
];

/// What is wrong with a file that begins with these bytes, if it can be none of the formats.
pub(super) fn foreign(path: &Path, begin: &[u8]) -> Option<DataError> {
    let is_parquet = begin.starts_with(b"PAR1");
    let is_called_so = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
    if let Some((_, what, program)) = COMPRESSED.iter().find(|(magic, ..)| begin.starts_with(magic)) {
        let help = format!("unpack it: {}", unpack(program, path));
        return Some(DataError::whole(path, format!("`{}` is {what}", path.display()), help));
    }
    let mut known = FOREIGN.iter().filter(|(magic, ..)| begin.starts_with(magic));
    let (what, help) = match known.next() {
        Some((_, what, help)) => (*what, *help),
        None if is_parquet && !is_called_so => ("a Parquet file", "give it the ending .parquet"),
        None if is_utf_16(begin) => UTF_16,
        None => return None,
    };
    Some(DataError::whole(path, format!("`{}` is {what}", path.display()), help))
}

/// Whether a text without a byte order mark has a zero beside each of its first characters.
fn is_utf_16(begin: &[u8]) -> bool {
    let pairs: Vec<&[u8]> = begin.chunks_exact(2).take(4).collect();
    let has = |zero: usize| pairs.iter().all(|pair| pair[zero] == 0 && pair[1 - zero] != 0);
    pairs.len() == 4 && (has(0) || has(1))
}
