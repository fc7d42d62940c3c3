"""The .npy format as a stranger sends it: nothing is unpickled or evaluated, nothing is allocated before it is checked.

Knows nothing of HTTP and of models. Format: numpy.lib.format, versions 1 to 3.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serve.form import MAX_HEADER, Form

MAGIC = b"\x93NUMPY"

_ENTRY = re.compile(
    r"'(descr|fortran_order|shape)'\s*:\s*('[^']*'|\[.*\]|True|False|\((?:\s*\d{1,18}\s*,)*\s*\d{0,18}\s*\))"
)
_BEGIN = {"descr": "'[", "fortran_order": "TF", "shape": "("}
_REAL = re.compile(r"([<>=|]?)(i[1248]|u[1248]|f[248])")
_KINDS = {
    "O": "object",
    "c": "complex",
    "b": "bool",
    "S": "bytes",
    "U": "text",
    "V": "void",
    "M": "dates",
    "m": "times",
}


class MalformedNpyError(ValueError):
    """Bytes that are not a .npy file."""


@dataclass(frozen=True)
class Header:
    """What a .npy file declares about the numbers that begin at byte `offset`."""

    dtype: np.dtype
    fortran_order: bool
    shape: tuple[int, ...]
    offset: int

    @property
    def n_bytes(self) -> int:
        n = self.dtype.itemsize
        for side in self.shape:
            n *= side
        return n


def decode(body: bytes, form: Form) -> NDArray:
    """The array of real numbers in `body`, a read-only view of it where the byte order allows.

    MalformedNpyError unless `body` is a .npy file; ValueError unless it holds integers or floats of at most 8 bytes
    in a shape of `form`.
    """
    header = read_header(body)
    form.refuse(header.shape)
    if len(body) - header.offset != header.n_bytes:
        raise MalformedNpyError(
            f".npy body: expected {header.n_bytes} bytes after the header for shape {header.shape} of {header.dtype}, "
            f"got {len(body) - header.offset}"
        )
    numbers = np.frombuffer(body, header.dtype, offset=header.offset)
    return numbers.reshape(header.shape, order="F" if header.fortran_order else "C")


def encode(array: NDArray) -> bytes:
    """`array` as a .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def read_header(body: bytes) -> Header:
    """The header of the .npy file that `body` begins with."""
    if body[:6] != MAGIC:
        raise MalformedNpyError(f".npy body: expected to begin with {MAGIC!r}, got {bytes(body[:6])!r}")
    width = {1: 2, 2: 4, 3: 4}.get(body[6] if len(body) > 6 else 0)
    if width is None:
        raise MalformedNpyError(f".npy body: expected format version 1, 2 or 3, got {bytes(body[6:8])!r}")
    offset = 8 + width + int.from_bytes(body[8 : 8 + width], "little")
    if offset > min(len(body), MAX_HEADER):
        raise MalformedNpyError(f".npy body: expected a header within {min(len(body), MAX_HEADER)} bytes, got {offset}")
    return parse_header(body[8 + width : offset].decode("latin-1"), offset)


def parse_header(text: str, offset: int) -> Header:
    """The Header that the dictionary literal `text` declares."""
    found = _ENTRY.findall(text)
    entries = dict(found)
    strange = _ENTRY.sub("", text).strip("{}, \t\n") or len(found) != 3 or len(entries) != 3
    if strange or any(entries[key][0] not in first for key, first in _BEGIN.items()):
        raise MalformedNpyError(f".npy header: expected descr, fortran_order and shape, got {text.strip()[:120]!r}")
    shape = tuple(int(side) for side in re.findall(r"\d+", entries["shape"]))
    return Header(real_dtype(entries["descr"].strip("'")), entries["fortran_order"] == "True", shape, offset)


def real_dtype(descr: str) -> np.dtype:
    """The dtype named `descr`; ValueError unless it is an integer or a float of at most 8 bytes."""
    match = _REAL.fullmatch(descr)
    if match is None:
        kind = "structured" if descr[:1] == "[" else _KINDS.get(descr.lstrip("<>=|")[:1], "other")
        raise ValueError(f".npy body: expected integers or floats of at most 8 bytes, got {kind} data ({descr[:60]!r})")
    return np.dtype(descr)
