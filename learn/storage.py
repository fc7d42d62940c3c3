"""Checkpoint folders at a URI that pyarrow opens: a shared folder, `s3://`, `gs://`, `fsspec+...`.

`URI/step_000100.json` names what is complete: the files' folder, `URI/step_000100.<token>/`, and their hashes. It is
written last and as a whole, so that a reader sees all of a checkpoint or nothing, whoever else writes at that time.
Knows nothing of runs.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from pyarrow import ArrowException, fs
from pydantic import Field

from configs import ConfigError, Frozen, resolve, validate
from learn import checkpoint

N_ATTEMPTS, PAUSE_S = 3, 0.5
MAX_MARKER_BYTES = 1_000_000
CHUNK_BYTES = 1 << 22
ABANDONED_S = 24 * 3600.0
"""A folder without a marker that is older than this is of a writer that died."""
NAME = re.compile(r"[A-Za-z0-9_-]+")
PERMANENT = (
    "NO_SUCH_BUCKET",
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY",
    "SIGNATURE_DOES_NOT_MATCH",
    "HTTP 403",
    "HTTP 404",
)
OBJECT_STORES = (fs.S3FileSystem, fs.GcsFileSystem)
Result = TypeVar("Result")


class Marker(Frozen):
    """What a complete checkpoint consists of."""

    folder: str = Field(pattern=r"^[A-Za-z0-9_-]+\.[0-9a-f]{12}$", description="beside the marker")
    files: dict[str, str] = Field(min_length=1, max_length=64, description="sha256 of each file by its plain name")


@dataclass(frozen=True)
class Storage:
    """The checkpoints at one URI."""

    filesystem: fs.FileSystem
    root: str
    uri: str

    @classmethod
    def of(cls, uri: str) -> Storage:
        """The storage at `uri`, or in the folder `uri`; ValueError if that is not a place pyarrow can open."""
        place = uri if "://" in uri else str(resolve(Path(uri)))
        try:
            filesystem, root = fs.FileSystem.from_uri(place)
        except (ArrowException, OSError, ValueError, ImportError) as error:
            problem = reason(error).replace(uri, shown(uri))
            raise ValueError(f"storage {shown(uri)}: expected a folder or a URI, got: {problem}") from None
        storage = cls(filesystem, root.rstrip("/"), shown(uri))
        storage._refuse_no_bucket()
        return storage

    def push(self, folder: Path, name: str) -> None:
        """Keep the files of the checkpoint `folder` as `name`; what had the name before is replaced as a whole."""
        paths = sorted(path for path in folder.iterdir() if path.is_file())
        marker = Marker(
            folder=f"{checked(name)}.{uuid4().hex[:12]}", files={path.name: checkpoint.sha256(path) for path in paths}
        )
        self._do(self.filesystem.create_dir, f"{self.root}/{marker.folder}")
        for path in paths:
            self._do(self._upload, path, f"{self.root}/{marker.folder}/{path.name}")
        replaced = self._found(name)
        self._do(self._publish, name, marker.model_dump_json().encode())
        if replaced:
            self._remove(replaced.folder)

    def names(self) -> list[str]:
        """The complete checkpoints, oldest first: by the number at the end of the name."""
        found = [entry.base_name for entry in self._entries() if entry.type == fs.FileType.File]
        stems = (name.removesuffix(".json") for name in found if name.endswith(".json"))
        return sorted((stem for stem in stems if NAME.fullmatch(stem)), key=order)

    def latest(self) -> str | None:
        """The newest complete checkpoint."""
        return next(reversed(self.names()), None)

    def pull(self, name: str, target: Path) -> Path:
        """Copy the checkpoint `name` to the folder `target`, all or nothing; ValueError for a file that is damaged."""
        marker = self._marker(checked(name))
        partial = checkpoint.emptied(target.with_name(f".{target.name}.{uuid4().hex[:12]}"))
        try:
            for file, expected in marker.files.items():
                self._do(self._download, f"{self.root}/{marker.folder}/{checked_file(file)}", partial / file)
                self._refuse_damaged(partial / file, f"{name}/{file}", expected)
            weights = checkpoint.load_meta(partial).weights_sha256
            self._refuse_damaged(partial / checkpoint.WEIGHTS, f"{name}/{checkpoint.WEIGHTS}", weights)
            return checkpoint.put_in_place(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def prune(self, keep: int, spare: Iterable[str] = ()) -> None:
        """Remove all but the newest `keep` checkpoints and those in `spare`, and what writers that died left behind."""
        if keep < 1:
            raise ValueError(f"keep: expected at least 1, got {keep}")
        for name in set(self.names()[:-keep]) - set(spare):
            with suppress(FileNotFoundError):  # another writer was faster
                folder = self._marker(name).folder
                self._do(self.filesystem.delete_file, f"{self.root}/{name}.json")
                self._remove(folder)
        self._sweep()

    def _refuse_no_bucket(self) -> None:
        bucket = self.root.partition("/")[0]
        if not isinstance(self.filesystem, OBJECT_STORES):
            return
        if self._do(self.filesystem.get_file_info, bucket).type == fs.FileType.NotFound:
            raise ValueError(f"storage {self.uri}: expected a bucket, found no {bucket!r}")

    def _sweep(self) -> None:
        """Remove folders that no marker names and nobody has written to for long."""
        used = {marker.folder for name in self.names() if (marker := self._found(name))}
        folders = {entry.base_name for entry in self._entries() if entry.type == fs.FileType.Directory}
        for folder in folders - used:
            if re.fullmatch(r"[A-Za-z0-9_-]+\.[0-9a-f]{12}", folder) and self._age_s(folder) > ABANDONED_S:
                self._remove(folder)

    def _age_s(self, folder: str) -> float:
        """Seconds since the last file came into `folder`; an empty one has just been made."""
        inside = self._do(self.filesystem.get_file_info, fs.FileSelector(f"{self.root}/{folder}", allow_not_found=True))
        times = [entry.mtime_ns for entry in inside if entry.mtime_ns is not None]
        return time.time() - max(times) / 1e9 if times else 0.0

    def _entries(self) -> list[fs.FileInfo]:
        return self._do(self.filesystem.get_file_info, fs.FileSelector(self.root, allow_not_found=True))

    def _marker(self, name: str) -> Marker:
        path = f"{self.root}/{name}.json"
        content = self._do(self._read, path)
        try:
            return validate(Marker, json.loads(content), f"storage {self.uri}: {name}.json")
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ConfigError(f"storage {self.uri}: {name}.json: expected JSON, got: {error}") from error

    def _found(self, name: str) -> Marker | None:
        """The marker of `name`, unless there is none, or none any more."""
        try:
            return self._marker(name)
        except FileNotFoundError:
            return None

    def _read(self, path: str) -> bytes:
        with self.filesystem.open_input_stream(path) as stream:
            return bytes(stream.read(MAX_MARKER_BYTES))

    def _upload(self, path: Path, target: str) -> None:
        with path.open("rb") as source, self.filesystem.open_output_stream(target) as sink:
            shutil.copyfileobj(source, sink, CHUNK_BYTES)

    def _download(self, source: str, path: Path) -> None:
        with self.filesystem.open_input_stream(source) as stream, path.open("wb") as sink:
            shutil.copyfileobj(stream, sink, CHUNK_BYTES)

    def _publish(self, name: str, content: bytes) -> None:
        """Write a marker in one go: object stores do, elsewhere a rename does."""
        target = f"{self.root}/{name}.json"
        temporary = f"{self.root}/.{name}.{uuid4().hex[:12]}"
        whole = isinstance(self.filesystem, OBJECT_STORES)
        with self.filesystem.open_output_stream(target if whole else temporary) as sink:
            sink.write(content)
        if not whole:
            self.filesystem.move(temporary, target)

    def _remove(self, folder: str) -> None:
        with suppress(FileNotFoundError):  # another writer was faster
            self._do(self.filesystem.delete_dir, f"{self.root}/{folder}")

    def _refuse_damaged(self, path: Path, name: str, expected: str) -> None:
        found = checkpoint.sha256(path)
        if found != expected:
            raise ValueError(
                f"storage {self.uri}: {name}: expected sha256 {expected}, got {found}: damaged or replaced"
            )

    def _do(self, function: Callable[..., Result], *arguments: object) -> Result:
        """The call's result, tried again a bounded number of times; else RuntimeError, or FileNotFoundError."""
        for attempt in range(1, N_ATTEMPTS + 1):
            try:
                return function(*arguments)
            except FileNotFoundError as error:
                raise FileNotFoundError(f"storage {self.uri}: expected what is there, {reason(error)}") from error
            except (ArrowException, OSError) as error:
                if attempt == N_ATTEMPTS or is_permanent(error):
                    raise RuntimeError(f"storage {self.uri}: expected an answer, got: {reason(error)}") from error
                time.sleep(PAUSE_S * 2**attempt)
        raise AssertionError


def order(name: str) -> tuple[int, str]:
    """By the number at the end of a name."""
    digits = re.search(r"\d+$", name)
    return (int(digits[0]) if digits else -1, name)


def checked(name: str) -> str:
    """`name`, if it can be that of a checkpoint."""
    if not NAME.fullmatch(name):
        raise ValueError(f"name of a checkpoint: expected letters, digits, _ and -, got {name!r}")
    return name


def checked_file(name: str) -> str:
    """`name`, if it is a plain file name."""
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise ValueError(f"marker: expected plain names of files, got {name!r}")
    return name


def is_permanent(error: BaseException) -> bool:
    """Whether trying again cannot help."""
    text = str(error)
    return isinstance(error, PermissionError) or any(word in text for word in PERMANENT)


def reason(error: BaseException) -> str:
    """The first line of an error, short, with neither a URI's secrets nor its options."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return re.sub(r"\w[\w+.-]*://\S+", lambda match: shown(match[0]), line)[:300]


def shown(uri: str) -> str:
    """`uri` without user, password and options."""
    scheme, separator, rest = uri.rpartition("://")
    return scheme + separator + (re.split(r"[?#]", rest.rpartition("@")[2])[0] if separator else rest)
