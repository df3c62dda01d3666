//! `hpo init --script`: a file for a training script, by what its `--help` prints.

use std::fs;

use hpo_test_support::Place;
use serde_json::json;

/// A script with argparse, which keeps an account of how it was started, and leaves what it has come to in `--out`.
const TRAIN: &str = r#"
import argparse, json, os, sys
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "started"), "a") as started:
    print(*sys.argv[1:], file=started)
parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
parser.add_argument("data", help="a file; --lr is for another")
parser.add_argument("--lr", type=float, default=3e-4, help="step size")
parser.add_argument("-b", "--batch-size", type=int, default=32, help="rows")
parser.add_argument("--epochs", type=int, default=3, help="epochs in all")
parser.add_argument("--dropout", type=float, default=0.1)
parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam", help="which")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", required=True, help="where checkpoints go")
parser.add_argument("--workers", type=int, default=4, help="of the loader")
parser.add_argument("--amp", action="store_true")
args = parser.parse_args()
assert open(args.data).read() == "data"
state = os.path.join(args.out, "epoch")
first = int(open(state).read()) if os.path.exists(state) else 0
for epoch in range(first, args.epochs):
    print(f"epoch {epoch + 1} val_loss={args.lr + 1 / (epoch + 1):.6f}")
open(state, "w").write(str(args.epochs))
"#;

fn place() -> Place {
    let place = Place::new();
    fs::write(place.path("train.py"), TRAIN).unwrap();
    fs::write(place.path("data.txt"), "data").unwrap();
    place
}

fn file(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(name)).unwrap()
}

