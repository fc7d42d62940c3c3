"""What a person may ask of a diffusion model: what its network answers, and how samples are drawn from it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from configs.frozen import Frozen


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
    guidance: float = Field(
        1.0,
        ge=0,
        le=20,
        description="1: as learned; more: further from what no condition gives (Ho & Salimans 2022), which biases P(k)",
    )


class Diffusion(Frozen):
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
    log_noise: tuple[float, Annotated[float, Field(gt=0)]] = Field(
        (-0.5, 1.2), description="edm: mean and standard deviation of ln(noise / signal) in training"
    )
    sampler: Sampling = Field(default_factory=Sampling)
