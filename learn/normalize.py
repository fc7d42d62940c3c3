"""The one transform between physical maps and the numbers a network sees.

Fitted on the training split, kept in the checkpoint, nowhere else. Knows nothing of files or networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, Self

import torch
from pydantic import model_validator
from torch import Tensor

from configs import Frozen
from learn.data import Batch

LN10 = math.log(10.0)
FAINTEST = 1e-6  # over x0: about what float32 tells from nothing beside a gap
CONSTANT = 1e-6  # a parameter that varies by less than this fraction of its mean does not vary


class LogScale(Frozen):
    """log10(1 + x / x0), then z-score, channel by channel, of maps or cubes; x0 in the unit of x.

    A channel with a gap has that many dex between a pixel that is exactly 0 and the faintest other: what is nearer to
    the former, as samples of empty pixels are, is exactly 0 again, and what is nearer to the latter is not. `high` is
    the brightest pixel of training, normalised, where it is known.

    A channel with a share is shown as what its logarithm differs by from that of this share of another map, `base`
    (..., 1, H, W): a network that corrects a guess errs by a part of the correction, not of the field.
    """

    x0: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    n_dims: Literal[2, 3] = 2
    gap: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    share: tuple[float, ...] = ()

    @model_validator(mode="after")
    def is_usable(self) -> Self:
        refuse_lengths(self.x0, self.mean, self.std, *(row for row in (self.gap, self.high, self.share) if row))
        refuse_not_positive("x0", self.x0)
        refuse_not_positive("std", self.std)
        return self

    def forward(self, x: Tensor, base: Tensor | None = None) -> Tensor:
        """Physical (..., C, H, W) or (..., C, D, H, W) >= 0 -> normalised, in the precision of `x`."""
        return (self.logs(x, base) - self._column(self.mean, x)) / self._column(self.std, x)

    def inverse(self, y: Tensor, base: Tensor | None = None) -> Tensor:
        """Normalised -> physical >= 0, in the precision of `y`."""
        logs = y * self._column(self.std, y) + self._column(self.mean, y) + self._guess(y, base)
        if not self.gap:
            return self._column(self.x0, y) * torch.expm1(LN10 * logs).clamp(min=0)
        gap = self._column(self.gap, y)
        ratio = torch.expm1(LN10 * (logs - gap))
        faintest = FAINTEST * ((gap > 0) & (logs > gap / 2))
        return self._column(self.x0, y) * torch.maximum(ratio, faintest)

    def logs(self, x: Tensor, base: Tensor | None = None) -> Tensor:
        """What is normalised [dex], in the precision of `x`."""
        logs = torch.log1p(x / self._column(self.x0, x)) / LN10 - self._guess(x, base)
        return logs + self._column(self.gap, logs) * (x > 0) if self.gap else logs

    def _guess(self, like: Tensor, base: Tensor | None) -> Tensor:
        """The logarithm [dex] of a share of `base`, in the precision of `like`: a channel each, or 0."""
        if not self.share:
            return like.new_zeros(())
        if base is None:
            raise ValueError("normalizer: the map whose share is taken off, got none")
        return torch.log1p(self._column(self.share, like) / self._column(self.x0, like) * base) / LN10

    def bounded(self, y: Tensor) -> Tensor:
        """Normalised `y`, no pixel brighter than any in training: an error of a logarithm is a factor."""
        return torch.minimum(y, self._column(self.high, y)) if self.high else y

    def _column(self, values: Sequence[float], like: Tensor) -> Tensor:
        """`values` (C,) in the precision and on the device of `like`, as (C, 1, 1) or (C, 1, 1, 1)."""
        return like.new_tensor(values).reshape(-1, *(1,) * self.n_dims)


class LinearScale(Frozen):
    """z-score of each number of a parameter vector; one that was constant in training is only shifted.

    low and high are the ends of what was seen in training.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @model_validator(mode="after")
    def is_usable(self) -> Self:
        refuse_lengths(self.mean, self.std, self.low, self.high)
        refuse_not_positive("std", self.std)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """(B, p) -> (B, p), computed in float64: parameters of very different size lose nothing."""
        wide = x.double()
        return ((wide - wide.new_tensor(self.mean)) / wide.new_tensor(self.std)).to(x.dtype)


