//! Every command that is printed works when it is pasted, and every exported configuration is read by the usual parsers.

use std::fs;

use hpo_test_support::{EXAMPLE, Place, WHOLE};

/// What stands after `mark` in a text, to the end of the line.
#[track_caller]
fn after<'t>(text: &'t str, mark: &str) -> &'t str {
    let at = text.find(mark).unwrap_or_else(|| panic!("{mark:?} is not in\n{text}"));
    text[at + mark.len()..].lines().next().unwrap()
}

#[test]
fn a_search_that_was_stopped_goes_on_with_the_command_that_it_prints() {
    for (file, options, studies) in [
        ("s.toml", "", "studies"),
        ("my study.toml", "--studies 'else where'", "else where"),
        ("it's $HOME.toml", "--devices cpu --studies elsewhere", "elsewhere"),
        ("-dash.toml", "--devices=cpu", "studies"),
        ("üb \"er\".toml", "--studies=-x", "-x"),
    ] {
        let place = Place::new();
        let text = fs::read_to_string(place.space("s", 2, 1, WHOLE, "")).unwrap();
        fs::write(place.path(file), text.replace("[study]", "[study]\nname = \"n\"")).unwrap();
        fs::write(place.path("file"), file).unwrap();
        // An epoch takes longer than the search is let run. A shell has those that run beside it ignore SIGINT.
        let stopped = place.shell(&format!(
            "f=$(cat file); export HPO_TEST_EPOCH=600; exec 3< <((echo \"pid $BASHPID\"; exec hpo search {options} -- \"$f\" 2>&1); echo \"code $?\"); \
             while read -r line <&3; do echo \"$line\"; \
             case $line in 'pid '*) pid=${{line#pid }};; *'on slot'*) kill -TERM $pid;; esac; done"
        ));
        let stdout = stopped.stdout();
        assert!(stdout.contains("code 130"), "{stdout}{}", stopped.stderr());
        let again = after(&stdout, "Resume with:\n").trim();
        let run = place.shell(again).ok();
        assert!(run.stderr().contains("study n resumes in "), "{}", run.stderr());
        let all: Vec<_> = fs::read_dir(place.path(studies)).unwrap().collect();
        assert_eq!(all.len(), 1, "{again} began another study");

        place.shell(after(&run.stdout(), "its configuration: ")).ok();
        let study = place.path(studies).join("n");
        let status = format!("hpo status '{}'", study.display().to_string().replace('\'', "'\\''"));
        place.shell(&status).ok();
    }
}

#[test]
fn what_else_is_printed_can_be_pasted_too() {
    let place = Place::new();
    let file = place.space("s", 27, 2, EXAMPLE, "");
    fs::create_dir(place.path("a b")).unwrap();
    fs::rename(file, place.path("a b/s.toml")).unwrap();
    let stdout = place.shell("hpo search 'a b/s.toml'").ok().stdout();
    let more = place.shell(after(&stdout, " more: ")).ok().stdout();
    assert_eq!(
        more.lines().filter(|line| line.contains("pruned")).count(),
        24,
        "{more}"
    );
    place.shell(after(&stdout, "its configuration: ")).ok();
    let missing = place
        .shell("hpo show 99 'a b/studies/s'")
        .fails(2, &["has no trial 99"])
        .stderr();
    place.shell(after(&missing, "numbered from 0: ")).ok();
    let missing = place
        .shell("hpo export --trial 99 'a b/studies/s'")
        .fails(2, &["has no trial 99"])
        .stderr();
    place.shell(after(&missing, "list its trials: ")).ok();
    // One record is damaged.
    place
        .shell("cd 'a b/studies/s' && sed -i '9s/at/ta/' journal.jsonl && rm -r db")
        .ok();
    let damaged = place.shell("hpo status 'a b/studies/s'").fails(3, &["help: "]).stderr();
    let fsck = after(&damaged, "see what is damaged: ").split(';').next().unwrap();
    let findings = place.shell(fsck);
    assert_eq!(findings.0.status.code(), Some(3));
    let repair = after(&findings.stdout(), "hpo fsck --repair ")
        .split(" keeps ")
        .next()
        .unwrap()
        .to_owned();
    place.shell(&format!("hpo fsck --repair {repair}")).ok();
}

