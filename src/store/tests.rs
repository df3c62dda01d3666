use hpo_protocol::Unit;

use super::*;
use crate::ids::{SlotId, TrialId};
use crate::space::SearchSpace;
use crate::study::tests::checkpoint;
use crate::study::{Event, PolicyKind, PolicySpec, Reported, SamplerSpec, SuccessiveHalving, Trainer};

fn spec() -> StudySpec {
    StudySpec {
        name: "s".into(),
        seed: 1,
        trials: 6,
        retries: 1,
        objective: Default::default(),
        further: Vec::new(),
        require: Vec::new(),
        keep_checkpoints: 1,
        stop: Default::default(),
        sampler: SamplerSpec::default(),
        confirmation: None,
        policy: PolicySpec {
            kind: PolicyKind::SuccessiveHalving(SuccessiveHalving {
                bracket_size: None,
                small_brackets: false,
            }),
            speculation: true,
            parallel_brackets: 1,
            unit: Unit::Epochs,
            report_every: 1,
            min_resource: 1,
            max_resource: 3,
            reduction_factor: 3,
        },
        trainer: Trainer {
            command: None,
            directory: "/".into(),
            settings: Default::default(),
            seed: None,
            script: false,
        },
        threads: 1,
        space: SearchSpace {
            try_first: Vec::new(),
            constraints: Vec::new(),
            parameters: vec![],
        },
    }
}

fn in_temporary_directory() -> (tempfile::TempDir, StudyDirectory) {
    of_trials(spec().trials)
}

fn of_trials(trials: u64) -> (tempfile::TempDir, StudyDirectory) {
    let parent = tempfile::tempdir().unwrap();
    let directory = StudyDirectory::new(parent.path().join("s"));
    let spec = StudySpec { trials, ..spec() };
    create(&directory, &spec, "# text", None, Vec::new(), Timestamp(1)).unwrap();
    (parent, directory)
}

/// Runs the study for `steps` reports, one slot, and commits everything as the scheduler does.
async fn run(store: &mut Store, steps: usize) {
    let opened = Event::Opened {
        process: 1,
        slots: vec!["cpu".into()],
        limits: store.study.spec().limits(),
    };
    commit(store, opened).await;
    for _ in 0..steps {
        let step = commit(store, Event::Idle { slots: vec![SlotId(0)] }).await;
        let Some(Fact::SegmentStarted {
            trial,
            attempt,
            from,
            to,
            ..
        }) = step.first().map(|r| r.fact.clone())
        else {
            return;
        };
        for resource in from + 1..=to {
            let file = format!("{trial}-{attempt}-{resource}");
            let reported = Event::Reported(Reported {
                diverged: false,
                trial,
                attempt,
                resource,
                loss: Some(1.0 / (trial.0 + 2) as f64),
                metrics: [("accuracy".to_owned(), 0.5)].into_iter().collect(),
                checkpoint: Some(crate::study::Checkpoint {
                    file,
                    bytes: 1,
                    sha256: "00".into(),
                }),
                last: false,
            });
            commit(store, reported).await;
        }
    }
}

async fn commit(store: &mut Store, event: Event) -> Vec<Record> {
    let records = store.study.handle(Timestamp(5), event).records;
    store.committer.commit(records.clone()).await.unwrap();
    records
}

#[tokio::test]
async fn what_was_committed_is_there_again_and_a_reader_sees_it_at_once() {
    let (_parent, directory) = in_temporary_directory();
    let mut store = open(&directory).unwrap();
    let mut reader = StudyReader::open(directory.clone()).unwrap();
    run(&mut store, 3).await;
    let mut seen = 0;
    reader.refresh(|_, _| seen += 1).unwrap();
    assert!(seen > 0);
    assert_eq!(reader.study(), &store.study);
    assert!(reader.is_running());
    assert!(Database::current(&directory).is_none());
    store.committer.close(&store.study);
    drop(store.lock);
    assert!(!reader.is_running());
    assert_eq!(open(&directory).unwrap().study, store.study);
}

#[tokio::test]
async fn the_database_ranks_the_trials() {
    let (_parent, directory) = in_temporary_directory();
    let mut store = open(&directory).unwrap();
    run(&mut store, 20).await;
    assert!(store.study.is_finished());
    let (database, trouble) = store.committer.close(&store.study);
    assert!(trouble.is_none());
    let best = database.unwrap().best(3).unwrap();
    let found: Vec<_> = best.iter().map(|row| (row.trial, row.state.word())).collect();
    assert_eq!(
        found,
        [
            (TrialId(5), "completed"),
            (TrialId(4), "completed"),
            (TrialId(3), "pruned")
        ]
    );
}

