"""A model that leaves home: a folder whose every file is hashed, and the way back to a checkpoint.

weights.safetensors (the averaged weights alone) and meta.json are those of a checkpoint; program.pt2, where there is
one, is the painter as a torch program; README.md is its card; SHA256SUMS is what `sha256sum -c` reads. Hashes say that
files are whole, not who wrote them. Nothing here unpickles: of a foreign folder program.pt2 is hashed and never opened.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from configs import HaloPainting, Painting, Rim, home
from learn import checkpoint
from learn.card import card
from learn.checkpoint import META, WEIGHTS, Meta, Nets, sha256
from learn.counts.card import halo_card
from learn.generator_card import generator_card
from learn.halo_painter import HaloPainter
from learn.halos.card import baryon_card, is_of_halos
from learn.lenses.card import inverter_card
from learn.lenses.inverter import Inverter
from learn.methods import METHODS
from learn.model import Model
from learn.predict import Predictor
from learn.program import exported
from learn.sampler import Sampler

CARD, PROGRAM, SUMS = "README.md", "program.pt2", "SHA256SUMS"
NEEDED = (CARD, META, WEIGHTS)
HASHED = (*NEEDED, PROGRAM)
MAX_BYTES = 2 * 2**30
MAX_TEXT_BYTES = 16 * 2**20
"""Of meta.json, of SHA256SUMS and of the metrics of an evaluation."""


def export(folder: Path, out: Path, *, evaluation: Path | None = None, program: bool = True, note: str = "") -> Path:
    """Write the release of the checkpoint `folder` to `out`, all or nothing, in the place of an older release there.

    Without its `program`, which holds the weights once more and which generators have not, it is half as large.
    `evaluation` is metrics.json of `python -m learn evaluate`, `note` says on the card what the training maps are.
    FileNotFoundError, or ValueError for a checkpoint that cannot be read, an evaluation of another model, or a folder
    `out` that holds something else.
    """
    refuse_occupied(out)
    meta = checkpoint.load_meta(folder)
    nets = METHODS[meta.config.method.kind](meta.config, meta.normalizer, meta).build()
    checkpoint.load_nets(folder, meta, nets)
    n_weights = sum(x.numel() for net in nets.values() for x in net.parameters())
    judged = read_json(evaluation) if evaluation else None
    program = program and isinstance(meta.config.method, Painting)  # a sampler is a loop, not a program
    text = described(meta, n_weights, judged, program, note)
    with beside(out) as partial:
        save_file(checkpoint.tensors("ema", nets), partial / WEIGHTS)
        (partial / META).write_text(released_meta(meta, sha256(partial / WEIGHTS)))
        shutil.copymode(partial / META, partial / WEIGHTS)  # safetensors writes for its owner alone
        (partial / CARD).write_text(text)
        if program:
            torch.export.save(exported(meta, nets), partial / PROGRAM)
        names = HASHED if program else NEEDED
        (partial / SUMS).write_text("".join(f"{sha256(partial / name)}  {name}\n" for name in names))
        return checkpoint.put_in_place(partial, out)


def import_(folder: Path, out: Path, *, max_bytes: int = MAX_BYTES) -> Path:
    """Turn the release `folder` into the checkpoint `out`, all or nothing.

    FileNotFoundError, or ValueError that names a file which is missing, unknown, a link, altered, too large, or no
    model that this code knows; or `out` if something is there.
    """
    if out.exists():
        raise ValueError(f"{out}: expected no such folder yet, found one")
    refuse_other_files(folder, max_bytes)
    sums = read_sums(folder)
    with beside(out) as partial:
        for name in (WEIGHTS, META):
            shutil.copyfile(folder / name, partial / name)
        for name, expected in sums.items():
            copied = partial / name
            if (got := sha256(copied if copied.is_file() else folder / name)) != expected:
                raise ValueError(f"{folder / name}: expected sha256 {expected}, got {got}: damaged or replaced")
        meta = checkpoint.load_meta(partial)
        refuse_other_weights(folder / WEIGHTS, partial / WEIGHTS, meta)
        model_of(meta).load(partial)
        return checkpoint.put_in_place(partial, out)


def model_of(meta: Meta) -> type[Model]:
    """What brings a checkpoint to life."""
    if isinstance(meta.config.method, HaloPainting):
        return HaloPainter
    if isinstance(meta.config.method, Rim):
        return Inverter
    return Predictor if isinstance(meta.config.method, Painting) else Sampler


def described(meta: Meta, n_weights: int, evaluation: Mapping[str, Any] | None, has_program: bool, note: str) -> str:
    """The card of a painter, a generator, a model of halo baryons, one that counts halos or one that inverts lenses."""
    if isinstance(meta.config.method, Painting):
        return card(meta, n_weights=n_weights, evaluation=evaluation, has_program=has_program, note=note)
    if isinstance(meta.config.method, HaloPainting):
        return halo_card(meta, n_weights=n_weights, evaluation=evaluation, note=note)
    if isinstance(meta.config.method, Rim):
        return inverter_card(meta, n_weights=n_weights, evaluation=evaluation, note=note)
    if is_of_halos(meta):
        return baryon_card(meta, n_weights=n_weights, evaluation=evaluation, note=note)
    return generator_card(meta, n_weights=n_weights, evaluation=evaluation, note=note)


def refuse_occupied(out: Path) -> None:
    """ValueError if there is something at `out` that is no release."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if out.exists() and not {SUMS, META} <= names <= {*HASHED, SUMS}:
        raise ValueError(f"{out}: expected no such folder, or an older release to replace, got something else")


