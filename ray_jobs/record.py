"""What a step leaves beside its output: how long it took, how much it made, with which configuration and code."""

from __future__ import annotations

import json
from pathlib import Path

from configs import Frozen, provenance
from configs.files import replacing


def write_step(out: Path, *, step: str, seconds: float, n_items: int, item: str, config: Frozen) -> None:
    """Write `{out}/step.json`; a run that made nothing (`n_items` 0) keeps the record of the one that did."""
    if not n_items:
        return
    record = {
        "step": step,
        "seconds": round(seconds, 3),
        "n_items": n_items,
        "item": item,
        "rate": round(n_items / seconds, 4),
        "config": json.loads(config.model_dump_json()),
        **provenance(),
    }
    with replacing(out / "step.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
