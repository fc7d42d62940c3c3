"""The files of one snapshot or catalogue: name.hdf5, or name.0.hdf5, name.1.hdf5... in a folder. Opens none of them."""

from __future__ import annotations

import re
from pathlib import Path

from sim.hdf import SUFFIXES

_LEFT_BY_YT = ".hsml"
"""Smoothing lengths that yt leaves beside the files that it has opened."""


def part_path(path: Path, i_file: int, n_files: int) -> Path:
    """The name of one file of the set `path`."""
    return path if n_files == 1 else path.with_suffix(f".{i_file}{path.suffix}")


def first(path: Path, noun: str) -> Path:
    """A file of the set: `path`, its part 0, or the first file of a folder.

    FileNotFoundError when there is none, ValueError when a folder holds several sets; both say it is a `noun`.
    """
    if path.is_dir():
        found = sorted(file for suffix in SUFFIXES for file in path.glob(f"[!.]*{suffix}"))
        found = [file for file in found if not file.stem.endswith(_LEFT_BY_YT)]
        stems = sorted({re.sub(r"(\.\d+)?\.(hdf5|h5)$", "", file.name) for file in found})
        if len(stems) > 1:
            raise ValueError(f"{path}: expected the files of one {noun}, got {', '.join(stems[:4])}")
    else:
        found = [file for file in (path, path.with_suffix(f".0{path.suffix}")) if file.is_file()]
    if not found:
        raise FileNotFoundError(f"{path}: expected a {noun} ending in {' or '.join(SUFFIXES)}, found none")
    return found[0]


def parts(file: Path, n_files: int, noun: str) -> list[Path]:
    """Every file of the set of `file`; FileNotFoundError names one that is missing."""
    if n_files == 1:
        return [file]
    match = re.fullmatch(r"(.*)\.\d+(\.(?:hdf5|h5))", file.name)
    if match is None:
        raise ValueError(f"{file}: expected a name like snap_090.0.hdf5 of one of {n_files} files")
    files: list[Path] = []
    for i in range(n_files):
        files.append(file.with_name(f"{match[1]}.{i}{match[2]}"))
        if not files[-1].is_file():
            raise FileNotFoundError(f"{files[-1]}: part {i} of a {noun} in {n_files} files is missing")
    return files
