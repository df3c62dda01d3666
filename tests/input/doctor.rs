//! `hpo doctor`: what a machine can do, measured on it.

use hpo_test_support::Place;

#[test]
fn the_machine_is_measured_and_nothing_is_left_behind() {
    let place = Place::new();
    let told = place.shell("hpo doctor --json").json();
    let machine = &told["machine"];
    assert!(
        machine["cores"].as_u64() >= Some(1) && machine["slots"].as_u64() >= Some(1),
        "{told}"
    );
    let disk = &machine["disk"];
    assert!(
        disk["sync_ms"].as_f64() > Some(0.0) && disk["write"].as_f64() > Some(0.0),
        "{told}"
    );
    assert_eq!(std::fs::read_dir(place.path(".")).unwrap().count(), 0);
    let page = place.shell("hpo doctor").stdout();
    for part in ["\nCPU ", "\nmemory ", "a record is durable after"] {
        assert!(page.contains(part), "no {part:?} in\n{page}");
    }
}

#[test]
fn a_place_that_can_not_be_written_to_is_an_error_with_the_way_out() {
    let refused = Place::new().shell("hpo doctor --studies /proc/studies");
    assert_eq!(refused.0.status.code(), Some(1));
    for part in ["error: can't write to /proc/studies", "help: keep studies elsewhere"] {
        assert!(refused.stdout().contains(part), "{}", refused.stdout());
    }
}
