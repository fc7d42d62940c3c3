"""Images of a folder inverted one by one: five files and a row of the summary each, whoever makes them.

What is made depends on the image, the machine and the options alone. An image whose files are there, from the same
three, is not inverted again; one that cannot be inverted has a row that says why, and the others go on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from configs.files import replacing
from configs.reconstruction import Reconstruct
from learn.checkpoint import sha256
from learn.lenses import preparation
from learn.lenses.inverter import Inverter
from learn.lenses.preparation import Job
from learn.lenses.reconstruction import FORMAT, Reconstruction, reconstruction
from learn.lenses.reconstruction_files import ENDS, PARAMETERS, files
from learn.lenses.reconstruction_summary import Row, row_of, write_summary
from sim.images.catalog import Entry
from sim.images.normalize import denormalized
from sim.images.observation import Observation
from sim.images.prepare import prepared
from sim.images.read import read
from sim.images.told import redshifts

UNUSABLE = (ValueError, OSError, RuntimeError, MemoryError, ArithmeticError, LookupError)
"""What a file that nobody vouches for may raise."""
PREPARED = "_prepared"
NOT_MADE_OF = {"checkpoint", "image", "out", "catalog", "n_retries", "n_pixels", "pixel_size", "normalize"}
"""Options that change nothing, or are told otherwise."""
MAX_BYTES = 64 * 2**20
"""Of a record."""


@dataclass(frozen=True)
class Lens:
    """An image, the name that its files begin with, and the machine that it is for."""

    name: str
    job: Job
    weights_sha256: str


def found(config: Reconstruct) -> list[Lens]:
    """Every image. ValueError or FileNotFoundError if there is none, or for a machine or catalogue that is none."""
    meta = Inverter.read_meta(config.checkpoint)
    jobs = preparation.found(config)
    names = named([job.source.name for job in jobs])
    return [Lens(name, job, meta.weights_sha256) for name, job in zip(names, jobs, strict=True)]


def named(names: Sequence[str]) -> list[str]:
    """As lens models may be called, all different: the second of a name has a number after it."""
    found: dict[str, None] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9._+-]", "_", name.removesuffix(PREPARED)).lstrip("._+-")[:80] or "lens"
        numbered = (f"{plain}-{i}" for i in count(2))
        found[plain if plain not in found else next(one for one in numbered if one not in found)] = None
    return list(found)


def reconstructed(lenses: Sequence[Lens], config: Reconstruct) -> Iterator[Row]:
    """One after another; the summary is written at the end, also of those that were done before an interruption."""
    rows: list[Row] = []
    try:
        for lens in lenses:
            rows.append(attempted(lens, config))
            yield rows[-1]
    finally:
        write_summary(config, rows)


def attempted(lens: Lens, config: Reconstruct) -> Row:
    """The row of a lens, which is made unless it is there; or why there is none."""
    try:
        made = made_of(lens, config)
        return row_of(kept(lens.name, config, made) or make(lens, config, made))
    except UNUSABLE as error:
        return Row(lens.name, error=" ".join(str(error).split()) or type(error).__name__)


def kept(name: str, config: Reconstruct, made: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record that is there, if all files are and it is of the same image, machine and options."""
    paths = [config.out / f"{name}{end}" for end in ENDS]
    if not all(path.is_file() for path in paths) or paths[-1].stat().st_size > MAX_BYTES:
        return None
    try:
        record = json.loads(paths[-1].read_text(encoding="utf-8"))
    except ValueError:
        return None
    is_same = isinstance(record, dict) and record.get("format") == FORMAT and record.get("made") == made
    return record if is_same else None


def make(lens: Lens, config: Reconstruct, made: Mapping[str, Any]) -> dict[str, Any]:
    """Invert and write; an older record goes first and the new one comes last."""
    (config.out / f"{lens.name}{PARAMETERS}").unlink(missing_ok=True)
    found = inverted(lens, config, made)
    for end, content in files(found).items():
        with replacing(config.out / f"{lens.name}{end}") as temporary:
            temporary.write_bytes(content)
    return found.record


def inverted(lens: Lens, config: Reconstruct, made: Mapping[str, Any]) -> Reconstruction:
    return reconstruction(lens.name, observed(lens.job, config), opened(config, lens.weights_sha256), config, made)


def observed(job: Job, config: Reconstruct) -> Observation:
    """Read and prepared."""
    return ready(read(job.source, config, job.entry), job.entry, config)


def ready(seen: Observation, entry: Entry, config: Reconstruct) -> Observation:
    """Prepared; one that has been is as it is, but for the redshifts that the catalogue has."""
    if len(seen.history) == 1:
        return prepared(seen, config)
    told = (entry.z_lens, entry.z_source), (seen.z_lens, seen.z_source)
    z_lens, z_source = redshifts(told)
    return replace(denormalized(seen), z_lens=z_lens, z_source=z_source)


def made_of(lens: Lens, config: Reconstruct) -> dict[str, Any]:
    """What decides the files of a lens: hashes of what is read, what the catalogue says, the machine, the options."""
    source, entry = lens.job.source, lens.job.entry
    own = (source.path, source.noise, source.psf, source.mask, source.info)
    paths = [path for path in (*own, config.noise_file, config.psf.file, config.mask.file) if path is not None]
    return {
        "files": {path.name: sha256(path) for path in paths},
        "band": source.band,
        "catalog": [entry.z_lens, entry.z_source, entry.pixel_scale_arcsec],
        "weights_sha256": lens.weights_sha256,
        "options": json.loads(config.model_dump_json(exclude=NOT_MADE_OF)),
    }


def opened(config: Reconstruct, weights_sha256: str) -> Inverter:
    """The machine, opened once in each process."""
    return _opened(config.checkpoint, weights_sha256)


@lru_cache(maxsize=1)
def _opened(folder: Path, _weights_sha256: str) -> Inverter:
    return Inverter.load(folder)
