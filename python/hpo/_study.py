"""Searches that a Python program drives: it asks what to train, and reports how good it is."""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, Iterator, List, Mapping, Optional, Union

from . import _toml, ask
from ._binary import binary
from ._messages import measured

#: The version of the worker protocol.
_PROTOCOL = 1
#: How much of what `hpo` has printed an error shows.
_LINES_OF_AN_ERROR = 40
#: How many seconds the last of it may take to arrive once `hpo` has ended.
_LAST_WORDS = 5


class StudyError(RuntimeError):
    """The search could not go on; the message is that of `hpo`. What was recorded is safe."""


class _Slot:
    """The connection with a worker of the search."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = connection.makefile("r", encoding="utf-8", newline="\n")
        self.lock = threading.Lock()
        self.devices = ""
        self.trial: Optional[Trial] = None

    def send(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        try:
            with self.lock:
                self.connection.sendall(line)
        except OSError:
            raise StudyError("the search has ended: nothing can be reported any more") from None


class Trial:
    """One stretch of a trial's training, from :attr:`start` to :attr:`resource`.

    Iterating over it gives each resource at which a report is due::

        for epoch in trial:
            train_to(epoch)
            trial.report(loss=validate())
    """

    def __init__(self, slot: _Slot, order: Mapping[str, Any]) -> None:
        self._slot = slot
        self._identity = {"trial": order["trial"], "attempt": order["attempt"]}
        self._every: int = order["report_every"]
        self._at: int = order["from"]
        self._over = False
        self._stop = threading.Event()
        #: The trial's number.
        self.number: int = order["trial"]
        #: The values of its parameters, by name.
        self.parameters: Dict[str, Any] = order["parameters"]
        #: A seed, the same in all stretches of the trial.
        self.seed: int = order["seed"]
        #: How far the trial has come before. Whoever has kept nothing of it trains anew from the beginning, and reports what is due.
        self.start: int = order["from"]
        #: How far to train.
        self.resource: int = order["to"]
        #: How far a trial gets that is never stopped: the horizon of a learning-rate schedule.
        self.max: int = order["max"]
        #: What these count: ``"epochs"``, ``"steps"`` or ``"examples"``.
        self.unit: str = order["unit"]
        #: The file that was reported with the value at :attr:`start`; ``None`` if the trial begins.
        self.checkpoint: Optional[Path] = Path(order["checkpoint"]) if order["checkpoint"] else None
        #: Where the files must be that are reported as checkpoints.
        self.checkpoint_dir: Path = Path(order["checkpoints"])
        #: The GPU of this slot, as ``CUDA_VISIBLE_DEVICES`` has it; empty for the CPU.
        self.devices: str = slot.devices

    def __repr__(self) -> str:
        return f"Trial(number={self.number}, start={self.start}, resource={self.resource}, parameters={self.parameters})"

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    @property
    def state(self) -> Optional[bytes]:
        """What was reported with the value at :attr:`start`; ``None`` if the trial begins."""
        return None if self.checkpoint is None else self.checkpoint.read_bytes()

    @property
    def next_resource(self) -> Optional[int]:
        """Where the next report is due; ``None`` if this stretch has ended, or shall end."""
        if self._over or self._stop.is_set():
            return None
        return min((self._at // self._every + 1) * self._every, self.resource)

    def __iter__(self) -> Iterator[int]:
        while (due := self.next_resource) is not None:
            yield due
            if not self._over and self._at != due:
                if self._stop.is_set():
                    break
                raise RuntimeError(f"trial {self.number} was to report at {due}: call trial.report(loss=…) once in each round")
        self.end()

    def report(
        self,
        loss: Any = None,
        metrics: Optional[Mapping[str, Any]] = None,
        *,
        state: bytes = b"",
        checkpoint: Union[str, "os.PathLike[str]", None] = None,
        last: bool = False,
        **more: Any,
    ) -> None:
        """Reports the validation loss, other metrics, or both, at :attr:`next_resource`.

        :param state: what the trial needs to go on from here as bytes, if it is small: its next stretch has them as :attr:`state`.
        :param checkpoint: the same as a file in :attr:`checkpoint_dir`, complete and under a name not used before: the next stretch
            has it as :attr:`checkpoint`.
        :param last: more training would make the model no better.
        :raises RuntimeError: if no report is due.
        :raises TypeError: if the state is not bytes.
        """
        if not isinstance(state, (bytes, bytearray, memoryview)):
            made = type(state).__name__
            raise TypeError(f"state must be bytes, such as pickle.dumps(…), or what torch.save writes to an io.BytesIO; it is {made}")
        due = self.next_resource
        if self._over or due is None and not self._stop.is_set():
            raise RuntimeError(f"trial {self.number} has ended: no report is due")
        message = measured(loss, metrics, more)
        if due is None:
            # What is reported while it is asked to stop comes too late.
            return
        if checkpoint is None:
            checkpoint = self.checkpoint_dir / f"a{self._identity['attempt']}-{due}.state"
            checkpoint.write_bytes(state)
        path = str(Path(checkpoint).absolute())
        self._slot.send({"type": "report", **self._identity, "resource": due, **message, "checkpoint": path, "last": last})
        self._at = due
        if last or not math.isfinite(message.get("loss", 0.0)):
            self._finish()
        elif due == self.resource:
            self._slot.send({"type": "done", **self._identity})
            self._finish()

    def should_stop(self) -> bool:
        """Whether the trial is pruned, or the search stopped: then :meth:`end` it."""
        return self._stop.is_set()

    def end(self) -> None:
        """Ends a stretch that was asked to stop. Does nothing if it has ended."""
        if self._over:
            return
        if not self._stop.is_set():
            raise RuntimeError(f"trial {self.number} has not come to {self.resource}: report, or call trial.fail(…)")
        self._slot.send({"type": "stopped", **self._identity, "checkpoint": None})
        self._finish()

    def fail(self, message: str) -> None:
        """The stretch has failed. It is tried again as often as the study's ``retries`` say."""
        if not self._over:
            self._slot.send({"type": "failed", **self._identity, "message": str(message)})
            self._finish()

    def _finish(self) -> None:
        self._over = True
        self._slot.trial = None


