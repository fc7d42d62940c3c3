"""What a checkpoint is judged as when nothing but its folder is named: by its method, on the data it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from configs import HaloCutouts, Painting
from learn.checkpoint import load_meta
from learn.evaluate import of_checkpoint


def of_folder(folder: Path) -> dict[str, Any]:
    """The judgement of the checkpoint `folder`, as a tree that its `kind` tells the model of."""
    config, tree = load_meta(folder).config, of_checkpoint(folder)
    if isinstance(config.method, Painting):
        return tree
    return {"kind": "halos" if isinstance(config.data, HaloCutouts) else "fields", **tree}