#[tokio::test]
async fn a_damaged_database_is_set_aside_and_made_anew() {
    for damage in ["garbage", "incomplete", "emptied"] {
        let (_parent, directory) = in_temporary_directory();
        let mut store = open(&directory).unwrap();
        run(&mut store, 4).await;
        let (study, lock) = (store.study.clone(), store.lock);
        drop(store.committer.close(&study));
        if damage == "incomplete" {
            let db = engine::open_waiting(&directory.database()).unwrap();
            assert!(db.open_tree("reports").unwrap().pop_min().unwrap().is_some());
        }
        let file = directory.database().join("db");
        match damage {
            "garbage" => std::fs::write(file, [0xA5; 4096]).unwrap(),
            "emptied" => std::fs::write(file, []).unwrap(),
            _ => {}
        }
        drop(lock);
        let store = open(&directory).unwrap();
        assert_eq!(store.study, study);
        let (database, trouble) = store.committer.close(&store.study);
        let rows = database.unwrap().best(9).unwrap();
        assert_eq!(rows.len(), 4, "{damage}");
        if damage == "incomplete" {
            let report = trouble.unwrap().report(true);
            assert!(
                report.contains("made anew from the journal: it does not agree"),
                "{report}"
            );
            assert!(directory.root().join("db.damaged").exists(), "{damage}");
        }
    }
}

/// Writes `records` more records, or a few more, to the journal alone.
fn leave_the_database_behind(directory: &StudyDirectory, records: usize) -> Study {
    let path = directory.journal();
    let mut reader = JournalReader::open(&path).unwrap();
    while reader.skip().unwrap() {}
    let mut journal = JournalWriter::resume(&path, &reader).unwrap();
    let mut study = StudyReader::open(directory.clone()).unwrap().study().clone();
    let mut new: Vec<Record> = Vec::new();
    while new.len() < records {
        let step = study.handle(Timestamp(6), Event::Idle { slots: vec![SlotId(0)] });
        let Some(Fact::SegmentStarted { trial, attempt, to, .. }) = step.records.first().map(|r| r.fact.clone()) else {
            panic!("nothing to train");
        };
        new.extend(step.records);
        let reported = Event::Reported(Reported {
            diverged: false,
            trial,
            attempt,
            resource: to,
            loss: Some(1.0 / (trial.0 + 3) as f64),
            metrics: [].into_iter().collect(),
            checkpoint: Some(checkpoint(trial, "1")),
            last: true,
        });
        new.extend(study.handle(Timestamp(6), reported).records);
    }
    journal.append(&new).unwrap();
    study
}

#[tokio::test]
async fn a_database_that_was_left_behind_takes_in_what_it_lacks() {
    for records in [20, 6000] {
        let (_parent, directory) = of_trials(4000);
        let mut store = open(&directory).unwrap();
        run(&mut store, 20).await;
        store.committer.close(&store.study);
        drop(store.lock);
        let study = leave_the_database_behind(&directory, records);
        // While it does, the study goes on.
        let mut store = open(&directory).unwrap();
        assert_eq!(store.study, study);
        run(&mut store, 3).await;
        let (database, trouble) = store.committer.close(&store.study);
        assert!(trouble.is_none(), "{records}: {trouble:?}");
        let database = database.unwrap();
        for trial in store.study.trials() {
            assert_eq!(database.trial(trial.id).unwrap().as_ref(), Some(trial), "{records}");
        }
        drop((database, store.lock));
        // It is compared with the journal once more.
        let store = open(&directory).unwrap();
        assert!(store.committer.close(&store.study).1.is_none(), "{records}");
    }
}

#[tokio::test]
async fn a_database_that_was_not_waited_for_is_brought_up_the_next_time() {
    let (_parent, directory) = in_temporary_directory();
    let mut store = open(&directory).unwrap();
    run(&mut store, 4).await;
    let study = store.study.clone();
    store.committer.close(&store.study);
    drop(store.lock);
    std::fs::remove_dir_all(directory.database()).unwrap();
    let reader = StudyReader::open(directory.clone()).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(true);
    let stopped = reader.lines().open(&stop);
    assert!(matches!(stopped.map(drop), Err(DatabaseError::Stopped)));
    let store = open(&directory).unwrap();
    let (database, trouble) = store.committer.close(&store.study);
    assert!(trouble.is_none(), "{trouble:?}");
    let best = study.best().map(|best| study.summary(best));
    assert_eq!(database.unwrap().best(1).unwrap().first(), best.as_ref());
}