/// A study of one trial of these parameters.
fn exported(parameters: &str) -> Place {
    let place = Place::new();
    let text = fs::read_to_string(place.space("s", 1, 1, WHOLE, "")).unwrap();
    fs::write(place.path("s.toml"), text + parameters).unwrap();
    place.shell("hpo search s.toml").ok();
    place
}

const AWKWARD: &str = r#"
offset = { type = "uniform", low = -2e-7, high = -1e-7 }
count = -3
tag = "-v2"
dashes = "--x=1"
quote = "it's"
both = "it's \"so\" $HOME `x` \\ !"
lines = "one\ntwo\tthree"
control = "\u0001\u007f\u0085\u2028"
wide = "你好 ß"
empty = ""
flag = true
no = "no"
number = "1e5"
"Upper.Case-x" = 1e20
small = 1e-300
"#;

#[test]
fn words_are_read_by_argparse_and_shlex() {
    let place = exported(AWKWARD);
    let parser = r#"
import argparse, json, sys
names = sys.argv[1].split()
parser = argparse.ArgumentParser(allow_abbrev=False)
for name in names:
    parser.add_argument("--" + name)
print(json.dumps(vars(parser.parse_args(sys.argv[2:]))))
"#;
    fs::write(place.path("p.py"), parser).unwrap();
    let names = "Upper.Case-x both control count dashes empty flag lines no number offset quote small tag wide x";
    let script = format!("eval \"python3 p.py '{names}' $(hpo export s --format args)\"");
    let read = place.shell(&script).json();
    check(&place, |name| read[name.replace('-', "_")].clone());
    let shlex = "hpo export s --format args | python3 -c 'import json, shlex, sys; print(json.dumps(shlex.split(sys.stdin.read())))'";
    let words = place.shell(shlex).json();
    check(&place, |name| {
        let mut words = words.as_array().unwrap().iter();
        let begins = format!("--{name}=");
        let found = words.find_map(|word| word.as_str().unwrap().strip_prefix(&begins));
        found.unwrap().into()
    });
}

#[test]
fn variables_are_read_by_a_shell() {
    let place = exported(AWKWARD);
    place.shell("hpo export s --format env -o best.env").ok();
    for shell in ["bash", "sh"] {
        let script = format!(
            "{shell} -c 'set -a; . ./best.env; exec python3 -c \"import json, os; print(json.dumps(dict(os.environ)))\"'"
        );
        let read = place.shell(&script).json();
        check(&place, |name| {
            read[format!("HPO_{}", name.to_uppercase().replace(['.', '-'], "_"))].clone()
        });
    }
}

#[test]
fn json_toml_and_yaml_are_read_by_their_parsers() {
    let place = exported(AWKWARD);
    let json = place
        .shell("hpo export s --format json | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)))'")
        .json();
    check(&place, |name| json["parameters"][name].clone());
    let toml: toml::Value = toml::from_str(&place.shell("hpo export s").ok().stdout()).unwrap();
    check(&place, |name| serde_json::to_value(&toml["space"][name]).unwrap());
    let yaml = place.shell(
        "hpo export s --format yaml -o best.yaml; \
         python3 -c 'import yaml' 2> /dev/null || { echo null; exit; }; \
         python3 -c 'import json, yaml; print(json.dumps(yaml.safe_load(open(\"best.yaml\", encoding=\"utf-8\"))))'",
    );
    // Where there is no YAML for Python, what it takes is tested beside the code that writes it.
    let yaml = yaml.json();
    if !yaml.is_null() {
        check(&place, |name| yaml["parameters"][name].clone());
    }
    // The whole circle.
    place.shell("hpo export s -o best.toml && hpo train --config best.toml && hpo export s-trial-0 --format json > again.json").ok();
    let again: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(place.path("again.json")).unwrap()).unwrap();
    check(&place, |name| again["parameters"][name].clone());
}

