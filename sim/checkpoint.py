"""The state of a run on disk, a part a rank, from which the same run goes on after any of its processes was killed.

`{folder}/{step}` holds part_0000.hdf5, part_0001.hdf5... and, written last, checkpoint.json, which names the parts with
their sizes and hashes and the configuration: without it, or where one byte differs, there is no checkpoint. Particles
keep their order, on which the last bits of a force depend. Knows nothing of what else a run writes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from configs import Box, provenance
from configs.files import replacing
from sim import nbody
from sim.agreement import decoded, encoded, together, word_of_first
from sim.nbody import State
from sim.parallel import SERIAL, Comm
from sim.slab import Slab

FORMAT = 1
RECORD = "checkpoint.json"
N_KEPT = 2

_ARRAYS = ("pos", "mom", "ids")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cadence:
    """A checkpoint every `minutes`, and every `steps` steps; None: not for that reason. ValueError unless positive."""

    minutes: float | None = 10.0
    steps: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("minutes", self.minutes), ("steps", self.steps)):
            if value is not None and not value > 0:
                raise ValueError(f"checkpoint {name}: expected more than 0, got {value}")


class Timer:
    """Says when a checkpoint is due, the same on every rank: the clock is that of rank 0."""

    def __init__(self, cadence: Cadence, comm: Comm) -> None:
        self._cadence, self._comm = cadence, comm
        self._last = time.monotonic()

    def is_due(self, state: State) -> bool:
        """Whether to save `state` now; the minutes are counted from the last time it was. Collective."""
        steps, minutes = self._cadence.steps, self._cadence.minutes
        due = steps is not None and state.step > 0 and state.step % steps == 0
        if minutes is not None:
            is_late = time.monotonic() - self._last >= 60 * minutes
            due = bool(self._comm.allgather(np.array([is_late]))[0][0]) or due
        if due:
            self._last = time.monotonic()
        return due


def save(state: State, folder: Path, comm: Comm = SERIAL) -> None:
    """Write a checkpoint of `state` and remove all but the last two. Collective.

    Returns on rank 0 when it is complete; killed at any moment before, it leaves the earlier ones as they were.
    """
    path = folder / _name(state.step)
    part = _write_part(state, path / f"part_{comm.rank:04d}.hdf5")
    parts = [json.loads(decoded(said)) for said in comm.allgather(encoded(json.dumps(part)))]
    if comm.rank == 0:
        _commit(state, path, parts)
        kept = _steps(folder)[-N_KEPT:]
        for old in [path for path in folder.iterdir() if path.name not in kept]:
            _remove(old)


def latest(box: Box, folder: Path, comm: Comm = SERIAL) -> State | None:
    """The last complete checkpoint of `box` in `folder`, its particles shared out among the ranks; None without one.

    On as many ranks as wrote it each holds the same particles in the same order, so the run goes on bit for bit; on
    others they are redistributed. A damaged checkpoint is passed over, with a warning. ValueError on every rank when
    the checkpoints are of another configuration. Collective.
    """
    for step in reversed(word_of_first(comm, " ".join(_steps(folder))).split()):
        path = folder / step
        record = _record(word_of_first(comm, _text(path) if comm.rank == 0 else ""))
        if record is not None:
            together(comm, partial(_refuse_foreign, path, record, box))
        damage = f"{path / RECORD}: expected a whole record" if record is None else _damage(path, record, comm)
        if record is not None and not damage:
            return _restored(box, path, record, comm)
        if comm.rank == 0:
            _log.warning("%s; passed over", damage)
    return None


def discard_after(folder: Path, step: int | None) -> None:
    """Remove what is newer than the checkpoint of `step`, all without one: damaged, or begun and not completed."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if step is None or path.name > _name(step):
            _remove(path)


def refuse_another(where: Path, found: Mapping[str, Any], wanted: Box) -> None:
    """ValueError naming the first key in which `found`, a box as JSON, is not `wanted`."""
    theirs, ours = _flat(found), _flat(wanted.model_dump(mode="json"))
    for key in ours | theirs:
        if theirs.get(key) != ours.get(key):
            values = f"{key}={ours.get(key)}, got {theirs.get(key)}"
            raise ValueError(f"{where}: expected the output of {values}; remove the folder or choose another")


def _name(step: int) -> str:
    return f"{step:06d}"


def _steps(folder: Path) -> list[str]:
    """Names of the checkpoints that have a record, in the order of their steps."""
    return sorted(path.parent.name for path in folder.glob(f"*/{RECORD}"))


