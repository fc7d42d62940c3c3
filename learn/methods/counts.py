"""Halos by likelihood: in each cell and mass bin a count drawn from a distribution that the network gives.

The mean follows the density around the cell, and so does the dispersion, by which the scatter exceeds that of Poisson
(PineTree, arXiv:2407.01391, and Kitaura et al. 2014 argue for more than Poisson). Cells are drawn apart: what halos
share beyond the density is left out. Knows nothing of the training loop or of files.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from configs import CountLikelihood, Train
from learn.data import About, Batch
from learn.methods.halo_counts import Draw, HaloCounts
from learn.methods.method import Metrics, Nets
from learn.methods.negative_binomial import log_likelihood, quantiles
from learn.normalize import Normalizer

NET = "counter"
DISPERSION, LOG_RANGE = 0.1, 6.0  # that of an answer of 0, and the largest |ln| of what it is multiplied by


class Counts:
    """Negative binomial counts, or Poisson's, by maximum likelihood."""

    is_stochastic: ClassVar[bool] = True

    def __init__(self, config: Train, normalizer: Normalizer, about: About) -> None:
        assert isinstance(config.method, CountLikelihood)
        self.config = config.method
        self.halos = HaloCounts(config, normalizer, about)

    @property
    def is_dispersed(self) -> bool:
        return self.config.likelihood == "negative_binomial"

    def build(self) -> dict[str, nn.Module]:
        """A new network, drawn from torch's current random state."""
        return {NET: self.halos.net(2 if self.is_dispersed else 1)}

    def phases(self, _step: int) -> tuple[str]:
        """The one network."""
        return (NET,)

    def loss(self, _phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        """Minus the log-likelihood of a cell, summed over mass bins, a mean over cells and cubes."""
        counted = tuple(batch.targets.shape[-3:])
        mean, dispersion = self.expected(nets, self.halos.surrounded(batch.inputs, counted), batch.params)
        loss = -log_likelihood(batch.targets, mean, dispersion).sum(1).mean()
        return loss, {"rate": mean.detach().mean()}

    def validate(self, nets: Nets, batch: Batch) -> Metrics:
        """The loss, and how draws compare with the truth."""
        loss, _ = self.loss(NET, nets, batch)
        inputs = self.halos.surrounded(batch.inputs, tuple(batch.targets.shape[-3:]))
        draws = self.halos.draws_of(self, nets, inputs, batch.params, batch.seeds, self.config.n_draws)
        return {"loss": loss, **self.halos.scores(draws, batch.targets)}

    def predict(self, nets: Nets, inputs: Tensor, params: Tensor, seeds: Tensor) -> Tensor:
        """Whole periodic boxes of density (B, 1, N, N, N), parameters (B, p), seeds (B,) -> halos (B, C, N, N, N)."""
        shown, drawn = self.halos.drawn_for(inputs, seeds, tuple(inputs.shape[-3:]))
        return self.count(nets, shown, params, drawn)

    def count(self, nets: Nets, inputs: Tensor, params: Tensor, drawn: Draw) -> Tensor:
        """The quantiles that the uniforms of `drawn` name, as whole numbers in float32."""
        mean, dispersion = self.expected(nets, inputs, params)
        spread = None if dispersion is None else array(dispersion)
        counts = quantiles(array(drawn.uniforms), array(mean), spread)
        return torch.from_numpy(counts).float().to(inputs.device)

    def expected(self, nets: Nets, inputs: Tensor, params: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and dispersion (B, C, D - 2 margin, ...) of the counts; no dispersion where it is Poisson."""
        normals = inputs.new_empty(len(inputs), 0, *inputs.shape[-3:])
        answer = self.halos.answer(nets[NET], inputs, params, normals)
        n = self.halos.n_bins
        if not self.is_dispersed:
            return self.halos.rates(answer), None
        factor = torch.exp(LOG_RANGE * torch.tanh(answer[:, n:] / LOG_RANGE))
        return self.halos.rates(answer[:, :n]), DISPERSION * factor


def array(x: Tensor) -> NDArray[np.float64]:
    """In float64 on the CPU, without its gradient."""
    return x.detach().double().cpu().numpy()