def refuse_other_files(folder: Path, max_bytes: int) -> None:
    """ValueError or FileNotFoundError unless `folder` has the files of a release, no others, not too large."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected the folder of a released model, found none")
    found = {path.name: path for path in folder.iterdir()}
    for name, path in sorted(found.items()):
        if name not in (*HASHED, SUMS) or path.is_symlink() or not path.is_file():
            raise ValueError(f"{path}: expected plain files {', '.join((*HASHED, SUMS))} alone, got another")
    for name in (*NEEDED, SUMS):
        if name not in found:
            raise FileNotFoundError(f"{folder / name}: expected the file of a released model, found none")
    for name, path in found.items():
        most = MAX_TEXT_BYTES if name in (META, SUMS) else max_bytes
        if path.stat().st_size > most:
            raise ValueError(f"{path}: expected at most {most} bytes, got {path.stat().st_size}")
    total = sum(path.stat().st_size for path in found.values())
    if total > max_bytes:
        raise ValueError(f"{folder}: expected at most {max_bytes} bytes, got {total}")


def read_sums(folder: Path) -> dict[str, str]:
    """The hash of every file; ValueError for other lines, FileNotFoundError for a file that is hashed and not there."""
    path, names = folder / SUMS, {path.name for path in folder.iterdir()} - {SUMS}
    pairs = [line.split("  ", 1) for line in path.read_text(errors="replace").splitlines()]
    sums = {pair[-1]: pair[0] for pair in pairs}
    for name in sorted(set(HASHED) & sums.keys() - names):
        raise FileNotFoundError(f"{folder / name}: expected the file of a released model, found none")
    if sums.keys() != names or len(pairs) != len(names):
        expected, got = (", ".join(sorted(found)) for found in (names, sums))
        raise ValueError(f"{path}: expected one hash each of {expected}, got {got[:200]}")
    return sums


def refuse_other_weights(path: Path, copied: Path, meta: Meta) -> None:
    """ValueError, before a network takes memory, unless the file holds exactly the weights that `meta` asks for."""
    with torch.device("meta"):
        nets: Nets = METHODS[meta.config.method.kind](meta.config, meta.normalizer, meta).build()
    expected = {f"ema.{name}.{key}": list(x.shape) for name, net in nets.items() for key, x in net.state_dict().items()}
    try:
        with safe_open(copied, "pt") as file:
            found = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: expected safetensors, got: {error}") from error
    for key in sorted(expected.keys() | found.keys()):
        if expected.get(key) != found.get(key):
            raise ValueError(f"{path}: expected {key} of shape {expected.get(key)}, got {found.get(key)}")


def released_meta(meta: Meta, weights_sha256: str) -> str:
    """meta.json without what is private to the machine of the training: places, and the storage with its keys."""
    tree = meta.model_copy(update={"weights_sha256": weights_sha256}).model_dump()
    tree["config"] |= {"storage": None, "start_from": None}
    return json.dumps(tree, indent=2, default=placeless) + "\n"


def placeless(value: Any) -> str:
    """A path as it is from home, or its last name where it is elsewhere."""
    if not isinstance(value, Path):
        raise TypeError(f"meta: expected numbers, words and paths, got {type(value).__name__}")
    return value.relative_to(home()).as_posix() if value.is_relative_to(home()) else value.name


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object at `path`; FileNotFoundError, or ValueError when it is none."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the metrics.json of an evaluation, found none")
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise ValueError(f"{path}: expected at most {MAX_TEXT_BYTES} bytes, got {path.stat().st_size}")
    try:
        tree = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got: {error}") from error
    if not isinstance(tree, dict) or not {"rows", "simulations", "split"} <= tree.keys():
        raise ValueError(f"{path}: expected the metrics.json of an evaluation, got other JSON")
    return tree


@contextmanager
def beside(out: Path) -> Iterator[Path]:
    """An empty folder next to `out`, which is gone afterwards unless it was renamed."""
    partial = out.with_name(f".{out.name}.{uuid4().hex[:12]}.partial")
    partial.mkdir(parents=True)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