class Normalizer(Frozen):
    """The scales of input maps, target maps and parameters."""

    inputs: LogScale
    targets: LogScale
    params: LinearScale

    @classmethod
    def fit(
        cls,
        batches: Iterable[Batch],
        *,
        offset: float = 1.0,
        gaps: Sequence[float] = (),
        residual: Sequence[bool] = (),
    ) -> Self:
        """Streams `batches` twice; x0 of the targets is `offset` times their mean, that of the inputs their mean.

        `gaps` are those of the channels of the targets, if there are any; `residual` channels are shown beside the
        share of the first input map that they are on average.

        ValueError if there is no batch, or if a channel is zero in all of them.
        """
        if iter(batches) is batches:
            raise ValueError("normalizer: batches that can be read twice, got a one-shot iterator")
        inputs, targets, params = Moments(), Moments(), Moments()
        for batch in batches:
            inputs.add(channels(batch.inputs))
            targets.add(channels(batch.targets))
            params.add(batch.params)
        seen, wanted = inputs.mean(), targets.mean()
        if residual and not seen:
            raise ValueError("normalizer: an input map for the residual channels, got none")
        share = tuple(mean * told / seen[0] for mean, told in zip(wanted, residual, strict=True)) if residual else ()
        return cls(
            inputs=fit_log_scale("inputs", seen, ((batch.inputs, None) for batch in batches)),
            targets=fit_log_scale(
                "targets",
                [offset * x for x in wanted],
                ((batch.targets, batch.inputs[:, :1]) for batch in batches),
                gaps,
                share,
            ),
            params=LinearScale(mean=params.mean(), std=params.spread(), low=params.lowest(), high=params.highest()),
        )

    @classmethod
    def of_parameters(cls, batches: Iterable[Batch]) -> Self:
        """Of parameters alone: fields that bring their units with them have no scale."""
        params = Moments()
        for batch in batches:
            params.add(batch.params)
        none = LogScale(x0=(), mean=(), std=())
        told = LinearScale(mean=params.mean(), std=params.spread(), low=params.lowest(), high=params.highest())
        return cls(inputs=none, targets=none, params=told)


class Moments:
    """Streaming mean, standard deviation and range of columns, in float64 (Chan, Golub & LeVeque 1979)."""

    def __init__(self) -> None:
        self.n = 0
        self.center = torch.zeros(())
        self.squares = torch.zeros(())
        self.low, self.high = torch.tensor(math.inf), torch.tensor(-math.inf)

    def add(self, x: Tensor) -> None:
        """Take the rows of `x` (n, C)."""
        x = x.double()
        n, center = len(x), x.mean(0)
        shift = center - self.center
        self.squares = self.squares + (x - center).square().sum(0) + shift.square() * (self.n * n / (self.n + n))
        self.center = self.center + shift * (n / (self.n + n))
        self.n += n
        self.low = torch.minimum(self.low, x.min(0).values)
        self.high = torch.maximum(self.high, x.max(0).values)

    def mean(self) -> tuple[float, ...]:
        if self.n == 0:
            raise ValueError("normalizer: at least one training map, got none")
        return tuple(self.center.tolist())

    def lowest(self) -> tuple[float, ...]:
        return tuple(self.low.tolist())

    def highest(self) -> tuple[float, ...]:
        return tuple(self.high.tolist())

    def spread(self) -> tuple[float, ...]:
        """Standard deviations; 1 where a column is constant."""
        std = (self.squares / self.n).sqrt()
        return tuple(torch.where(std > CONSTANT * self.center.abs(), std, 1.0).tolist())


def fit_log_scale(
    name: str,
    x0: Sequence[float],
    maps: Iterable[tuple[Tensor, Tensor | None]],
    gaps: Sequence[float] = (),
    share: Sequence[float] = (),
) -> LogScale:
    """The scale of maps (B, C, H, W), or cubes, about `x0`, a number a channel, as `gaps` and `share` are if there are.

    Each goes with the maps (B, 1, H, W) of which a share is taken off, if any is.
    """
    for i, value in enumerate(x0):
        if not value > 0:
            raise ValueError(f"normalizer: positive mass in channel {i} of the training {name}, got mean {value}")
    ones = (1.0,) * len(x0)
    plain = LogScale(x0=tuple(x0), mean=ones, std=ones, gap=tuple(gaps), share=tuple(share))
    logs = Moments()
    for x, base in maps:
        if x.ndim == 5:
            plain = plain.model_copy(update={"n_dims": 3})
        logs.add(channels(plain.logs(x.double(), None if base is None else base.double())))
    mean, std = logs.mean(), logs.spread()
    high = tuple((top - center) / spread for top, center, spread in zip(logs.highest(), mean, std, strict=True))
    return plain.model_copy(update={"mean": mean, "std": std, "high": high})


def channels(maps: Tensor) -> Tensor:
    """(B, C, H, W) -> (B H W, C), cubes alike."""
    return maps.movedim(1, -1).flatten(0, -2)


def refuse_lengths(*rows: Sequence[float]) -> None:
    if len({len(row) for row in rows}) != 1:
        raise ValueError(f"normalizer: rows of one length, got {[len(row) for row in rows]}")


def refuse_not_positive(name: str, values: Sequence[float]) -> None:
    if not all(value > 0 for value in values):
        raise ValueError(f"normalizer: {name} > 0, got {list(values)}")
