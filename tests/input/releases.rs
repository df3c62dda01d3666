//! An embedding trainer that was not built with the `hpo` that starts it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use hpo_test_support::{Place, hpo_alone, write_whole_model};

const STUDY: &str = "[study]\ntrials = 1\n[policy]\nmax_resource = 1\n[slots]\ndevices = \"cpu\"\ntrials_per_device = 1\n\
                     [trial]\nmodel = \"model\"\ntrain = \"train.jsonl\"\nmax_length = 16\n\
                     [space]\nlearning_rate = { type = \"uniform\", low = 1e-6, high = 1e-4 }\n";

/// A place with a study, and a trainer that answers the first message with a line.
fn place(answer: &str) -> Place {
    let place = Place::new();
    write_whole_model(&place.path("model"), "bert", 1, 32);
    place.triplets("train.jsonl", 0..60);
    fs::write(place.path("s.toml"), STUDY).unwrap();
    fs::create_dir(place.path("bin")).unwrap();
    hpo_alone(&place.path("bin"));
    let trainer = place.path("bin/hpo-trial-embedding");
    fs::write(
        &trainer,
        format!("#!/bin/sh\nread -r start\necho '{answer}'\ncat > /dev/null\n"),
    )
    .unwrap();
    fs::set_permissions(&trainer, fs::Permissions::from_mode(0o755)).unwrap();
    place
}

#[test]
fn a_trainer_of_another_release_is_called_that() {
    let said =
        r#"{"type":"fatal","message":"wrong settings under `[trial]`: unknown field `prompts`, expected `model`"}"#;
    let ready =
        r#"{"type":"ready","protocol":1,"trainer":"hpo-trial-embedding 0.1.0","features":["evaluate","export"]}"#;
    let other = ready.replace('}', r#","release":"0.0.9 0123456789abcdef"}"#);
    let release = "bin/hpo-trial-embedding is of another release than hpo, and may not understand it: install both from one release, \
                   with `make install`";
    let quoted = format!("{release}; it says: wrong settings under `[trial]`: unknown field `prompts`");
    for (answer, expected) in [(said, quoted.as_str()), (ready, release), (other.as_str(), release)] {
        let place = place(answer);
        place
            .shell("PATH=$PWD/bin:$PATH hpo search s.toml")
            .fails(1, &[expected]);
    }
    // A newer one may speak another version of the protocol.
    let place = place(&ready.replace("\"protocol\":1", "\"protocol\":2"));
    let expected =
        "hpo-trial-embedding 0.1.0 speaks version 2 of the worker protocol, hpo speaks 1: update the older one";
    place
        .shell("PATH=$PWD/bin:$PATH hpo search s.toml")
        .fails(1, &[expected]);
}
