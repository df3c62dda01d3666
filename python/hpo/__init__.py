"""`hpo` from Python: what a training script says and is told, and searches driven from a notebook.

In a script that `hpo search` starts: :func:`config`, :func:`report`, :func:`should_stop`, and
:class:`hpo.transformers.ReportCallback` for the ``Trainer`` of transformers and sentence-transformers.
In a program that drives a search itself: :class:`Study`.
"""

from ._script import Config, config, report, should_stop
from ._study import Study, StudyError, Trial

__all__ = ["Config", "Study", "StudyError", "Trial", "config", "report", "should_stop"]
