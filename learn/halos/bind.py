"""Baryons for the halos of a box: cut each, sample it, and keep what was sampled until it is pasted back.

A piece of work is some halos of one view. What it leaves is a function of the halos and of the configuration alone, and
its file counts as made when it names them by hash: who made it, in which order and after how many attempts leaves no
trace. Knows nothing of workers, and nothing of how maps are pasted or judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from configs import Bind, Profile, Trained
from configs.files import replacing
from learn.halos import Frame, Sampler, frame_of, open_sampler
from sim import host_box
from sim.host_box import HostBox
from sim.views import View, pixels_across, refuse_other_depth, views

Maps = NDArray[np.float32]
Array = NDArray[np.float64]

SEED_BITS = 40
STAMPS = "stamps"


@dataclass(frozen=True)
class Job:
    """A box that fits a sampler, and the lines of sight through it."""

    config: Bind
    host: HostBox
    frame: Frame
    views: tuple[View, ...]

    @property
    def n_pixels(self) -> int:
        """Along a side of the maps."""
        return pixels_across(self.host.box_size, self.frame.pixel_size)

    @property
    def params(self) -> Array:
        """What the sampler is told of the box, (p,); ValueError names what the box does not say."""
        return np.array([self.host.parameter(name) for name in self.frame.param_names])

    @property
    def gas_share(self) -> float:
        """Share of gas in the mass between halos."""
        return self.host.baryon_fraction if self.config.rest == "shares" else 0.0

    def rows(self, view: View) -> NDArray[np.int64]:
        """The halos of a view, by row."""
        return np.flatnonzero(view.holds(self.host.halos.center))

    def aim(self, view: View, rows: NDArray[np.int64]) -> Array:
        """Where they are cut, (h, 3) [Mpc/h]."""
        return view.aimed(self.host.halos.center[rows], self.frame.pixel_size if self.config.align else None)


@dataclass(frozen=True, eq=False)
class Work:
    """Some halos of a view as a sampler is shown them: `n` draws of each are wanted."""

    path: Path
    condition: Maps
    large_scale: Maps
    params: Array
    mass: Array
    seeds: NDArray[np.int64]
    n: int
    identity: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the draws."""
        side = self.condition.shape[-1]
        return (len(self.mass), self.n, 3, side, side)

    @property
    def recipe(self) -> str:
        """SHA-256 of all that decides the draws."""
        digest = hashlib.sha256(f"{self.identity} {self.n}".encode())
        for column in (self.condition, self.large_scale, self.params, self.mass, self.seeds):
            digest.update(f"{column.shape} {column.dtype}".encode() + np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def prepare(config: Bind) -> Job:
    """Load the box; ValueError where it does not fit the sampler, before anything is cut."""
    frame = frame_of(config.sampler)
    host = host_box.load(config)
    frame.windows(host.box_size)
    refuse_other_depth(host.box_size / config.n_slabs, frame.depth)
    job = Job(config, host, frame, tuple(views(config.axes, config.n_slabs, host.box_size)))
    _ = job.n_pixels, job.params, job.gas_share
    return job


def works(job: Job, view: View) -> list[Work]:
    """What is to be sampled of a view, in pieces of `config.batch` halos."""
    rows, config = job.rows(view), job.config
    pieces = [rows[i : i + config.batch] for i in range(0, len(rows), config.batch)]
    found = []
    for i, piece in enumerate(pieces):
        shown = view.cut(job.host.dmo, job.aim(view, piece), job.frame.windows(job.host.box_size))
        found.append(
            Work(
                path=config.out / "halos" / f"{view.name}.{i:04d}.hdf5",
                condition=shown[:, 0],
                large_scale=shown[:, 1:],
                params=np.tile(job.params, (len(piece), 1)),
                mass=job.host.halos.m200c[piece],
                seeds=np.array([seed_of(config.seed, view, int(job.host.halos.number[row])) for row in piece]),
                n=config.n_realizations,
                identity=job.frame.identity,
            )
        )
    return found


def seed_of(seed: int, view: View, halo: int) -> int:
    """Of the draws of one halo in one view, on every machine."""
    words = "\x1f".join(map(str, (seed, view.axis, view.slab, view.n_slabs, halo)))
    digest = hashlib.blake2b(words.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> (64 - SEED_BITS)


def is_made(work: Work) -> bool:
    """Whether the file of `work` holds its draws, whole."""
    try:
        with h5py.File(work.path, "r") as file:
            return file.attrs.get("recipe") == work.recipe and file[STAMPS].shape == work.shape
    except (OSError, KeyError):
        return False


def make(work: Work, sampler: Trained | Profile) -> int:
    """Sample every halo of `work` and keep the draws; how many there are. RuntimeError for one that is no mass."""
    source = opened(sampler)
    draws = source.sample_each(work.condition, work.large_scale, work.params, work.mass, work.seeds, work.n)
    if draws.shape != work.shape or not (np.isfinite(draws).all() and draws.min() >= 0):
        raise RuntimeError(f"{work.path.name}: expected masses >= 0 of shape {work.shape}, got others, {draws.shape}")
    with replacing(work.path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset(STAMPS, data=draws, track_times=False)
        file.attrs["recipe"] = work.recipe
    return len(work.mass) * work.n


def stamps(pieces: list[Work], i: int, side: int) -> Maps:
    """Draw `i` of every halo of all pieces of a view, (h, 3, side, side)."""
    found = [np.empty((0, 3, side, side), np.float32)]
    for work in pieces:
        with h5py.File(work.path, "r") as file:
            found.append(file[STAMPS][:, i])
    return np.concatenate(found)


def left(job: Job) -> Iterator[tuple[View, list[Work], list[Work]]]:
    """Of each view all pieces, and those that are not made."""
    for view in job.views:
        pieces = works(job, view)
        yield view, pieces, [work for work in pieces if not is_made(work)]


def opened(config: Trained | Profile) -> Sampler:
    """The sampler, opened once in each process."""
    return _opened(type(config), config.model_dump_json())


@lru_cache(maxsize=2)
def _opened(kind: type[Trained] | type[Profile], content: str) -> Sampler:
    return open_sampler(kind.model_validate_json(content))
