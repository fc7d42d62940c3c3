"""Sets of cutouts in the files of VDM-BIND, one .npz a sample, and its normalisation statistics.

`{split}/sim_{i}/sim_{i}_halo_{j}_rot_{k}.npz`: `condition` (P, P), `target` (3, P, P) and `large_scale` (s, P, P)
float32, `params` (p,) float64, `halo_mass` () and `halo_center` (3,) float32; halo j is the j-th above the threshold.
Knows nothing of how samples are made.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs import provenance
from configs.files import replacing
from sim.halo_list import PeriodicBox, sphere_radius
from sim.samples import (
    FORMAT,
    PRODUCT,
    TARGET_CHANNELS,
    UNIT,
    Entry,
    Manifest,
    PartRecord,
    Samples,
    Shard,
    read_manifest,
    read_shard,
    write_record,
    write_shard,
)
from sim.shards import digest, file_hash
from sim.sides import index_of
from sim.splits import SPLITS
from sim.statistics import moments_of, write_statistics

_NAME = re.compile(r"sim_(\d+)_halo_(\d+)_rot_(\d+)\.npz")
_MAX_BYTES = 2**30


def export(folder: Path, out: Path) -> Iterator[int]:
    """Write every sample of a finished set under `out`, then the statistics; yields how many each shard had.

    ValueError when two simulations have the same number, or when the set is one of cubes.
    """
    manifest = read_manifest(folder)
    numbers = {name: index_of(name) for name in manifest.halos}
    if len(set(numbers.values())) < len(numbers) or manifest.n_dims != 2:
        raise ValueError(f"{folder}: expected maps, and simulations of different numbers, got {sorted(numbers)[:4]}")
    split_of = {name: part for part, names in manifest.split.items() for name in names}
    seen: dict[str, dict[int, int]] = {}
    for entry in manifest.shards:
        shard = read_shard(folder / entry.file)
        ranks = seen.setdefault(entry.simulation, {})
        place = out / split_of[entry.simulation] / f"sim_{numbers[entry.simulation]}"
        for i, halo in enumerate(shard.samples.halo.tolist()):
            rank = ranks.setdefault(halo, len(ranks))
            turn = int(shard.samples.rotation_number[i])
            _write_sample(place / f"{place.name}_halo_{rank}_rot_{turn}.npz", shard.samples, i)
        yield len(shard.samples)
    write_statistics(out, manifest.moments)


def _write_sample(path: Path, samples: Samples, i: int) -> None:
    content: dict[str, Any] = {
        "condition": samples.condition[i],
        "target": samples.target[i],
        "large_scale": samples.large_scale[i],
        "params": samples.params[i],
        "halo_mass": np.float32(samples.halo_mass[i]),
        "halo_center": samples.halo_center[i].astype(np.float32),
    }
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **content)


@dataclass(frozen=True)
class Imported:
    """What the files of VDM-BIND do not say: windows and box in Mpc/h, and the matter density if redshift > 0."""

    scales: tuple[float, ...] = (6.25, 12.5, 25.0, 50.0)
    box_size: float = 50.0
    redshift: float = 0.0
    omega_m: float | None = None
    samples_per_shard: int = 256


def read(folder: Path, out: Path, told: Imported = Imported()) -> Iterator[int]:
    """Turn a folder of VDM-BIND files into a set under `out`; yields how many samples each shard has.

    Sub-folders train, validation (or val) and test are the split; without them all is for training. Rotations are not
    in the files and come out as NaN. FileNotFoundError without samples; ValueError names a file that is none.
    """
    split, files = find(folder)
    split = split or {"train": tuple(files), "validation": (), "test": ()}
    parts = []
    for name, paths in sorted(files.items()):
        for i in range(0, len(paths), told.samples_per_shard):
            chosen = paths[i : i + told.samples_per_shard]
            parts.append(_write_part(name, i // told.samples_per_shard, chosen, out, told))
            yield len(chosen)
    _write_manifest(out, parts, {part: tuple(sorted(names)) for part, names in split.items()}, told)


def find(folder: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, list[Path]]]:
    """The simulations of each split, none at all where no sub-folder says, and the files of each simulation.

    FileNotFoundError without files of that name; ValueError for a simulation in two splits.
    """
    parts = {part: _simulations(folder, part) for part in SPLITS}
    split = {part: tuple(found) for part, found in parts.items()} if any(parts.values()) else {}
    files = {name: paths for part in parts.values() for name, paths in part.items()} or _by_simulation(folder)
    if not files:
        raise FileNotFoundError(f"{folder}: expected files named sim_0_halo_0_rot_0.npz, found none")
    if split and sum(map(len, split.values())) != len(files):
        raise ValueError(f"{folder}: expected each simulation in one split, got one in several")
    return split, files


def _simulations(folder: Path, part: str) -> dict[str, list[Path]]:
    found = _by_simulation(folder / part)
    return found or (_by_simulation(folder / "val") if part == "validation" else {})


def _by_simulation(folder: Path) -> dict[str, list[Path]]:
    """The files of each simulation under a folder, by halo and rotation."""
    named = [(tuple(map(int, match.groups())), path) for path in folder.rglob("sim_*.npz") if (match := _named(path))]
    files: dict[str, list[Path]] = {}
    for (simulation, _, _), path in sorted(named):
        files.setdefault(f"sim_{simulation}", []).append(path)
    return files


def _named(path: Path) -> re.Match[str] | None:
    return _NAME.fullmatch(path.name)


def _write_part(name: str, i: int, paths: Sequence[Path], out: Path, told: Imported) -> PartRecord:
    samples = _samples(paths, told)
    recipe = {"format": FORMAT, "imported": "VDM-BIND", "scales": list(told.scales), "box_size": told.box_size}
    shard = Shard(
        simulation=name,
        samples=samples,
        scales=told.scales,
        box_size=told.box_size,
        depth=told.box_size,
        redshift=told.redshift,
        param_names=tuple(f"p{i}" for i in range(samples.params.shape[1])),
        config=recipe,
    )
    path = out / f"{name}.{i:04d}.hdf5"
    write_shard(path, shard)
    return PartRecord(
        simulation=name,
        part=i,
        file=path.name,
        sha256=file_hash(path),
        n_samples=len(samples),
        config=digest(recipe),
        source="",
        commit=provenance()["commit"],
        moments=samples.moments(),
        seconds={},
    )


def _samples(paths: Sequence[Path], told: Imported) -> Samples:
    """The samples in some files, in their order."""
    rows = [read_sample(path, len(told.scales) - 1) for path in paths]
    for path, row in zip(paths, rows, strict=True):
        if row["condition"].shape != rows[0]["condition"].shape or row["params"].shape != rows[0]["params"].shape:
            raise ValueError(f"{path}: expected the shapes of {paths[0].name}, got others")
    columns = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    numbers = np.array([tuple(map(int, match.groups())) for path in paths if (match := _named(path))])
    mass = columns["halo_mass"].astype(np.float64)
    shape = columns["condition"].shape
    return Samples(
        condition=columns["condition"],
        target=columns["target"],
        large_scale=columns["large_scale"],
        large_scale_target=np.empty((shape[0], 3, 0, *shape[1:]), np.float32),
        params=columns["params"],
        halo_mass=mass,
        halo_radius=sphere_radius(mass, PeriodicBox(told.box_size, told.redshift, told.omega_m)),
        halo_center=columns["halo_center"].astype(np.float64),
        halo=numbers[:, 1],
        rotation_number=numbers[:, 2],
        rotation=np.full((len(paths), 3, 3), np.nan),
    )


def read_sample(path: Path, n_context: int) -> dict[str, NDArray[Any]]:
    """One file with windows in `n_context` wider scales: keys and shapes checked, nothing in it unpickled.

    Maps float32, `params` (p,) float64, `halo_mass` () and `halo_center` (3,). ValueError names a file that is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > _MAX_BYTES:
            raise ValueError(f"expected at most {_MAX_BYTES} bytes, got {size}")
        with np.load(path, allow_pickle=False) as data:
            sample = {key: data[key] for key in data.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: expected a sample of VDM-BIND: {error}") from error
    n = sample["condition"].shape[-1] if "condition" in sample and sample["condition"].ndim else 0
    expected: dict[str, tuple[int, ...]] = {
        "condition": (n, n),
        "target": (len(TARGET_CHANNELS), n, n),
        "large_scale": (n_context, n, n),
        "halo_mass": (),
        "halo_center": (3,),
    }
    for key, shape in expected.items():
        got = sample[key].shape if key in sample else None
        if got != shape or sample[key].dtype.kind != "f":
            raise ValueError(f"{path}: expected {key} of numbers, shape {shape}, got {got}")
    if "params" not in sample or sample["params"].ndim != 1 or sample["params"].dtype.kind not in "iuf":
        raise ValueError(f"{path}: expected params of shape (p,), got {sample.get('params')}")
    maps = {key: sample[key].astype(np.float32, copy=False) for key in ("condition", "target", "large_scale")}
    return {
        **maps,
        "halo_mass": sample["halo_mass"],
        "halo_center": sample["halo_center"],
        "params": sample["params"].astype(np.float64),
    }


def _write_manifest(
    out: Path, parts: Sequence[PartRecord], split: Mapping[str, tuple[str, ...]], told: Imported
) -> None:
    first = read_shard(out / parts[0].file)
    halos: dict[str, set[int]] = {}
    for one in parts:
        halos.setdefault(one.simulation, set()).update(read_shard(out / one.file).samples.halo.tolist())
    unhashed = Manifest(
        product=PRODUCT,
        format=FORMAT,
        config=first.config,
        unit=UNIT,
        target_channels=TARGET_CHANNELS,
        scales=told.scales,
        n_pixels=first.samples.condition.shape[-1],
        n_dims=2,
        pixel_size=first.pixel_size,
        box_size=told.box_size,
        depth=told.box_size,
        redshift=told.redshift,
        param_names=first.param_names,
        halos={name: len(held) for name, held in halos.items()},
        catalogs={},
        counts={},
        shards=tuple(Entry(**one.model_dump(include=set(Entry.model_fields))) for one in parts),
        split=dict(split),
        moments=moments_of(parts, split["train"]),
        commit=provenance()["commit"],
        seconds={},
    )
    write_record(out / "manifest.json", unhashed.model_copy(update={"hash": unhashed.content_hash()}))
