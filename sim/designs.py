"""The parameter sets of CAMELS-IllustrisTNG by name: which simulations a set holds and what each varies.

CV, 1P, LH (Villaescusa-Navarro et al. 2021, arXiv:2010.00619) and SB35 (after Ni et al. 2023, arXiv:2304.02096), with
the fiducial values and ranges that the project publishes for its 50 Mpc/h boxes. A vector holds the 35 parameters of
SB35 in the order of the published table. Knows nothing of what a parameter does to gas or stars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import qmc

from configs import Cosmology
from sim import parameter_table

Array = NDArray[np.float64]
Set = Literal["CV", "1P", "LH", "SB35"]

_ROUNDING = 2e-3
"""How far outside its range a printed value may lie, over its unit."""


@dataclass(frozen=True)
class Parameter:
    """A published parameter: `unit` is two steps of the 1P set, a factor where it is `log`, else a difference."""

    name: str
    fiducial: float
    low: float
    high: float
    unit: float
    log: bool

    def scaled(self, value: float) -> float:
        """`value` as its distance from the fiducial one in units."""
        if self.log:
            return float(np.log(value / self.fiducial) / np.log(self.unit))
        return (value - self.fiducial) / self.unit

    def at(self, scaled: float) -> float:
        """The inverse of `scaled`."""
        return float(self.fiducial * self.unit**scaled) if self.log else self.fiducial + scaled * self.unit

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest published value, scaled."""
        return self.scaled(self.low), self.scaled(self.high)


def _log(name: str, fiducial: float, low: float, high: float, unit: float) -> Parameter:
    return Parameter(name, fiducial, low, high, unit, log=True)


def _linear(name: str, fiducial: float, low: float, high: float, unit: float) -> Parameter:
    return Parameter(name, fiducial, low, high, unit, log=False)


PARAMETERS = (
    _linear("Omega0", 0.3, 0.1, 0.5, 0.2),
    _linear("sigma8", 0.8, 0.6, 1.0, 0.2),
    _log("WindEnergyIn1e51erg", 3.6, 0.9, 14.4, 4),
    _log("RadioFeedbackFactor", 1.0, 0.25, 4.0, 4),
    _log("VariableWindVelFactor", 7.4, 3.7, 14.8, 2),
    _log("RadioFeedbackReiorientationFactor", 20.0, 10.0, 40.0, 2),
    _linear("OmegaBaryon", 0.049, 0.029, 0.069, 0.02),
    _linear("HubbleParam", 0.6711, 0.4711, 0.8711, 0.2),
    _linear("n_s", 0.9624, 0.7624, 1.1624, 0.2),
    _log("MaxSfrTimescale", 2.27, 1.135, 4.54, 2),
    _log("FactorForSofterEQS", 0.3, 0.1, 0.9, 3),
    _linear("IMFslope", -2.3, -2.8, -1.8, 0.5),
    _linear("SNII_MinMass_Msun", 8.0, 4.0, 12.0, 4),
    _log("ThermalWindFraction", 0.1, 0.025, 0.4, 4),
    _linear("VariableWindSpecMomentum", 0.0, 0.0, 4000.0, 2000),
    _log("WindFreeTravelDensFac", 0.05, 0.005, 0.5, 10),
    _linear("MinWindVel", 350.0, 150.0, 550.0, 200),
    _log("WindEnergyReductionFactor", 0.25, 0.0625, 1.0, 4),
    _log("WindEnergyReductionMetallicity", 0.002, 0.0005, 0.008, 4),
    _linear("WindEnergyReductionExponent", 2.0, 1.0, 3.0, 1),
    _linear("WindDumpFactor", 0.6, 0.2, 1.0, 0.4),
    _log("SeedBlackHoleMass", 8e-5, 2.5316e-5, 2.528e-4, 3.16),
    _log("BlackHoleAccretionFactor", 1.0, 0.25, 4.0, 4),
    _log("BlackHoleEddingtonFactor", 1.0, 0.1, 10.0, 10),
    _log("BlackHoleFeedbackFactor", 0.1, 0.025, 0.4, 4),
    _log("BlackHoleRadiativeEfficiency", 0.2, 0.05, 0.8, 4),
    _log("QuasarThreshold", 0.002, 6.33e-5, 0.0632, 31.6),
    _linear("QuasarThresholdPower", 2.0, 0.0, 4.0, 2),
    _log("UVBH0beta", 1.0, 0.4642, 10.0, 4.6416),
    _linear("UVBH0Deltaz", 0.0, -5.0, 0.0, 2.5),
    _log("UVBHepbeta", 1.0, 0.25, 4.0, 4),
    _linear("UVBHepDeltaz", 0.0, -1.0, 0.0, 0.5),
    _linear("SNIa_Rate_Norm", 0.0013, 0.00085, 0.00175, 0.00045),
    _linear("SNIa_Rate_DTD_power", 1.12, 0.88, 1.36, 0.24),
    _log("SofteningComovingType01", 2.0, 1.0, 4.0, 2),
)
NAMES = tuple(parameter.name for parameter in PARAMETERS)
FIDUCIAL = np.array([parameter.fiducial for parameter in PARAMETERS])

HYPERCUBE = {
    "Omega_m": ("Omega0", 1.0),
    "sigma_8": ("sigma8", 1.0),
    "A_SN1": ("WindEnergyIn1e51erg", 3.6),
    "A_AGN1": ("RadioFeedbackFactor", 1.0),
    "A_SN2": ("VariableWindVelFactor", 7.4),
    "A_AGN2": ("RadioFeedbackReiorientationFactor", 20.0),
}
"""The six parameters of LH: the parameter of the vector that each is, and the value that 1 stands for."""


