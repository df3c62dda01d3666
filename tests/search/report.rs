//! Pictures and reports of studies, through the real binary.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;

use hpo::scheduler::SchedulerError;
use hpo::session::{Cancellation, Function, Quiet, Segment, Session, SessionError};
use hpo::study_file;
use hpo_test_support::Place;
use roxmltree::{Document, ParsingOptions};

/// What there is to draw of one objective.
const KINDS: [&str; 6] = ["curves", "best", "slices", "importance", "parallel", "timeline"];

/// What would be an element, a comment, or the end of one, if it were not escaped.
const HOSTILE: &str = "<script>alert('1')</script> & \"|` ]]> -->";

/// A study in which there is everything that pictures show: a parameter that only some trials have, trials that fail and diverge, and one
/// that has gone astray.
fn search(
    place: &Place,
    trials: u64,
    train: fn(&mut Segment) -> Result<(), Box<dyn Error>>,
) -> Result<(), SessionError> {
    let text = format!(
        "study = {{ name = \"s\", trials = {trials}, retries = 0 }}\npolicy = {{ max_resource = 9 }}\nsampler = {{ type = \"random\" }}\n\
         trial = {{ command = [\"a function\"] }}\n[space]\nrate = {{ type = \"log_uniform\", low = 1e-4, high = 1.0 }}\n\
         kind = {{ type = \"choice\", values = [\"plain\", {HOSTILE:?}] }}\n\
         share = {{ type = \"uniform\", low = 0, high = 1, when = {{ kind = {HOSTILE:?} }} }}\n"
    );
    let file = study_file::parse(&text, "s.toml".as_ref()).unwrap();
    fs::create_dir_all(place.study("s").parent().unwrap()).unwrap();
    let session = Session::create(place.study("s"), &file.study.spec(1, 1), &text).unwrap();
    if trials > 1 {
        session.run(Function::new(2, train), None, &mut Quiet, &Cancellation::new())?;
    }
    Ok(())
}

fn train(segment: &mut Segment) -> Result<(), Box<dyn Error>> {
    let trial = segment.trial().0;
    let rate = segment.parameters()["rate"].as_f64().unwrap();
    while let Some(resource) = segment.next_resource() {
        match trial {
            1 => return Err(HOSTILE.into()),
            2 => segment.report(f64::NAN, &[])?,
            3 => segment.report(1e30, &[])?,
            _ => segment.report(rate.log10().abs() + 1.0 / resource as f64, &[])?,
        }
    }
    Ok(())
}

fn fail(_: &mut Segment) -> Result<(), Box<dyn Error>> {
    Err(HOSTILE.into())
}

/// Parses XML, or HTML that is XML too.
fn parsed(text: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{error} in:\n{text}"))
}

/// All texts of a document.
fn texts(document: &Document<'_>) -> String {
    let texts = document
        .descendants()
        .filter_map(|node| node.text().filter(|_| node.is_text()));
    texts.collect::<Vec<_>>().join("\n")
}

fn has_element(document: &Document<'_>, name: &str) -> bool {
    document
        .descendants()
        .any(|node| node.is_element() && node.tag_name().name().eq_ignore_ascii_case(name))
}

/// Checks that every picture is drawn, and that the report has them all and nothing from elsewhere; returns the report.
#[track_caller]
fn check_all(place: &Place) -> String {
    for kind in KINDS {
        let svg = place.run(&["plot", "s", kind]).ok().stdout();
        let document = parsed(&svg);
        let root = document.root_element();
        assert_eq!((root.tag_name().name(), root.attribute("role")), ("svg", Some("img")));
        for part in ["title", "desc"] {
            let text = root
                .children()
                .find(|node| node.tag_name().name() == part)
                .and_then(|node| node.text());
            assert!(text.is_some_and(|text| text.len() > 5), "{kind} has no {part}");
        }
        assert!(!has_element(&document, "script"));
        assert!(!svg.contains("NaN") && !svg.contains("inf "), "{svg}");
        assert_eq!(
            place.run(&["plot", "s", kind]).ok().stdout(),
            svg,
            "the same study gives the same picture"
        );
    }
    let path = place.path("report.html");
    place
        .run(&["report".as_ref(), "s".as_ref(), "-o".as_ref(), path.as_os_str()])
        .ok();
    let html = fs::read_to_string(&path).unwrap();
    place
        .run(&[
            "report".as_ref(),
            "s".as_ref(),
            "--force".as_ref(),
            "-o".as_ref(),
            path.as_os_str(),
        ])
        .ok();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        html,
        "the same study gives the same report"
    );
    let document = parsed(&html);
    for foreign in ["script", "link", "img", "iframe"] {
        assert!(!has_element(&document, foreign), "{foreign} in {html}");
    }
    let mut names = BTreeSet::new();
    for node in document.descendants() {
        for attribute in node.attributes() {
            assert!(!["src", "href", "onclick"].contains(&attribute.name()), "{html}");
            assert!(
                attribute.name() != "id" || names.insert(attribute.value()),
                "two of {}",
                attribute.value()
            );
        }
    }
    assert_eq!(
        document
            .descendants()
            .filter(|node| node.tag_name().name() == "svg")
            .count(),
        KINDS.len()
    );
    html
}

