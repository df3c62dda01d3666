//! `hpo init --learn-from`: ranges and first configurations from earlier studies.

use std::fs;
use std::path::Path;

use hpo::ids::Timestamp;
use hpo::session::{Cancellation, Function, Quiet, Segment, Session};
use hpo::store::{self, StudyDirectory};
use hpo::study::{DataFacts, Origin, Shape};
use hpo::study_file::{named_inputs, parse};
use hpo_data::Kind;
use hpo_test_support::{Place, write_whole_model};
use serde_json::json;

const INIT: &str = "hpo init models/tiny pairs.jsonl -o new.toml --force --learn-from studies";

/// A tiny model in `models/tiny`, and pairs of texts in `pairs.jsonl`.
fn place() -> Place {
    let place = Place::new();
    write_whole_model(&place.path("models/tiny"), "bert", 2, 32);
    let word = |n: u32| {
        [n / 26 % 26, n % 26]
            .map(|n| char::from(b'a' + n as u8))
            .iter()
            .collect::<String>()
    };
    let row = |n| json!({ "question": format!("is {}", word(n)), "answer": word(n) }).to_string() + "\n";
    fs::write(place.path("pairs.jsonl"), (0..80).map(row).collect::<String>()).unwrap();
    place
}

/// What a study of the embedding trainer was like.
#[derive(Clone)]
struct Earlier {
    kind: Kind,
    trials: u64,
    /// The best learning rate.
    best: f64,
    layers: u64,
    /// Whether its model is the one in `models/tiny`.
    same: bool,
    space: &'static str,
}

const USUAL: Earlier = Earlier {
    kind: Kind::Pairs,
    trials: 18,
    best: 3e-5,
    layers: 2,
    same: true,
    space: "",
};

/// Makes a study whose loss is the distance of the learning rate from the best one.
fn study(place: &Place, name: &str, earlier: &Earlier) {
    let text = format!(
        "[study]\nname = {name:?}\ntrials = {}\n[policy]\ntype = \"none\"\nmax_resource = 1\n[sampler]\ntype = \"sobol\"\n[trial]\n\
         model = \"models/tiny\"\ntrain = \"pairs.jsonl\"\n[space]\n\
         learning_rate = {{ type = \"log_uniform\", low = 5e-6, high = 3e-4 }}\n\
         batch_size = {{ type = \"choice\", values = [2, 4] }}\n{}\n",
        earlier.trials, earlier.space
    );
    let spec = parse(&text, &place.path("earlier.toml")).unwrap().study.spec(1, 1);
    let mut origin = Origin {
        data: Some(DataFacts {
            kind: earlier.kind,
            rows: 72,
        }),
        ..Origin::default()
    };
    for named in named_inputs(&spec.trainer).iter().filter(|named| named.role == "model") {
        origin.inputs.extend(named.read().unwrap());
    }
    if !earlier.same {
        origin.inputs.iter_mut().for_each(|input| input.sha256 = "other".into());
    }
    let family = "bert".to_owned();
    let (layers, hidden) = (earlier.layers, 16);
    let shape = Shape { family, layers, hidden };
    origin.shapes.insert("model".to_owned(), shape);
    let root = place.study(name);
    fs::create_dir_all(root.parent().unwrap()).unwrap();
    let directory = StudyDirectory::new(&root);
    store::create(&directory, &spec, &text, Some(origin), Vec::new(), Timestamp(1)).unwrap();
    let best = earlier.best;
    let train = move |segment: &mut Segment| -> Result<(), Box<dyn std::error::Error>> {
        let rate = segment.parameters()["learning_rate"].as_f64().unwrap();
        while segment.next_resource().is_some() {
            segment.report((rate / best).ln().abs(), b"")?;
        }
        Ok(())
    };
    let session = Session::open(&root).unwrap();
    session
        .run(Function::new(1, train), None, &mut Quiet, &Cancellation::new())
        .unwrap();
}

/// The line of a parameter in the file that was written.
fn line(place: &Place, name: &str) -> String {
    let text = fs::read_to_string(place.path("new.toml")).unwrap();
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with(&format!("{name} = ")));
    line.unwrap_or_default().to_owned()
}

/// The bounds of the learning rate in it.
fn rates(place: &Place) -> [f64; 2] {
    let text = fs::read_to_string(place.path("new.toml")).unwrap();
    let space = parse(&text, Path::new("new.toml")).unwrap().study.space;
    let (low, high, _) = space.parameters[0].distribution.range();
    [low, high]
}

