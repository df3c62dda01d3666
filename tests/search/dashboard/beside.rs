//! A dashboard beside a search, which does not need it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use hpo_test_support::{Place, WHOLE};
use rustix::process::Signal;

use super::client::{connect, port};

#[test]
fn a_dashboard_beside_a_search_ends_with_it_however_that_ends() {
    for signal in [Signal::KILL, Signal::INT] {
        let place = Place::new();
        let file = place.space("s", 2, 1, WHOLE, "");
        let arguments = ["search".as_ref(), file.as_os_str(), "--dashboard=0".as_ref()];
        let mut search = place.start_hpo(&arguments, &[("HPO_TEST_EPOCH", "600")]);
        let line = search.next_line("dashboard of the studies in ").unwrap();
        let port = port(line.trim().rsplit_once(' ').unwrap().1);
        assert!(line.contains("#/s"), "{line}");
        assert!(search.wait_for("on slot", 1), "it trains");
        drop(connect(port).unwrap());
        search.signal(signal);
        let (_, said) = search.wait();
        if signal == Signal::INT {
            assert!(
                said.contains("--dashboard=0"),
                "the command that resumes it has one too: {said}"
            );
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while connect(port).is_ok() {
            assert!(Instant::now() < deadline, "the dashboard goes on");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_search_goes_on_without_a_dashboard_if_there_can_be_none() {
    let place = Place::new();
    let file = place.space("s", 2, 1, WHOLE, "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let option = format!("--dashboard={port}");
    let run = place.run(&["search".as_ref(), file.as_os_str(), option.as_ref()]).ok();
    let said = run.stderr();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("dashboard")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(
        lines[0].contains("is in use") && lines[0].contains("goes on without it"),
        "{said}"
    );
}