#[test]
fn a_study_is_drawn_and_reported_with_its_result_and_texts_of_others_stay_texts() {
    let place = Place::new();
    search(&place, 30, train).unwrap();
    let html = check_all(&place);
    let document = parsed(&html);
    let texts = texts(&document);
    let status = place.run(&["status", "s", "--json"]).json();
    let (best, rate) = (&status["best"], status["best"]["parameters"]["rate"].to_string());
    for part in [
        format!("Best: trial {} with validation loss", best["trial"]),
        rate,
        format!("trial {}", best["trial"]),
        "pruning saved".to_owned(),
        "1 trial failed more often than it may be retried.".to_owned(),
        HOSTILE.to_owned(),
        format!("hpo {}", env!("CARGO_PKG_VERSION")),
        format!("--trial {} --output best.toml", best["trial"]),
        "threads per trial".to_owned(),
    ] {
        assert!(texts.contains(&part), "no {part:?} in:\n{texts}");
    }
    let slices = place.run(&["plot", "s", "slices"]).ok().stdout();
    assert!(slices.contains(">absent<") && slices.contains("diverged"), "{slices}");
    // What has gone astray is at the edge, and the others are not flattened: the axis ends far below it.
    let curves = place.run(&["plot", "s", "curves"]).ok().stdout();
    assert!(
        curves.contains("1.00e30 at epoch 1") && !curves.contains(">1e30<"),
        "{curves}"
    );
}

#[test]
fn studies_with_few_or_no_results_are_drawn_and_reported_too() {
    let empty = Place::new();
    search(&empty, 1, train).unwrap();
    assert!(check_all(&empty).contains("No trial has a result yet"));
    let failed = Place::new();
    let paused = search(&failed, 3, fail);
    assert!(
        matches!(paused, Err(SessionError::Scheduler(SchedulerError::Paused(_)))),
        "{paused:?}"
    );
    let html = check_all(&failed);
    let said = texts(&parsed(&html));
    assert!(
        said.contains("The study is paused: ") && said.contains(HOSTILE),
        "{said}"
    );
}

#[test]
fn pictures_and_reports_are_written_where_they_are_asked_for_and_overwrite_nothing() {
    let place = Place::new();
    search(&place, 9, train).unwrap();
    let list = place.run(&["plot", "s"]).ok().stdout();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let kinds: BTreeSet<&str> = KINDS.into_iter().chain(["trade-off"]).collect();
    assert_eq!(BTreeSet::from_iter(names), kinds);
    place
        .run(&["plot", "s", "trade-off"])
        .fails(2, &["the study s has one objective, loss"]);
    place.run(&["plot", "s", "pie"]).fails(2, &["curves"]);

    let plot = |name: &str, more: &[&str]| {
        let path = place.path(name);
        let words = ["plot", "s", "curves", "-o", path.to_str().unwrap()];
        (place.run(&[&words, more].concat()), path)
    };
    plot("x.jpeg", &[])
        .0
        .fails(2, &["x.jpeg is neither an .svg nor a .png", ".svg or .png"]);
    let (written, path) = plot("x.png", &[]);
    written.ok();
    let image = fs::read(&path).unwrap();
    assert!(
        image.starts_with(b"\x89PNG\r\n\x1a\n") && image.len() > 10_000,
        "{}",
        image.len()
    );
    plot("x.png", &[]).0.fails(2, &["already exists", "--force"]);
    plot("x.png", &["--force"]).0.ok();
    assert_eq!(fs::read(&path).unwrap(), image, "the same study gives the same image");

    let report = |words: &[&str]| place.run(&[&["report", "s", "-o"], words].concat());
    let path = place.path("a b.md");
    let path = path.to_str().unwrap();
    report(&[path]).ok();
    let text = fs::read_to_string(path).unwrap();
    assert!(text.starts_with("# Study s\n"), "{text}");
    for kind in KINDS {
        assert!(text.contains(&format!("](a%20b-pictures/{kind}.svg)")), "{text}");
        parsed(&fs::read_to_string(place.path("a b-pictures").join(format!("{kind}.svg"))).unwrap());
    }
    report(&[path]).fails(2, &["a b.md already exists"]);
    fs::remove_file(path).unwrap();
    report(&[path]).fails(2, &["curves.svg already exists", "--force"]);
    report(&[path, "--force"]).ok();
    report(&["report.txt"]).fails(2, &["neither an .html nor an .md", "--format"]);
    place.run(&["report", "none"]).fails(3, &["there is no study"]);
}