#[test]
fn ranges_and_first_configurations_come_from_studies_of_the_same_model() {
    let place = place();
    study(&place, "near", &USUAL);
    study(
        &place,
        "far",
        &Earlier {
            best: 5e-5,
            same: false,
            ..USUAL
        },
    );
    study(
        &place,
        "deep",
        &Earlier {
            layers: 12,
            same: false,
            ..USUAL
        },
    );
    study(
        &place,
        "scored",
        &Earlier {
            kind: Kind::Scored,
            ..USUAL
        },
    );
    study(&place, "short", &Earlier { trials: 5, ..USUAL });
    study(&place, "near-again", &USUAL);
    place
        .search(&place.space("script", 2, 1, hpo_test_support::WHOLE, ""))
        .ok();
    let said = place.shell(INIT).ok().stdout();
    for part in [
        "learned from 2 of 7 studies in studies:",
        "near   the same",
        "far    of the same size",
        "not used: deep (its model is another one, and not known to be of the same size)",
        "not used: scored (its data are scored pairs, which have other losses)",
        "not used: short (a result of 5 trials says too little)",
        "not used: script (another program trains)",
        " (its results are those of near",
        "parameter",
        "5.00e-6 to 3.00e-4",
        "near, far",
        "it begins with ",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    let [low, high] = rates(&place);
    assert!(5e-6 < low && low < 3e-5 && 5e-5 < high && high < 3e-4, "{low} {high}");
    let rate = line(&place, "learning_rate");
    assert!(rate.ends_with("# from near, far; usually 5e-6 to 3e-4"), "{rate}");
    let text = fs::read_to_string(place.path("new.toml")).unwrap();
    assert!(
        text.contains("[[try_first]]    # the best of the study near: loss 0."),
        "{text}"
    );
    place.shell("hpo space check new.toml").ok();

    fs::write(place.path("before.toml"), &text).unwrap();
    let again = place.shell(INIT).ok().stdout();
    assert_eq!(
        (again, fs::read_to_string(place.path("new.toml")).unwrap()),
        (said, text),
        "what was kept says the same"
    );
}

#[test]
fn what_is_known_of_studies_is_kept_and_made_anew_if_they_or_it_change() {
    let place = place();
    study(&place, "one", &USUAL);
    let first = place.shell(INIT).ok().stdout();
    let base = place.path("studies/.experience");
    assert!(base.is_dir());
    // A study that has gone on, or come, or gone.
    study(&place, "two", &Earlier { best: 1e-4, ..USUAL });
    assert!(place.shell(INIT).ok().stdout().contains("learned from 2 of 2 studies"));
    place.run(&["rm", "two", "--yes"]).ok();
    assert_eq!(place.shell(INIT).ok().stdout(), first);
    fs::remove_dir_all(place.study("one")).unwrap();
    study(&place, "one", &Earlier { trials: 5, ..USUAL });
    assert!(
        place
            .shell(INIT)
            .ok()
            .stdout()
            .contains("a result of 5 trials says too little")
    );
    fs::remove_dir_all(place.study("one")).unwrap();
    study(&place, "one", &USUAL);
    let expected = place.shell(INIT).ok().stdout();
    // Damage of all sorts.
    for name in ["db", "conf"] {
        let path = base.join(name);
        let bytes = fs::read(&path).unwrap();
        for damage in [&b"nonsense"[..], &bytes[..bytes.len() / 2]] {
            fs::write(&path, damage).unwrap();
            let run = place.shell(INIT).ok();
            assert_eq!(
                (run.stdout(), run.stderr()),
                (expected.clone(), String::new()),
                "{name}"
            );
        }
    }
    let held = sled::open(&base).unwrap();
    assert_eq!(place.shell(INIT).ok().stdout(), expected, "another process has it");
    drop(held);
    fs::remove_dir_all(&base).unwrap();
    fs::write(&base, "a file").unwrap();
    assert_eq!(place.shell(INIT).ok().stdout(), expected);
    fs::remove_file(&base).unwrap();
    let gc = place
        .shell(&format!("{INIT} > /dev/null && hpo gc studies --all"))
        .ok()
        .stdout();
    assert!(gc.contains("made again from the studies when it is needed"), "{gc}");
    assert!(!base.exists());
    assert_eq!(place.shell(INIT).ok().stdout(), expected);
}

#[test]
fn without_studies_that_teach_anything_the_ranges_are_the_usual_ones_and_it_is_said() {
    let place = place();
    place.shell(INIT).fails(3, &["there is no study in studies"]);
    fs::create_dir_all(place.path("studies/other")).unwrap();
    fs::write(place.path("studies/notes.txt"), "no study").unwrap();
    place.shell(INIT).fails(3, &["there is no study in studies"]);
    assert!(!place.path("new.toml").exists() && !place.path("studies/.experience").exists());

    study(&place, "short", &Earlier { trials: 3, ..USUAL });
    let said = place.shell(INIT).ok().stdout();
    assert!(
        said.contains("nothing learned from 1 study in studies; the ranges are the usual ones"),
        "{said}"
    );
    let learned = fs::read_to_string(place.path("new.toml")).unwrap();
    place.shell("hpo init models/tiny pairs.jsonl -o new.toml --force").ok();
    assert_eq!(fs::read_to_string(place.path("new.toml")).unwrap(), learned);

    let single = INIT.replace("--learn-from studies", "--learn-from studies/short");
    place
        .shell(&single)
        .fails(2, &["studies/short is a study", "--learn-from studies"]);
    // One that can't be read does not hide the others.
    study(&place, "long", &USUAL);
    fs::write(place.study("short").join("journal.jsonl"), "nonsense\n").unwrap();
    let run = place.shell(INIT).ok();
    assert!(
        run.stderr().contains("short: ") && run.stderr().contains("hpo fsck"),
        "{}",
        run.stderr()
    );
    assert!(run.stdout().contains("learned from 1 of 1 study"), "{}", run.stdout());
}

#[test]
fn what_earlier_studies_searched_beside_the_usual_is_searched_where_it_makes_a_difference() {
    let place = place();
    let layers = "layer_decay = { type = \"uniform\", low = 0.8, high = 1.0 }\nhead_dropout = { type = \"uniform\", low = 0.0, high = 0.5 }";
    study(&place, "one", &Earlier { space: layers, ..USUAL });
    let two = Earlier {
        space: layers,
        best: 4e-5,
        ..USUAL
    };
    study(&place, "two", &two);
    place.shell(INIT).ok();
    assert!(
        line(&place, "layer_decay").contains("# from one, two"),
        "{}",
        line(&place, "layer_decay")
    );
    assert_eq!(line(&place, "head_dropout"), "", "it is for labelled texts only");
    place.shell("hpo space check new.toml").ok();
}
