"""Files of lens models: JSON or YAML, a model alone or under the key `lens_model` beside what else was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from configs.lens_model import LensModel
from configs.loader import ConfigError, first_line, validate

KEY = "lens_model"
MAX_BYTES = {".json": 64 * 2**20, ".yaml": 2**20, ".yml": 2**20}
"""Of a file, by its suffix."""


def read_lens_model(path: Path) -> LensModel:
    """ConfigError naming the file, the key and what was expected; FileNotFoundError."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a lens model, found no such file")
    limit = MAX_BYTES.get(path.suffix)
    if limit is None:
        raise ConfigError(f"{path}: expected one of {', '.join(MAX_BYTES)}, got {path.suffix or 'no suffix'}")
    if path.stat().st_size > limit:
        raise ConfigError(f"{path}: expected at most {limit} bytes, got {path.stat().st_size}")
    tree = _parsed(path)
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of keys to values, got a {type(tree).__name__}")
    inner = tree.get(KEY, tree)
    if not isinstance(inner, dict):
        raise ConfigError(f"{path}: {KEY}: expected a mapping of keys to values, got a {type(inner).__name__}")
    return validate(LensModel, inner, str(path))


def lens_files(folder: Path) -> list[Path]:
    """All files of a folder that may be lens models, by name; FileNotFoundError without one."""
    found = sorted(path for path in folder.iterdir() if path.suffix in MAX_BYTES and not path.name.startswith("."))
    if not found:
        raise FileNotFoundError(f"{folder}: expected lens models ({', '.join(MAX_BYTES)}), found none")
    return found


def _parsed(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else _yaml(text, path)
    except (json.JSONDecodeError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise ConfigError(f"{path}: expected {kind}, got: {first_line(error)}") from error


def _yaml(text: str, path: Path) -> Any:
    """Without references: a short text with them may stand for a tree of any size."""
    if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
        raise ConfigError(f"{path}: expected YAML without references, got one")
    return yaml.safe_load(text)
