"""The files of a reconstruction as bytes, the same on a disk, in an archive and from any worker: no date is in them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from learn.lenses.diagnostic import diagnostic
from learn.lenses.reconstruction import Reconstruction, told
from learn.mass.maps import axes
from learn.portfolio import png
from sim.images.prepared import FORMAT, header_of

SOURCE, FORWARD, RESIDUAL = "_source.fits", "_forward.fits", "_residual.fits"
DIAGNOSTIC, PARAMETERS = "_diagnostic.png", "_parameters.json"
ENDS = (SOURCE, FORWARD, RESIDUAL, DIAGNOSTIC, PARAMETERS)
"""Of the names of all, the record last: where it is, the others are."""


def files(made: Reconstruction) -> dict[str, bytes]:
    """By the ends of their names, in the order of `ENDS`."""
    unit = made.seen.unit
    residual = np.where(made.seen.mask, made.found.residual[0], np.float32(np.nan))
    return {
        SOURCE: source(made),
        FORWARD: plane(made, made.found.model[0], (unit, "unit of brightness")),
        RESIDUAL: plane(made, residual, ("", "none: image less model over noise")),
        DIAGNOSTIC: png(diagnostic(made)),
        PARAMETERS: parameters(made.record),
    }


def parameters(record: Mapping[str, Any]) -> bytes:
    """As JSON."""
    return (json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def plane(made: Reconstruction, values: NDArray[np.float32], unit: tuple[str, str]) -> bytes:
    """In the image plane, with the coordinates of the prepared image."""
    header = header_of(made.seen)
    del header[FORMAT]
    header["BUNIT"] = unit
    return written([fits.PrimaryHDU(values, signed(header, made))])


def source(made: Reconstruction) -> bytes:
    """In the source plane, in arcsec from the middle of the field: no place in the sky is claimed; and its error."""
    found, frame = made.found, made.record["source"]
    header = fits.Header(axes(frame["n_pixels"], frame["pixel_size"]))
    header["LENSNAME"] = made.name
    header["BUNIT"] = made.seen.unit, "a pixel of the image, not of the source"
    header["IMPIXEL"] = made.lens.pixel_size, "[arcsec] side of a pixel of the image"
    header["PIXSCALE"] = frame["pixel_size"], "[arcsec] side of a pixel"
    signed(header, made)
    error = fits.ImageHDU(found.source_error[0], header, name="ERROR")
    return written([fits.PrimaryHDU(found.source[0], header), error])


def signed(header: fits.Header, made: Reconstruction) -> fits.Header:
    """With how it was made."""
    for line in told(made):
        header.add_history(line)
    return header


def written(units: list[fits.PrimaryHDU]) -> bytes:
    stream = io.BytesIO()
    fits.HDUList(units).writeto(stream)
    return stream.getvalue()
