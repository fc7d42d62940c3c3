"""Who draws the values of a sweep and who stops its trials, in Tune's words.

A choice travels as its JSON text, whatever it is; Tune and Optuna then never see a list as a value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from optuna.samplers import TPESampler
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search import BasicVariantGenerator
from ray.tune.search.optuna import OptunaSearch
from ray.tune.search.sample import Domain
from ray.tune.search.search_algorithm import SearchAlgorithm
from ray.tune.search.searcher import Searcher

from configs.space import Distribution
from configs.tuning import PERTURBED, Asha, Pbt, Tune, Whole

STEP = "step"
"""The name of the step in what a trial reports."""


def domain(distribution: Distribution) -> Domain:
    """What Tune draws from."""
    match distribution.kind:
        case "choice":
            return tune.choice(texts(distribution))
        case "uniform":
            return tune.uniform(*distribution.values)
        case "loguniform":
            return tune.loguniform(*distribution.values)
        case "randint":
            low, high = distribution.values
            return tune.randint(low, high + 1)


def texts(distribution: Distribution) -> list[str]:
    return [json.dumps(value) for value in distribution.values]


def domains(config: Tune) -> dict[str, Domain]:
    """What Tune draws from, by dotted key."""
    return {key: domain(distribution) for key, distribution in config.space.distributions.items()}


def drawn(config: Tune, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a trial as the configuration holds them."""
    distributions = config.space.distributions
    return {
        key: json.loads(values[key]) if distribution.kind == "choice" else values[key]
        for key, distribution in distributions.items()
    }


def searcher(config: Tune, n_at_once: int) -> Searcher | SearchAlgorithm:
    """Who draws the values; at random he bounds himself how many trials run at once, else Tune does."""
    if config.search == "random":
        return BasicVariantGenerator(max_concurrent=n_at_once, random_state=config.seed)
    # The Parzen estimators learn from a quarter of the trials on; ten, their default, may be most of a sweep.
    sampler = TPESampler(seed=config.seed, n_startup_trials=max(4, min(10, config.n_trials // 4)))
    return OptunaSearch(sampler=sampler)


def scheduler(config: Tune) -> TrialScheduler:
    """Who stops trials, or lets them go on from others."""
    every, asked = config.first.validate_every, config.scheduler
    match asked:
        case Asha():
            # A rung beyond the last step: a trial ends by itself, with its final model written.
            steps = max(config.first.n_steps, asked.grace * every) + 1
            return ASHAScheduler(STEP, grace_period=asked.grace * every, reduction_factor=asked.reduction, max_t=steps)
        case Pbt():
            return Population(
                config.first.n_steps,
                time_attr=STEP,
                perturbation_interval=asked.interval * every,
                quantile_fraction=asked.quantile,
                resample_probability=asked.resample,
                hyperparam_mutations=mutations(config),
                custom_explore_fn=inside(config.space.distributions),
            )
        case Whole():
            return FIFOScheduler()  # type: ignore[no-untyped-call]


class Population(PopulationBasedTraining):
    """PBT that lets a trial end: values changed after the last step would get the merit of steps they never took."""

    def __init__(self, n_steps: int, **options: Any) -> None:
        super().__init__(**options)
        self.n_steps = n_steps

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if result[STEP] >= self.n_steps:
            return TrialScheduler.CONTINUE
        return super().on_trial_result(tune_controller, trial, result)


def mutations(config: Tune) -> dict[str, Any]:
    """What PBT changes in the middle of a run: the other values come with the weights."""
    found = {key: d for key, d in config.space.distributions.items() if key in PERTURBED}
    return {key: texts(d) if d.kind == "choice" else domain(d) for key, d in found.items()}


def inside(distributions: Mapping[str, Distribution]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A function that brings perturbed values back to their intervals: PBT multiplies without looking."""

    def clipped(values: dict[str, Any]) -> dict[str, Any]:
        for key, distribution in distributions.items():
            if distribution.kind != "choice":
                low, high = distribution.values
                values[key] = min(max(values[key], low), high)
        return values

    return clipped
