//! `hpo init --script`: a file for a training script, by what its `--help` prints.

use std::fs;

use hpo_test_support::Place;

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
        "lr = { type = \"log_uniform\", low = 1e-5, high = 0.1 }",
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
}

#[test]
fn a_file_elsewhere_names_the_script_from_there() {
    let place = place();
    place
        .shell("mkdir files && hpo init --script 'python3 train.py data.txt --out o' -o files/x.toml")
        .ok();
    let text = file(&place, "files/x.toml");
    assert!(
        text.contains("\"python3\", \"../train.py\", \"../data.txt\", \"--out\", \"o\",")
            && !text.contains("checkpoint_dir"),
        "{text}"
    );
    place.shell("hpo space check files/x.toml").ok();
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
