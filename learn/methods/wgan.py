"""Halos by a generator and a critic: a Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028;
of halos Kodi Ramanah et al. 2019, arXiv:1903.10524).

The generator sees density and white noise and gives a rate; a cell holds floor(rate + u) halos, u being uniform, which
its mass bins share. So counts are whole numbers >= 0, of less than Poisson's scatter where halos exclude each other and
of more where the noise says so; their mean is the rate, whose gradient passes straight through. The critic sees density
and counts. Knows nothing of the training loop or of files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from configs import Train
from configs import Wgan as Config
from learn.data import About, Batch
from learn.methods.halo_counts import Draw, HaloCounts
from learn.methods.method import Metrics, Nets
from learn.methods.noise import draw_uniform
from learn.nets.critic import Critic
from learn.nets.inception import cropped
from learn.normalize import Normalizer

GENERATOR, CRITIC = "generator", "critic"
MIXING = 1 << 60  # seeds of what is mixed for the penalty, apart from those of draws
EMPTY = 3 / 8
"""What is added to counts before their root is taken."""
TINY = 1e-12
"""Added to a squared norm, whose root has no gradient at 0."""


class Wgan:
    """A generator of counts against a critic whose slope is held at one, cube by cube."""

    is_stochastic: ClassVar[bool] = True

    def __init__(self, config: Train, normalizer: Normalizer, about: About) -> None:
        assert isinstance(config.method, Config)
        self.config = config.method
        self.halos = HaloCounts(config, normalizer, about, n_noise=config.method.n_noise)
        self.normalizer = normalizer

    def build(self) -> dict[str, nn.Module]:
        """A new generator and a new critic, drawn from torch's current random state."""
        halos = self.halos
        n_in, n_params = 1 + halos.n_bins, len(halos.about.param_names)
        critic = Critic(self.config, n_in, n_params, halos.net_config.n_embedding)
        return {GENERATOR: halos.net(1), CRITIC: critic}

    def phases(self, step: int) -> tuple[str, ...]:
        """The critic in every step, and after it the generator in every n_critic-th."""
        return (CRITIC, GENERATOR) if step % self.config.n_critic == self.config.n_critic - 1 else (CRITIC,)

    def loss(self, phase: str, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        """Of the critic: false - true + penalty + drift; of the generator: minus what the critic says of its counts.

        And, as much as the anchor weighs, minus the likelihood that Poisson counts of its rates are the true ones.
        """
        return self._critic_loss(nets, batch) if phase == CRITIC else self._generator_loss(nets, batch)

    def validate(self, nets: Nets, batch: Batch) -> Metrics:
        """How draws compare with the truth, of which the `crps` is the loss; and what the critic sees between them."""
        inputs = self._shown(batch)
        draws = self.halos.draws_of(self, nets, inputs, batch.params, batch.seeds, self.config.n_draws)
        scores = self.halos.scores(draws, batch.targets)
        judge = self._judge(nets, inputs, batch.params)
        true, false = (self._scaled(counts) for counts in (batch.targets, draws[0]))
        distance = (judge(true) - judge(false)).mean() / root_of(true)
        return {"loss": scores["crps"], "distance": distance, **scores}

    def predict(self, nets: Nets, inputs: Tensor, params: Tensor, seeds: Tensor) -> Tensor:
        """Whole periodic boxes of density (B, 1, N, N, N), parameters (B, p), seeds (B,) -> halos (B, C, N, N, N)."""
        return self.halos.box_of(self, nets, inputs, params, seeds)

    def count(self, nets: Nets, inputs: Tensor, params: Tensor, drawn: Draw) -> Tensor:
        """Whole numbers in float32, with the gradient of the rates."""
        return counted(self.rates(nets, inputs, params, drawn.normals), drawn.uniforms)

    def rates(self, nets: Nets, inputs: Tensor, params: Tensor, normals: Tensor) -> Tensor:
        """Mean counts (B, C, D - 2 margin, ...) in the density (B, 1, D, ...), shown with the noise `normals`."""
        return self.halos.rates(self.halos.answer(nets[GENERATOR], inputs, params, normals))

    def _critic_loss(self, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        inputs = self._shown(batch)
        with torch.no_grad():
            false = self._scaled(self._fakes(nets, inputs, batch))
        true = self._scaled(batch.targets)
        share = draw_uniform((1, 1, 1, 1), batch.seeds ^ MIXING)
        mixed = torch.lerp(true, false, share).requires_grad_()
        judge = self._judge(nets, inputs, batch.params)
        # In one pass, of which the gradients of several workers are averaged once.
        said_true, said_false, said_mixed = judge(torch.cat((true, false, mixed))).chunk(3)
        penalty = slope_penalty(said_mixed, mixed)
        distance = (said_true - said_false).mean() / root_of(true)
        loss = -distance + self.config.penalty * penalty + self.config.drift * said_true.square().mean()
        return loss, {"distance": distance.detach(), "penalty": penalty.detach()}

    def _generator_loss(self, nets: Nets, batch: Batch) -> tuple[Tensor, Metrics]:
        inputs = self._shown(batch)
        drawn = self._drawn(inputs, batch)
        rates = self.rates(nets, inputs, batch.params, drawn.normals)
        counts = self._scaled(counted(rates, drawn.uniforms))
        said = self._judge(nets, inputs, batch.params)(counts)
        loss = -said.mean() / root_of(counts)
        if self.config.anchor:
            loss = loss + self.config.anchor * (rates - torch.xlogy(batch.targets, rates)).sum(1).mean()
        return loss, {"rate": rates.detach().mean()}

    def _fakes(self, nets: Nets, inputs: Tensor, batch: Batch) -> Tensor:
        """A draw of every cube by its seed."""
        return self.count(nets, inputs, batch.params, self._drawn(inputs, batch))

    def _drawn(self, inputs: Tensor, batch: Batch) -> Draw:
        return self.halos.drawn(batch.seeds, tuple(inputs.shape[-3:]), tuple(batch.targets.shape[-3:]))

    def _judge(self, nets: Nets, inputs: Tensor, params: Tensor) -> Callable[[Tensor], Tensor]:
        """The critic of scaled counts (n B, C, D, H, W) in the density of `inputs` (B, 1, ...): (n B,)."""
        density = cropped(self.normalizer.inputs.forward(inputs), self.halos.margin)
        given = self.normalizer.params.forward(params)

        def judge(counts: Tensor) -> Tensor:
            n = len(counts) // len(density)
            seen = torch.cat((density.repeat(n, 1, 1, 1, 1), counts), dim=1)
            said: Tensor = nets[CRITIC](seen, given.repeat(n, 1))
            return said.float()

        return judge

    def _scaled(self, counts: Tensor) -> Tensor:
        """Counts as the critic sees them: roots that scatter alike (Anscombe 1948), over the scatter of Poisson's.

        Their slope is nearly the same at 0 and at 1, between which most cells are: it is what the generator descends.
        """
        mean = self.halos.mean_count(counts)
        roots = 2 * (torch.sqrt(counts + EMPTY) - EMPTY**0.5)
        return roots * torch.sqrt((1 + mean) / mean)

    def _shown(self, batch: Batch) -> Tensor:
        return self.halos.surrounded(batch.inputs, tuple(batch.targets.shape[-3:]))


def counted(rates: Tensor, uniforms: Tensor) -> Tensor:
    """Whole numbers (B, C, ...) of mean `rates`, whose gradient they have; the first uniform of a cell rounds it.

    Bins share a cell as they share its rate: their sum is rounded as one number would be, so that a halo of which the
    mass is not known is of one bin.
    """
    ends = torch.floor(rates.detach().cumsum(1) + uniforms[:, :1])
    counts = torch.diff(ends, dim=1, prepend=torch.zeros_like(ends[:, :1]))
    return counts + (rates - rates.detach())


def root_of(counts: Tensor) -> float:
    """Of the numbers in a cube of `counts` (B, C, D, H, W): as it grows, so does the distance of two draws.

    What a critic of unit slope says is of that order. So measured, the penalty holds the slope in a cube of any size.
    """
    return float(counts[0].numel() ** 0.5)


def slope_penalty(said: Tensor, points: Tensor) -> Tensor:
    """Mean over rows of (|gradient of said[i] (B,) by points[i] (B, ...)| - 1)^2, which can be descended itself."""
    (slopes,) = torch.autograd.grad(said.sum(), points, create_graph=True)
    norms = slopes.flatten(1).square().sum(1).add(TINY).sqrt()
    return (norms - 1).square().mean()
