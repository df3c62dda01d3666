"""Environments of Python for what the benchmarks compare hpo with."""
import hashlib
import sys
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
import setup  # noqa: E402


def python_of(directory, requirements, size=""):
    """The Python of an environment in this directory that has what a file of requirements lists, made anew if that has changed; `size` is
    what is said of the download."""
    stamp, python = directory / "made-from", directory / "bin/python"
    pins = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != pins:
        print(f"installing what {requirements.name} lists into {directory}{size}", flush=True)
        venv.create(directory, clear=True, with_pip=True)
        setup.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)], setup.PIP_FIX)
        stamp.write_text(pins)
    return python
