//! Every file of a study damaged all along its length: the study opens as it was, or says what is damaged and where.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use hpo::fsck;
use hpo::ids::Timestamp;
use hpo::store::{self, StoreError, StudyDirectory, StudyReader};
use hpo::study::Study;
use hpo_test_support::{Place, WHOLE, copy_tree};

/// Of so many damages to the journal two are also repaired: one that flips a bit, and one that cuts.
const REPAIRED: usize = 10;

/// A study that the real binary has run, by its directory.
struct Original {
    place: Place,
    study: Study,
}

impl Original {
    fn new() -> Self {
        let place = Place::in_memory();
        place.search(&place.space("s", 6, 2, WHOLE, "")).ok();
        // One more opening, so that the database is whole on disk.
        let store = store::open(&StudyDirectory::new(place.study("s"))).unwrap();
        let study = store.study.clone();
        store.committer.close(&store.study);
        Self { place, study }
    }

    fn directory(&self) -> PathBuf {
        self.place.study("s")
    }

    /// A copy to be damaged, the only one of this thread.
    fn copy(&self) -> StudyDirectory {
        let copy = self.place.path(&format!("copy-{:?}", std::thread::current().id()));
        let _ = fs::remove_dir_all(&copy);
        copy_tree(&self.directory(), &copy);
        StudyDirectory::new(copy)
    }

    /// Opens a damaged copy: the study is as it was, also after a repair, or what is damaged is reported.
    fn check(&self, copy: &StudyDirectory, damage: &str) -> Result<Option<String>, String> {
        let opened = store::open(copy).map(|store| {
            assert!(store.study == self.study, "{damage}: it opens as another study");
            let (database, trouble) = store.committer.close(&store.study);
            let trouble = trouble.map(|trouble| trouble.to_string());
            let best = database
                .unwrap_or_else(|| panic!("{damage}: there is no database: {trouble:?}"))
                .best(1);
            assert_eq!(best.unwrap()[0].trial, self.study.best().unwrap().id, "{damage}");
            trouble
        });
        match (&opened, StudyReader::open(copy.clone())) {
            (Ok(_), Ok(reader)) => assert!(*reader.study() == self.study, "{damage}: it is read as another study"),
            (Err(opened), Err(read)) => assert_eq!(opened.to_string(), read.to_string(), "{damage}"),
            (opened, read) => panic!("{damage}: opening gives {opened:?}, reading {:?}", read.map(drop)),
        }
        opened.map_err(|error| error.to_string())
    }

    fn repair(&self, copy: &StudyDirectory) -> fsck::Examination {
        fsck::repair(copy, Timestamp(1)).unwrap()
    }
}

/// All files below a directory, by their paths in it.
fn files(root: &Path) -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(root, &mut found);
    let mut found: Vec<PathBuf> = found
        .iter()
        .map(|path| path.strip_prefix(root).unwrap().to_owned())
        .collect();
    found.sort();
    found
}

/// Flips a bit, or cuts, at so many places of a file; at every byte of a short one.
fn damages(whole: &[u8], most: usize) -> impl Iterator<Item = (String, Vec<u8>)> {
    let steps = whole.len().min(most);
    (0..steps).flat_map(move |step| {
        let at = whole.len() * step / steps;
        let mut flipped = whole.to_vec();
        flipped[at] ^= 1 << (step % 8);
        [
            (format!("bit flipped at byte {at}"), flipped),
            (format!("cut at byte {at}"), whole[..at].to_vec()),
        ]
    })
}

/// Does all damages to a file of the study, several at a time: most of the time they wait for the disk.
fn for_all_damages(original: &Original, file: &Path, most: usize, check: impl Fn(&StudyDirectory, &str) + Sync) {
    let whole = fs::read(original.directory().join(file)).unwrap();
    let damages: Vec<_> = damages(&whole, most).collect();
    std::thread::scope(|scope| {
        for some in damages.chunks(damages.len().div_ceil(4).max(1)) {
            let check = &check;
            scope.spawn(move || {
                for (damage, bytes) in some {
                    let copy = original.copy();
                    fs::write(copy.root().join(file), bytes).unwrap();
                    check(&copy, &format!("{}: {damage}", file.display()));
                }
            });
        }
    });
}

