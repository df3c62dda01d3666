"""A callback for the ``Trainer`` of transformers, and so of sentence-transformers."""

from __future__ import annotations

from typing import Any, Dict, Optional

from transformers import TrainerCallback

from ._script import report, should_stop


class ReportCallback(TrainerCallback):
    """Reports each evaluation to `hpo`, and ends the training in good order when the trial is stopped.

    The loss is ``eval_loss``; every other number of the evaluation is a metric, without the ``eval_`` before its name. Evaluate where
    reports are due: with ``eval_strategy="epoch"`` at each epoch.

    :param unit: what the study counts: ``"epochs"`` or ``"steps"``.
    """

    def __init__(self, unit: str = "epochs") -> None:
        if unit not in ("epochs", "steps"):
            raise ValueError(f"unit is 'epochs' or 'steps', not {unit!r}")
        self.unit = unit

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Optional[Dict[str, Any]] = None, **_: Any
    ) -> None:
        values = {
            name.removeprefix("eval_"): value
            for name, value in (metrics or {}).items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        # It says when, not how good.
        values.pop("epoch", None)
        resource = state.global_step if self.unit == "steps" else round(state.epoch or 0)
        if values and state.is_world_process_zero:
            report(metrics=values, resource=resource)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        if should_stop():
            control.should_training_stop = True
        return control
