"""Halos by likelihood: in each cell and mass bin a count drawn from a distribution that the network gives.

The mean follows the density around the cell, and so does the scatter. Where a halo surely is, of whatever mass, others
are not: the counts of a cell scatter less than Poisson's; where halos crowd, more (PineTree, arXiv:2407.01391, and
Kitaura et al. 2014 argue for more). The negative binomial knows the second alone, and each bin apart; `occupation`
knows both. Cells of one round are drawn apart: what halos share beyond the density, the next round is shown. Knows
nothing of the training loop or of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from configs import CountLikelihood, Train
from learn.data import About, Batch
from learn.methods.halo_counts import Draw, HaloCounts
from learn.methods.method import Metrics, Nets
from learn.methods.negative_binomial import Array, NegativeBinomial, array
from learn.methods.noise import draw, draw_uniform
from learn.methods.occupation import Occupation
from learn.normalize import Normalizer

NET = "counter"
DISPERSION, LOG_RANGE = 0.1, 6.0  # that of an answer of 0, and the largest |ln| of what it is multiplied by


class Distribution(Protocol):
    """Of the counts (B, C, D, H, W) of cells and mass bins."""

    @property
    def mean(self) -> Tensor: ...

    def log_likelihood(self, counts: Tensor) -> Tensor:
        """Natural logarithm of their probabilities, of each mass bin or of all together: (B, C or 1, D, H, W)."""
        ...

    def quantiles(self, uniforms: Array) -> Array:
        """The counts that uniforms in [0, 1) draw."""
        ...


def poisson(halos: HaloCounts, answer: Tensor) -> NegativeBinomial:
    """A rate."""
    return NegativeBinomial(halos.rates(answer))


def negative_binomial(halos: HaloCounts, answer: Tensor) -> NegativeBinomial:
    """A rate, and the logarithm of a dispersion."""
    rate, spread = answer.chunk(2, dim=1)
    return NegativeBinomial(halos.rates(rate), dispersion(spread))


def occupation(halos: HaloCounts, answer: Tensor) -> Occupation:
    """Odds that the one halo is of a bin, a rate of further ones and the logarithm of their dispersion.

    An answer of 0 is the mean count mu of training: odds mu, and as many further halos as those leave.
    """
    odds, rate, spread = answer.chunk(3, dim=1)
    every = halos.mean_count(answer).sum()
    further = halos.rates(rate) * every / (1 + every)
    return Occupation(torch.log(halos.rates(odds)), NegativeBinomial(further, dispersion(spread)))


def dispersion(answer: Tensor) -> Tensor:
    """DISPERSION times the exponential of an answer, within bounds."""
    return DISPERSION * torch.exp(LOG_RANGE * torch.tanh(answer / LOG_RANGE))


Reading = Callable[[HaloCounts, Tensor], Distribution]
LIKELIHOODS: Mapping[str, tuple[int, Reading]] = {
    "poisson": (1, poisson),
    "negative_binomial": (2, negative_binomial),
    "occupation": (3, occupation),
}
"""How many numbers a mass bin the network answers, and what they mean."""


class Counts:
    """Counts of one of the likelihoods, by maximum likelihood."""

    is_stochastic: ClassVar[bool] = True

    def __init__(self, config: Train, normalizer: Normalizer, about: About) -> None:
        assert isinstance(config.method, CountLikelihood)
        self.config = config.method
        self.halos = HaloCounts(config, normalizer, about, n_rounds=config.method.rounds)
        self._n_answers, self._read = LIKELIHOODS[config.method.likelihood]

    def build(self) -> dict[str, nn.Module]:
        """A new network, drawn from torch's current random state."""
        return {NET: self.halos.net(self._n_answers)}

    def phases(self, _step: int) -> tuple[str]:
        """The one network."""
        return (NET,)

    def loss(self, _phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        """Minus the log-likelihood of a cell and all its mass bins, a mean over cells and cubes.

        In rounds: of the cells that are not known at the beginning of a round, each cube having its own.
        """
        inputs, is_open = self._shown(batch)
        expected = self.expected(nets, inputs, batch.params)
        likelihood = expected.log_likelihood(batch.targets).sum(1, keepdim=True)
        losses = -(likelihood * is_open).flatten(1).sum(1) / is_open.flatten(1).sum(1).clamp(min=1)
        return losses.mean(), {"rate": expected.mean.detach().mean()}

    def _shown(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the network is shown of each cube, and which cells (B, 1, D, H, W) it is asked for."""
        counted, halos = tuple(batch.targets.shape[-3:]), self.halos
        density = halos.surrounded(batch.inputs, counted)
        if halos.n_rounds == 1:
            return density, torch.ones_like(batch.targets[:, :1])
        (normals,) = draw([(1, *counted)], batch.seeds)
        turn = (draw_uniform((1, 1, 1, 1), batch.seeds) * halos.n_rounds).long()
        is_known = halos.turns(normals) < turn
        known = halos.known(batch.targets, is_known, is_box=tuple(batch.inputs.shape[-3:]) == counted)
        return torch.cat((density, known), dim=1), (~is_known).to(density.dtype)

    def validate(self, nets: Nets, batch: Batch) -> Metrics:
        """The loss, and how draws compare with the truth."""
        loss, _ = self.loss(NET, nets, batch)
        inputs = self.halos.surrounded(batch.inputs, tuple(batch.targets.shape[-3:]))
        draws = self.halos.draws_of(self, nets, inputs, batch.params, batch.seeds, self.config.n_draws)
        return {"loss": loss, **self.halos.scores(draws, batch.targets)}

    def predict(self, nets: Nets, inputs: Tensor, params: Tensor, seeds: Tensor) -> Tensor:
        """Whole periodic boxes of density (B, 1, N, N, N), parameters (B, p), seeds (B,) -> halos (B, C, N, N, N)."""
        return self.halos.box_of(self, nets, inputs, params, seeds)

    def count(self, nets: Nets, inputs: Tensor, params: Tensor, drawn: Draw) -> Tensor:
        """What the uniforms of `drawn` draw, as whole numbers in float32."""
        counts = self.expected(nets, inputs, params).quantiles(array(drawn.uniforms))
        return torch.from_numpy(counts).float().to(inputs.device)

    def expected(self, nets: Nets, inputs: Tensor, params: Tensor) -> Distribution:
        """Of the counts (B, C, D - 2 margin, ...) in the density and what is known, (B, 1 or more, D, ...)."""
        return self._read(self.halos, self.halos.answer(nets[NET], inputs, params))
