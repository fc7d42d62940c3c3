"""What a person may ask of a diffusion model: what its network answers, and how samples are drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen
from configs.method import Method, Scales


class Sampling(Frozen):
    """How noise becomes a sample."""

    kind: Literal["ddpm", "ddim", "dpmpp_2m", "heun"] = Field(
        "dpmpp_2m",
        description="ddpm: ancestral (Ho et al. 2020); ddim (Song et al. 2021); dpmpp_2m: DPM-Solver++(2M) "
        "(Lu et al. 2022); heun (Karras et al. 2022)",
    )
    n_steps: int = Field(
        25,
        ge=1,
        le=10_000,
        description="steps from noise to a sample, elsewhere called sampling_timesteps; one evaluation of the network "
        "each, two with heun but for the last, and twice as many with guidance",
    )
    noise_range: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = Field(
        (0.05, 40.0),
        description="noise over signal at the last and the first step, which begins without signal; steps are even in "
        "its logarithm; kind: variational has learned its own",
    )
    guidance: float = Field(
        1.0,
        ge=0,
        le=20,
        description="1: as learned; more: further from what no condition gives (Ho & Salimans 2022), which biases P(k)",
    )

    @model_validator(mode="after")
    def noise_rises(self) -> Self:
        if not self.noise_range[0] < self.noise_range[1]:
            raise ValueError(f"noise_range: rising, got {list(self.noise_range)}")
        return self


class Diffusion(Method):
    """Samples of fields, given their parameters and the input maps, if there are any."""

    kind: Literal["diffusion"] = "diffusion"
    objective: Literal["eps", "v", "edm", "flow"] = Field(
        "v",
        description="what the network answers: the noise; the velocity (Salimans & Ho 2022); Karras et al. 2022; "
        "the velocity along straight lines (Lipman et al. 2023)",
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, description="share of the training maps whose condition is hidden, for guidance"
    )
    offset: float = Field(
        1.0, gt=0, le=1e3, description="x0 of the targets' log10(1 + x / x0), over their mean; small: a plain logarithm"
    )
    empty: tuple[str, ...] = Field(
        (), description="channels, such as stars, of which most pixels hold nothing: they are kept apart by `gap`"
    )
    gap: float = Field(1.0, gt=0, le=10, description="between an empty pixel of those and the faintest other [dex]")
    residual: tuple[str, ...] = Field(
        (),
        description="channels, such as dark matter and gas, that are learned as what their logarithm differs by from "
        "that of their mean share of the first input map",
    )
    joint: bool = Field(
        True, description="one network for all channels, which knows how they go together; else one each"
    )
    bright: float = Field(
        0.0,
        ge=0,
        le=100,
        description="pixels of a map weigh as 1 + bright x^2 in the loss, x being what the network itself takes a "
        "pixel for, in standard deviations: the best answer stays the same, and the few bright ones are heard",
    )
    log_noise: tuple[float, Annotated[float, Field(gt=0)]] = Field(
        (-0.5, 1.2), description="edm: mean and standard deviation of ln(noise / signal) in training"
    )
    even: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the training draws whose ln(noise / signal) is even over the sampler's noise_range, as "
        "its steps are: large scales are decided where noise is many times the signal, and most draws have little",
    )
    sampler: Sampling = Field(default_factory=Sampling)

    def scales(self, channels: Sequence[str]) -> Scales:
        """Those of targets of `channels`; ValueError for an empty or residual one that is none of them."""
        refuse_unknown("empty", self.empty, channels)
        refuse_unknown("residual", self.residual, channels)
        gaps = tuple(self.gap if name in self.empty else 0.0 for name in channels) if self.empty else ()
        residual = tuple(name in self.residual for name in channels) if self.residual else ()
        return Scales(offset=self.offset, gaps=gaps, residual=residual)


class Variational(Diffusion):
    """The same with a schedule of noise that is learned beside the network (Kingma et al. 2021)."""

    kind: Literal["variational"] = "variational"  # type: ignore[assignment]
    objective: Literal["v"] = Field("v", description="what the network answers: the velocity")
    even: float = Field(0.0, ge=0, le=0, description="none: the schedule is learned")
    log_range: tuple[float, float] = Field(
        (-5.0, 4.0), description="ln(noise / signal) of the least and the most noisy level"
    )
    n_levels: int = Field(32, ge=2, le=1024, description="bins of ln(noise / signal) whose shares are learned")
    every: int = Field(4, ge=1, le=1000, description="steps of the network between two of the schedule")

    @model_validator(mode="after")
    def levels_rise(self) -> Self:
        if not self.log_range[0] < self.log_range[1]:
            raise ValueError(f"log_range: rising, got {list(self.log_range)}")
        return self


def refuse_unknown(field: str, named: Sequence[str], channels: Sequence[str]) -> None:
    """ValueError for what `field` of a method names that is none of `channels`."""
    unknown = sorted(set(named) - set(channels))
    if unknown:
        raise ValueError(f"method.{field}: any of {', '.join(channels)}, got {unknown[0]}")
