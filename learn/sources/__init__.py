"""Data sets of maps on disk, each kind of `configs.MapData` as a `learn.data.Source`. `open_source` is the one list.

A kind is imported when it is opened: some bring numba, astropy and CAMB, and every worker of a training imports this.
"""

from __future__ import annotations

from importlib import import_module

from configs import MapData
from learn.data import Source, Split

KINDS = {
    "CountGrids": "count_grids.open_grids",
    "CountShards": "counts.open_counts",
    "Fields": "fields.FieldSource",
    "HaloCutouts": "halos.HaloSource",
    "LensSystems": "lenses.LensSource",
    "Multifield": "multifield.MultifieldSource",
    "PairShards": "shards.ShardSource",
    "VdmBind": "vdm_bind.VdmBindSource",
}
"""What opens a kind of data: its module here, and the name there."""


def open_source(data: MapData, split: Split) -> Source:
    """The maps of one split; FileNotFoundError or ValueError names what is missing or of another kind."""
    module, name = KINDS[type(data).__name__].split(".")
    source: Source = getattr(import_module(f"learn.sources.{module}"), name)(data, split)
    return source
