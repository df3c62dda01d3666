"""Study files from Python values: the standard library reads TOML, and does not write it."""

from __future__ import annotations

import json
import math
from typing import Any, Mapping


def dumps(document: Mapping[str, Any]) -> str:
    """A document of tables, each of which holds values.

    :raises TypeError: if a value is not one that TOML has; the message names its place.
    """
    lines = []
    for table, values in document.items():
        if not isinstance(values, Mapping):
            raise TypeError(f"{table!r} is not a table: {values!r}")
        lines.append(f"[{_key(table)}]")
        lines += [f"{_key(key)} = {_value(value, f'{table}.{key}')}" for key, value in values.items()]
        lines.append("")
    return "\n".join(lines)


def _key(key: str) -> str:
    return json.dumps(str(key), ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any, place: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return _key(str(value))
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_value(inner, f'{place}.{key}')}" for key, inner in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, (list, tuple, range)):
        return "[" + ", ".join(_value(inner, place) for inner in value) + "]"
    raise TypeError(f"{place} has a value that a study file can't have: {value!r}")
