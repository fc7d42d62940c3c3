"""What a person may ask of a lens model: whose masses, in which universe, and from how many draws the errors are."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from configs.frozen import Frozen, Location

NAMED = ("Planck15", "Planck18", "WMAP9")
_FLAT = re.compile(r"^FlatLambdaCDM\(\s*(?:H0\s*=\s*)?([0-9.]+)\s*,\s*(?:Om0\s*=\s*)?([0-9.]+)\s*\)$")
_H0, _OM0 = (20.0, 200.0), (0.0, 1.0)


def flat(name: str) -> tuple[float, float] | None:
    """H0 [km/s/Mpc] and Om0 of FlatLambdaCDM(H0, Om0); None for any other text."""
    found = _FLAT.match(name.strip())
    try:
        return (float(found[1]), float(found[2])) if found else None
    except ValueError:
        return None


def known(name: str) -> str:
    """`name`, of a cosmology."""
    if name in NAMED:
        return name
    told = flat(name)
    if told is None:
        raise ValueError(f"one of {', '.join(NAMED)} or FlatLambdaCDM(H0, Om0), got {name!r}")
    if not (_H0[0] <= told[0] <= _H0[1] and _OM0[0] <= told[1] <= _OM0[1]):
        raise ValueError(f"H0 between 20 and 200 km/s/Mpc and Om0 between 0 and 1, got {name}")
    return name


class MassAnalysis(Frozen):
    """Masses of one lens model or of a folder of them."""

    source: Location = Field(description="lens model (.json, .yaml), or a folder of them")
    out: Location = Field(description="folder of the tables, figures, maps and exports")
    cosmology: Annotated[str, AfterValidator(known)] = Field(
        "Planck18", description="Planck15, Planck18, WMAP9 or FlatLambdaCDM(H0, Om0); --cosmology does the same"
    )
    n_draws: int = Field(1000, ge=16, le=20_000, description="draws of the posterior that the errors are from")
    seed: int = Field(0, ge=0, lt=2**40, description="seed of the draws")
