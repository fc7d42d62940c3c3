"""Data sets of maps on disk, each kind of `configs.MapData` as a `learn.data.Source`. `open_source` is the one list."""

from __future__ import annotations

from configs import MapData
from learn.data import Source, Split
from learn.sources.shards import ShardSource


def open_source(data: MapData, split: Split) -> Source:
    """The maps of one split; FileNotFoundError or ValueError names what is missing or of another kind."""
    return ShardSource(data, split)


__all__ = ["ShardSource", "open_source"]
