"""What a quantity that is drawn may be: a number, or a distribution of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from configs.frozen import Frozen


class Distribution(Frozen):
    """What numbers are drawn from."""


class Uniform(Distribution):
    """Uniform from `low` to `high`, or its logarithm is."""

    low: float = Field(description="least")
    high: float = Field(description="greatest")
    log: bool = Field(False, description="uniform in the logarithm")

    @model_validator(mode="after")
    def rises(self) -> Self:
        refuse_falling(self.low, self.high)
        if self.log and self.low <= 0:
            raise ValueError(f"low above 0 with log: true, got {self.low}")
        return self


class Normal(Distribution):
    """A normal distribution between `low` and `high`."""

    mean: float = Field(description="before it is cut off")
    std: float = Field(gt=0, description="before it is cut off")
    low: float = Field(description="least")
    high: float = Field(description="greatest")

    @model_validator(mode="after")
    def rises(self) -> Self:
        refuse_falling(self.low, self.high)
        if self.low > self.mean + 5 * self.std or self.high < self.mean - 5 * self.std:
            raise ValueError(f"low and high within 5 std of the mean, got {self.low} and {self.high}")
        return self


class Choice(Distribution):
    """One of some numbers."""

    choice: tuple[float, ...] = Field(min_length=1, description="the numbers")
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(None, description="of each; None: all the same")

    @model_validator(mode="after")
    def weighs_each(self) -> Self:
        if self.weights is not None and (len(self.weights) != len(self.choice) or sum(self.weights) <= 0):
            raise ValueError(f"one weight for each of {len(self.choice)} numbers, not all 0, got {list(self.weights)}")
        return self

    @property
    def low(self) -> float:
        return min(self.choice)

    @property
    def high(self) -> float:
        return max(self.choice)


def refuse_falling(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"low below high, got {low} and {high}")


def name_of(value: Any) -> str:
    """Which of the members of `Prior` a value is meant to be."""
    if isinstance(value, Distribution):
        return type(value).__name__
    if not isinstance(value, Mapping):
        return "float"
    return "Normal" if "mean" in value else "Choice" if "choice" in value else "Uniform"


Prior = Annotated[
    Annotated[float, Tag("float")]
    | Annotated[Uniform, Tag("Uniform")]
    | Annotated[Normal, Tag("Normal")]
    | Annotated[Choice, Tag("Choice")],
    Discriminator(name_of),
]


def lowest(prior: float | Uniform | Normal | Choice) -> float:
    return prior.low if isinstance(prior, Distribution) else prior


def highest(prior: float | Uniform | Normal | Choice) -> float:
    return prior.high if isinstance(prior, Distribution) else prior


def between(low: float, high: float) -> AfterValidator:
    """Refuses a prior that reaches beyond `low` or `high`."""

    def check(prior: Any) -> Any:
        if not low <= lowest(prior) <= highest(prior) <= high:
            raise ValueError(f"numbers from {low:g} to {high:g}, got {lowest(prior):g} to {highest(prior):g}")
        return prior

    return AfterValidator(check)
