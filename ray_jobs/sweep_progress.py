"""Prints where a sweep is: every few seconds a trial's last validation; for each that ends the best, the time left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from ray.tune import Callback

ENDED = ("TERMINATED", "ERROR")
SECONDS_BETWEEN_LINES = 10.0


class Announce(Callback):
    """Tune's callback, which is written to disk with the sweep: it holds plain values alone."""

    def __init__(self, metric: str, mode: Literal["min", "max"], n_trials: int) -> None:
        self.metric, self.mode, self.n_trials = metric, mode, n_trials
        self.start: float | None = None
        self.n_before = 0
        self.last = 0.0

    def on_trial_start(self, *, trials: list[Any], **_: Any) -> None:  # type: ignore[override]
        if self.start is None:
            self.start, self.n_before = time.monotonic(), n_ended(trials)

    def on_trial_result(  # type: ignore[override]
        self, *, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        if self.metric in result and time.monotonic() - self.last > SECONDS_BETWEEN_LINES:
            self.last = time.monotonic()
            print(self.interim(trials, trial, result), flush=True)

    def on_trial_complete(self, *, trials: list[Any], trial: Any, **_: Any) -> None:  # type: ignore[override]
        print(self.line(trials, trial, "done"), flush=True)

    def on_trial_error(self, *, trials: list[Any], trial: Any, **_: Any) -> None:  # type: ignore[override]
        print(self.line(trials, trial, "failed"), flush=True)

    def __getstate__(self) -> dict[str, Any]:
        """Without the clock, which stands still between two runs of a sweep."""
        return self.__dict__ | {"start": None, "last": 0.0}

    def line(self, trials: list[Any], trial: Any, outcome: str) -> str:
        """What is known when `trial` has just ended, which may or may not be among the ended ones yet."""
        n_done = n_ended([other for other in trials if other is not trial]) + 1
        seconds = time.monotonic() - (self.start or time.monotonic())
        left = seconds / max(1, n_done - self.n_before) * (self.n_trials - n_done)
        return (
            f"tune: {n_done}/{self.n_trials} trials  {trial.trial_id} {outcome}  {self.best(trials)}  {left:.0f} s left"
        )

    def interim(self, trials: list[Any], trial: Any, result: Mapping[str, Any]) -> str:
        """What the validation of a trial that goes on has found."""
        where = f"{n_ended(trials)}/{self.n_trials} trials  {trial.trial_id} validation {result['training_iteration']}"
        return f"tune: {where}  {self.metric} {result[self.metric]:.4g}"

    def best(self, trials: list[Any]) -> str:
        found = [
            (t.metric_analysis[self.metric][self.mode], t.trial_id) for t in trials if self.metric in t.metric_analysis
        ]
        if not found:
            return f"no {self.metric} yet"
        value, name = min(found) if self.mode == "min" else max(found)
        return f"best {self.metric} {value:.4g} ({name})"


def n_ended(trials: list[Any]) -> int:
    return sum(trial.status in ENDED for trial in trials)
