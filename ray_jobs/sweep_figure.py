"""What the values of a sweep did: a line a trial through parallel axes, and which value mattered."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from configs.files import replacing
from configs.space import Distribution
from configs.tuning import Tune
from learn.sweep import Trial, written
from learn.sweep_figure import sweep_figure

FIGURE = "sweep.png"
MIN_TRIALS = 4
"""Fewer say nothing of what mattered."""


def write_figure(config: Tune, trials: Sequence[Trial]) -> None:
    """Write `out`/sweep.png."""
    figure = sweep_figure(
        trials, config.space.distributions, importance(config, trials), metric=config.metric, mode=config.mode
    )
    with replacing(config.out / FIGURE) as temporary:
        figure.savefig(temporary, dpi=160)


def importance(config: Tune, trials: Sequence[Trial]) -> dict[str, float]:
    """Share of each value in what sets the better half of the trials apart: PED-ANOVA (Watanabe et al. 2023).

    Empty with too few trials, or one value.
    """
    judged = [trial for trial in trials if trial.metric is not None]
    if len(judged) < MIN_TRIALS or len(config.space.distributions) < 2:
        return {}
    found = {key: parzen(d) for key, d in config.space.distributions.items()}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize" if config.mode == "min" else "maximize")
    for trial in judged:
        values = {key: text(config.space.distributions[key], trial.values[key]) for key in found}
        study.add_trial(optuna.trial.create_trial(params=values, distributions=found, value=trial.metric))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.5))


def parzen(distribution: Distribution) -> BaseDistribution:
    """Optuna's word for a distribution."""
    if distribution.kind == "choice":
        return CategoricalDistribution([written(value) for value in distribution.values])
    low, high = distribution.values
    if distribution.kind == "randint":
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=distribution.kind == "loguniform")


def text(distribution: Distribution, value: object) -> object:
    return written(value) if distribution.kind == "choice" else value
