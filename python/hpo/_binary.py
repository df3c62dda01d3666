"""Where the program `hpo` is."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def binary() -> str:
    """The `hpo` that was installed with this package, or else the one on the PATH.

    :raises FileNotFoundError: if there is none.
    """
    beside = Path(sys.executable).parent
    found = shutil.which("hpo", path=str(beside)) or shutil.which("hpo")
    if found is None:
        raise FileNotFoundError(f"can't find the program hpo, neither in {beside} nor on the PATH; install this package again")
    return found


def run() -> None:
    """Becomes the program `hpo`, with the arguments of this one."""
    program = binary()
    os.execv(program, [program, *sys.argv[1:]])
