"""Roots of many functions at once, each between two ends that it is on different sides of 0 at (Ridders 1979)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

N_STEPS = 40  # at most: each halves the interval at least, and a smooth function needs 4 or 5
ENOUGH = 1e-13  # of a value that is as good as 0
N_ROUNDINGS = 8  # as good as 0, where numbers are not as long


def root(function: Callable[[Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """Where `function`, element by element, is 0; nan where its values at both ends have one sign."""
    at_low, at_high = function(low), function(high)
    enough = max(ENOUGH, N_ROUNDINGS * torch.finfo(low.dtype).eps)
    is_crossed = at_low * at_high <= 0
    for _ in range(N_STEPS):
        if (torch.minimum(at_low.abs(), at_high.abs())[is_crossed] < enough).all():
            break
        middle = (low + high) / 2
        at_middle = function(middle)
        scale = torch.sqrt((at_middle.square() - at_low * at_high).clamp(min=0))
        step = (middle - low) * torch.sign(at_low - at_high) * at_middle / scale
        found = middle + torch.where(scale > 0, step, 0.0)
        at_found = function(found)
        ends = torch.stack((low, middle, found, high)), torch.stack((at_low, at_middle, at_found, at_high))
        low, at_low, high, at_high = _narrowed(*ends)
    best = torch.where(at_low.abs() < at_high.abs(), low, high)
    return torch.where(is_crossed, best, torch.nan)


def _narrowed(places: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The two neighbours of four places between which the sign of the values changes, and the values there."""
    places, order = torch.sort(places, dim=0)
    values = torch.gather(values, 0, order)
    changes = values[:-1] * values[1:] <= 0
    first = changes.to(torch.uint8).argmax(0, keepdim=True)
    left, right = places.gather(0, first), places.gather(0, first + 1)
    return left[0], values.gather(0, first)[0], right[0], values.gather(0, first + 1)[0]


def rises(values: Tensor) -> Tensor:
    """Where values along the last axis, (..., n), rise from at most 0 to above it: (..., n - 1)."""
    return (values[..., :-1] <= 0) & (values[..., 1:] > 0)


def first_rise(values: Tensor) -> Tensor:
    """Index i of the first rise from values[i] to values[i + 1]; -1 without one."""
    found = rises(values)
    return torch.where(found.any(-1), found.to(torch.uint8).argmax(-1), -1)


def last_rise(values: Tensor) -> Tensor:
    """As `first_rise`, of the last."""
    found = rises(values)
    return torch.where(found.any(-1), found.shape[-1] - 1 - found.flip(-1).to(torch.uint8).argmax(-1), -1)
