"""Numbers as the worker protocol writes them."""

from __future__ import annotations

from typing import Any, Mapping, Optional


def number(name: str, value: Any) -> float:
    """The number that a metric is: one of Python, NumPy, or a tensor of one element.

    :raises TypeError: if it is none; the message names the metric.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"the metric {name!r} is not a number: {value!r}") from None


def measured(loss: Any, metrics: Optional[Mapping[str, Any]], more: Mapping[str, Any]) -> dict:
    """The part of a report that has its values.

    :raises ValueError: if there is none, or a metric is there twice.
    """
    if twice := sorted(set(metrics or {}) & set(more)):
        raise ValueError(f"the metric {twice[0]!r} is reported twice at once")
    named = {**(metrics or {}), **more}
    if "loss" in named:
        if loss is not None:
            raise ValueError("the loss is reported twice at once")
        loss = named.pop("loss")
    if loss is None and not named:
        raise ValueError("a report needs the loss or a metric, for example report(loss=0.31)")
    message: dict = {"metrics": {str(name): number(name, value) for name, value in named.items()}}
    if loss is not None:
        message["loss"] = number("loss", loss)
    return message
