"""What the makers of pictures score by. Weak here: a uniform map of the right level is not far behind a painter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from learn.scores.views import Views

Array = NDArray[np.float64]

MAX_PSNR = 100.0
"""Of equal pictures [dB], whose ratio is infinite."""


def image_scores(painted: Views, truth: Views) -> Mapping[str, Array]:
    """SSIM (Wang et al. 2004, 11 x 11 Gaussian window) and PSNR [dB] of the log maps, a number a channel (C,).

    Both are relative to the largest true log of the channel in the simulation.
    """
    channels = zip(painted.logs.swapaxes(0, 1), truth.logs.swapaxes(0, 1), strict=True)
    ssim, psnr = np.array([_scores(own, true) for own, true in channels]).T
    return {"ssim": ssim, "psnr": psnr}


def _scores(own: Array, true: Array) -> tuple[float, float]:
    """Of one channel, (n, P, P) twice."""
    pictures = (torch.from_numpy(maps)[:, None] for maps in (own, true))
    painted, truth = (picture.float() for picture in pictures)
    span = float(true.max())
    ssim = structural_similarity_index_measure(painted, truth, data_range=span)
    assert isinstance(ssim, torch.Tensor)
    psnr = peak_signal_noise_ratio(painted, truth, data_range=span)
    return float(ssim), min(float(psnr), MAX_PSNR)