/// Compares what a parser gives for each parameter, as a value or as its text, with what the trial had.
#[track_caller]
fn check(place: &Place, read: impl Fn(&str) -> serde_json::Value) {
    let trial = place.shell("hpo show 0 s --json").json();
    let parameters = trial["trial"]["parameters"].as_object().unwrap();
    assert_eq!(parameters.len(), 16);
    for (name, value) in parameters {
        let found = read(name);
        let same = match (&found, value) {
            (serde_json::Value::String(text), serde_json::Value::String(value)) => text == value,
            (serde_json::Value::String(text), value) if value.is_number() => text.parse().ok() == value.as_f64(),
            (serde_json::Value::String(text), value) => {
                serde_json::from_str(text).is_ok_and(|text: serde_json::Value| text == *value)
            }
            (found, value) => found == value || found.as_f64().is_some() && found.as_f64() == value.as_f64(),
        };
        assert!(same, "{name}: {found} is not {value}");
    }
}

#[test]
fn names_that_would_become_one_are_refused() {
    for (parameters, format, words) in [
        (
            "\"a-b\" = 1\na_b = 2\n",
            "args",
            &["`a-b` and `a_b` would both be the option --a-b", "json"][..],
        ),
        (
            "lr = 1\nLR = 2\n",
            "env",
            &["`LR` and `lr` would both be the variable HPO_LR"],
        ),
        (
            "\"a.b\" = 1\n\"a-b\" = 2\n",
            "env",
            &["would both be the variable HPO_A_B"],
        ),
        ("studies = 1\n", "env", &["`studies` would be HPO_STUDIES"]),
    ] {
        let place = exported(parameters);
        place.shell(&format!("hpo export s --format {format}")).fails(2, words);
        place.shell("hpo export s --format json").ok();
    }
}

#[test]
fn a_study_with_the_longest_name_is_exported_as_one_that_can_be_trained() {
    let place = Place::new();
    let text = fs::read_to_string(place.space("s", 1, 1, WHOLE, "")).unwrap();
    let name = "n".repeat(100);
    fs::write(
        place.path("s.toml"),
        text.replace("[study]", &format!("[study]\nname = \"{name}\"")),
    )
    .unwrap();
    place
        .shell("hpo search s.toml && hpo export studies/n* -o best.toml && hpo train --config best.toml")
        .ok();
}

#[test]
fn nothing_is_overwritten_and_a_model_comes_alone() {
    let place = exported("");
    place.shell("hpo export s -o best.toml").ok();
    let kept = fs::read(place.path("best.toml")).unwrap();
    place
        .shell("hpo export s --format json -o best.toml")
        .fails(2, &["best.toml already exists", "--force"]);
    assert_eq!(fs::read(place.path("best.toml")).unwrap(), kept);
    place.shell("hpo export s --format json -o best.toml --force").ok();
    assert_ne!(fs::read(place.path("best.toml")).unwrap(), kept);
    assert!(
        place
            .shell("hpo export s -o /dev/stdout")
            .ok()
            .stdout()
            .contains("[space]")
    );
    let run = place.shell("hpo export s --model m").ok();
    assert_eq!(run.stdout(), "");
    assert!(place.path("m/model").exists());
    assert!(
        place
            .shell("hpo export s --model m2 --format json")
            .ok()
            .stdout()
            .starts_with('{')
    );
}

