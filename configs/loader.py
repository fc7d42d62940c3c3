"""YAML file + `key=value` overrides -> validated configuration, or one line that says what is wrong where."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import YAMLError

from configs.frozen import Frozen
from configs.location import resolve

Config = TypeVar("Config", bound=Frozen)
OfFolder = Callable[[Path], dict[str, Any]]
"""What a folder in the place of a YAML file stands for."""
NOT_A_MAPPING = ("model_type", "model_attributes_type", "dict_type", "union_tag_not_found")


class ConfigError(ValueError):
    """A configuration that cannot be used: names the file, the key and what was expected."""


def load(
    model: type[Config], path: str | Path, overrides: Sequence[str] = (), *, of_folder: OfFolder | None = None
) -> Config:
    """The configuration in the YAML file `path` with `key=value` overrides; ConfigError or FileNotFoundError.

    A folder in the place of the file stands for what `of_folder` makes of it.
    """
    return validate(model, tree_of(path, overrides, of_folder), str(path))


def load_on(model: type[Config], told: Mapping[str, str], overrides: Sequence[str] = ()) -> Config:
    """A configuration of defaults, of what is `told` by key, the last being what it is on, and of overrides."""
    where = list(told.values())[-1]
    return validate(model, overridden(OmegaConf.create(dict(told)), overrides, where), where)


def load_one_of(
    models: Mapping[str, type[Frozen]],
    key: str,
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    of_folder: OfFolder | None = None,
) -> Frozen:
    """As `load`, as the model that the value of `key` names; the first if there is none."""
    tree = tree_of(path, overrides, of_folder)
    kind = tree.get(key, next(iter(models)))
    if kind not in models:
        raise ConfigError(f"{path}: {key}: expected one of {', '.join(models)}, got {kind!r}")
    return validate(models[kind], tree, str(path))


def tree_of(path: str | Path, overrides: Sequence[str], of_folder: OfFolder | None) -> dict[str, Any]:
    """The plain tree of a YAML file, or of what `of_folder` makes of a folder, with its overrides."""
    folder = resolve(Path(path))
    if of_folder is not None and folder.is_dir():
        return overridden(OmegaConf.create(of_folder(folder)), overrides, path)
    return merged(path, overrides)


def merged(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The plain tree of the YAML file `path` with its overrides applied and its interpolations resolved."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: expected a YAML configuration, found no such file")
    try:
        tree = OmegaConf.load(path)
    except (OmegaConfBaseException, YAMLError, OSError) as error:
        raise ConfigError(f"{path}: expected YAML, got: {first_line(error)}") from error
    if not isinstance(tree, DictConfig):
        raise ConfigError(f"{path}: expected a mapping of keys to values, got a {type(tree).__name__}")
    return overridden(tree, overrides, path)


def overridden(tree: DictConfig, overrides: Sequence[str], where: str | Path) -> dict[str, Any]:
    """`tree` with its overrides applied and its interpolations resolved, as a plain one."""
    try:
        for override in overrides:
            replace(tree, override)
        plain = OmegaConf.to_container(tree, resolve=True)
    except (OmegaConfBaseException, YAMLError) as error:
        raise ConfigError(f"{where}: expected YAML, got: {first_line(error)}") from error
    return {str(key): value for key, value in cast(dict[Any, Any], plain).items()}


def replace(tree: DictConfig, override: str) -> None:
    """Put the value of a `key=value` override, read as YAML, in the place of what `tree` has at the dotted key."""
    key, equals, value = override.partition("=")
    if not key.strip() or not equals:
        raise ConfigError(f"command line: expected key=value, got {override!r}")
    OmegaConf.update(tree, key, OmegaConf.from_dotlist([f"value={value}"])["value"], merge=False, force_add=True)


def validate(model: type[Config], tree: dict[str, Any], where: str) -> Config:
    """`tree` as a `model`; ConfigError names `where`, the key and what was expected."""
    try:
        return model.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise ConfigError(f"{where}: {describe(model, error)}") from error


def describe(model: type[Frozen], error: ValidationError) -> str:
    """The first problem of a pydantic error on one line."""
    problems = error.errors(include_url=False)
    # Of a choice between a mapping and a plain value, that a plain value is no mapping says nothing.
    problem = next((one for one in problems if one["type"] not in NOT_A_MAPPING), problems[0])
    path, parent = walk(model, problem["loc"])
    key = ".".join(path) or "(top level)"
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if problem["type"] == "missing":
        return f"{key}: expected a value, found none{others}"
    if problem["type"] == "extra_forbidden":
        return f"{key}: expected one of {', '.join(parent.model_fields)}, got an unknown key{others}"
    if problem["type"] == "union_tag_invalid":
        context = problem["ctx"]
        return f"{key}.kind: expected one of {context['expected_tags']}, got {context['tag']!r}{others}"
    expected = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    got = "" if problem["type"] == "value_error" else f", got {problem['input']!r}"
    return f"{key}: expected {expected}{got}{others}"


def walk(model: type[Frozen], location: tuple[int | str, ...]) -> tuple[list[str], type[Frozen]]:
    """The keys of `location` inside `model`, without pydantic's names of the members of unions; and the model there."""
    path: list[str] = []
    here: list[type[Frozen]] = [model]
    for i, part in enumerate(location):
        owners = [one for one in here if part in one.model_fields]
        named = [one for one in here if part in kinds(one)]
        if owners and i + 1 < len(location):
            path.append(str(part))
            here = models_in(owners[0].model_fields[str(part)].annotation) or here
        elif named:
            here = named
        elif isinstance(part, int) or owners or (i + 1 == len(location) and not is_label(part)):
            path.append(str(part))
    return path, here[0]


def is_label(part: int | str) -> bool:
    """Whether a part of a location is what pydantic calls a member of a union, not a key."""
    return isinstance(part, str) and (not part.isidentifier() or part in ("path", "int", "float", "str"))


def models_in(annotation: Any) -> list[type[Frozen]]:
    """The configuration models that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return [annotation]
    return [model for one in get_args(annotation) for model in models_in(one)]


def kinds(model: Any) -> tuple[Any, ...]:
    """What the field `kind` of a model may be, and how pydantic calls the model."""
    fields = getattr(model, "model_fields", {})
    return (*(get_args(fields["kind"].annotation) if "kind" in fields else ()), model.__name__)


def first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[0:2]).strip()
