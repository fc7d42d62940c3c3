"""The painter as a distribution: a network that is shown noise and answers anew to every draw of it.

Trained by the continuous ranked probability score (CRPS; Gneiting & Raftery 2007), which is least, in the mean, for the
true distribution: the distance of the draws from the truth, less half their distance from each other. It is applied to
the logarithms of pixels and of the means of larger squares, and to ln P(k): so that pixels, masses in apertures and
spectra scatter as they should. Knows nothing of the training loop or of files.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from configs import Stochastic as Config
from configs import Train
from learn.data import About, Batch
from learn.methods.method import Metrics, Nets
from learn.methods.noise import draw, successors
from learn.methods.painting import NET, Painter
from learn.methods.power import agreement, summaries
from learn.nets.unet import noise_shapes
from learn.normalize import Normalizer

FAIRNESS = 0.95
"""1 is the unbiased CRPS of few draws, which two equal draws of a wrong one could not leave (Lang et al. 2024)."""


class Stochastic:
    """Draws from the distribution of fields given the dark matter, compared with the truth by the CRPS."""

    is_stochastic: ClassVar[bool] = True

    def __init__(self, config: Train, normalizer: Normalizer, about: About) -> None:
        assert isinstance(config.method, Config)
        self.config, self.net_config, self.scale = config.method, config.unet, normalizer.targets
        self.painter = Painter(config, normalizer, about, n_noise=config.method.n_noise)

    def build(self) -> dict[str, nn.Module]:
        """A new U-Net, drawn from torch's current random state."""
        return self.painter.build()

    def phases(self, _step: int) -> tuple[str]:
        """The one network."""
        return (NET,)

    def loss(self, _phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        """CRPS of squares of pixels + log_pk_weight * that of the spectra, each a mean over maps."""
        return self._loss(self._draws(nets, batch), batch.targets)

    def validate(self, nets: Nets, batch: Batch) -> Metrics:
        """The loss and its parts; of each channel the mean |ln P / P_true| and the mean r(k) of one draw."""
        draws = self._draws(nets, batch)
        loss, parts = self._loss(draws, batch.targets)
        return {"loss": loss, **parts, **agreement(draws[0], batch.targets)}

    def predict(self, nets: Nets, inputs: Tensor, params: Tensor, seeds: Tensor) -> Tensor:
        """Dark matter (B, I, H, W), parameters (B, p), seeds (B,) -> total, gas, stars (B, 3, H, W), as stored."""
        shapes = noise_shapes(self.net_config, self.config.n_noise, *inputs.shape[-2:])
        return self.painter.paint(nets, inputs, params, draw(shapes, seeds))

    def _draws(self, nets: Nets, batch: Batch) -> Tensor:
        """Answers to every map, (n_draws, B, 3, H, W)."""
        n = self.config.n_draws
        inputs, params = (x.repeat(n, *(1,) * (x.ndim - 1)) for x in (batch.inputs, batch.params))
        return apart(self.predict(nets, inputs, params, successors(batch.seeds, n)), n)

    def _loss(self, draws: Tensor, truth: Tensor) -> tuple[Tensor, Metrics]:
        every = torch.cat((truth[None], draws))  # (1 + n, B, 3, H, W)
        pixels = torch.stack([score(self._squares(every, side)) for side in self.config.pools]).mean()
        auto, cross = summaries(every.flatten(0, 1))
        power = score(apart(auto, len(every))) + score(apart(cross, len(every)))
        return pixels + self.config.log_pk_weight * power, {"pixels": pixels.detach(), "log_pk": power.detach()}

    def _squares(self, every: Tensor, side: int) -> Tensor:
        """Logarithms, in their standard deviations, of the means of squares; of whole ones only."""
        means = functional.avg_pool2d(every.flatten(0, 1), side)
        return apart(self.scale.forward(means), len(every)) * math.sqrt(side)


def apart(x: Tensor, n: int) -> Tensor:
    """(n B, ...) -> (n, B, ...)"""
    return x.reshape(n, -1, *x.shape[1:])


def score(every: Tensor) -> Tensor:
    """CRPS of the draws every[1:] about the truth every[0], a mean over all numbers."""
    truth, draws = every[0], every[1:]
    n = len(draws)
    distance = (draws - truth).abs().mean()
    first, second = torch.triu_indices(n, n, 1)
    spread = (draws[first] - draws[second]).abs().mean()  # over pairs
    return distance - 0.5 * (FAIRNESS + (1 - FAIRNESS) * (n - 1) / n) * spread