#[test]
fn shells_complete_commands_and_manual_pages_name_all_options() {
    let place = Place::new();
    place
        .shell("hpo completions bash > hpo.bash && bash -n hpo.bash && source hpo.bash && complete -p hpo")
        .ok();
    for shell in ["zsh", "fish"] {
        let script = place.run(&["completions", shell]).ok().stdout();
        assert!(script.contains("fsck") && script.contains("tensorboard"), "{script}");
    }
    place.shell("hpo man share/man/man1").ok();
    let page = fs::read_to_string(place.path("share/man/man1/hpo-export.1")).unwrap();
    assert!(page.contains("\\-\\-follow") && page.contains(".TH"), "{page}");
    assert!(place.path("share/man/man1/hpo.1").exists());
    place
        .shell("hpo man share/man/man1/hpo.1")
        .fails(1, &["can't write share/man/man1/hpo.1", "part of the path is a file"]);
}

#[test]
fn the_version_says_which_trainer_there_is() {
    let place = Place::new();
    let version = place.shell("hpo --version").ok().stdout();
    let lines: Vec<&str> = version.lines().collect();
    assert_eq!(lines[0], concat!("hpo ", env!("CARGO_PKG_VERSION")));
    assert!(
        lines[1].starts_with("commit: ") && lines[2].starts_with("trainer: hpo-trial-embedding "),
        "{version}"
    );
    assert!(
        lines[3].starts_with("  libtorch: 2.") && lines[5].starts_with("  instructions: "),
        "{version}"
    );
    assert_eq!(place.shell("hpo -V").ok().stdout().lines().count(), 1);
}

#[test]
fn what_a_command_writes_may_lie_in_directories_that_there_are_not_yet() {
    let place = Place::new();
    place.space("s", 1, 1, WHOLE, "");
    place.shell("hpo search s.toml").ok();
    for (command, written) in [
        ("export s -o a/b/best.toml", "a/b/best.toml"),
        ("export s --model c/d/model", "c/d/model/model"),
        ("export s --trials csv -o e/f/t.csv", "e/f/t.csv"),
        ("export s --trials optuna -o g/t.log", "g/t.log"),
        ("export s --trials tensorboard -o h/i/runs", "h/i/runs/trial-0000"),
        ("plot s curves -o j/curves.svg", "j/curves.svg"),
        ("report s -o k/r.html", "k/r.html"),
        ("report s -o l/r.md", "l/r-pictures/curves.svg"),
        ("train --config a/b/best.toml --output m/n/model", "m/n/model/model"),
    ] {
        place.shell(&format!("hpo {command}")).ok();
        assert!(place.path(written).exists(), "{command}");
    }
}

#[test]
fn a_trial_and_its_study_are_named_in_either_order() {
    let place = Place::new();
    place.space("s", 2, 1, WHOLE, "");
    place.shell("hpo search s.toml && cp -r studies/s studies/1").ok();
    let said = |command: &str| place.shell(&format!("hpo {command}")).ok().stdout();
    for verb in ["show", "explain"] {
        let expected = said(&format!("{verb} s 1"));
        assert!(expected.starts_with("trial 1 of the study s: "), "{expected}");
        assert_eq!(said(&format!("{verb} 1 s")), expected);
        let help = said(&format!("{verb} --help"));
        assert!(
            help.contains(&format!("hpo {verb} [OPTIONS] [STUDY] <TRIAL>")),
            "{help}"
        );
        // Of two numbers the first is the study, unless only the other is one.
        for words in ["1 0", "0 1"] {
            assert_eq!(said(&format!("{verb} {words}")).split(' ').nth(1), Some("0"), "{words}");
        }
        place
            .shell(&format!("hpo {verb} s s"))
            .fails(2, &["`s` is not the number of a trial"]);
    }
    for command in ["stop s 1", "stop 1 s"] {
        place
            .shell(&format!("hpo {command}"))
            .fails(2, &["trial 1 has already ended"]);
    }
    for command in ["retry s 0 1", "retry 0 1 s", "retry 0 s 1"] {
        place
            .shell(&format!("hpo {command}"))
            .fails(2, &["trial 0 has not failed"]);
    }
}
