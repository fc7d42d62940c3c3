"""What a person may ask of the HTTP service: which models answer, how large a request, with how many processes."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from configs.counting import MAX_CELLS
from configs.frozen import Frozen, Location
from configs.reconstruction import MAX_DRAWS, MAX_REFINE


class Replicas(Frozen):
    """Processes that answer one endpoint: as many as are asked of, each with a model and a queue of its own."""

    max_batch: int = Field(8, ge=1, le=1024, description="most maps or samples that share one forward pass")
    batch_wait_s: float = Field(0.0, ge=0, le=1, description="how long an idle model waits for company [s]")
    min_replicas: int = Field(1, ge=1, le=1024, description="replicas when idle")
    max_replicas: int = Field(2, ge=1, le=1024, description="replicas under load")
    max_queued: int = Field(64, ge=1, description="requests that may wait before 503 is answered")
    num_cpus: float = Field(1.0, gt=0, description="cores a replica")
    use_gpu: bool = Field(False, description="one GPU a replica")

    @model_validator(mode="after")
    def replicas_rise(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas: at least min_replicas={self.min_replicas}, got {self.max_replicas}")
        return self


class ServeSamples(Replicas):
    """An endpoint of a diffusion model: fields, or the baryons of a halo."""

    checkpoint: Location = Field(description="folder with weights.safetensors and meta.json")
    max_samples: int = Field(64, ge=1, le=4096, description="most samples of a request; never over 2^24 numbers")
    max_steps: int = Field(100, ge=1, le=10_000, description="most steps of the sampler, the model's own included")


class ServeCounts(Replicas):
    """An endpoint of a model that counts halos."""

    checkpoint: Location = Field(description="folder with weights.safetensors and meta.json")
    max_cells: int = Field(128, ge=2, le=MAX_CELLS, description="longest side of a box that is accepted [cell]")


class ServeInversions(Replicas):
    """An endpoint of a machine that inverts lenses, which runs on a core, one image after the other."""

    checkpoint: Location = Field(description="folder with weights.safetensors and meta.json")
    max_pixels: int = Field(512, ge=8, le=4096, description="longest side of an image that is accepted")
    max_refine: int = Field(40, ge=0, le=MAX_REFINE, description="most steps of the fit of a request")
    max_draws: int = Field(64, ge=2, le=MAX_DRAWS, description="most draws of a request")

    @model_validator(mode="after")
    def runs_on_a_core(self) -> Self:
        if self.use_gpu:
            raise ValueError("use_gpu: false, for an image is inverted on a core, got true")
        return self


class Serve(Replicas):
    """The HTTP service. What stands beside `checkpoint` of replicas and batches is of the painter."""

    checkpoint: Location | None = Field(
        None, description="painter of maps behind /v1/paint: folder with weights.safetensors and meta.json"
    )
    host: str = Field("127.0.0.1", description="address to bind; loopback unless told otherwise")
    port: int = Field(8000, ge=1, le=65535, description="port of the HTTP proxy")
    max_pixels: int = Field(2048, ge=8, le=16384, description="longest side of a map that is accepted")
    timeout_s: float = Field(60.0, gt=0, description="a request that takes longer is answered 408 [s]")
    generate: ServeSamples | None = Field(None, description="generator of fields behind /v1/generate")
    halos: ServeSamples | None = Field(None, description="model of the baryons of halos behind /v1/halos")
    counts: ServeCounts | None = Field(None, description="model that counts halos behind /v1/counts")

    invert: ServeInversions | None = Field(None, description="machine that inverts lenses behind /v1/invert")

    @model_validator(mode="after")
    def serves_something(self) -> Self:
        if not self.endpoints:
            raise ValueError("checkpoint: one here, or in another endpoint, got none")
        return self

    @property
    def endpoints(self) -> dict[str, Replicas]:
        """What is served, by name: `paint` is this configuration itself."""
        painter = None if self.checkpoint is None else self
        every: dict[str, Replicas | None] = {"paint": painter, "generate": self.generate, "halos": self.halos}
        every |= {"counts": self.counts, "invert": self.invert}
        return {name: one for name, one in every.items() if one is not None}
