"""What a judgement of inference machines found, system by system, before it is summed up, written or drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

import numpy as np
from numpy.typing import NDArray

from learn.lenses.calibration import Places
from learn.lenses.gallery import Shown
from learn.lenses.scores import NUMBERS

Array = NDArray[np.floating]
Numbers = Mapping[str, Array]
"""`learn.lenses.scores.NUMBERS` by name, (N,)."""
NETWORK, MADE_TO_FIT = "draws of the network", "draws made to fit"


@dataclass(frozen=True)
class Radii:
    """Einstein radii of whole lenses (N,) [arcsec]: true, found, and the standard deviation of the draws."""

    true: Array
    found: Array
    error: Array


@dataclass(frozen=True)
class Findings:
    """Of N systems: their families, numbers by method, and by the number of steps of the machine.

    `places` are of the draws of the network, and of those that are made to fit, of the systems that have them.
    """

    families: tuple[str, ...]
    numbers: Mapping[str, Numbers]
    course: Mapping[int, Numbers]
    radii: Radii
    places: Mapping[str, Places]
    shown: tuple[Shown, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One after the other; a method that says nothing of some has nan there."""
        methods = dict.fromkeys(name for part in parts for name in part.numbers)
        kinds = dict.fromkeys(name for part in parts for name in part.places)
        radii = zip(*((part.radii.true, part.radii.found, part.radii.error) for part in parts), strict=True)
        return cls(
            families=tuple(name for part in parts for name in part.families),
            numbers={name: merged([part.numbers.get(name, silent(part)) for part in parts]) for name in methods},
            course={n: merged([part.course[n] for part in parts]) for n in parts[0].course},
            radii=Radii(*(np.concatenate(one) for one in radii)),
            places={
                kind: reduce(Places.joined, (part.places[kind] for part in parts if kind in part.places))
                for kind in kinds
            },
            shown=tuple(one for part in parts for one in part.shown),
        )

    def of(self, method: str, which: NDArray[np.bool_]) -> Numbers:
        """Of one method and some of the systems (N,)."""
        return {name: values[which] for name, values in self.numbers[method].items()}


def merged(parts: Sequence[Numbers]) -> Numbers:
    return {name: np.concatenate([part[name] for part in parts]) for name in NUMBERS}


def silent(part: Findings) -> Numbers:
    """Of a method that says nothing."""
    return {name: np.full(len(part.families), np.nan) for name in NUMBERS}