#[test]
fn a_journal_damaged_anywhere_is_reported_with_its_place_and_repaired() {
    let original = Original::new();
    let whole = fs::read(original.directory().join("journal.jsonl")).unwrap();
    for (number, (damage, bytes)) in damages(&whole, 100).enumerate() {
        let copy = original.copy();
        fs::write(copy.journal(), &bytes).unwrap();
        let error = original.check(&copy, &damage).expect_err(&damage);
        let intact = bytes.iter().zip(&whole).take_while(|(a, b)| a == b).count();
        let line = whole[..intact].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let offset = whole[..intact]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |newline| newline + 1);
        assert!(error.contains(&format!("journal.jsonl:{line}: ")), "{damage}: {error}");
        assert!(error.contains(&format!("at byte {offset}")), "{damage}: {error}");
        assert!(
            fs::read(copy.journal()).unwrap() == bytes,
            "{damage}: opening has changed it"
        );
        if number % REPAIRED > 1 {
            continue;
        }
        let examined = original.repair(&copy);
        assert!(examined.is_whole(), "{damage}: {examined:?}");
        assert_eq!(original.check(&copy, &damage), Ok(None), "{damage}");
        assert!(
            fs::read(copy.journal()).unwrap() == whole,
            "{damage}: not all was repaired"
        );
        assert!(
            fs::read(copy.root().join("journal.jsonl.damaged-1")).unwrap() == bytes,
            "{damage}"
        );
    }
}

#[test]
fn a_database_damaged_anywhere_is_noticed_and_made_anew() {
    let original = Original::new();
    let directory = original.directory();
    let database: Vec<PathBuf> = files(&directory)
        .into_iter()
        .filter(|path| path.starts_with("db"))
        .collect();
    assert!(database.len() > 1, "{database:?}");
    let made_anew = AtomicUsize::new(0);
    for file in database {
        for_all_damages(&original, &file, 50, |copy, damage| {
            let trouble = original.check(copy, damage).unwrap();
            made_anew.fetch_add(usize::from(trouble.is_some()), Ordering::Relaxed);
        });
    }
    assert!(made_anew.into_inner() > 0);
}

#[test]
fn damage_to_any_other_file_takes_nothing_from_the_study() {
    let original = Original::new();
    for file in ["study.toml", "lock", "journal.end"] {
        for_all_damages(&original, Path::new(file), 100, |copy, damage| {
            assert_eq!(original.check(copy, damage), Ok(None), "{damage}");
        });
    }
}

#[test]
fn whatever_is_missing_or_in_the_way_is_reported_or_made_again() {
    let original = Original::new();
    type Change = fn(&Path);
    let changes: [(&str, Change); 8] = [
        ("an empty database", |root| {
            fs::remove_dir_all(root.join("db")).unwrap();
            fs::create_dir(root.join("db")).unwrap();
        }),
        ("a database that is a file", |root| {
            fs::remove_dir_all(root.join("db")).unwrap();
            fs::write(root.join("db"), "not a directory").unwrap();
        }),
        ("no database", |root| fs::remove_dir_all(root.join("db")).unwrap()),
        ("a database set aside before", |root| {
            fs::write(root.join("db.damaged"), "in the way").unwrap();
            fs::write(root.join("db/db"), "damaged").unwrap();
        }),
        ("no lock", |root| fs::remove_file(root.join("lock")).unwrap()),
        ("no logs and no study.toml", |root| {
            fs::remove_dir_all(root.join("logs")).unwrap();
            fs::remove_file(root.join("study.toml")).unwrap();
        }),
        ("no record of where the journal ends", |root| {
            fs::remove_file(root.join("journal.end")).unwrap()
        }),
        ("leftovers", |root| {
            fs::write(root.join(".journal.jsonl.new"), "half a jour").unwrap();
            fs::create_dir(root.join(".best-model.partial")).unwrap();
            fs::write(root.join("checkpoints/half"), "").unwrap();
        }),
    ];
    for (change, make) in changes {
        let copy = original.copy();
        make(copy.root());
        let trouble = original.check(&copy, change).unwrap();
        assert_eq!(
            trouble.is_some(),
            change.contains("a database") || change.contains("an empty"),
            "{change}: {trouble:?}"
        );
        assert_eq!(original.check(&copy, change), Ok(None), "{change}");
    }
}

