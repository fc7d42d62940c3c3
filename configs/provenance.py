"""Which code made an output."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def commit() -> str:
    """The git commit of the running code: DARKGLASS_COMMIT (a Ray job has no .git), else git's word, or `unknown`."""
    if "DARKGLASS_COMMIT" in os.environ:
        return os.environ["DARKGLASS_COMMIT"]
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def provenance() -> dict[str, str]:
    """What every output records beside its configuration."""
    return {"project": "darkglass", "commit": commit()}
