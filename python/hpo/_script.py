"""What a script that `hpo` trains trials with is told, and says."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional

from ._messages import measured

_output = threading.Lock()
_stop = threading.Event()


@dataclass(frozen=True)
class Config:
    """What one start of a script is to do. A parameter is ``config["learning_rate"]``."""

    #: The values of the trial's parameters, by name.
    parameters: Mapping[str, Any]
    #: How far to train: the epoch (step, example) at which the script shall end; ``None`` outside a search.
    resource: Optional[int]
    #: How far the trial has come before.
    start: int
    #: How far a trial gets that is never stopped: the horizon of a learning-rate schedule; ``None`` outside a search.
    max: Optional[int]
    #: What these count: ``"epochs"``, ``"steps"`` or ``"examples"``.
    unit: str
    #: A seed, the same in all segments of a trial.
    seed: int
    #: The trial's number; ``None`` outside a search.
    trial: Optional[int]
    #: A directory of the script's own, for what it wants to find again; ``None`` outside a search.
    checkpoint_dir: Optional[Path]
    #: The directory as the trial's last segment has left it, not to be written to; ``None`` if the trial begins.
    resume_from: Optional[Path]

    def __getitem__(self, name: str) -> Any:
        try:
            return self.parameters[name]
        except KeyError:
            known = ", ".join(sorted(self.parameters)) or "none"
            raise KeyError(f"there is no parameter {name!r}; there are: {known}") from None

    def __getattr__(self, name: str) -> Any:
        # A copy that is being made has no parameters yet.
        if name in self.__dict__.get("parameters", {}):
            raise AttributeError(f"the parameter {name} is config[{name!r}], not config.{name}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a parameter, or the default if this trial has none of that name."""
        return self.parameters.get(name, default)


def _in_search() -> bool:
    """Whether ``hpo search`` has started this script.

    Ends the program if it was started as a trainer of the worker protocol, which is not passed what a script is, and whose reports would
    not be understood.
    """
    if "HPO_CONFIG" in os.environ:
        return True
    if "HPO_WORKER" not in os.environ:
        return False
    message = "the command is a script, which uses the Python module `hpo`: write `script = true` under [trial]"
    _print({"type": "fatal", "message": message})
    sys.exit(message)


def _print(message: Mapping[str, Any]) -> None:
    # Progress bars and notebooks replace sys.stdout. A line of its own, at once, is not torn by what others print.
    stream = sys.__stdout__
    if stream is None:
        raise RuntimeError("the standard output is closed, so nothing can be reported")
    line = json.dumps(message) + "\n"
    with _output:
        sys.stdout.flush()
        stream.write(line)
        stream.flush()


def config(**defaults: Any) -> Config:
    """What this start of the script is to do, from the file that ``HPO_CONFIG`` names.

    Outside a search, and for parameters that the study does not have, the values are the ``defaults``, so that the script also runs
    by itself.
    """
    if not _in_search():
        return Config(defaults, None, 0, None, "epochs", 0, None, None, None)
    with open(os.environ["HPO_CONFIG"], encoding="utf-8") as file:
        told = json.load(file)
    directory = {name: Path(told[name]) if told.get(name) else None for name in ("checkpoint_dir", "resume_from")}
    return Config(
        parameters={**defaults, **told["parameters"]},
        resource=told["resource"],
        start=told["from"],
        max=told["max"],
        unit=told["unit"],
        seed=told["seed"],
        trial=told["trial"],
        **directory,
    )


def report(
    loss: Any = None,
    metrics: Optional[Mapping[str, Any]] = None,
    *,
    resource: Optional[int] = None,
    last: bool = False,
    **more: Any,
) -> None:
    """Reports the validation loss, other metrics, or both: ``report(loss=0.31, accuracy=0.8)``.

    Metrics whose names are no Python names go into ``metrics``: ``report(metrics={"ndcg@10": 0.8})``. ``resource`` is the epoch (step,
    example) that they belong to, by default the next at which a report is due. ``last`` says that more training would make
    the model no better. Outside a search this does nothing.

    :raises TypeError: if a value is not a number.
    :raises ValueError: if there is no value, or one is there twice.
    """
    message = {"type": "report", **measured(loss, metrics, more)}
    if resource is not None:
        message["resource"] = int(resource)
    if last:
        message["last"] = True
    if _in_search():
        _print(message)


def should_stop() -> bool:
    """Whether the script is asked to end: it then has the study's ``grace_seconds`` to save what it wants to keep.

    From the first call on a SIGTERM no longer ends the script by itself. The first call must come from the main thread.
    """
    if not _stop.is_set() and signal.getsignal(signal.SIGTERM) is not _on_term:
        signal.signal(signal.SIGTERM, _on_term)
    return _stop.is_set()


def _on_term(_signal: int, _frame: Any) -> None:
    _stop.set()
