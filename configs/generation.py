"""What a person may ask of a trained generator: how many samples, of which seed and parameters."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from configs.diffusion import Sampling
from configs.frozen import Frozen, Location
from configs.schema import Interval, refuse_empty_intervals


class Generate(Frozen):
    """Samples of a diffusion model; sample i of a seed is the same however many there are and whoever draws it."""

    checkpoint: Location = Field(description="folder with weights.safetensors and meta.json")
    out: Location = Field(description="folder of samples.hdf5, samples.npy and samples.png")
    n_samples: int = Field(ge=1, le=2**22, description="how many samples; --num-samples does the same")
    seed: int = Field(0, ge=0, lt=2**40, description="seed of the samples; --seed does the same")
    parameters: dict[str, float] = Field(
        default_factory=dict, description="parameter -> value in all samples; the training mean where none is given"
    )
    vary: dict[str, Interval] = Field(
        default_factory=dict, description="parameter -> [low, high], a Sobol design over the samples"
    )
    sampler: Sampling | None = Field(None, description="other steps, guidance or sampler than those of the training")
    samples_per_task: int = Field(16, ge=1, le=4096, description="samples that are drawn and kept together")
    use_gpu: bool = Field(False, description="one GPU a task; its last bits differ from those of a CPU")
    n_retries: int = Field(2, ge=0, le=10, description="how often failed samples are tried again")

    @model_validator(mode="after")
    def a_parameter_is_told_once(self) -> Self:
        refuse_empty_intervals("vary", self.vary)
        twice = sorted(set(self.vary) & set(self.parameters))
        if twice:
            raise ValueError(f"vary: parameters that are not in `parameters`, got {twice[0]}")
        return self
