"""Sets of simulated lenses: made part by part by whoever has time, one manifest for all.

What a part holds is a function of the configuration alone, so parts may be made anywhere, in any order and again; a
part counts as made when its record names this configuration and its bytes. Knows nothing of workers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from configs import Lenses, provenance
from configs.files import replacing
from sim import lens_fits
from sim.lens_shards import FORMAT, PRODUCT, UNITS, Images, Manifest, Record, read_manifest, read_shard, write_shard
from sim.lensing.observations import observe
from sim.lensing.selection import select
from sim.lensing.truth import NINE, TRUTH, Truths
from sim.memory import in_words
from sim.shards import digest, file_hash

__all__ = ["Manifest", "Part", "Record", "completed", "make", "parts", "produce", "read_manifest", "read_shard"]

HEADERS = 60_000
"""Bytes beside the numbers of a shard or of a pair of FITS files, about."""


@dataclass(frozen=True)
class Part:
    """Some consecutive systems: those from `start` to `stop`."""

    number: int
    start: int
    stop: int

    def path(self, config: Lenses) -> Path:
        """Of its shard."""
        return config.out / f"lenses_{self.number:05d}.hdf5"

    def record_path(self, config: Lenses) -> Path:
        """Of what says that it was made."""
        return self.path(config).with_suffix(".json")

    @property
    def name(self) -> str:
        return f"systems {self.start} to {self.stop - 1}"


def produce(config: Lenses) -> Iterator[Record]:
    """Make every part that is missing or damaged, one after the other, then the manifest; yields every record."""
    records = []
    for part in parts(config):
        records.append(completed(part, config) or make(part, config))
        yield records[-1]
    write_manifest(config, records)


def parts(config: Lenses) -> list[Part]:
    """All parts of a set."""
    starts = range(0, config.n, config.systems_per_task)
    return [Part(i, start, min(start + config.systems_per_task, config.n)) for i, start in enumerate(starts)]


def completed(part: Part, config: Lenses) -> Record | None:
    """The record of a part if it is whole and of this configuration."""
    try:
        record = Record.model_validate_json(part.record_path(config).read_text())
    except (FileNotFoundError, ValidationError):
        return None
    same = (record.start, record.stop, record.config) == (part.start, part.stop, digest(recipe(config)))
    files = [config.out / name for name in record.files]
    whole = same and all(file.is_file() for file in files) and record.sha256 == hash_of(files)
    return record if whole else None


def make(part: Part, config: Lenses) -> Record:
    """Write the files and the record of a part; RuntimeError when a system is rejected again and again."""
    truths, rejected = select(config, range(part.start, part.stop))
    observed = observe(truths, config)
    files = write_files(part, config, {name: getattr(observed, name).numpy() for name in UNITS}, truths)
    record = Record(
        part=part.number,
        start=part.start,
        stop=part.stop,
        files=tuple(file.name for file in files),
        sha256=hash_of(files),
        n_bytes=sum(file.stat().st_size for file in files),
        rejected=rejected,
        config=digest(recipe(config)),
        commit=provenance()["commit"],
    )
    with replacing(part.record_path(config)) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n")
    return record


def write_files(part: Part, config: Lenses, images: Images, truths: Truths) -> list[Path]:
    """As a shard, or as pairs of FITS files."""
    if config.format == "shards":
        write_shard(part.path(config), images, truths, recipe(config))
        return [part.path(config)]
    instruments = [one.name for one in config.instruments]
    pairs = [lens_fits.write_pair(config.out, images, truths, i, instruments) for i in range(len(truths))]
    return [config.out / name for pair in pairs for name in pair]


def hash_of(files: Sequence[Path]) -> str:
    """SHA-256 of a file, or of those of several."""
    hashes = [file_hash(file) for file in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def write_manifest(config: Lenses, records: Sequence[Record]) -> Manifest:
    """Write `config.out`/manifest.json."""
    records = sorted(records, key=lambda record: record.part)
    reasons = list(records[0].rejected)
    manifest = Manifest(
        product=PRODUCT,
        format=FORMAT,
        family=config.family,
        config=recipe(config),
        commit=", ".join(sorted({record.commit for record in records})),
        n=config.n,
        units=UNITS,
        truth={name: quantity.unit for name, quantity in TRUTH.items()},
        parameters=NINE,
        rejected={reason: sum(record.rejected[reason] for record in records) for reason in reasons},
        parts=tuple(records),
    )
    with replacing(config.out / "manifest.json") as temporary:
        temporary.write_text(manifest.model_dump_json(indent=1) + "\n")
    return manifest


def planned_bytes(config: Lenses, n: int) -> int:
    """What the files of `n` systems take, about."""
    pixels = 3 * config.n_pixels**2 + config.psf_side**2 + config.n_source_pixels**2
    n_files = n if config.format == "fits" else -(-n // config.systems_per_task)
    return n * (4 * pixels + 8 * len(TRUTH)) + n_files * HEADERS


def refuse_full_disk(config: Lenses, n: int) -> str:
    """How large `n` systems are, in words; ValueError unless the disk of `out` has room for them."""
    there = next(folder for folder in (config.out, *config.out.parents) if folder.exists())
    need, free = planned_bytes(config, n), shutil.disk_usage(there).free
    if need > free:
        raise ValueError(f"{config.out}: expected room for {in_words(need)}, found {in_words(free)}; ask for fewer (n)")
    return f"{n} systems of {config.family} to make, {in_words(need)}; {in_words(free)} free"


def recipe(config: Lenses) -> dict[str, Any]:
    """Everything of `config` that decides a part's content, files by their hashes, and nothing of where they lie."""
    content = json.loads(config.model_dump_json(exclude={"out", "n", "n_retries"}))
    content["sources"]["images"] = [file_hash(path) for path in config.sources.images]
    for told, instrument in zip(content["instruments"], config.instruments, strict=True):
        told["psf"]["kernel"] = instrument.psf.kernel and file_hash(instrument.psf.kernel)
    return {"format": FORMAT, **content}
