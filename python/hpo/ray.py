"""Starts a command on a node of a Ray cluster, with its standard streams connected: ``python3 -m hpo.ray OPTIONS -- COMMAND``.

It is a launch command for ``[[slots]]`` of a study. An actor keeps the command's process where Ray has room for it. The command ends with
its input, and is killed with its process group if it does not; whatever ends this program ends the actor, and with it the command. The
exit code is the command's, as a shell has it, or 255 if the actor is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import List, NoReturn, Optional, Tuple

#: So many bytes are passed on at once.
PIECE = 1 << 16
#: So many pieces of output may wait to be passed on.
AHEAD = 16
#: Seconds that a command may take to end after its input has, and then after a SIGTERM.
FAREWELL = (5.0, 2.0)
#: Seconds for what a command has printed to arrive once it has ended. What it has left running may hold its output open.
LAST_BREATH = 2.0
#: After so many seconds without room in the cluster there is a word about it, and then each time again.
PATIENCE = 60.0
#: The exit code if the command has not said how it ended.
LOST = 255


class Keeper:
    """The actor: a command that runs in a process group of its own, and its streams. Its methods are called at the same time."""

    def __init__(self, command: List[str]) -> None:
        pipe = subprocess.PIPE
        streams = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "bufsize": 0, "start_new_session": True}
        try:
            self._process = subprocess.Popen(command, **streams)
        except OSError as error:
            # What a shell says and returns then, from where everything else comes from.
            says = ["sh", "-c", 'echo "$0" >&2; exit 127', f"hpo.ray: can't start {command[0]}: {error}"]
            self._process = subprocess.Popen(says, **streams)
        self._pieces: queue.Queue = queue.Queue(AHEAD)
        self._ended = threading.Event()
        self._readers = [
            threading.Thread(target=self._read, args=(number, stream.fileno()), daemon=True)
            for number, stream in ((1, self._process.stdout), (2, self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()
        threading.Thread(target=self._wait, daemon=True).start()

    def _read(self, number: int, stream: int) -> None:
        while data := os.read(stream, PIECE):
            self._pieces.put((number, data))

    def _wait(self) -> None:
        # The group's number is its own until the process is reaped.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._ended.set()
        self._signal(signal.SIGKILL)
        code = self._process.wait()
        until = time.monotonic() + LAST_BREATH
        for reader in self._readers:
            reader.join(max(until - time.monotonic(), 0))
        self._pieces.put((0, code if code >= 0 else 128 - code))

    def _signal(self, number: int) -> None:
        if self._process.returncode is None:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                pass

    def write(self, data: bytes) -> None:
        """Passes input on. Nobody may read any more, which the exit code shows."""
        try:
            while data:
                data = data[os.write(self._process.stdin.fileno(), data) :]
        except BrokenPipeError:
            pass

    def close(self) -> None:
        """Ends the input, and the command if it does not end with it."""
        self._process.stdin.close()
        for seconds, number in zip(FAREWELL, (signal.SIGTERM, signal.SIGKILL)):
            if self._ended.wait(seconds):
                return
            self._signal(number)

    def read(self) -> Tuple[List[Tuple[int, bytes]], Optional[int]]:
        """What was printed since the last call, by the number of the stream, and the exit code if that was all."""
        printed = []
        number, data = self._pieces.get()
        while number:
            printed.append((number, data))
            try:
                number, data = self._pieces.get_nowait()
            except queue.Empty:
                return printed, None
        return printed, data


def _lost(message: str) -> NoReturn:
    print(f"hpo.ray: {message}", file=sys.stderr, flush=True)
    os._exit(LOST)


def _write(stream: int, data: bytes) -> None:
    while data:
        data = data[os.write(stream, data) :]


def _options() -> Tuple[argparse.Namespace, List[str]]:
    parser = argparse.ArgumentParser(prog="python3 -m hpo.ray", usage="%(prog)s [OPTIONS] -- COMMAND", description=__doc__)
    parser.add_argument("--num-cpus", type=float, default=1, help="cores that the command takes [1]")
    parser.add_argument("--num-gpus", type=float, default=0, help="GPUs that the command takes, of which it sees no others [0]")
    parser.add_argument("--resources", type=json.loads, default={}, help='what else it takes, as JSON: {"big": 1}')
    parser.add_argument("--address", help="the cluster [$RAY_ADDRESS, or the one that runs on this machine]")
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    options, command = parser.parse_args(words[:at]), words[at + 1 :]
    if not command:
        parser.error("there is no command: write -- and the command behind it")
    return options, command


def main() -> NoReturn:
    options, command = _options()
    try:
        import ray
    except ImportError as error:
        sys.exit(f"hpo.ray needs Ray, which {sys.executable} does not have: pip install ray ({error})")
    # Ray prints to standard output, which is the command's.
    output = os.dup(1)
    os.dup2(2, 1)
    address = options.address or os.environ.get("RAY_ADDRESS") or "auto"
    # Ray itself tries for a quarter of an hour.
    too_long = threading.Timer(PATIENCE, _lost, [f"can't reach a Ray cluster ({address}): it does not answer"])
    too_long.daemon = True
    too_long.start()
    try:
        ray.init(address=address, log_to_driver=False, logging_level="warning")
    except (ConnectionError, RuntimeError, ValueError) as error:
        _lost(f"can't reach a Ray cluster ({address}): {error}")
    too_long.cancel()
    wanted = {"num_cpus": options.num_cpus, "num_gpus": options.num_gpus, "resources": options.resources}
    # One call waits for output, one for input to be taken, one for the end.
    keeper = ray.remote(Keeper).options(max_concurrency=4, **wanted).remote(command)

    def feed() -> None:
        try:
            while data := os.read(0, PIECE):
                ray.get(keeper.write.remote(data))
            ray.get(keeper.close.remote())
        except ray.exceptions.RayError:
            # Whoever reads says so.
            pass

    threading.Thread(target=feed, daemon=True).start()
    try:
        began = keeper.write.remote(b"")
        while not ray.wait([began], timeout=PATIENCE)[0]:
            print(f"hpo.ray: waiting for room in the cluster: {json.dumps(wanted)}", file=sys.stderr, flush=True)
        code = None
        while code is None:
            printed, code = ray.get(keeper.read.remote())
            for stream, data in printed:
                _write(output if stream == 1 else 2, data)
    except ray.exceptions.RayError as error:
        _lost(f"the actor is lost: {error}")
    ray.shutdown()
    os._exit(code)


if __name__ == "__main__":
    main()
