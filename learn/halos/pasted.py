"""The maps of a view with the halos pasted in, beside those without baryons, with the true ones, and the upper bound.

The upper bound pastes the true surroundings of every halo as the draws are pasted: what is wrong in it no sampler of
halos can mend. Channels are total, dark matter, gas and stars; maps on disk are surface densities, rows and columns in
increasing order of the axes. Knows nothing of workers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from configs import provenance
from configs.files import replacing
from learn.halos.bind import Job, Work, stamps
from learn.halos.measures import CHANNELS, with_total
from sim.paste import Layout, Taper
from sim.samples import TARGET_CHANNELS
from sim.shards import UNIT
from sim.spectra import power
from sim.views import View

Array = NDArray[np.float64]
Maps = NDArray[np.float32]

TRUTH, BOUND, DMO, PASTED = "hydro", "bound", "dmo", "pasted"


@dataclass
class Measured:
    """Of one view: k [h/Mpc] (K,) and n_modes (K,); spectra [(Mpc/h)^2] by what they are of; a row a halo.

    dmo (1, 1, K), hydro and bound (1, 4, K) where there is a truth, pasted (R, 4, K); nan of a channel without mass.
    Maps are divided by the mean of the truth where there is one, else by their own; `means` are their own, (R, C).
    """

    view: View
    k: Array = field(default_factory=lambda: np.empty(0))
    n_modes: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    spectra: dict[str, Array] = field(default_factory=dict)
    means: dict[str, Array] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)


def paste(job: Job, view: View, pieces: list[Work]) -> Measured:
    """Write the maps of `view`, whose pieces are all made, and measure them."""
    canvas = Canvas.of(job, view)
    measured = Measured(view, rows=table(canvas, pieces))
    path = job.config.out / f"{view.name}.hdf5"
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        describe(file, job, view)
        fixed = canvas.fixed()
        level = fixed[TRUTH].mean(axis=(1, 2)) if TRUTH in fixed else None
        for name, maps in fixed.items():
            put(file, name, canvas.shown(maps))
            note(measured, name, maps, level, job)
        out = file.create_dataset(PASTED, (job.config.n_realizations, 4, *[job.n_pixels] * 2), "f4", track_times=False)
        out.attrs["unit"] = UNIT
        for i, maps in enumerate(canvas.draws(pieces)):
            out[i] = canvas.shown(maps)
            note(measured, PASTED, maps, level, job)
        if job.config.npy:
            with replacing(path.with_suffix(".npy")) as copy:
                np.save(copy, out[:])
    return measured


@dataclass(frozen=True)
class Canvas:
    """What halos of a view are pasted into: `base` (3, n, n) of mass a pixel, as if halos had cosmic shares too."""

    job: Job
    view: View
    rows: NDArray[np.int64]
    layout: Layout
    dmo: Array
    base: Array

    @classmethod
    def of(cls, job: Job, view: View) -> Canvas:
        config, host, rows = job.config, job.host, job.rows(view)
        dmo = view.whole(host.dmo, job.n_pixels)
        layout = Layout.of(
            job.aim(view, rows)[:, view.plane],
            host.halos.r200c[rows],
            Taper(config.inner, config.outer),
            box_size=host.box_size,
            n_pixels=job.n_pixels,
            side=job.frame.n_pixels,
        )
        return cls(job, view, rows, layout, dmo, np.stack([(1 - job.gas_share) * dmo, job.gas_share * dmo, 0 * dmo]))

    def fixed(self) -> dict[str, Array]:
        """The maps that are no draws, by name: (1, n, n) of the dark matter alone, (4, n, n) of the others."""
        hydro = self.job.host.hydro
        if not hydro:
            return {DMO: self.dmo[None]}
        truth = np.stack([self.view.whole(hydro[name], self.job.n_pixels) for name in TARGET_CHANNELS])
        return {DMO: self.dmo[None], TRUTH: with_total(truth), BOUND: self.pasted(self.true_stamps)}

    @cached_property
    def true_stamps(self) -> Maps:
        """What the halos truly are, (h, 3, P, P)."""
        narrow = self.job.frame.windows(self.job.host.box_size, n_scales=1)
        aim = self.job.aim(self.view, self.rows)
        cut = [self.view.cut(self.job.host.hydro[name], aim, narrow)[:, 0] for name in TARGET_CHANNELS]
        return np.stack(cut, axis=1)

    def draws(self, pieces: list[Work]) -> Iterator[Array]:
        """The pasted maps (4, n, n) of each realisation."""
        for i in range(self.job.config.n_realizations):
            yield self.pasted(stamps(pieces, i, self.job.frame.n_pixels))

    def pasted(self, found: Maps) -> Array:
        """All channels (4, n, n) with the stamps `found` (h, 3, P, P)."""
        return with_total(self.layout.paste(self.base, found, self.job.config.conserve))

    def shown(self, maps: Array) -> Maps:
        """Maps (..., n, n) of mass a pixel as surface densities, upright."""
        return (self.view.upright(maps) / self.job.frame.pixel_size**2).astype(np.float32)


def table(canvas: Canvas, pieces: list[Work]) -> list[dict[str, float]]:
    """A row a halo: where and how massive it is, and its projected masses within R200c [Msun/h]."""
    job, halos = canvas.job, canvas.job.host.halos.taken(canvas.rows)
    drawn = [inside(stamps(pieces, i, job.frame.n_pixels), canvas) for i in range(job.config.n_realizations)]
    dark = [work.condition for work in pieces] or [np.empty((0, *[job.frame.n_pixels] * 2), np.float32)]
    masses = np.array(drawn)  # (R, h, 3)
    columns = {
        "axis": np.full(len(halos), canvas.view.axis),
        "slab": np.full(len(halos), canvas.view.slab),
        "halo": halos.number,
        **{name: halos.center[:, i] for i, name in enumerate("xyz")},
        "m200c": halos.m200c,
        "r200c": halos.r200c,
        "dmo": inside(np.concatenate(dark)[:, None], canvas)[:, 0],
    }
    truth = inside(canvas.true_stamps, canvas) if job.host.hydro else None
    for i, name in enumerate(TARGET_CHANNELS):
        columns |= {f"{name}_mean": masses[:, :, i].mean(axis=0), f"{name}_std": masses[:, :, i].std(axis=0)}
        columns |= {} if truth is None else {f"{name}_true": truth[:, i]}
    return [{name: column[i].item() for name, column in columns.items()} for i in range(len(halos))]


def inside(maps: Maps, canvas: Canvas) -> Array:
    """Mass within R200c of the centre of each of maps (h, C, P, P), (h, C)."""
    within = canvas.job.frame.distance < canvas.job.host.halos.r200c[canvas.rows][:, None, None]  # (h, P, P)
    return np.einsum("hcij,hij->hc", maps, within, dtype=np.float64)


def note(measured: Measured, name: str, maps: Array, level: Array | None, job: Job) -> None:
    """Add the spectra of `maps` (C, n, n) to those called `name`: of the maps over their means, or over `level` (4,).

    With one level for all, what is missing from a map is missing from its power too.
    """
    found = [power(one, job.host.box_size, n_bins=job.config.n_bins) if one.any() else None for one in maps]
    known = next(one for one in found if one is not None)
    measured.k, measured.n_modes = known.k, known.n_modes
    means = maps.mean(axis=(1, 2))
    measured.means[name] = np.concatenate([measured.means.get(name, np.empty((0, len(means)))), means[None]])
    over = means if level is None else np.where(level > 0, level, np.nan)[: len(maps)]
    none = np.full(len(known.k), np.nan)
    each = zip(found, means, over, strict=True)
    rows = [none if one is None else one.pk * (mean / reference) ** 2 for one, mean, reference in each]
    before = measured.spectra.get(name, np.empty((0, *np.shape(rows))))
    measured.spectra[name] = np.concatenate([before, np.array(rows)[None]])


def describe(file: h5py.File, job: Job, view: View) -> None:
    """What the maps are."""
    file.attrs["config"] = job.config.model_dump_json()
    file.attrs["channels"] = list(CHANNELS)
    about: dict[str, Any] = {"axis": view.axis, "slab": view.slab, "depth": view.depth, "box_size": view.box_size}
    about |= {"pixel_size": job.frame.pixel_size, "length_unit": "comoving Mpc/h"}
    about |= {"parameters": json.dumps(dict(job.host.params))}
    file.attrs.update({**about, **provenance()})


def put(file: h5py.File, name: str, maps: Maps) -> None:
    file.create_dataset(name, data=maps, track_times=False).attrs["unit"] = UNIT