#[test]
fn a_second_writer_is_refused_and_told_who_has_it() {
    let (_parent, directory) = in_temporary_directory();
    let _store = open(&directory).unwrap();
    match open(&directory).map(|_| ()) {
        Err(StoreError::InUse { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directory_that_holds_something_else_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::write(parent.path().join("thesis.txt"), "years of work").unwrap();
    let directory = StudyDirectory::new(parent.path());
    assert!(matches!(open(&directory).map(|_| ()), Err(StoreError::Foreign { .. })));
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    let nowhere = StudyDirectory::new(parent.path().join("nowhere"));
    assert!(matches!(open(&nowhere).map(|_| ()), Err(StoreError::Missing { .. })));
}

/// A study that was run to its end and closed.
async fn finished() -> (tempfile::TempDir, StudyDirectory, Study) {
    let (parent, directory) = in_temporary_directory();
    let mut store = open(&directory).unwrap();
    run(&mut store, 20).await;
    store.committer.close(&store.study);
    (parent, directory, store.study)
}

/// The tree of the rows, and the one of what is said of them.
fn trees(directory: &StudyDirectory) -> (sled::Db, [sled::Tree; 2]) {
    let db = engine::open_waiting(&directory.rows()).unwrap();
    let trees = ["trials", "meta"].map(|tree| db.open_tree(tree).unwrap());
    (db, trees)
}

/// The trial database, if it fits the journal.
fn current(directory: &StudyDirectory) -> Result<Database, DatabaseError> {
    let end = JournalEnd::of(&directory.journal()).ok_or(DatabaseError::Behind)?;
    engine::guarded(|| Database::open(engine::open_waiting(&directory.rows())?, end))
}

#[tokio::test]
async fn a_database_that_is_up_to_date_has_all_that_the_study_has() {
    let (_parent, directory, study) = finished().await;
    let database = current(&directory).unwrap();
    assert_eq!(*database.overview(), crate::analysis::Overview::of(&study));
    let trials: Vec<_> = (0..).map_while(|id| database.trial(TrialId(id)).unwrap()).collect();
    assert_eq!(trials, study.trials());
    let records = [Records::Database(&database), Records::Journal(&study)];
    for (reverse, count) in [(false, 2), (true, 3), (false, 99), (true, 0)] {
        let [one, other] = records.map(|records| records.by_objective(reverse, count).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.len(), count.min(trials.len()));
    }
    assert_eq!(
        database.best(1).unwrap().first(),
        study.best().map(|best| study.summary(best)).as_ref()
    );
    assert!(Database::current(&directory).is_none(), "somebody else has it");
}

#[tokio::test]
async fn a_database_is_not_used_once_the_journal_is_another() {
    let (_parent, directory, study) = finished().await;
    let journal = directory.journal();
    let text = std::fs::read(&journal).unwrap();
    assert!(current(&directory).is_ok());
    let mut flipped = text.clone();
    flipped[text.len() / 2] ^= 1;
    std::fs::write(&journal, flipped).unwrap();
    assert!(matches!(current(&directory).map(drop), Err(DatabaseError::Behind)));
    std::fs::write(&journal, &text[..text.len() - 1]).unwrap();
    assert!(matches!(current(&directory).map(drop), Err(DatabaseError::Behind)));
    std::fs::write(&journal, &text).unwrap();
    let store = open(&directory).unwrap();
    let (database, trouble) = store.committer.close(&study);
    assert!(database.is_some() && trouble.is_none(), "{trouble:?}");
    drop((database, store.lock));
    let database = current(&directory).unwrap();
    assert_eq!(database.trial(TrialId(0)).unwrap().as_ref(), study.trial(TrialId(0)));
}

#[tokio::test]
async fn a_database_whose_rows_or_texts_are_damaged_does_not_answer_and_is_made_anew() {
    type Damage = fn(&sled::Tree, &sled::Tree);
    let damages: [(&str, Damage); 6] = [
        ("a row gone", |trials, _| {
            drop(trials.remove(1u64.to_be_bytes()).unwrap())
        }),
        ("a row of another trial", |trials, _| {
            let other = trials.get(2u64.to_be_bytes()).unwrap().unwrap();
            trials.insert(1u64.to_be_bytes(), other).unwrap();
        }),
        ("a digit changed", |trials, _| {
            let mut row = trials.get(1u64.to_be_bytes()).unwrap().unwrap();
            let at = row.iter().rposition(u8::is_ascii_digit).unwrap();
            row[at] ^= 1;
            trials.insert(1u64.to_be_bytes(), row).unwrap();
        }),
        ("no overview", |_, meta| {
            meta.remove(b"overview/\0\0\0\0").unwrap().unwrap();
        }),
        ("other checksums", |_, meta| {
            let mut contents = meta.get(b"contents/\0\0\0\0").unwrap().unwrap();
            contents[0] ^= 1;
            meta.insert(b"contents/\0\0\0\0", contents).unwrap();
        }),
        ("a damaged stamp", |_, meta| {
            let mut stamp = meta.get(b"stamp").unwrap().unwrap();
            stamp[20] ^= 1;
            meta.insert(b"stamp", stamp).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let (_parent, directory, study) = finished().await;
        let (db, [trials, meta]) = trees(&directory);
        damage(&trials, &meta);
        drop((trials, meta, db));
        let answer = current(&directory).and_then(|database| database.trial(TrialId(1)));
        assert!(matches!(answer, Err(DatabaseError::Disagrees)), "{name}: {answer:?}");
        let store = open(&directory).unwrap();
        let (database, trouble) = store.committer.close(&study);
        let database = database.unwrap_or_else(|| panic!("{name}: {trouble:?}"));
        assert!(matches!(trouble, Some(DatabaseError::Disagrees)), "{name}: {trouble:?}");
        assert_eq!(
            database.trial(TrialId(1)).unwrap().as_ref(),
            study.trial(TrialId(1)),
            "{name}"
        );
        assert!(directory.root().join("db.damaged").exists(), "{name}");
    }
}
