"""Study files from Python values: the standard library reads TOML, and does not write it."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Mapping


def dumps(document: Mapping[str, Any]) -> str:
    """A document of tables that hold values, and of lists of such tables.

    :raises TypeError: if a value is not one that TOML has; the message names its place.
    """
    lines = []
    for name, value in document.items():
        tables = value if isinstance(value, (list, tuple)) else [value]
        header = f"[{_key(name)}]" if tables is not value else f"[[{_key(name)}]]"
        for table in tables:
            if not isinstance(table, Mapping):
                raise TypeError(f"{name!r} is not a table: {table!r}")
            lines.append(header)
            lines += [f"{_key(key)} = {_value(inner, f'{name}.{key}')}" for key, inner in table.items()]
            lines.append("")
    return "\n".join(lines)


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else _text(key)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any, place: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return _text(str(value))
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_value(inner, f'{place}.{key}')}" for key, inner in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, (list, tuple, range)):
        return "[" + ", ".join(_value(inner, place) for inner in value) + "]"
    raise TypeError(f"{place} has a value that a study file can't have: {value!r}")
