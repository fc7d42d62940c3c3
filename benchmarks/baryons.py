"""Are our baryons like those of hydrodynamic simulations? S(k), what halos hold, and how both answer the parameters.

    python -m benchmarks.baryons [--quick] [--figures docs]
    python -m benchmarks.baryons --fit

Runs dark-matter boxes of 50 Mpc/h (pairs of fixed amplitude and opposite phase, a force mesh of 3 cells a particle),
gives them the fiducial baryons, and compares

- the mean S(k) = P_hydro / P_dmo at z = 0 with the band that HMCode2020 spans between log10 T_AGN = 7.6 and 8.0;
- the mean S(k) at z = 0.125 with SP(k) (`pyspk`), told the baryon fractions of the same painted boxes;
- gas and stars inside R200c and R500c of the painted halos with what their profiles should hold;
- the change of S(k) with each parameter with its published direction;
- S(k) of the second, unrelated model with the same band.

Both sides of our ratio have repaired halos, so S(k) is baryonic alone. `ratio` is what is allowed over what was found:
above 1 is good. For the band, from its middle, 7.8: the distance to its edge over that to our mean. `--fit` prints the
fiducial parameters that lie closest to both, for when halos or gravity change.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from benchmarks.hydro import figures, fractions, theory
from benchmarks.hydro.boxes import SPK_REDSHIFT, K, Simulated, boxes, simulated, suppression
from benchmarks.hydro.fractions import EDGES, RADII, Fractions
from benchmarks.hydro.responses import Response, responses
from configs import Baryons, Enthalpy, provenance

Array = NDArray[np.float64]

SPK_ALLOWED, FRACTION_ALLOWED = 0.03, 0.05
FITTED = {
    "log10_m_c": (12.5, 14.8),
    "mu": (0.3, 1.5),
    "theta_ej": (2.5, 11.5),
    "theta_co": (0.03, 0.5),
    "gamma": (0.5, 3.0),
}
"""Parameters that --fit moves, and between what."""
_STEPS = (0.15, 0.08, 0.7, 0.02)


@dataclass(frozen=True)
class Measured:
    """S(k) at `K` of each box (n, k): at z = 0, at SPK_REDSHIFT, and of the second model at z = 0; halos at both z."""

    today: Array
    earlier: Array
    potential: Array
    halos: Fractions
    earlier_halos: Fractions


def measured(runs: Sequence[Sequence[Simulated]], baryons: Baryons, *, potential: bool = True) -> Measured:
    """Every box (earlier, today) with `baryons`, and with the default second model where `potential` is asked for."""
    columns: list[list[Array]] = [[], [], []]
    halos: list[list[Fractions]] = [[], []]
    for earlier, today in runs:
        start = time.process_time()
        for box, found, at in ((today, columns[0], halos[0]), (earlier, columns[1], halos[1])):
            sides = box.painted(baryons)
            found.append(suppression(box, sides))
            at.append(fractions.measured(box, sides, baryons))
        if potential:
            columns[2].append(suppression(today, today.by_potential(Enthalpy())))
        print(
            f"  box {today.seed}: {len(halos[0][-1].mass)} hosts, {time.process_time() - start:.1f} CPU-s", flush=True
        )
    return Measured(*(np.array(column) for column in columns), *(fractions.joined(one) for one in halos))


def allowed(ours: Array, peer: dict[float, Array]) -> Array:
    """From the middle of the band: the distance to its edge over that to `ours`, in the same direction."""
    weak, middle, strong = (peer[heat] for heat in theory.FEEDBACK)
    return np.asarray((np.where(ours > middle, weak, strong) - middle) / (ours - middle))


def band_rows(kind: str, values: Array, peer: dict[float, Array]) -> list[dict[str, object]]:
    ours = values.mean(axis=0)
    ratio = allowed(ours, peer)
    name = "HMCode2020 log10 T_AGN 7.8"
    return [row(f"S(k={k:g}) {kind}", ours[i], peer[7.8][i], name, ratio[i]) for i, k in enumerate(K)]


def spk_rows(found: Measured) -> list[dict[str, object]]:
    expected = theory.spk(*fractions.baryon_fractions(found.earlier_halos))
    ours, name = found.earlier.mean(axis=0)[: len(expected)], "SP(k) of our baryon fractions"
    off = np.maximum(np.abs(ours / expected - 1), 1e-6)
    return [
        row(f"S(k={K[i]:g}) z={SPK_REDSHIFT:g}", ours[i], expected[i], name, SPK_ALLOWED / off[i])
        for i in range(len(expected))
    ]


def fraction_rows(found: Fractions) -> list[dict[str, object]]:
    rows, found = [], fractions.resolved(found)
    for j, radius in enumerate(RADII):
        for name in ("gas", "stars"):
            got = fractions.binned(found, getattr(found, name)[:, j], found.mass)
            expected = fractions.binned(found, getattr(found, f"expected_{name}")[:, j], found.mass)
            for i in np.flatnonzero(np.isfinite(got)):
                where = f"{name} in {radius}, log10 M200c {np.log10(EDGES[i]):.1f} to {np.log10(EDGES[i + 1]):.1f}"
                off = max(abs(got[i] / expected[i] - 1), 1e-6)
                rows.append(row(where, got[i], expected[i], "the profiles", FRACTION_ALLOWED / off))
    return rows


def response_rows(found: Sequence[Response]) -> list[dict[str, object]]:
    """`ratio` 2 where the direction is the published one, 0.5 where it is not."""
    return [
        row(f"S answers {one.name}", one.change, float(one.sign), "published sign", 2.0 if one.is_right else 0.5)
        for one in found
    ]


def row(name: str, ours: float, peer: float, peer_name: str, ratio: float) -> dict[str, object]:
    numbers = {"ours": round(float(ours), 4), "peer": round(float(peer), 4), "ratio": round(float(ratio), 2)}
    return {"name": name, "peer_name": peer_name, "unit": "1"} | numbers


def table(found: Measured, peer: dict[float, Array]) -> str:
    """The means, their errors and what they are compared with, a column a wave number."""
    lines = {"k [h/Mpc]": K} | {f"HMCode2020 {heat}": values for heat, values in peer.items()}
    columns = {"ours, z=0": found.today, "second model, z=0": found.potential, "ours, z=0.125": found.earlier}
    for name, values in columns.items():
        lines[name] = values.mean(axis=0)
        lines[f"  error of {name}"] = values.std(axis=0) / np.sqrt(max(len(values) - 1, 1))
    lines["SP(k), z=0.125"] = theory.spk(*fractions.baryon_fractions(found.earlier_halos))
    return "\n".join(f"{name:30}" + "".join(f"{value:8.3f}" for value in values) for name, values in lines.items())


def fit(runs: Sequence[Sequence[Simulated]], peer: dict[float, Array]) -> Baryons:
    """The fiducial parameters nearest to the middle of the band and to SP(k), each in what is allowed."""
    half = (peer[7.6] - peer[8.0]) / 2

    def model(values: Array) -> Baryons:
        named = dict(zip(FITTED, values.tolist(), strict=True))
        return Baryons.model_validate(Baryons().model_dump() | named)

    def residuals(values: Array) -> Array:
        found = measured(runs, model(values), potential=False)
        today, earlier = found.today.mean(axis=0), found.earlier.mean(axis=0)
        expected = theory.spk(*fractions.baryon_fractions(found.earlier_halos))
        off = np.concatenate([(today - peer[7.8]) / half, (earlier[: len(expected)] / expected - 1) / SPK_ALLOWED])
        print(f"{dict(zip(FITTED, values.round(3).tolist(), strict=True))}: {(off**2).sum():.2f}", flush=True)
        return off

    start = np.array([getattr(Baryons(), name) for name in FITTED])
    low, high = np.array(list(FITTED.values())).T
    step = np.array(_STEPS) / np.abs(start)
    best = least_squares(residuals, start, bounds=(low, high), x_scale=_STEPS, diff_step=step, max_nfev=6)
    return model(best.x.round(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two boxes of 64^3 particles instead of 16 of 128^3")
    parser.add_argument("--figures", type=Path, help="folder of baryons_{sk,fractions,response}.png")
    parser.add_argument("--fit", action="store_true", help="print the best fiducial parameters instead")
    arguments = parser.parse_args()
    n_boxes, n_particles = (2, 64) if arguments.quick else (2, 128) if arguments.fit else (16, 128)
    runs = [simulated(box, i) for i, box in enumerate(boxes(n_boxes, n_particles))]
    peer = theory.band()
    if arguments.fit:
        print(fit(runs, peer))
        return
    found, answers = measured(runs, Baryons()), responses([today for _, today in runs[:2]])
    print(table(found, peer))
    for one in answers:
        print(f"{one.name:14} {one.low:6g} to {one.high:6g}: S changes by {one.change:+.4f}, published {one.sign:+d}")
    rows = [*band_rows("z=0", found.today, peer), *band_rows("second model", found.potential, peer), *spk_rows(found)]
    rows += [*fraction_rows(found.halos), *response_rows(answers)]
    for one in rows:
        print(f"{one['name']:50} {one['ours']:9} {one['peer']:9}  {one['ratio']}")
    if arguments.figures is not None:
        figures.draw(found, answers, peer, arguments.figures)
    print(json.dumps({"benchmark": "baryons", "commit": provenance()["commit"], "rows": rows}))


if __name__ == "__main__":
    main()
