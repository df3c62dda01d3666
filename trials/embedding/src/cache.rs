//! Tokenised texts on disk, so that many workers and studies tokenise the same texts once.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::hex::hex;
use crate::tensors::sync;
use crate::tokens::Tokenised;

/// The most files kept.
const FILES: usize = 64;

/// The most bytes kept.
const BYTES: u64 = 2 << 30;

/// A file that is not whole after this time is of a worker that was killed.
const UNFINISHED: Duration = Duration::from_secs(3600);

/// How a file begins.
const MAGIC: &[u8; 8] = b"hpotok 1";

const EXTENSION: &str = "tokens";
const UNFINISHED_EXTENSION: &str = "unfinished";

/// The SHA-256 of all that tokenised texts depend on.
pub type Key = [u8; 32];

/// A directory of tokenised texts, one file a key. The files least recently used are deleted beyond 64 files or 2 GiB.
///
/// It is never needed: whatever is wrong with it costs time, and a note on standard error.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    files: usize,
    bytes: u64,
}

impl Cache {
    /// The cache in `directory`, which is made when the first file is written.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            files: FILES,
            bytes: BYTES,
        }
    }

    /// What is kept under `key`, or else what `make` makes, which is kept from then on.
    ///
    /// # Errors
    /// Those of `make` alone.
    pub fn get_or_make(&self, key: &Key, make: impl FnOnce() -> Result<Tokenised>) -> Result<Tokenised> {
        let path = self.directory.join(format!("{}.{EXTENSION}", hex(key)));
        match fs::read(&path) {
            Ok(bytes) => match read(key, &bytes) {
                Some(kept) => {
                    // What was used last is deleted last. It may be another user's file.
                    let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                    return Ok(kept);
                }
                None => eprintln!("note: `{}` is damaged and is rebuilt", path.display()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => eprintln!("note: cannot read `{}`: {error}", path.display()),
        }
        let made = make()?;
        if let Err(error) = self.keep(&path, &write(key, &made)) {
            let place = self.directory.display();
            eprintln!("note: tokenised texts cannot be kept in `{place}`: {error}");
        }
        Ok(made)
    }

    fn keep(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 > self.bytes {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        self.tidy(bytes.len() as u64)?;
        // Of its own for every worker, also for those of other machines that share the disk.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let own = format!("{}-{}", std::process::id(), now.unwrap_or_default().as_nanos());
        let unfinished = path.with_extension(format!("{own}.{UNFINISHED_EXTENSION}"));
        let file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
        let written = fill(file, bytes).and_then(|()| fs::rename(&unfinished, path));
        if written.is_err() {
            // The first error is the one to report; a leftover would fill the disk.
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        sync(&self.directory).map_err(io::Error::other)
    }

    /// Makes room for a file of so many bytes. Another worker may do the same at the same time.
    fn tidy(&self, room: u64) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Ok(about) = fs::metadata(&path) else { continue };
            let used = about.modified()?;
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(EXTENSION) => kept.push((used, about.len(), path)),
                Some(UNFINISHED_EXTENSION) if used.elapsed().is_ok_and(|age| age > UNFINISHED) => remove(&path)?,
                _ => {}
            }
        }
        kept.sort_unstable();
        let mut bytes = room + kept.iter().map(|(_, size, _)| size).sum::<u64>();
        let mut files = 1 + kept.len();
        for (_, size, path) in kept {
            if files <= self.files && bytes <= self.bytes {
                break;
            }
            remove(&path)?;
            files -= 1;
            bytes -= size;
        }
        Ok(())
    }
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The bytes of a file: what it is, its key, how many special tokens a text begins and ends with, how many texts there are, the length of each, all token ids, and
/// the SHA-256 of what is before it. Numbers are of 32 bits, the lowest byte first.
fn write(key: &Key, tokenised: &Tokenised) -> Vec<u8> {
    let Tokenised { edges, texts } = tokenised;
    let ids: usize = texts.iter().map(|text| text.len()).sum();
    let mut bytes = Vec::with_capacity(MAGIC.len() + 2 * key.len() + 4 * (3 + texts.len() + ids));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(key);
    let lengths = [edges.0, edges.1, texts.len()].into_iter();
    for length in lengths.chain(texts.iter().map(|text| text.len())) {
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
    }
    for id in texts.iter().flatten() {
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

/// What a file holds, if it is whole and of this key.
fn read(key: &Key, bytes: &[u8]) -> Option<Tokenised> {
    let (content, digest) = bytes.split_last_chunk::<32>()?;
    let rest = content.strip_prefix(MAGIC)?.strip_prefix(key)?;
    if Sha256::digest(content)[..] != digest[..] {
        return None;
    }
    let (numbers, []) = rest.as_chunks::<4>() else {
        return None;
    };
    let mut numbers = numbers.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let edges = (numbers.next()? as usize, numbers.next()? as usize);
    let count = numbers.next()? as usize;
    let lengths: Vec<usize> = numbers.by_ref().take(count).map(|length| length as usize).collect();
    if lengths.len() != count || lengths.iter().sum::<usize>() != numbers.len() {
        return None;
    }
    let texts = lengths
        .into_iter()
        .map(|length| numbers.by_ref().take(length).collect());
    Some(Tokenised {
        edges,
        texts: texts.collect(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("hpo-cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn some(ids: &[u32]) -> Tokenised {
        Tokenised {
            edges: (1, 2),
            texts: vec![ids.into(), [7].into()],
        }
    }

    fn never() -> Result<Tokenised> {
        Err(Error::Invalid("it was made".to_owned()))
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_kept_is_not_made_again() {
        let cache = Cache::new(directory("kept"));
        for ids in [&[1, u32::MAX, 0][..], &[]] {
            let key = [ids.len() as u8; 32];
            assert_eq!(cache.get_or_make(&key, || Ok(some(ids))).unwrap(), some(ids));
            assert_eq!(cache.get_or_make(&key, never).unwrap(), some(ids));
        }
        let other = cache.get_or_make(&[9; 32], never);
        assert_eq!(other.unwrap_err().to_string(), "it was made");
        assert_eq!(names(&cache.directory).len(), 2);
    }

    #[test]
    fn a_file_with_any_byte_changed_or_missing_is_made_anew() {
        let cache = Cache::new(directory("damaged"));
        let key = [1; 32];
        cache.get_or_make(&key, || Ok(some(&[1, 2]))).unwrap();
        let path = cache.directory.join(&names(&cache.directory)[0]);
        let whole = fs::read(&path).unwrap();
        let flipped = (0..whole.len()).map(|place| {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            bytes
        });
        let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
        // The file of another key is whole, but foreign.
        let foreign = write(&[2; 32], &some(&[3]));
        for bytes in flipped.chain(cut).chain([foreign, [&whole[..], &[0]].concat()]) {
            assert_eq!(read(&key, &bytes), None);
        }
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(cache.get_or_make(&key, || Ok(some(&[1, 2]))).unwrap(), some(&[1, 2]));
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn a_checksum_does_not_make_wrong_lengths_right() {
        let key = [1; 32];
        for lengths in [[3, 0], [u32::MAX, u32::MAX], [0, 1]] {
            let mut bytes = write(&key, &some(&[5]));
            bytes.truncate(bytes.len() - 32);
            let at = MAGIC.len() + 32 + 12;
            for (place, length) in lengths.into_iter().enumerate() {
                bytes[at + 4 * place..][..4].copy_from_slice(&length.to_le_bytes());
            }
            let digest = Sha256::digest(&bytes);
            bytes.extend_from_slice(&digest);
            assert_eq!(read(&key, &bytes), None, "{lengths:?}");
        }
    }

    #[test]
    fn the_least_recently_used_files_make_room() {
        let path = directory("room");
        let size = write(&[0; 32], &some(&[1])).len() as u64;
        let by_number = Cache {
            directory: path.clone(),
            files: 2,
            bytes: u64::MAX,
        };
        let by_size = Cache {
            directory: path.clone(),
            files: 9,
            bytes: 2 * size + 1,
        };
        let name = |key: u8| format!("{}.{EXTENSION}", hex(&[key; 32]));
        let old = |key: u8, age: u64| {
            let file = File::open(path.join(name(key))).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        for cache in [by_number, by_size] {
            let _ = fs::remove_dir_all(&path);
            cache.get_or_make(&[1; 32], || Ok(some(&[1]))).unwrap();
            fs::write(path.join("stranger"), "kept").unwrap();
            cache.get_or_make(&[2; 32], || Ok(some(&[2]))).unwrap();
            old(1, 200);
            old(2, 100);
            cache.get_or_make(&[1; 32], never).unwrap();
            cache.get_or_make(&[3; 32], || Ok(some(&[3]))).unwrap();
            assert_eq!(names(&path), [name(1), name(3), "stranger".to_owned()]);
        }
        let small = Cache {
            directory: path.clone(),
            files: 9,
            bytes: size - 1,
        };
        small.get_or_make(&[4; 32], || Ok(some(&[4]))).unwrap();
        assert!(!names(&path).contains(&name(4)), "larger than all there is room for");
    }

    #[test]
    fn what_killed_workers_left_is_removed_in_time() {
        let cache = Cache::new(directory("leftover"));
        fs::create_dir_all(&cache.directory).unwrap();
        let leftover = |name: &str| cache.directory.join(format!("{name}.{UNFINISHED_EXTENSION}"));
        fs::write(leftover("old"), "x").unwrap();
        fs::write(leftover("young"), "x").unwrap();
        let file = File::open(leftover("old")).unwrap();
        file.set_modified(SystemTime::now() - 2 * UNFINISHED).unwrap();
        cache.get_or_make(&[1; 32], || Ok(some(&[1]))).unwrap();
        assert!(!leftover("old").exists() && leftover("young").exists());
    }

    #[test]
    fn where_nothing_can_be_written_texts_are_tokenised_all_the_same() {
        let file = directory("file");
        fs::write(&file, "no directory").unwrap();
        let cache = Cache::new(file.join("below"));
        for ids in [[1], [2]] {
            assert_eq!(cache.get_or_make(&[1; 32], || Ok(some(&ids))).unwrap(), some(&ids));
        }
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn many_may_write_at_once() {
        let cache = Cache::new(directory("many"));
        std::thread::scope(|scope| {
            for number in 0..8 {
                let cache = &cache;
                scope.spawn(move || {
                    for key in 0..20 {
                        let made = cache.get_or_make(&[key; 32], || Ok(some(&[u32::from(key)]))).unwrap();
                        assert_eq!(made, some(&[u32::from(key)]), "{number}");
                    }
                });
            }
        });
        assert_eq!(names(&cache.directory).len(), 20);
        assert!(names(&cache.directory).iter().all(|name| name.ends_with(EXTENSION)));
    }
}
