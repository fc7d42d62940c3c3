"""Files in one body, the same bytes for the same files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip file of them by name, without dates."""
    stream = io.BytesIO()
    with ZipFile(stream, "w") as file:
        for name, content in files.items():
            file.writestr(ZipInfo(name), content, compress_type=ZIP_DEFLATED)
    return stream.getvalue()