@dataclass(frozen=True)
class Point:
    """A simulation of a set: its name, its `vector` (35,), and the seed of its initial conditions where it is told."""

    name: str
    vector: Array
    seed: int | None = None


def points(kind: Set, n: int, seed: int) -> list[Point]:
    """The first `n` simulations of a set; all of 1P start from the same initial conditions, the others do not.

    SB35 is a scrambled Sobol sequence, LH a Latin hypercube, of which every n is another design. Both are uniform
    in the published ranges, in the logarithm where that is what is published. ValueError when a set has not so many.
    """
    if kind == "CV":
        return [Point(f"CV_{i}", FIDUCIAL) for i in range(n)]
    if kind == "1P":
        return _first(one_at_a_time(), n, "1P")
    if kind == "LH":
        unit = qmc.LatinHypercube(len(HYPERCUBE), rng=np.random.default_rng(seed)).random(n)
        six = [_LOOKUP[name] for name, _ in HYPERCUBE.values()]
        return [Point(f"LH_{i}", _replaced(dict(zip(six, u, strict=True)))) for i, u in enumerate(unit)]
    sequence = qmc.Sobol(len(NAMES), rng=np.random.default_rng(seed)).random_base2((n - 1).bit_length())[:n]
    return [Point(f"SB35_{i}", _replaced(dict(enumerate(u)))) for i, u in enumerate(sequence)]


def one_at_a_time() -> list[Point]:
    """1P: the fiducial `1P_p1_0`, then of each parameter the steps of half a unit that lie in its range.

    `1P_p{n}_{step}`, n from 1, a step below the fiducial value written n1, n2. Four of them each, mostly n2 to 2.
    """
    found = [Point("1P_p1_0", FIDUCIAL)]
    for i, parameter in enumerate(PARAMETERS):
        low, high = parameter.range
        for step in (-4, -3, -2, -1, 1, 2, 3, 4):
            if low - _ROUNDING <= step / 2 <= high + _ROUNDING:
                vector = FIDUCIAL.copy()
                vector[i] = parameter.at(step / 2)
                found.append(Point(f"1P_p{i + 1}_{f'n{-step}' if step < 0 else step}", vector))
    return found


def named(path: Path, kind: Set, n: int) -> list[Point]:
    """The first `n` simulations of the set `kind` in a published table, of the 35 parameters or of the six of LH.

    Errors as those of `parameter_table.read`; ValueError when there are not so many, when the parameters are others and
    for a value that is not in the published range.
    """
    table = parameter_table.read(path, kind)
    if table.param_names not in (NAMES, tuple(HYPERCUBE)) or table.seeds is None:
        expected = f"the parameters of SB35 or {', '.join(HYPERCUBE)}, and seed"
        raise ValueError(f"{path}: expected columns of {expected}, got {', '.join(table.param_names)[:80]}")
    rows = zip(table.names, table.values.tolist(), table.seeds.tolist(), strict=True)
    return _first([_point(path, name, table.param_names, values, seed) for name, values, seed in rows], n, str(path))


def vector_of(values: Mapping[str, float]) -> Array:
    """The vector (35,) of parameters by name, of SB35 or of LH; what is not named is fiducial.

    ValueError for a name that is neither and for a value outside the published range.
    """
    vector = FIDUCIAL.copy()
    for name, value in values.items():
        of, scale = HYPERCUBE.get(name, (name, 1.0))
        if of not in _LOOKUP:
            raise ValueError(f"CAMELS parameter: expected one of {', '.join((*NAMES, *HYPERCUBE))}, got {name}")
        vector[_LOOKUP[of]] = value * scale
    return checked(vector)


def checked(vector: ArrayLike) -> Array:
    """`vector` (35,) as an array; ValueError naming the first parameter outside its published range."""
    values = np.asarray(vector, dtype=float)
    if values.shape != FIDUCIAL.shape:
        raise ValueError(f"CAMELS vector: expected {len(FIDUCIAL)} parameters, got shape {values.shape}")
    for parameter, value in zip(PARAMETERS, values.tolist(), strict=True):
        slack = (parameter.high - parameter.low) * _ROUNDING
        if not parameter.low - slack <= value <= parameter.high + slack:
            interval = f"{parameter.low:g} to {parameter.high:g}"
            raise ValueError(f"CAMELS vector: expected {parameter.name} from {interval}, got {value:g}")
    return values


def cosmology_of(vector: ArrayLike, template: Cosmology) -> Cosmology:
    """The cosmology of a vector (35,), with the neutrinos and the dark energy of `template`, which CAMELS keeps."""
    fields = {"omega_m": "Omega0", "sigma8": "sigma8", "omega_b": "OmegaBaryon", "h": "HubbleParam", "n_s": "n_s"}
    values = checked(vector)
    return Cosmology(**template.model_dump() | {ours: float(values[_LOOKUP[name]]) for ours, name in fields.items()})


def _first(found: list[Point], n: int, where: str) -> list[Point]:
    if n > len(found):
        raise ValueError(f"{where}: expected at most its {len(found)} simulations, got n_boxes={n}")
    return found[:n]


def _point(path: Path, name: str, names: tuple[str, ...], values: list[float], seed: int) -> Point:
    try:
        return Point(name, vector_of(dict(zip(names, values, strict=True))), seed)
    except ValueError as error:
        raise ValueError(f"{path}: {name}: {error}") from None


def _replaced(unit: Mapping[int, float]) -> Array:
    """The fiducial vector with the parameters i at the given shares (0 to 1) of their ranges."""
    vector = FIDUCIAL.copy()
    for i, u in unit.items():
        low, high = PARAMETERS[i].range
        vector[i] = PARAMETERS[i].at(low + (high - low) * float(u))
    return vector


_LOOKUP = {name: i for i, name in enumerate(NAMES)}
