"""Where relative paths of a configuration begin.

On a laptop that is the working folder. A Ray job runs in a throw-away copy of the repository, so there it is
DARKGLASS_HOME, or ~/darkglass: a folder that every node of the cluster must share.
"""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder that relative paths are resolved against."""
    if "DARKGLASS_HOME" in os.environ:
        return Path(os.environ["DARKGLASS_HOME"]).expanduser().absolute()
    cwd = Path.cwd()
    return Path.home() / "darkglass" if "runtime_resources" in cwd.parts else cwd


def resolve(path: Path) -> Path:
    """`path` made absolute."""
    return home() / path.expanduser()