def _write_part(state: State, path: Path) -> dict[str, Any]:
    """Write the particles of this rank; what the record says of the file."""
    with replacing(path) as temporary:
        with h5py.File(temporary, "w") as file:
            for name in _ARRAYS:
                file[name] = getattr(state, name)
        _flush(temporary)
        size, digest = temporary.stat().st_size, _digest(temporary)
    return {"file": path.name, "n_particles": len(state.ids), "bytes": size, "sha256": digest}


def _commit(state: State, path: Path, parts: list[dict[str, Any]]) -> None:
    """Write the record, after which the checkpoint counts."""
    record = {
        "format": FORMAT,
        "step": state.step,
        "a": state.a,
        "output": state.output,
        "box": state.box.model_dump(mode="json"),
        "parts": parts,
        "provenance": provenance(),
    }
    with replacing(path / RECORD) as temporary:
        temporary.write_text(json.dumps({**record, "sha256": _signature(record)}, indent=1) + "\n")
        _flush(temporary)
    _flush(path)


def _flush(path: Path) -> None:
    """Wait until a file or folder is on the disk: a machine that loses power keeps it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _signature(record: Mapping[str, Any]) -> str:
    """The hash of a record without its own."""
    rest = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _text(path: Path) -> str:
    return (path / RECORD).read_text(errors="replace")


def _record(text: str) -> dict[str, Any] | None:
    """The record that `text` holds, None when it is damaged."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError:
        return None
    return record if isinstance(record, dict) and record.get("sha256") == _signature(record) else None


def _refuse_foreign(path: Path, record: Mapping[str, Any], box: Box) -> None:
    """ValueError when a checkpoint is of another format or of another box."""
    if record["format"] != FORMAT:
        raise ValueError(f"{path}: expected a checkpoint of format {FORMAT}, got {record['format']}; remove the folder")
    refuse_another(path, record["box"], box)


def _damage(path: Path, record: Mapping[str, Any], comm: Comm) -> str:
    """What is wrong with the first bad part, or nothing; the ranks share the reading and hear the same."""
    mine = (_damage_of_part(path, part) for part in record["parts"][comm.rank :: comm.size])
    said = comm.allgather(encoded(next(filter(None, mine), "")))
    return next(filter(None, map(decoded, said)), "")


def _damage_of_part(path: Path, part: Mapping[str, Any]) -> str:
    """What is wrong with a part, or nothing."""
    file = path / part["file"]
    if not file.is_file():
        return f"{file}: expected a part of a checkpoint, found none"
    if file.stat().st_size != part["bytes"]:
        return f"{file}: expected {part['bytes']} bytes, got {file.stat().st_size}"
    return "" if _digest(file) == part["sha256"] else f"{file}: expected the bytes that were written, got others"


def _restored(box: Box, path: Path, record: Mapping[str, Any], comm: Comm) -> State:
    """The state of a checkpoint that was found whole."""
    counts = [int(part["n_particles"]) for part in record["parts"]]
    same_ranks = len(counts) == comm.size
    ends = [0, *accumulate(counts if same_ranks else _shares(sum(counts), comm.size))]
    pieces = _pieces(path, record["parts"], ends[comm.rank], ends[comm.rank + 1])
    pos, mom, ids = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
    state = State(box, record["a"], record["step"], record["output"], pos, mom, ids)
    if not same_ranks:
        nbody.migrate(state, Slab(box.n_mesh, box.box_size, comm))
    return state


def _shares(n: int, size: int) -> list[int]:
    """`n` particles shared out evenly."""
    return [n * (rank + 1) // size - n * rank // size for rank in range(size)]


def _pieces(
    path: Path, parts: list[Mapping[str, Any]], start: int, stop: int
) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """The arrays of particles `start` to `stop`, through all parts; first of all an empty piece or none."""
    begin = 0
    for i, part in enumerate(parts):
        end = begin + part["n_particles"]
        low, high = max(start, begin) - begin, min(stop, end) - begin
        if i == 0 or low < high:
            with h5py.File(path / part["file"]) as file:
                pos, mom, ids = (file[name][low : max(low, high)] for name in _ARRAYS)
            yield pos, mom, ids
        begin = end


def _remove(path: Path) -> None:
    """Remove a checkpoint, its record first: half removed, it does not count."""
    (path / RECORD).unlink(missing_ok=True)
    shutil.rmtree(path)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
