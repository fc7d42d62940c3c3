"""What a person may ask when a machine that inverts strong lenses is judged."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from configs.frozen import Frozen, Location
from configs.maps import LensSystems, MapData

MACHINE, REFINED, ENSEMBLE = "machine", "machine, refined", "ensemble"
BLANK, OBSERVED, ADJOINT, CLASSICAL, TRUTH = "blank", "observed image", "adjoint", "classical fit", "truth"
METHODS = (MACHINE, REFINED, ENSEMBLE, BLANK, OBSERVED, ADJOINT, CLASSICAL, TRUTH)
"""What is judged always has these names."""

NIterations = Annotated[int, Field(ge=1, le=200)]


class EvaluateLenses(Frozen):
    """Judgement of a machine that inverts strong lenses, on systems that it never saw."""

    kind: Literal["lenses"] = Field(description="lenses: a machine that inverts them")
    checkpoint: Location = Field(description="folder with weights.safetensors and meta.json")
    beside: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_ -]{1,40}$")], Location] = Field(
        default_factory=dict, description="other checkpoints for the same images, by name: judged beside it"
    )
    ensemble: tuple[Location, ...] = Field(
        (), max_length=16, description="checkpoints that answer together with the first, as one more row; (): none"
    )
    data: MapData = Field(description="kind lenses: the families, as many systems of each")
    split: Literal["train", "validation", "test"] = Field("test", description="which systems")
    n_iterations: NIterations | None = Field(None, description="steps of the machine; None: as trained")
    iterations: tuple[NIterations, ...] = Field(
        (5, 8, 12, 20), min_length=1, description="numbers of steps whose errors are measured"
    )
    n_refine: int = Field(20, ge=0, le=1000, description="steps of the fit to the posterior's peak; 0: none")
    n_draws: int = Field(32, ge=2, le=1024, description="draws of the posterior by the network, of every system")
    n_refined_draws: int = Field(16, ge=2, le=1024, description="draws that are made to fit, of a few systems")
    n_refined: int = Field(2, ge=0, le=4096, description="systems of each family whose draws are made to fit")
    n_classical: int = Field(20, ge=0, le=4096, description="systems that lenstronomy is fitted to, over all families")
    n_particles: int = Field(100, ge=4, le=10_000, description="of the swarm of such a fit")
    n_swarm: int = Field(100, ge=1, le=10_000, description="most steps of the swarm")
    n_simplex: int = Field(2000, ge=1, le=100_000, description="most steps of the simplex after it")
    batch: int = Field(8, ge=1, le=1024, description="systems that are inverted together")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the draws and of the swarms")
    out: Location = Field(description="folder of lenses.html, metrics.json and the figures")

    @property
    def systems(self) -> LensSystems:
        """What is judged on."""
        assert isinstance(self.data, LensSystems)
        return self.data

    @model_validator(mode="after")
    def data_are_lenses(self) -> Self:
        if not isinstance(self.data, LensSystems):
            raise ValueError("data: kind lenses, got another")
        return self

    @model_validator(mode="after")
    def names_differ(self) -> Self:
        taken = sorted(set(self.beside) & set(METHODS))
        if taken:
            raise ValueError(f"beside: names other than {', '.join(METHODS)}, got {taken[0]}")
        return self

    @model_validator(mode="after")
    def numbers_rise(self) -> Self:
        if list(self.iterations) != sorted(set(self.iterations)):
            raise ValueError(f"iterations: rising numbers, got {list(self.iterations)}")
        return self
