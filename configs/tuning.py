"""What a person may ask of a sweep: which trainings, how values are drawn, who is stopped early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from configs.frozen import Frozen, Location
from configs.loader import ConfigError
from configs.space import Space, space_of
from configs.training import Train

OURS = {"out": "each trial has a folder in `out` of the sweep", "storage": "trials would overwrite each other there"}
FIXED = ("n_steps", "validate_every", "n_workers", "n_cpus", "use_gpu")
"""Fields of the training with one value for all trials: they are compared at equal steps, and must fit the cluster."""
PERTURBED = ("optimizer.lr", "optimizer.n_warmup", "optimizer.clip", "optimizer.ema", "method.log_pk_weight")
"""What may change in the middle of a run: the next step reads it, and neither weights nor moments depend on it."""


class Asha(Frozen):
    """Asynchronous successive halving: a trial goes on at a rung if it is among the best there (Li et al. 2018)."""

    kind: Literal["asha"] = "asha"
    grace: int = Field(1, ge=1, description="validations before a trial may be stopped")
    reduction: int = Field(3, ge=2, le=64, description="one of so many goes on at each rung, so many times further up")


class Pbt(Frozen):
    """Population based training: the worst go on from weights of the best (Jaderberg et al. 2017)."""

    kind: Literal["pbt"] = "pbt"
    interval: int = Field(1, ge=1, description="validations between two perturbations of a trial")
    quantile: float = Field(0.25, gt=0, le=0.5, description="share of the trials that is replaced, and that is copied")
    resample: float = Field(0.25, ge=0, le=1, description="how often a value is drawn anew instead of times .8 or 1.2")


class Whole(Frozen):
    """Every trial runs to its end."""

    kind: Literal["none"] = "none"


SCHEDULERS = {"asha": Asha, "pbt": Pbt, "none": Whole}
Scheduler = Asha | Pbt | Whole
Kind = Literal["asha", "pbt", "none"]


def scheduler_of_a_name(value: Scheduler | Kind) -> Scheduler:
    """A plain name as the scheduler of that kind with its defaults."""
    return SCHEDULERS[value]() if isinstance(value, str) else value


if TYPE_CHECKING:  # what a field holds, whatever was written
    SchedulerConfig = Asha | Pbt | Whole
else:
    SchedulerConfig = Annotated[
        Annotated[Asha | Pbt | Whole, Field(discriminator="kind")] | Kind, AfterValidator(scheduler_of_a_name)
    ]


class Tune(Frozen):
    """A sweep: the same training with other values, many times."""

    train: dict[str, Any] = Field(
        description="a training without `out`, some of whose values are {choice: [...]}, {uniform: [low, high]}, "
        "{loguniform: [low, high]} or {randint: [low, high]}, both ends included"
    )
    out: Location = Field(description="folder of the trials, of results.csv, best.yaml and sweep.png")
    metric: str = Field("val/loss", description="what is compared: a name that a validation reports")
    mode: Literal["min", "max"] = Field("min", description="whether small or large is good")
    n_trials: int = Field(ge=1, le=10_000, description="how many trainings")
    scheduler: SchedulerConfig = Field(default_factory=Asha, description="who goes on: asha, pbt or none")
    search: Literal["optuna", "random"] = Field("optuna", description="who draws the values")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of what is drawn")
    max_concurrent: int | None = Field(
        None, ge=1, description="trials at the same time; none: as many as the cluster has room for"
    )
    n_retries: int = Field(1, ge=0, le=100, description="how often a failed trial goes on from its last checkpoint")

    @field_validator("train")
    @classmethod
    def is_a_space(cls, tree: dict[str, Any]) -> dict[str, Any]:
        try:
            space = training_space(tree)
        except ConfigError as error:
            raise ValueError(f"a search space, but {str(error).removeprefix('train: ')}") from None
        if not space.distributions:
            raise ValueError("a search space, in which at least one value is drawn, such as {uniform: [0, 1]}")
        for key in FIXED:
            if key in space.distributions:
                raise ValueError(f"one value of {key} for all trials")
        return tree

    @model_validator(mode="after")
    def population_can_learn(self) -> Self:
        if not isinstance(self.scheduler, Pbt):
            return self
        if self.search != "random":
            raise ValueError(f"search: random with scheduler=pbt, which changes values itself, got {self.search}")
        if self.first.worker_range != (1, 1):
            raise ValueError(f"train.n_workers: 1 with scheduler=pbt, got {self.train['n_workers']}")
        if not set(self.space.distributions) & set(PERTURBED):
            raise ValueError(f"train: one of {', '.join(PERTURBED)} drawn with scheduler=pbt")
        return self

    @property
    def space(self) -> Space:
        """The trainings that may be drawn."""
        return training_space(self.train)

    @property
    def first(self) -> Train:
        """A training of the sweep: those values that are not drawn are those of all."""
        space = self.space
        return self.at({key: distribution.values[0] for key, distribution in space.distributions.items()})

    def at(self, values: Mapping[str, Any], name: str = "best") -> Train:
        """The training with `values` (dotted key -> value) in its folder of the sweep's."""
        config = self.space.at(Train, values, "train")
        return config.model_copy(update={"out": self.out / "trials" / name})


def training_space(tree: dict[str, Any]) -> Space:
    """`tree` as a space of trainings; ConfigError names the key."""
    for key, reason in OURS.items():
        if key in tree:
            raise ConfigError(f"train: {key}: expected no value, since {reason}, got {tree[key]!r}")
    return space_of(Train, {**tree, "out": "trial"}, "train")
