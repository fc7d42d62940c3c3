"""Fields by simulation: those of a data set, and those that somebody made for the same parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learn.data import Source

Maps = NDArray[np.float32]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class FieldSet:
    """Fields of each simulation, (n, P, P) or (n, P, P, P), and its parameters, (S, p)."""

    names: tuple[str, ...]
    fields: Sequence[Maps]
    params: Array

    def __len__(self) -> int:
        return len(self.names)

    def every(self) -> Maps:
        """All fields, (n, P, P) or (n, P, P, P)."""
        return np.concatenate(list(self.fields))


def read_set(source: Source) -> FieldSet:
    """All fields of a source. ValueError unless they have one channel and no inputs."""
    about = source.about
    if about.input_channels or len(about.target_channels) != 1:
        got = f"inputs {about.input_channels} and targets {about.target_channels}"
        raise ValueError(f"data: expected fields of one channel without inputs, such as kind=fields, got {got}")
    batches = [source.read(indices) for indices in source.simulations.values()]
    fields = [batch.targets[:, 0].numpy() for batch in batches]
    params = np.array([batch.params.double().mean(0).numpy() for batch in batches]).reshape(len(batches), -1)
    return FieldSet(tuple(source.simulations), fields, params)


def projected(fields: Maps) -> Maps:
    """Maps as they are; cubes (n, P, P, P) as their means along each axis, (3 n, P, P)."""
    if fields.ndim == 3:
        return fields
    return np.concatenate([fields.mean(axis=axis, dtype=np.float64) for axis in (1, 2, 3)]).astype(np.float32)
