#!/usr/bin/env python3
"""Packs hpo, its trainer and what of libtorch they need into an archive that runs wherever it is unpacked, and tries it.

    python3 tools/dist.py BUILT LIBTORCH OUT

BUILT is the directory of the two programs, the trainer linked to look for libtorch in `$ORIGIN/../lib/hpo`; LIBTORCH that of its
libraries; OUT where the archive goes. What is tried: the archive is unpacked into an empty directory and runs there with an empty
environment. `make dist` does it all.
"""
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


def linked(program, libraries):
    """The libraries of a directory that a program is linked with, directly or through others, under the names that it asks for."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    found = {}
    for line in output(["ldd", program], env=environment).splitlines():
        match = re.match(r"\s*(\S+) => (.+) \(0x", line)
        if match and Path(match[2]).resolve().is_relative_to(libraries.resolve()):
            found[match[1]] = Path(match[2]).resolve()
    return found


def fill(place, built, libtorch):
    for directory in ("bin", "lib/hpo", "share/man/man1", "share/doc/hpo"):
        (place / directory).mkdir(parents=True)
    for program in PROGRAMS:
        shutil.copy(built / program, place / "bin")
    for name, library in linked(built / "hpo-trial-embedding", libtorch).items():
        shutil.copy(library, place / "lib/hpo" / name)
    hpo = place / "bin/hpo"
    for shell, path in COMPLETIONS.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(output([hpo, "completions", shell]))
    output([hpo, "man", place / "share/man/man1"])
    for name in ("README.md", "CHANGELOG.md", "docs"):
        source = ROOT / name
        target = place / "share/doc/hpo" / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)


def attempt(archive, name):
    """Unpacks it elsewhere and runs it there, with nothing in the environment."""
    with tempfile.TemporaryDirectory() as elsewhere:
        with tarfile.open(archive) as packed:
            packed.extractall(elsewhere, filter="data")
        place = Path(elsewhere, name)
        said = output(["env", "-i", place / "bin/hpo", "--version"])
        if not re.search(r"trainer: hpo-trial-embedding .*\n\s+libtorch: \d", said):
            sys.exit(f"the trainer does not run from the archive:\n{said}")
        for line in output(["env", "-i", "/usr/bin/ldd", place / "bin/hpo-trial-embedding"]).splitlines():
            path = line.partition("=> ")[2].partition(" (")[0]
            if "not found" in line or path and not Path(path).resolve().is_relative_to(place.resolve()) and "torch" in path:
                sys.exit(f"the trainer is linked to what is not in the archive: {line}")
        study = Path(elsewhere, "study.toml")
        study.write_text(
            '[study]\ntrials = 3\n[policy]\nmax_resource = 3\n[trial]\ncommand = ["/bin/true"]\n[space]\nlearning_rate = { type = "uniform", '
            "low = 0.1, high = 1.0 }\n"
        )
        output(["env", "-i", place / "bin/hpo", "simulate", study])
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
        said = attempt(unfinished, name)
        unfinished.rename(archive)
    print(f"{archive} ({archive.stat().st_size >> 20} MB), which runs wherever it is unpacked:\n{said}", end="")


if __name__ == "__main__":
    main()
