"""An analysis as data: one JSON tree of everything, and rows of CSV with units that astropy reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.files import replacing
from configs.mass_analysis import MassAnalysis
from configs.provenance import provenance
from learn.mass.analysis import Analysis
from learn.mass.measure import Measure

COLUMNS = ("quantity", "value", "median", "quantile_16", "quantile_84", "unit")


def record(analysis: Analysis, config: MassAnalysis) -> dict[str, Any]:
    """What is measured, of what and how; numbers that are not finite are null."""
    model = analysis.model
    return {
        "format": 1,
        "name": model.name,
        "z_lens": model.z_lens,
        "z_source": model.z_source,
        "cosmology": analysis.cosmology,
        "quantities": {one.key: {"label": one.label, **numbers(one)} for one in analysis.measures},
        "images": [sighting.kind for sighting in analysis.sightings],
        "curves": [
            {"kind": one.kind, "points": one.points.tolist(), "caustic": one.caustic.tolist()}
            for one in analysis.curves
        ],
        "n_draws": config.n_draws if analysis.drawn_rings is not None else 0,
        "at_bound": analysis.at_bound,
        "config": json.loads(config.model_dump_json()),
        **provenance(),
    }


def numbers(measure: Measure) -> dict[str, Any]:
    """Value, quantiles and unit; the draws in which there is no such quantity are counted."""
    interval = measure.interval
    told: dict[str, Any] = {"value": finite(measure.value.value)}
    if interval is not None:
        low, median, high = (finite(one.value) for one in interval)
        told |= {"median": median, "quantile_16": low, "quantile_84": high, "n_lost": measure.n_lost}
    return {**told, "unit": measure.value.unit.to_string()}


def rows(measures: Sequence[Measure]) -> list[dict[str, Any]]:
    """A row a quantity, of COLUMNS; empty where there are no errors."""
    return [{"quantity": one.key, **{key: numbers(one).get(key) for key in COLUMNS[1:]}} for one in measures]


def finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def write_json(path: Path, tree: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(tree, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> None:
    """A line a mapping, of the columns that it has."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(lines)


def write_columns(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Arrays of one length as the columns of a CSV file, seven digits each."""
    names = list(columns)
    lines = [
        dict(zip(names, (f"{one:.7g}" for one in row), strict=True)) for row in zip(*columns.values(), strict=True)
    ]
    write_csv(path, names, lines)
