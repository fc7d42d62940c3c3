"""How S(k) answers each parameter, of the baryons and of CAMELS, and which way it is published to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.hydro.boxes import K, Simulated, suppression
from configs import Baryons
from sim.designs import vector_of
from sim.feedback import baryons_of

Array = NDArray[np.float64]

JUDGED = (K >= 1) & (K <= 5)
"""Where the direction is judged: from where baryons matter to where S(k) is published."""

VARIED = {
    "log10_m_c": (13.1, 14.1, -1),
    "mu": (0.7, 1.1, 1),
    "theta_ej": (4.5, 9.0, -1),
    "theta_co": (0.02, 0.12, -1),
    "gamma": (1.0, 2.5, -1),
    "delta": (5.0, 9.0, 1),
    "n_star": (0.015, 0.045, 1),
    "log10_m_star": (11.1, 11.7, 1),
    "eta": (0.0, 0.25, -1),
    "inner_gas": (0.0, 0.6, 1),
}
"""Low, high, and the sign of the answer: Schneider et al. 2019, Giri & Schneider 2021, Schneider et al. 2025."""

BESIDE = {"mu": {"log10_m_c": 13.0}}
"""What is not fiducial beside a parameter: mu keeps gas in halos above m_c, which are to decide, and not below."""

CAMELS = {"A_SN1": (0.25, 4.0, 1), "A_SN2": (0.5, 2.0, 1), "A_AGN1": (0.25, 4.0, -1), "A_AGN2": (0.5, 2.0, -1)}
"""Of the four astrophysical parameters: Delgado et al. 2023; Gebhardt et al. 2024."""


@dataclass(frozen=True)
class Response:
    """Mean S at `K` at the low and at the high value of a parameter, and the sign that is published."""

    name: str
    low: float
    high: float
    sign: int
    values: tuple[Array, Array]

    @property
    def change(self) -> float:
        """Mean of S(high) - S(low) where it is judged."""
        return float((self.values[1] - self.values[0])[JUDGED].mean())

    @property
    def is_right(self) -> bool:
        return self.change * self.sign > 0


def responses(boxes: Sequence[Simulated]) -> list[Response]:
    """Of each parameter, the others fiducial but for `BESIDE`."""
    found = []
    for name, (low, high, sign) in VARIED.items():
        base = Baryons().model_dump() | BESIDE.get(name, {})
        pair = [Baryons.model_validate(base | {name: value}) for value in (low, high)]
        found.append(Response(name, low, high, sign, _both(boxes, pair)))
    for name, (low, high, sign) in CAMELS.items():
        pair = [baryons_of(vector_of({name: value})) for value in (low, high)]
        found.append(Response(name, low, high, sign, _both(boxes, pair)))
    return found


def mean(boxes: Sequence[Simulated], baryons: Baryons) -> Array:
    """S at `K`, the mean over `boxes`."""
    return np.mean([suppression(box, box.painted(baryons)) for box in boxes], axis=0)


def _both(boxes: Sequence[Simulated], pair: Sequence[Baryons]) -> tuple[Array, Array]:
    low, high = (mean(boxes, baryons) for baryons in pair)
    return low, high
