"""What a person may ask for when halos are painted into a box."""

from __future__ import annotations

from pydantic import Field

from configs.frozen import Frozen, Location


class PaintHalos(Frozen):
    """Draws of the halos of a box, by a trained model, from its density."""

    checkpoint: Location = Field(description="folder with weights.safetensors and meta.json")
    source: Location = Field(description="folder of a box of ours, a snapshot, or a density (N, N, N) .npy")
    redshift: float = Field(0.0, ge=0, description="which output of a box that `simulate` wrote")
    params: dict[str, float] = Field(
        default_factory=dict, description="parameters by name, before what the source says; else the training means"
    )
    out: Location = Field(description="folder of density.npy, halos_{draw}.npy and paint.json")
    n_draws: int = Field(1, ge=1, le=100_000, description="how many boxes of halos")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the draws")
    tile: int = Field(48, ge=1, le=1024, description="cells along a side that are painted at a time")
    n_retries: int = Field(2, ge=0, le=10, description="how often a failed draw is tried again")
