"""What a sweep leaves on disk beside its trials: what was asked, and what became of each trial."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.tune import ExperimentAnalysis

from configs import provenance
from configs.files import replacing
from configs.tuning import Pbt, Tune
from learn import sweep
from learn.sweep import Status, Trial
from ray_jobs.sweep_search import STEP, drawn

ASKED = "sweep.json"
FOLDER = "ray_tune"


def refuse_other_sweep(config: Tune) -> None:
    """ValueError if another sweep has used `config.out`; else it is noted that this one does."""
    path = config.out / ASKED
    asked = flat(config.model_dump(mode="json", exclude={"out"}))
    if not path.is_file():
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({"config": asked, **provenance()}, indent=1) + "\n")
        return
    before = json.loads(path.read_text())["config"]
    for key in asked | before:
        if asked.get(key) != before.get(key):
            problem = f"expected the sweep that began there, with {key}={before.get(key)}, got {asked.get(key)}"
            raise ValueError(f"{config.out}: {problem}; choose another `out`")


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of `tree` by dotted key."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def is_pbt(config: Tune) -> bool:
    """Whether the values of a trial change on the way."""
    return isinstance(config.scheduler, Pbt)


def is_complete(config: Tune) -> bool:
    """Whether every trial has ended well."""
    found = sweep.statuses(config.out)
    return len(found) == config.n_trials and set(found) <= {"finished", "stopped"}


def trials_of(config: Tune) -> list[Trial]:
    """What became of the trials, the best first."""
    analysis = ExperimentAnalysis(str(config.out / FOLDER))
    return sweep.ranked([described(config, trial) for trial in analysis.trials or ()], config.mode)


def described(config: Tune, trial: Any) -> Trial:
    """A trial of Tune in our words. With PBT its metric is the last one, which is that of its last values."""
    which = "last" if is_pbt(config) else config.mode
    analysis, last = trial.metric_analysis, trial.last_result or {}
    step = int(last.get(STEP, 0))
    return Trial(
        name=trial.trial_id,
        values=drawn(config, trial.config),
        metric=analysis[config.metric][which] if config.metric in analysis else None,
        steps=step,
        seconds=float(last.get("time_total_s", 0.0)),
        status=status(trial.status, step, config.first.n_steps),
        folder=f"trials/{trial.trial_id}",
        error=last_line(trial.error_file),
    )


def status(of_tune: str, step: int, n_steps: int) -> Status:
    """Our word for what became of a trial."""
    if of_tune == "ERROR":
        return "failed"
    if step == n_steps and of_tune == "TERMINATED":
        return "finished"
    return "stopped" if of_tune == "TERMINATED" else "unfinished"


def last_line(path: str | None) -> str:
    """The last line of the file with a trial's errors."""
    lines = Path(path).read_text().strip().splitlines() if path and Path(path).is_file() else []
    return lines[-1] if lines else ""
