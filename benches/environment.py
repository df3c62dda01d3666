"""Environments of Python for what the benchmarks compare hpo with."""
import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import setup  # noqa: E402

PYTORCH_FIX = "the PyTorch of tools/setup.py, which some of the tools need, is not for this Python: run this with Python 3.11"


def python_of(directory, requirements, size=""):
    """The Python of an environment in this directory that has what a file of requirements lists, made anew if that has changed; `size` is
    what is said of the download."""
    stamp, python = directory / "made-from", directory / "bin/python"
    pins = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != pins:
        print(f"installing what {requirements.name} lists into {directory}{size}", flush=True)
        venv.create(directory, clear=True, with_pip=True)
        # A list with digests has all that is needed.
        whole = ["--no-deps"] if "--hash=" in requirements.read_text() else []
        setup.run([str(python), "-m", "pip", "install", "--quiet", *whole, "-r", str(requirements)], setup.PIP_FIX)
        stamp.write_text(pins)
    return python


def add_pytorch(python):
    """Has the environment of this Python import PyTorch without Nvidia's libraries (tools/pytorch.py)."""
    cache = ROOT / ".cache"
    setup.provide_all(["pytorch"], cache)
    (packages,) = python.parent.parent.glob("lib/python3*/site-packages")
    (packages / "pytorch.pth").write_text(f"{cache / 'pytorch'}\n")
    try:
        subprocess.run([python, "-c", "import torch"], check=True, capture_output=True)
    except subprocess.CalledProcessError:
        raise setup.SetupError(PYTORCH_FIX) from None
