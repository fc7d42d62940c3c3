"""What may be served, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from configs import ConfigError, Paint, Serve, load, validate

SAMPLES = {"checkpoint": "samples"}


def serve(**tree: Any) -> Serve:
    return validate(Serve, tree, "serve")


def test_each_line_is_an_endpoint() -> None:
    assert list(serve(checkpoint="painter").endpoints) == ["paint"]
    every = serve(counts={"checkpoint": "c", "num_cpus": 2}, halos=SAMPLES, generate=SAMPLES, checkpoint="painter")
    assert list(every.endpoints) == ["paint", "generate", "halos", "counts"]
    assert every.endpoints["paint"] is every
    assert [one.num_cpus for one in every.endpoints.values()] == [1.0, 1.0, 1.0, 2.0]


def test_a_line_more_serves_more(repository: Path) -> None:
    config = load(Serve, repository / "configs/serve.yaml", ["generate={checkpoint: fields}", "halos.checkpoint=halos"])
    assert list(config.endpoints) == ["paint", "generate", "halos", "counts", "invert"]
    assert config.generate is not None
    assert config.generate.checkpoint.is_absolute()


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({}, "checkpoint: one here, or in another endpoint, got none"),
        ({"generate": {}}, "generate.checkpoint: expected a value, found none"),
        ({"generate": {**SAMPLES, "max_pixels": 3}}, "generate.max_pixels: expected one of .*max_samples"),
        ({"halos": {**SAMPLES, "max_samples": 0}}, "halos.max_samples: expected greater than or equal to 1, got 0"),
        ({"halos": {**SAMPLES, "min_replicas": 3}}, "max_replicas: at least min_replicas=3, got 2"),
        ({"counts": {**SAMPLES, "max_cells": 10**6}}, "counts.max_cells: expected less than or equal to 2048"),
    ],
)
def test_what_cannot_be_served_is_refused(tree: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        serve(**tree)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("served", [{"generate": SAMPLES}, {"checkpoint": "painter", "generate": SAMPLES}])
def test_the_painter_is_tried_alone(served: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"serve: a painter alone \(serve\.checkpoint\), got .*generate"):
        validate(Paint, {"serve": served, "data": "pairs", "out": "out"}, "paint")
    alone = validate(Paint, {"serve": {"checkpoint": "painter"}, "data": "pairs", "out": "out"}, "paint")
    assert alone.checkpoint.name == "painter"
