"""``python -m hpo`` is the program `hpo`."""

from ._binary import run

run()