#[test]
fn a_script_is_only_asked_for_help_and_what_is_written_is_searched_once_it_says_where_the_metric_is() {
    let place = place();
    let init = "hpo init --script 'python3 train.py data.txt --amp'";
    let said = place.shell(init).ok();
    assert_eq!(file(&place, "started"), "data.txt --amp --help\n");
    assert!(
        said.stderr()
            .contains("running `python3 train.py data.txt --amp --help`, and nothing else")
    );
    let told = said.stdout();
    for part in [
        "assumed:\n",
        "--epochs is how many epochs",
        "--out is where",
        "wrote train.toml",
        "hpo search train.toml",
    ] {
        assert!(told.contains(part), "no {part:?} in\n{told}");
    }
    let text = file(&place, "train.toml");
    for part in [
        "\"python3\", \"train.py\", \"data.txt\", \"--amp\",\n",
        "\"--lr\", \"{lr}\",",
        "\"--epochs\", \"{resource}\",",
        "\"--seed\", \"{seed}\",",
        "\"--out\", \"{checkpoint_dir}\",",
        "max_resource = 3\n",
        "# metrics = { loss = ",
        "#   --workers WORKERS (default 4)\n",
        "optimizer = { type = \"choice\", values = [\"adam\", \"sgd\"] }    # default adam\n",
        "batch_size = { type = \"choice\", values = [16, 32, 64] }    # default 32\n",
        "lr = { type = \"log_uniform\", low = 1e-5, high = 0.009 }    # default 0.0003\n",
        "[[try_first]]           # the script's defaults, as far as they are in the ranges\nlr = 0.0003\nbatch_size = 32\noptimizer = \"adam\"\n",
        "dropout = { type = \"uniform\", low = 0.0, high = 0.5 }",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    place.shell("hpo space check train.toml").ok();
    place.shell(init).fails(2, &["train.toml already exists", "--force"]);

    // Without `metrics` the search says what it wants; with the line that the file proposes it ends.
    place
        .shell("hpo search train.toml --studies first")
        .fails(1, &["metrics", "val_loss="]);
    let ready = text
        .replace("# metrics = ", "metrics = ")
        .replace("trials = 27", "trials = 3");
    fs::write(
        place.path("train.toml"),
        ready.replace(", accuracy = 'acc[=:]\\s*([0-9.]+)'", ""),
    )
    .unwrap();
    place.shell("hpo search train.toml").ok();
    let best = &place.shell("hpo status train --json").json()["best"];
    assert_eq!(best["best_at"], 3, "{best}");
    assert!(best["objective"].as_f64().unwrap() < 0.5, "{best}");
    let trials = place.shell("hpo trials train --json").json();
    let first = trials.as_array().unwrap().iter().find(|trial| trial["trial"] == 0);
    let first = &first.unwrap()["parameters"];
    assert_eq!((&first["lr"], &first["batch_size"]), (&json!(3e-4), &json!(32)));
}

/// The file that is proposed for a script that prints this help.
fn proposed(help: &str, command: &str) -> String {
    let place = Place::new();
    fs::write(place.path("helps.sh"), format!("cat <<'END'\n{help}\nEND\n")).unwrap();
    place.shell(&format!("hpo init --script '{command}' -o p.toml")).ok();
    place.shell("hpo space check p.toml").ok();
    file(&place, "p.toml")
}

#[test]
fn what_is_measured_and_what_takes_several_values_is_not_searched_and_of_synonyms_one() {
    let text = proposed(
        "Usage: helps.sh [options]\n  --lr LR          rate  (default: 0.1)\n  --base-lr LR     the same\n  --loss {mse,l1}  which\n  \
         --objective {a,b}  which\n  --criterion {a,b}  which\n  --batch-size N N  of both  (default: [8, 8])\n  --margin M       (default: 0.5)\n  \
         --nesterov       whether\n  --amp            half",
        "sh helps.sh",
    );
    let (_, space) = text.split_once("\n[space]\n").unwrap();
    let names: Vec<&str> = space
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(names, ["lr", "margin", "nesterov"], "{text}");
    for part in [
        "#   --base-lr LR\n",
        "#   --loss {mse,l1}\n",
        "#   --batch-size N (default [8, 8])\n",
        "lr = { type = \"log_uniform\", low = 0.0033, high = 1.0 }    # default 0.1\n",
        "# default 0.5; if the loss that is measured depends on it, decide by another metric\n",
        "    \"{nesterov}\",\n",
        "nesterov = { type = \"choice\", values = [\"--nesterov\", \"\"] }\n",
        "amp = { type = \"choice\", values = [\"--amp\", \"\"] } under [space]\n",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_script_whose_length_is_in_the_command_reports_as_often() {
    let help = "options:\n  --lr LR  rate\n  --n-iter N  how many";
    let text = proposed(help, "sh helps.sh --n-iter 5");
    assert!(
        text.contains("type = \"none\"") && text.contains("max_resource = 5 "),
        "{text}"
    );
    let text = proposed(help, "sh helps.sh");
    assert!(!text.contains("try_first"), "{text}");
    assert!(text.contains("\"--n-iter\", \"{resource}\","), "{text}");
}

#[test]
fn defaults_that_are_not_searched_are_not_tried_first() {
    let text = proposed("options:\n  --wd WD  decay (default: 0.0)", "sh helps.sh");
    assert!(text.contains("# default 0.0") && !text.contains("try_first"), "{text}");
}

#[test]
fn variables_before_a_command_are_its_environment_and_what_only_a_shell_could_run_is_refused() {
    let place = place();
    place
        .shell("hpo init --script 'RATE={x} N=1 python3 train.py data.txt'")
        .ok();
    let text = file(&place, "train.toml");
    assert!(
        text.contains("environment = { \"RATE\" = \"{{x}}\", \"N\" = \"1\" }\n"),
        "{text}"
    );
    for command in [
        "cd files && python3 train.py",
        "python3 train.py | tee log",
        "python3 train.py > log",
    ] {
        place
            .shell(&format!("hpo init --script '{command}' -o new.toml"))
            .fails(2, &["is for a shell, and none is involved", "bash run.sh"]);
    }
    assert_eq!(file(&place, "started"), "data.txt --help\n");
}

#[test]
fn a_file_elsewhere_starts_the_script_where_it_was_started() {
    let place = place();
    place
        .shell("mkdir -p files package && cp train.py package/fit.py && touch package/__init__.py")
        .ok();
    place
        .shell("hpo init --script 'python3 -m package.fit data.txt' -o files/x.toml")
        .ok();
    let text = file(&place, "files/x.toml");
    for part in [
        "\"python3\", \"-m\", \"package.fit\", \"data.txt\",\n",
        "directory = \"..\" ",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let ready = text
        .replace("# metrics = ", "metrics = ")
        .replace(", accuracy = 'acc[=:]\\s*([0-9.]+)'", "")
        .replace("trials = 27", "trials = 2");
    fs::write(place.path("files/x.toml"), ready).unwrap();
    place.shell("hpo search files/x.toml").ok();
}

#[test]
fn a_script_that_does_not_say_what_can_be_searched_is_refused_in_one_clear_error() {
    let place = place();
    fs::write(
        place.path("broken.py"),
        "import sys\nprint('epoch 1')\nraise ImportError('no module named x')\n",
    )
    .unwrap();
    fs::write(place.path("silent.py"), "print('trained')\n").unwrap();
    fs::write(
        place.path("other.py"),
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--port')\nparser.parse_args()\n",
    )
    .unwrap();
    for (arguments, said) in [
        (
            "--script 'python3 broken.py'",
            &[
                "`python3 broken.py --help` has failed (exit status: 1); it said last: ImportError: no module named x",
                "by hand",
            ][..],
        ),
        (
            "--script 'python3 silent.py'",
            &["`python3 silent.py --help` prints no options", "by hand"],
        ),
        (
            "--script 'python3 other.py'",
            &["lists no option that hpo knows a range for", "by hand"],
        ),
        (
            "--script nowhere.py",
            &["`nowhere.py --help` can't be run: ", "by hand"],
        ),
        (
            "--script 'python3 train.py'",
            &[
                "the script must be given data, which the command does not have",
                "--script \"python3 train.py …\"",
            ],
        ),
        ("--script 'python3 \"train.py'", &["the text of --script is no command"]),
        ("--script ''", &["the text of --script is no command"]),
        ("--script 'python3 train.py' model data.txt", &["cannot be used with"]),
        ("", &["required"]),
        (
            "train.py data.txt",
            &["train.py is a file, not a model's directory", "hpo init --script"],
        ),
    ] {
        place.shell(&format!("hpo init {arguments}")).fails(2, said);
    }
    assert!(!place.path("train.toml").exists() && !place.path("other.toml").exists());
}
