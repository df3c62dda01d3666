"""The trainer of a study whose trials are trained by a program that asks for them: ``python3 -m hpo.ask``.

It passes the messages of the worker protocol on to the :class:`hpo.Study` that has started the search, and back.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading

#: The variable that holds the address of the program's socket.
SOCKET = "HPO_ASK_SOCKET"


def _fatal(message: str) -> int:
    os.write(1, json.dumps({"type": "fatal", "message": message}).encode() + b"\n")
    return 1


def _copy(source: int, target: int) -> None:
    while data := os.read(source, 65536):
        while data:
            data = data[os.write(target, data) :]


def main() -> int:
    path = os.environ.get(SOCKET)
    if path is None:
        return _fatal(
            "this study is driven by a Python program: run the program that has `hpo.Study(…)` instead of `hpo search`"
        )
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError as error:
        return _fatal(f"the Python program that drives this study has gone ({error}): start it again")
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    connection.sendall(json.dumps({"type": "slot", "devices": devices}).encode() + b"\n")
    at_end = threading.Event()

    def orders() -> None:
        try:
            _copy(0, connection.fileno())
            at_end.set()
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            # The program has gone, which the other direction reports.
            pass

    threading.Thread(target=orders, daemon=True).start()
    try:
        _copy(connection.fileno(), 1)
    except ConnectionResetError:
        pass
    if at_end.is_set():
        return 0
    return _fatal("the Python program that drives this study has gone: start it again")


if __name__ == "__main__":
    sys.exit(main())