class Study:
    """A search whose trials this program trains. It begins a study, or goes on with the one that was begun::

        study = hpo.Study("study.toml")            # its [trial] has command = ["python3", "-m", "hpo.ask"]
        for trial in study:
            for epoch in trial:
                trial.report(loss=train(trial["learning_rate"], epoch))
        print(study.best)

    `hpo` runs beside it and decides; nothing that was reported is lost, whatever becomes of either. Leaving the ``with`` block of a
    study, or :meth:`close`, stops the search; the same program goes on with it.

    :param file: the study's file; or what it should have, as a dictionary of tables, from which ``NAME.toml`` is written.
    :param directory: where that file is written.
    :param studies: where studies are kept, by default ``studies`` beside the file.
    :param verbose: print the lines in which `hpo` reports the course of the search.
    :raises StudyError: from :meth:`ask`, if `hpo` refuses the file or can't go on; with its message.
    """

    def __init__(
        self,
        file: Union[str, "os.PathLike[str]", Mapping[str, Mapping[str, Any]]],
        *,
        directory: Union[str, "os.PathLike[str]"] = ".",
        studies: Union[str, "os.PathLike[str]", None] = None,
        verbose: bool = False,
    ) -> None:
        self.file = _written(file, Path(directory)) if isinstance(file, Mapping) else Path(file)
        self._program = binary()
        self._studies = [] if studies is None else ["--studies", str(studies)]
        self._verbose = verbose
        self._orders: "queue.SimpleQueue[Optional[Trial]]" = queue.SimpleQueue()
        self._printed: Deque[str] = deque(maxlen=_LINES_OF_AN_ERROR)
        self._closing = False
        self._place = tempfile.TemporaryDirectory(prefix="hpo-")
        address = str(Path(self._place.name, "s"))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen()
        # The workers run `python3` with this package, whichever Python runs this.
        package = str(Path(__file__).resolve().parent.parent)
        environment = {
            **os.environ,
            ask.SOCKET: address,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
        }
        self._search = subprocess.Popen(
            [self._program, "search", str(self.file), *self._studies],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # Ctrl-C interrupts this program, which then closes the study.
            start_new_session=True,
        )
        self._thread(self._accept)
        self._errors = self._thread(self._read_errors)
        self._thread(self._wait)

    def _thread(self, run: Any, *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        thread.start()
        return thread

    def ask(self) -> Optional[Trial]:
        """What to train next. Waits if that depends on trials that are out; ``None`` once nothing is left to train.

        :raises StudyError: if the search could not go on.
        """
        trial = self._orders.get()
        if trial is not None:
            return trial
        # For whoever asks again.
        self._orders.put(None)
        if self._search.wait() != 0 and not self._closing:
            raise StudyError(self._error())
        return None

    def tell(self, trial: Trial, loss: Any = None, metrics: Optional[Mapping[str, Any]] = None, **more: Any) -> None:
        """Reports how good a trial is: :meth:`Trial.report`."""
        trial.report(loss, metrics, **more)

    def __iter__(self) -> Iterator[Trial]:
        while (trial := self.ask()) is not None:
            yield trial

    @property
    def best(self) -> Dict[str, Any]:
        """The best configuration so far, as ``hpo export --format json`` has it.

        :raises StudyError: if no trial has a result.
        """
        return self._query("export", str(self.file), "--format", "json")

    @property
    def trials(self) -> List[Dict[str, Any]]:
        """All trials, as ``hpo trials --json`` has them."""
        return self._query("trials", str(self.file), "--json")

    def close(self) -> None:
        """Stops the search, unless it has ended, and waits until everything is recorded."""
        if self._closing:
            return
        self._closing = True
        if self._search.poll() is None:
            self._search.send_signal(signal.SIGINT)
        self._search.wait()
        self._listener.close()
        self._place.cleanup()

    def __enter__(self) -> "Study":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_search"):
            self.close()

    def _error(self) -> str:
        """What `hpo` says was wrong, or else all that it has printed last."""
        lines = list(self._printed)
        begins = [place for place, line in enumerate(lines) if line.startswith("error")]
        return "\n".join(lines[begins[-1] if begins else 0 :]) or f"hpo has ended with {self._search.returncode}"

    def _query(self, *words: str) -> Any:
        done = subprocess.run([self._program, *words, *self._studies], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StudyError(done.stderr.strip())
        return json.loads(done.stdout)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._thread(self._attend, _Slot(connection))

    def _attend(self, slot: _Slot) -> None:
        try:
            for line in slot.lines:
                self._take(slot, json.loads(line))
        except (OSError, StudyError):
            pass
        # Whoever trains for this slot learns that nobody waits for it.
        if slot.trial is not None:
            slot.trial._stop.set()
        slot.connection.close()

    def _take(self, slot: _Slot, message: Dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "slot":
            slot.devices = message["devices"]
        elif kind == "start":
            slot.send({"type": "ready", "protocol": _PROTOCOL, "trainer": "python", "features": []})
        elif kind == "run":
            slot.trial = Trial(slot, message)
            self._orders.put(slot.trial)
        elif kind == "stop" and slot.trial is not None:
            slot.trial._stop.set()

    def _read_errors(self) -> None:
        assert self._search.stderr is not None
        for line in self._search.stderr:
            text = line.decode("utf-8", "replace").rstrip("\n")
            self._printed.append(text)
            if self._verbose:
                print(text)

    def _wait(self) -> None:
        assert self._search.stdout is not None
        outcome = self._search.stdout.read().decode("utf-8", "replace")
        self._search.wait()
        # What it has said last is why it ended; a process that it has left behind may keep the pipe open.
        self._errors.join(_LAST_WORDS)
        if self._verbose and outcome:
            print(outcome)
        self._orders.put(None)


def _written(tables: Mapping[str, Mapping[str, Any]], directory: Path) -> Path:
    """The file of a study of these tables."""
    name = tables.get("study", {}).get("name")
    if not name:
        raise ValueError('a study needs a name: {"study": {"name": "mine"}, …}')
    if Path(name).name != name:
        raise ValueError(f"a study's name is a file name, not {name!r}")
    trial = {"command": ["python3", "-m", "hpo.ask"], **tables.get("trial", {})}
    slots = tables.get("slots", {})
    if isinstance(slots, Mapping):
        slots = {"trials_per_device": 1, **slots}
    text = _toml.dumps({**tables, "trial": trial, "slots": slots})
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{name}.toml"
    # Not touched if nothing has changed.
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")
    return file.resolve()
