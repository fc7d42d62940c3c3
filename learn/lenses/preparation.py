"""Images of a folder prepared one by one: NAME_prepared.fits, NAME_preparation.png and a row of summary.csv each.

An image that cannot be prepared has a row that says why, and the others go on.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from configs import Prepare
from configs.files import replacing
from learn.lenses.preparation_figure import preparation_figure
from sim.images import catalog, corners
from sim.images import prepared as prepared_file
from sim.images.observation import Observation
from sim.images.prepare import steps
from sim.images.read import read
from sim.images.sources import Source
from sim.images.sources import found as sources

SUMMARY = "summary.csv"
DPI = 80


@dataclass(frozen=True)
class Row:
    """A line of the summary; NaN is what is not known, sky and noise are in the unit of the image."""

    name: str
    pixel_size: float = math.nan
    n_x: int = 0
    n_y: int = 0
    unit: str = ""
    sky: float = math.nan
    sky_error: float = math.nan
    sky_subtracted: float = math.nan
    noise: float = math.nan
    noise_is_given: bool | None = None
    psf_fwhm: float = math.nan
    corner_chi: float = math.nan
    corner_chi_blocks: float = math.nan
    core_chi: float = math.nan
    core_part: float = math.nan
    warnings: str = ""
    error: str = ""


@dataclass(frozen=True)
class Job:
    """An image and what the catalogue says of it."""

    source: Source
    entry: catalog.Entry


def found(config: Prepare) -> list[Job]:
    """Every image. ValueError or FileNotFoundError if there is none, or for a catalogue that cannot be read."""
    entries = {} if config.catalog is None else catalog.read(config.catalog)
    return [Job(source, catalog.entry(entries, source.name)) for source in sources(config)]


def prepared(jobs: Sequence[Job], config: Prepare) -> Iterator[Row]:
    """Prepare and write one after another; the summary has a row more each time."""
    rows: list[Row] = []
    for job in jobs:
        try:
            rows.append(_written(job, config))
        except (ValueError, OSError, RuntimeError, MemoryError) as error:
            rows.append(Row(job.source.name, error=" ".join(str(error).split())))
        write_summary(config.out / SUMMARY, rows)
        yield rows[-1]


def words(row: Row) -> str:
    """A row on one line."""
    if row.error:
        return f"{row.name}: NOT PREPARED: {row.error}"
    said = f"{row.name}: {row.n_x} x {row.n_y} of {row.pixel_size:.4g} arcsec, corner chi {row.corner_chi:.2f}"
    return said + (f"; {row.warnings}" if row.warnings else "")


def write_summary(path: Path, rows: Sequence[Row]) -> None:
    """All rows as CSV."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Row)])
        for row in rows:
            writer.writerow([f"{value:.5g}" if isinstance(value, float) else value for value in astuple(row)])


def _written(job: Job, config: Prepare) -> Row:
    every = list(steps(read(job.source, config, job.entry), config))
    prepared_file.write(config.out / f"{job.source.name}_prepared.fits", every[-1])
    with replacing(config.out / f"{job.source.name}_preparation.png") as temporary:
        preparation_figure(every).savefig(temporary, dpi=DPI)
    return _row(job.source.name, every[-1])


def _row(name: str, seen: Observation) -> Row:
    sky, light, (chi, blocks) = seen.known("sky"), seen.known("light"), corners.chi(seen)
    return Row(
        name=name,
        pixel_size=math.nan if seen.pixel_size is None else seen.pixel_size,
        n_x=seen.image.shape[1],
        n_y=seen.image.shape[0],
        unit=seen.unit,
        sky=float(sky.get("SKYMODE", math.nan)),
        sky_error=float(sky.get("SKYERR", math.nan)),
        sky_subtracted=float(sky.get("SKYLEVEL", math.nan)),
        noise=math.nan if seen.noise is None else float(np.median(seen.noise[seen.mask])),
        noise_is_given=bool(seen.known("noise").get("NOISEOWN")),
        psf_fwhm=float(seen.known("psf").get("PSFFWHM", math.nan)),
        corner_chi=chi,
        corner_chi_blocks=blocks,
        core_chi=float(light.get("CORECHI", math.nan)),
        core_part=float(light.get("COREPART", math.nan)),
        warnings="; ".join(seen.warnings),
    )