#[test]
fn a_missing_journal_is_made_again_from_the_database() {
    let original = Original::new();
    let copy = original.copy();
    let whole = fs::read(copy.journal()).unwrap();
    fs::remove_file(copy.journal()).unwrap();
    assert!(matches!(
        store::open(&copy).map(drop),
        Err(StoreError::JournalGone { .. })
    ));
    let examined = original.repair(&copy);
    assert!(examined.is_whole(), "{examined:?}");
    assert!(fs::read(copy.journal()).unwrap() == whole);
    assert_eq!(original.check(&copy, "no journal"), Ok(None));
}

#[test]
fn a_journal_that_lost_its_end_is_noticed_by_the_database_alone() {
    let original = Original::new();
    let copy = original.copy();
    let whole = fs::read(copy.journal()).unwrap();
    let cut = whole[..whole.len() - 1]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .unwrap()
        + 1;
    fs::write(copy.journal(), &whole[..cut]).unwrap();
    fs::remove_file(copy.root().join("journal.end")).unwrap();
    let error = store::open(&copy).map(drop).unwrap_err().to_string();
    assert!(
        error.contains(&format!("ends at byte {cut}, but 1 more record had been acknowledged")),
        "{error}"
    );
}

#[test]
fn without_the_database_the_longest_consistent_beginning_is_kept_and_the_loss_reported() {
    let original = Original::new();
    let whole = fs::read(original.directory().join("journal.jsonl")).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    for hole in [1, lines.len() / 2, lines.len() - 1] {
        let copy = original.copy();
        fs::remove_dir_all(copy.database()).unwrap();
        let mut damaged: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        damaged[hole][10..14].fill(b'#');
        fs::write(copy.journal(), damaged.concat()).unwrap();

        let examined = original.repair(&copy);
        let repairs = examined.repaired.join("\n");
        assert!(examined.parts[0].health == fsck::Health::Whole, "{examined:?}");
        assert!(
            repairs.contains(&format!("a new journal holds {hole} record")) && repairs.contains(": 1 record is lost"),
            "{repairs}"
        );
        let left_out = lines.len() - hole - 1;
        assert_eq!(repairs.contains("left out"), left_out > 0, "{repairs}");
        assert!(
            left_out == 0 || repairs.contains(&format!("{left_out} whole record")),
            "{repairs}"
        );
        // Behind it stands which checkpoints of that time are gone.
        assert!(fs::read(copy.journal()).unwrap().starts_with(&lines[..hole].concat()));
        assert!(fs::read(copy.root().join("journal.jsonl.damaged-1")).unwrap() == damaged.concat());

        let again = original.repair(&copy);
        assert!(again.repaired.is_empty(), "{again:?}");
        assert!(!copy.root().join("journal.jsonl.damaged-2").exists());
    }
}

#[test]
fn one_flipped_bit_of_a_journal_is_turned_back_without_the_database() {
    let original = Original::new();
    let whole = fs::read(original.directory().join("journal.jsonl")).unwrap();
    let line = whole.iter().position(|&byte| byte == b'\n').unwrap();
    let last = whole.len() - 1;
    for (at, bit) in [
        (line, 0),
        (line + 20, 5),
        (line - 5, 1),
        (last, 2),
        (last - 40, 6),
        (line + 1, 7),
    ] {
        let copy = original.copy();
        fs::remove_dir_all(copy.database()).unwrap();
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << bit;
        fs::write(copy.journal(), flipped).unwrap();
        let repairs = original.repair(&copy).repaired.join("\n");
        assert!(repairs.contains("nothing is lost"), "byte {at}: {repairs}");
        assert!(fs::read(copy.journal()).unwrap() == whole, "byte {at}");
    }
}

#[test]
fn a_study_whose_first_record_is_lost_is_left_as_it_is() {
    let original = Original::new();
    let copy = original.copy();
    fs::remove_dir_all(copy.database()).unwrap();
    let mut damaged = fs::read(copy.journal()).unwrap();
    damaged[10..20].fill(b'#');
    fs::write(copy.journal(), &damaged).unwrap();
    let examined = original.repair(&copy);
    assert!(!examined.is_whole() && examined.repaired.is_empty(), "{examined:?}");
    assert!(fs::read(copy.journal()).unwrap() == damaged);
}
