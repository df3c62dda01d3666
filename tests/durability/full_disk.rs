//! A disk that is full pauses a study; it loses nothing and goes on by itself.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use hpo_test_support::{Place, WHOLE};
use rustix::process::Signal;

use crate::mount::Mount;

/// How large a checkpoint is, in bytes.
const CHECKPOINT: u64 = 200_000;

/// A place whose studies lie on a small file system, and the file of a study.
fn small() -> Option<(Place, Mount, std::path::PathBuf)> {
    let place = Place::new();
    let disk = Mount::memory(place.path("studies"), 16 << 10)?;
    let file = place.space("s", 9, 2, WHOLE, &format!("bytes = {CHECKPOINT}"));
    Some((place, disk, file))
}

/// Fills the disk up to `room` bytes.
fn fill(disk: &Mount, room: u64) {
    let mut filler = File::create(disk.path.join("filler")).unwrap();
    while let Some(more) = left(&disk.path).checked_sub(room).filter(|&more| more > 0) {
        if filler
            .write_all(&vec![1; usize::try_from(more.min(1 << 16)).unwrap()])
            .is_err()
        {
            break;
        }
    }
}

fn left(path: &Path) -> u64 {
    let disk = rustix::fs::statvfs(path).unwrap();
    disk.f_bavail * disk.f_frsize
}

fn free(disk: &Mount) {
    std::fs::remove_file(disk.path.join("filler")).unwrap();
}

fn answer_without_trouble() -> serde_json::Value {
    let place = Place::new();
    place
        .search(&place.space("s", 9, 2, WHOLE, &format!("bytes = {CHECKPOINT}")))
        .ok();
    place.answer("s")
}

#[test]
fn a_study_pauses_on_a_full_disk_and_goes_on_by_itself_once_there_is_space() {
    let Some((place, disk, file)) = small() else { return };
    // Once with space for records but not for checkpoints, and once with none at all.
    let mut running = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.05")]);
    for room in [CHECKPOINT / 2, 0] {
        assert!(running.wait_for("loss", 2));
        fill(&disk, room);
        assert!(running.wait_for("the disk is full", 1));
        free(&disk);
        assert!(running.wait_for("the study continues", 1));
    }
    let (code, stderr) = running.wait();
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(place.answer("s"), answer_without_trouble());
    assert_eq!(place.facts("s", "segment_failed"), [] as [serde_json::Value; 0]);
    place.run(&["fsck", "s"]).ok();
}

/// Runs a study until its disk is full, stops it, and makes space again; its journal as it was until then.
#[track_caller]
fn stopped_on_a_full_disk(place: &Place, disk: &Mount, file: &Path) -> String {
    let mut running = place.start_with(file, &[("HPO_TEST_EPOCH", "0.05")]);
    assert!(running.wait_for("loss", 2));
    fill(disk, 0);
    assert!(running.wait_for("the disk is full", 1));
    running.signal(Signal::INT);
    let (code, stderr) = running.wait();
    assert_eq!(code, 130, "{stderr}");
    assert!(stderr.contains("nothing recorded is lost"), "{stderr}");
    assert!(place.run(&["status", "s"]).ok().stdout().contains("stopped"));
    let journal = std::fs::read_to_string(place.study("s").join("journal.jsonl")).unwrap();
    free(disk);
    journal
}

#[test]
fn a_study_on_a_full_disk_can_be_stopped_and_gone_on_with() {
    let Some((place, disk, file)) = small() else { return };
    stopped_on_a_full_disk(&place, &disk, &file);
    place.search(&file).ok();
    assert_eq!(place.answer("s"), answer_without_trouble());
}

/// Whether its last record still finds space or not: that depends on where the pages of the journal end.
#[test]
fn a_search_on_a_full_disk_ends_when_it_is_stopped_even_if_it_can_not_record_that() {
    const PAGE: usize = 4096;
    let stopped = |pad: usize| {
        let (place, disk, file) = small()?;
        let text = std::fs::read_to_string(&file).unwrap();
        let pad = format!("bytes = {CHECKPOINT}\nnote = \"{}\"", "x".repeat(pad));
        std::fs::write(&file, text.replace(&format!("bytes = {CHECKPOINT}"), &pad)).unwrap();
        let journal = stopped_on_a_full_disk(&place, &disk, &file);
        place.search(&file).ok();
        Some((journal.len(), journal.contains("scheduler_stopped")))
    };
    let Some((mut length, true)) = stopped(0) else { return };
    // The record has some 80 bytes, and begins in the page before. What else is recorded until the disk is full may differ from time to time.
    let over = (0..24).find_map(|more| {
        let pad = PAGE - (length - 40 + 10 * (more % 8)) % PAGE;
        let (padded, recorded) = stopped(pad)?;
        length = padded - pad;
        (!recorded).then_some(more)
    });
    assert!(over.is_some(), "there was space each time");
}

#[test]
fn a_study_that_can_not_be_made_for_want_of_space_leaves_nothing_behind() {
    let Some((place, disk, file)) = small() else { return };
    fill(&disk, 0);
    place.search(&file).fails(3, &["No space left on device"]);
    free(&disk);
    assert_eq!(std::fs::read_dir(&disk.path).unwrap().count(), 0);
}

#[test]
fn a_study_on_a_read_only_disk_can_be_looked_at_and_says_why_it_can_not_go_on() {
    let Some((place, disk, file)) = small() else { return };
    let mut running = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.05")]);
    assert!(running.wait_for("loss", 3));
    running.signal(Signal::KILL);
    running.wait();
    disk.read_only();
    place.run(&["status", "s"]).ok();
    place.run(&["fsck", "s"]).ok();
    place.search(&file).fails(3, &["lock", "Read-only file system"]);
    place
        .run(&["fsck", "s", "--repair"])
        .fails(3, &["Read-only file system"]);
}
