"""Search spaces in the grammar of the configuration files: a leaf may be a distribution instead of a value.

    optimizer: {lr: {loguniform: [1.0e-4, 1.0e-2]}}       or on the command line
    "optimizer.lr={loguniform: [1.0e-4, 1.0e-2]}"

Knows nothing of Tune: `ray_jobs` turns a Distribution into a sampler.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from configs.frozen import Frozen
from configs.loader import ConfigError, merged, validate

Config = TypeVar("Config", bound=Frozen)
Kind = Literal["choice", "uniform", "loguniform", "randint"]


@dataclass(frozen=True)
class Distribution:
    """Where a value of a sweep is drawn from: a list of choices, or the interval [low, high]."""

    kind: Kind
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Space:
    """A configuration tree, and the distributions that replace some of its leaves, by dotted key."""

    tree: dict[str, Any]
    distributions: Mapping[str, Distribution]

    def at(self, model: type[Config], values: Mapping[str, Any], where: str = "space") -> Config:
        """The configuration with `values` (dotted key -> value) in the place of the distributions."""
        tree = self.tree
        for key, value in values.items():
            tree = replaced(tree, key.split("."), value)
        return validate(model, tree, where)


def load_space(model: type[Frozen], path: str | Path, overrides: Sequence[str] = ()) -> Space:
    """The space in a YAML file; ConfigError unless every choice and both ends of every interval are valid."""
    return space_of(model, merged(path, overrides), str(path))


def space_of(model: type[Frozen], tree: dict[str, Any], where: str) -> Space:
    """`tree` as a space; ConfigError naming `where` unless every choice and both ends of every interval are valid."""
    space = Space(tree, dict(find(tree, where)))
    first = {key: distribution.values[0] for key, distribution in space.distributions.items()}
    for key, distribution in space.distributions.items():
        for value in distribution.values:
            space.at(model, {**first, key: value}, where)
    space.at(model, first, where)
    return space


def find(tree: Mapping[str, Any], where: str, prefix: str = "") -> Iterator[tuple[str, Distribution]]:
    """Every (dotted key, distribution) in `tree`."""
    for name, value in tree.items():
        if isinstance(value, dict) and is_distribution(value):
            yield f"{prefix}{name}", parse(value, f"{where}: {prefix}{name}")
        elif isinstance(value, dict):
            yield from find(value, where, f"{prefix}{name}.")


def is_distribution(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in get_args(Kind)


def parse(value: Mapping[str, Any], where: str) -> Distribution:
    """{kind: [values]} as a Distribution; ConfigError names `where`."""
    name, values = next(iter(value.items()))
    kind = cast(Kind, name)
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{where}: expected {kind}: [values], got {values!r}")
    if kind != "choice" and (len(values) != 2 or not values[0] < values[1]):
        raise ConfigError(f"{where}: expected {kind}: [low, high] with low < high, got {values!r}")
    if kind == "loguniform" and values[0] <= 0:
        raise ConfigError(f"{where}: expected loguniform: [low, high] with low > 0, got {values!r}")
    return Distribution(kind, tuple(values))


def replaced(tree: dict[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of `tree` with `value` at the nested `keys`."""
    head, *rest = keys
    return {**tree, head: replaced(tree[head], rest, value) if rest else value}
