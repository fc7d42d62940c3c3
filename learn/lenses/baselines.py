"""What knows no network: nothing, the image itself, and the image carried back through the true lens."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from configs.lens_evaluation import ADJOINT, BLANK, OBSERVED, TRUTH
from learn.data import Batch
from learn.lenses.inverter import Floats
from learn.lenses.known import Known
from learn.lenses.scores import Answer


def baselines(batch: Batch, known: Known, field: float) -> dict[str, Answer]:
    """By name; sources have a side of `field` images. The truth has no score but its chi^2."""
    m = batch.targets.shape[-1]
    dark = np.zeros_like(batch.targets[:, 0].numpy()), np.zeros_like(known.image)
    carried = known.adjoint
    return {
        BLANK: Answer(source=dark[0], model=dark[1]),
        OBSERVED: Answer(source=seen_in(batch.inputs[:, 0].numpy(), field, m)),
        ADJOINT: Answer(source=carried.source.numpy(), model=carried.model.numpy()),
        TRUTH: Answer(model=known.image),
    }


def seen_in(images: Floats, field: float, n_source: int) -> Floats:
    """Images (B, n, n) between their pixels, at (B, m, m) over the middle `field` of their sides."""
    along = field * ((torch.arange(n_source) + 0.5) * 2 / n_source - 1)
    y, x = torch.meshgrid(along, along, indexing="ij")
    at = torch.stack((x, y), dim=-1).expand(len(images), -1, -1, -1)
    shown = functional.grid_sample(torch.from_numpy(images)[:, None], at, align_corners=False, padding_mode="border")
    return np.asarray(shown[:, 0].numpy())
