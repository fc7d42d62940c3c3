"""Data sets of maps on disk, each kind of `configs.MapData` as a `learn.data.Source`. `open_source` is the one list."""

from __future__ import annotations

from configs import CountGrids, CountShards, Fields, HaloCutouts, MapData, Multifield, VdmBind
from learn.data import Source, Split
from learn.sources.count_grids import open_grids
from learn.sources.counts import open_counts
from learn.sources.fields import FieldSource
from learn.sources.halos import HaloSource
from learn.sources.multifield import MultifieldSource
from learn.sources.shards import ShardSource
from learn.sources.vdm_bind import VdmBindSource


def open_source(data: MapData, split: Split) -> Source:
    """The maps of one split; FileNotFoundError or ValueError names what is missing or of another kind."""
    if isinstance(data, Multifield):
        return MultifieldSource(data, split)
    if isinstance(data, Fields):
        return FieldSource(data, split)
    if isinstance(data, HaloCutouts):
        return HaloSource(data, split)
    if isinstance(data, CountShards):
        return open_counts(data, split)
    if isinstance(data, CountGrids):
        return open_grids(data, split)
    return VdmBindSource(data, split) if isinstance(data, VdmBind) else ShardSource(data, split)


__all__ = ["FieldSource", "HaloSource", "MultifieldSource", "ShardSource", "VdmBindSource", "open_source"]
