"""A sweep: many trainings with other values by Ray Tune, the hopeless ones stopped early, the best one written."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings

from ray.tune import CheckpointConfig, FailureConfig, RunConfig, TuneConfig, Tuner
from rich.console import Console

from configs.command import command
from configs.tuning import Tune
from learn.sources import open_source
from learn.sweep import BEST, RESULTS, Trial, table, write_best, write_results
from ray_jobs.cluster import connect
from ray_jobs.record import write_step
from ray_jobs.sweep_figure import FIGURE, write_figure
from ray_jobs.sweep_progress import Announce
from ray_jobs.sweep_record import FOLDER, is_complete, is_pbt, refuse_other_sweep, trials_of
from ray_jobs.sweep_room import concurrency
from ray_jobs.sweep_search import domains, scheduler, searcher
from ray_jobs.sweep_trial import trainable
from ray_jobs.tasks import FAILED, exit_if_any_failed

PBT_NOTE = "PBT reached it by changing values on the way: these are the last."


def tune(config: Tune) -> None:
    """Run what is left of the sweep in `config.out`, and write its results there."""
    open_source(config.first.data, "train").close()
    refuse_other_sweep(config)
    if is_complete(config):
        print(f"tune: {config.out / RESULTS} is there already, nothing to do", flush=True)
        return
    connect(log_to_driver=False)  # trials that the scheduler stops end in tracebacks of their loggers
    logging.getLogger("ray.tune").setLevel(logging.WARNING)
    start = time.monotonic()
    with warnings.catch_warnings():
        # A process that is used again keeps what its last trial left in it.
        warnings.filterwarnings("ignore", message="Consider boosting PBT")
        tuner(config).fit()
    trials = trials_of(config)
    if not trials:
        raise RuntimeError(f"tune: expected trials in {config.out / FOLDER}, found none")
    write(config, trials, time.monotonic() - start)
    exit_unless_all_ended(config, trials)


def tuner(config: Tune) -> Tuner:
    """The sweep as Tune sees it: a new one, or what is left of the one in `config.out`."""
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the old one can be silent
    path = config.out / FOLDER
    if Tuner.can_restore(str(path)):
        print("tune: goes on with the sweep that is there", flush=True)
        return Tuner.restore(str(path), trainable(config), resume_unfinished=True, resume_errored=True)
    n_at_once = concurrency(config)
    print(f"tune: {config.n_trials} trials, {n_at_once} at a time", flush=True)
    return Tuner(
        trainable(config),
        param_space=domains(config),
        tune_config=TuneConfig(
            num_samples=config.n_trials,
            max_concurrent_trials=n_at_once if config.search == "optuna" else None,
            search_alg=searcher(config, n_at_once),
            scheduler=scheduler(config),
            metric=config.metric,
            mode=config.mode,
        ),
        run_config=RunConfig(
            name=FOLDER,
            storage_path=str(config.out),
            verbose=0,
            failure_config=FailureConfig(max_failures=config.n_retries),
            checkpoint_config=CheckpointConfig(num_to_keep=None),
            callbacks=[Announce(config.metric, config.mode, config.n_trials)],
        ),
    )


def write(config: Tune, trials: list[Trial], seconds: float) -> None:
    """Write the results of the sweep and show them."""
    write_results(config.out, trials, config.metric)
    Console().print(table(trials, config.metric))
    write_step(config.out, step="tune", seconds=seconds, n_items=len(trials), item="trial", config=config)
    best = trials[0]
    if best.metric is None:
        return
    write_best(config.out, config.at(best.values), best, config.metric, PBT_NOTE if is_pbt(config) else "")
    write_figure(config, trials)
    print(f"tune: best {config.metric} {best.metric:.4g}: {config.out / BEST}; {config.out / FIGURE}", flush=True)


def exit_unless_all_ended(config: Tune, trials: list[Trial]) -> None:
    """Name the trials that failed, and exit with 1 for them or for those that were interrupted."""
    exit_if_any_failed("tune", [(f"trial {t.name}", t.error) for t in trials if t.status == "failed"])
    n_ended = sum(t.status != "unfinished" for t in trials)
    if n_ended < config.n_trials:
        print(f"tune: {n_ended} of {config.n_trials} trials have ended; run again to go on", file=sys.stderr)
        raise SystemExit(FAILED)


if __name__ == "__main__":
    command(Tune, tune, prog="python -m ray_jobs.tune", summary=__doc__)
