"""What all models that count halos share: what their network is shown, what its answer means, how a draw is made.

A network is shown the logarithm of the density, and sees `margin` cells beyond each cell whose halos it counts. Its
answer is the logarithm of a rate over the mean count of training: 0 is no knowledge at all. What is drawn in a cell
depends on what is drawn for that cell and on what it is shown alone, so a box in tiles is the box.

Cells may be counted in rounds, each shown the counts of those before it, in an order that is drawn cell by cell: halos
then know of each other (Uria, Murray & Larochelle 2014; Hoogeboom et al. 2022, arXiv:2110.02037), and no cell of the
box is special. Knows nothing of losses or of files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from configs import HaloPainting, Train
from learn.data import About
from learn.methods.method import Metrics, Nets
from learn.methods.noise import draw, draw_uniform, successors
from learn.methods.stochastic import apart, score
from learn.nets.inception import Inception, cropped
from learn.normalize import Normalizer

LIMIT = 12.0  # largest |ln (rate / mean count)|: finite rates whatever the input


@dataclass(frozen=True)
class Draw:
    """What is drawn for cubes: normals (B, n, D, H, W) of cells shown, uniforms (B, C, ...) of cells counted.

    A generator is shown the normals; where cells are counted in rounds, they say in which.
    """

    normals: Tensor
    uniforms: Tensor


@runtime_checkable
class HaloMethod(Protocol):
    """A method whose cubes can be counted in parts."""

    @property
    def halos(self) -> HaloCounts: ...

    def count(self, nets: Nets, inputs: Tensor, params: Tensor, drawn: Draw) -> Tensor:
        """Halos (B, C, D - 2 margin, ...) of cells of which, and around which, (B, 1 or more, D, H, W) is shown."""
        ...


class HaloCounts:
    """The physical side of a network that counts halos."""

    def __init__(
        self, config: Train, normalizer: Normalizer, about: About, *, n_noise: int = 0, n_rounds: int = 1
    ) -> None:
        if not isinstance(config.method, HaloPainting):
            raise TypeError(f"halos: a method that counts halos, got {config.method.kind}")
        if about.n_dims != 3 or len(about.input_channels) != 1:
            raise ValueError(f"data: cubes of one density, got {about.n_dims}-D {', '.join(about.input_channels)}")
        self.config, self.normalizer, self.about = config.method, normalizer, about
        self.net_config, self.n_rounds = config.inception, n_rounds
        self.margin, self.n_bins = config.inception.margin, len(about.target_channels)
        self.n_noise = n_noise if n_rounds == 1 else 1
        self.n_beside = n_noise if n_rounds == 1 else self.n_bins + 1

    def net(self, n_answers: int) -> Inception:
        """A new network of `n_answers` numbers a mass bin, drawn from torch's current random state."""
        n_in, n_params = len(self.about.input_channels) + self.n_beside, len(self.about.param_names)
        return Inception(self.net_config, n_in, n_answers * self.n_bins, n_params)

    def answer(self, net: torch.nn.Module, inputs: Tensor, params: Tensor, *beside: Tensor) -> Tensor:
        """What `net` says of the density (B, 1, D, H, W) and what is beside: (B, answers, D - 2 margin, ...), float32.

        Channels of `inputs` after the first are shown as they are, as `beside` is.
        """
        seen = torch.cat((self.normalizer.inputs.forward(inputs[:, :1]), inputs[:, 1:], *beside), dim=1)
        return net(seen, self.normalizer.params.forward(params)).float()

    def rates(self, answer: Tensor) -> Tensor:
        """Mean counts (B, C, D, H, W), above 0, that the answer stands for."""
        return self.mean_count(answer) * torch.exp(LIMIT * torch.tanh(answer / LIMIT))

    def mean_count(self, like: Tensor) -> Tensor:
        """That of the training cells in each mass bin, (C, 1, 1, 1), on the device of `like`."""
        return like.new_tensor(self.normalizer.targets.x0)[:, None, None, None]

    def surrounded(self, inputs: Tensor, counted: tuple[int, ...]) -> Tensor:
        """`inputs` as the network needs them to count `counted` cells along each side: a periodic box goes on.

        ValueError unless they are a whole box or have the margin already.
        """
        if tuple(inputs.shape[-3:]) == tuple(counted):
            return self.wrapped(inputs)
        if tuple(inputs.shape[-3:]) != tuple(n + 2 * self.margin for n in counted):
            shapes = f"{tuple(inputs.shape[-3:])} for {tuple(counted)}"
            raise ValueError(f"density: cells with {self.margin} around them, or a whole box, got {shapes}")
        return inputs

    def wrapped(self, box: Tensor) -> Tensor:
        """A periodic box (B, n, D, H, W) with `margin` cells of its other side around it."""
        if min(box.shape[-3:]) < max(self.margin, 1):
            raise ValueError(f"box: at least {self.margin} cells along each side, got {tuple(box.shape[-3:])}")
        if box.shape[1] == 0:
            return box.new_empty(*box.shape[:2], *(n + 2 * self.margin for n in box.shape[-3:]))
        return functional.pad(box, (self.margin,) * 6, mode="circular")

    def in_rounds(self, inputs: Tensor, normals: Tensor, count: Callable[[Tensor], Tensor], *, is_box: bool) -> Tensor:
        """Counts (B, C, D, H, W) of cells, each in the round that its normal (B, 1, D, H, W) says.

        `count` takes the density `inputs` (B, 1, D + 2 margin, ...), with what is known beside it, to counts of all
        cells. Around a whole box it goes on; around others nothing is known.
        """
        if self.n_rounds == 1:
            return count(inputs)
        turns = self.turns(normals)
        counts = normals.new_zeros(len(normals), self.n_bins, *normals.shape[-3:])
        for turn in range(self.n_rounds):
            known = self.known(counts, turns < turn, is_box=is_box)
            counts = torch.where(turns == turn, count(torch.cat((inputs, known), dim=1)), counts)
        return counts

    def turns(self, normals: Tensor) -> Tensor:
        """The round of each cell, as many in each but for chance."""
        return (torch.special.ndtr(normals) * self.n_rounds).long().clamp(max=self.n_rounds - 1)

    def known(self, counts: Tensor, is_known: Tensor, *, is_box: bool) -> Tensor:
        """Of counts (B, C, D, H, W) those that are known, and which are: (B, C + 1, D + 2 margin, ...)."""
        flag = is_known.to(counts.dtype)
        beside = torch.cat((counts * flag, flag), dim=1)
        return self.wrapped(beside) if is_box else functional.pad(beside, (self.margin,) * 6)

    def drawn(self, seeds: Tensor, shown: tuple[int, ...], counted: tuple[int, ...]) -> Draw:
        """What each of `seeds` (B,) draws for cubes of these sides."""
        (normals,) = draw([(self.n_noise, *shown)], seeds)
        return Draw(normals, draw_uniform((self.n_bins, *counted), seeds))

    def drawn_for(self, inputs: Tensor, seeds: Tensor, counted: tuple[int, ...]) -> tuple[Tensor, Draw]:
        """Inputs as the network needs them, and what is drawn for them: in a whole box as periodic as it is."""
        drawn = self.drawn(seeds, tuple(inputs.shape[-3:]), counted)
        if tuple(inputs.shape[-3:]) == tuple(counted):
            drawn = Draw(self.wrapped(drawn.normals), drawn.uniforms)
        return self.surrounded(inputs, counted), drawn

    def scores(self, draws: Tensor, truth: Tensor) -> Metrics:
        """How draws (n, B, C, D, H, W) compare with the true counts (B, C, D, H, W), means over the cubes.

        crps: of the square roots of the counts in cubes of cells; ratio_{bin}: the mean count over the true one of
        training; empty: difference of the shares of cells without halos.
        """
        pools = [side for side in self.config.pools if side <= min(truth.shape[-3:])]
        every = torch.cat((truth[None], draws))
        crps = torch.stack([score(pooled(every, side)) for side in pools]).mean()
        mean = truth.new_tensor(self.normalizer.targets.x0)
        excess = (draws.mean((0, 1, 3, 4, 5)) - truth.mean((0, 2, 3, 4))) / mean
        empty = (draws == 0).float().mean() - (truth == 0).float().mean()
        named = zip(self.about.target_channels, excess, strict=True)
        return {"crps": crps, "empty": empty, **{f"excess_{name}": value for name, value in named}}

    def draws_of(self, method: HaloMethod, nets: Nets, inputs: Tensor, params: Tensor, seeds: Tensor, n: int) -> Tensor:
        """`n` draws of every cube whose inputs have their margin, (n, B, C, D - 2 margin, ...)."""
        counted = tuple(side - 2 * self.margin for side in inputs.shape[-3:])

        def one(own: Tensor) -> Tensor:
            drawn = self.drawn(own, tuple(inputs.shape[-3:]), counted)
            order = cropped(drawn.normals, self.margin)
            return self.in_rounds(inputs, order, lambda seen: method.count(nets, seen, params, drawn), is_box=False)

        return torch.stack([one(own) for own in apart(successors(seeds, n), n)])

    def box_of(self, method: HaloMethod, nets: Nets, inputs: Tensor, params: Tensor, seeds: Tensor) -> Tensor:
        """The draw of each of `seeds` (B,) in whole periodic boxes (B, 1, N, N, N): (B, C, N, N, N)."""
        shown, drawn = self.drawn_for(inputs, seeds, tuple(inputs.shape[-3:]))
        order = cropped(drawn.normals, self.margin)
        return self.in_rounds(shown, order, lambda seen: method.count(nets, seen, params, drawn), is_box=True)


def pooled(every: Tensor, side: int) -> Tensor:
    """Square roots, whose scatter hardly depends on the mean, of the counts (n, B, C, D, H, W) in cubes of cells."""
    sums = functional.avg_pool3d(every.flatten(0, 1).float(), side) * side**3
    return apart(torch.sqrt(sums), len(every))
