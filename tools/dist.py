#!/usr/bin/env python3
"""Packs hpo, its trainer and what of libtorch they need into an archive that runs wherever it is unpacked, and tries it.

    python3 tools/dist.py BUILT LIBTORCH OUT

BUILT is the directory of the two programs, the trainer linked to look for libtorch in `$ORIGIN/../lib/hpo`; LIBTORCH that of its
libraries; OUT where the archive goes. What is tried: the archive is unpacked into a root that has nothing else but the C and C++ libraries
of the system, and searches there with its trainer. That takes the right to change the root, or user namespaces; without either it is
unpacked into an empty directory. `make dist` does it all.
"""
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("hpo", "hpo-trial-embedding")
MODEL = ROOT / "trials/embedding/tests/fixtures/bert-mean"
STUDY = """[study]
name = "s"
trials = 2
[policy]
type = "none"
max_resource = 1
[sampler]
type = "random"
[slots]
devices = "cpu"
trials_per_device = 1
threads_per_trial = 1
[trial]
model = "model"
train = "train.jsonl"
max_length = 16
[space]
batch_size = 4
learning_rate = { type = "log_uniform", low = 1e-4, high = 1e-2 }
"""
# Those of the system that are not packed: the C library and its loader, and the compiler's.
SYSTEM = r"(ld-linux.*|lib(c|m|dl|rt|util|pthread|stdc\+\+|gcc_s))\.so"
# Runs what follows with the root $0, where it finds nothing of this system but processes and devices.
ENTER = 'mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && cd "$0" && exec env -i "$(command -v chroot)" . "$@"'
COMPLETIONS = {
    "bash": "share/bash-completion/completions/hpo",
    "zsh": "share/zsh/site-functions/_hpo",
    "fish": "share/fish/vendor_completions.d/hpo.fish",
}


def output(command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"`{' '.join(map(str, command))}` has failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def linked(program, **environment):
    """The libraries that a program is linked with, directly or through others, by the names that it asks for."""
    lines = output(["ldd", program], env={**os.environ, **environment}).splitlines()
    found = (re.match(r"\s*(?:(\S+) => )?(/.+) \(0x", line) for line in lines)
    return {match[1] or match[2]: Path(match[2]) for match in found if match}


def fill(place, built, libtorch):
    for directory in ("bin", "lib/hpo", "share/man/man1", "share/doc/hpo"):
        (place / directory).mkdir(parents=True)
    for program in PROGRAMS:
        shutil.copy(built / program, place / "bin")
    for name, library in linked(built / "hpo-trial-embedding", LD_LIBRARY_PATH=str(libtorch.resolve())).items():
        if library.resolve().is_relative_to(libtorch.resolve()):
            shutil.copy(library.resolve(), place / "lib/hpo" / name)
    hpo = place / "bin/hpo"
    for shell, path in COMPLETIONS.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(output([hpo, "completions", shell]))
    output([hpo, "man", place / "share/man/man1"])
    for name in ("README.md", "CHANGELOG.md", "docs"):
        source = ROOT / name
        target = place / "share/doc/hpo" / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)


def furnish(root, place):
    """Puts the system's libraries that the programs of the archive need into a root, and a study with its model and its data."""
    libraries = {name: path for program in PROGRAMS for name, path in linked(place / "bin" / program).items()}
    for name, path in libraries.items():
        if path.is_relative_to(place):
            continue
        if not re.match(SYSTEM, path.name):
            sys.exit(f"the archive lacks {name}, which is {path} here")
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path.resolve(), target)
    for name in ("dev", "proc", "tmp"):
        (root / name).mkdir()
    shutil.copytree(MODEL, root / "model")
    row = '{{"anchor": "the {0} is {0}{0}", "positive": "{0}{0}", "negative": "{1} {0}"}}\n'
    letters = "abcdefghiklmnorstuwv"
    (root / "train.jsonl").write_text("".join(row.format(*pair) for pair in zip(letters, letters[1:] + letters[0])))
    (root / "study.toml").write_text(STUDY)


def attempt(archive):
    """Unpacks it elsewhere and runs it there, with nothing in the environment."""
    with tempfile.TemporaryDirectory() as elsewhere:
        root = Path(elsewhere).resolve()
        (root / "opt").mkdir()
        output(["tar", "-xf", archive, "-C", root / "opt"])
        (place,) = (root / "opt").iterdir()
        furnish(root, place)
        enter = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", ENTER, root]
        hpo, study = f"/opt/{place.name}/bin/hpo", "/study.toml"
        if subprocess.run([*enter, hpo, "-V"], capture_output=True).returncode:
            print("it is tried in an empty directory: this takes the right to change the root, or user namespaces", file=sys.stderr)
            enter, hpo, study = ["env", "-i"], place / "bin/hpo", root / "study.toml"
        said = output([*enter, hpo, "--version"])
        if not re.search(r"trainer: hpo-trial-embedding .*\n\s+libtorch: \d", said):
            sys.exit(f"the trainer does not run from the archive:\n{said}")
        output([*enter, hpo, "search", study])
        trials = json.loads(output([*enter, hpo, "trials", "s", "--json"], cwd=root))
        if [trial["state"] for trial in trials] != ["completed"] * 2:
            sys.exit(f"the search from the archive has come to this: {trials}")
        return said


def main():
    built, libtorch, out = map(Path, sys.argv[1:])
    version = output([built / "hpo", "-V"]).split()[1]
    name = f"hpo-{version}-{platform.system().lower()}-{platform.machine()}"
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"{name}.tar.gz"
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        place = Path(scratch, name)
        place.mkdir()
        fill(place, built, libtorch)
        unfinished = Path(scratch, archive.name)
        with tarfile.open(unfinished, "w:gz", compresslevel=6) as packed:
            packed.add(place, name)
        said = attempt(unfinished)
        unfinished.rename(archive)
    print(f"{archive} ({archive.stat().st_size >> 20} MB), which runs wherever it is unpacked:\n{said}", end="")


if __name__ == "__main__":
    main()
