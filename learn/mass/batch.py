"""Many lens models one after the other: the files of each, and one summary in which those that failed are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.lens_file import read_lens_model
from configs.lens_model import LensModel
from configs.mass_analysis import MassAnalysis
from learn.mass.analysis import Analysis, analyse
from learn.mass.record import numbers, write_csv
from learn.mass.report import number
from learn.mass.write import write

SUMMARY = "summary.csv"
SUMMED = {
    "theta_e": "theta_e_arcsec",
    "theta_e_critical": "theta_e_critical_arcsec",
    "kappa_m2": "kappa_m2",
    "sigma_crit": "sigma_crit_msun_kpc2",
    "einstein_length": "einstein_length_kpc",
    "mass": "mass_msun",
    "sigma_v": "sigma_v_kms",
}
"""What the summary has of each lens, with the quantiles of its draws, and in which column."""
ENDS = {"": "value", "_16": "quantile_16", "_84": "quantile_84"}
REFUSED = (ValueError, OSError, RuntimeError)
"""What a bad file or a model that cannot be computed raises; anything else is a bug."""


@dataclass(frozen=True)
class Outcome:
    """Of one file: its analysis, or why there is none."""

    path: Path
    analysis: Analysis | None
    error: str | None = None

    def words(self) -> str:
        """One line."""
        if self.analysis is None:
            return f"{self.path.name}: failed: {self.error}"
        shown = (self.analysis[key] for key in ("theta_e", "mass") if self.analysis.has(key))
        told = ", ".join(f"{one.label} {number(one)} {one.value.unit.to_string('unicode')}" for one in shown)
        return f"{self.analysis.model.name}: {told}"


def analysed(path: Path, model: LensModel, config: MassAnalysis) -> Outcome:
    """Analyse the model of a file and write everything."""
    analysis = analyse(model, config)
    write(analysis, config)
    return Outcome(path, analysis)


def summarized(paths: Sequence[Path], config: MassAnalysis) -> Iterator[Outcome]:
    """Each file in turn; the summary is written again after each, so that an interrupted run has one."""
    lines: list[dict[str, Any]] = []
    names: set[str] = set()
    for path in paths:
        outcome = attempted(path, config, names)
        lines.append(line(outcome))
        write_csv(config.out / SUMMARY, columns(), lines)
        yield outcome


def attempted(path: Path, config: MassAnalysis, names: set[str]) -> Outcome:
    """`analysed`, or why it is not; a name that another file had is refused, for its files would be overwritten."""
    try:
        model = read_lens_model(path)
        if model.name in names:
            raise ValueError(f"{path}: name: expected one that no file before has, got {model.name}")
        names.add(model.name)
        return analysed(path, model, config)
    except REFUSED as error:
        return Outcome(path, None, " ".join(str(error).split()))


def columns() -> list[str]:
    """Of the summary."""
    measured = [f"{name}{end}" for name in SUMMED.values() for end in ENDS]
    return ["file", "status", "name", "z_lens", "z_source", "cosmology", *measured, "n_images", "at_bound", "error"]


def line(outcome: Outcome) -> dict[str, Any]:
    """Of the summary."""
    analysis = outcome.analysis
    if analysis is None:
        return {"file": outcome.path.name, "status": "failed", "error": outcome.error}
    model = analysis.model
    told = {
        "file": outcome.path.name,
        "status": "ok",
        "name": model.name,
        "z_lens": model.z_lens,
        "z_source": model.z_source,
        "cosmology": analysis.cosmology,
        "n_images": len(analysis.sightings) or None,
        "at_bound": "; ".join(analysis.at_bound),
    }
    for key, name in SUMMED.items():
        found = numbers(analysis[key]) if analysis.has(key) else {}
        told |= {f"{name}{end}": found.get(of) for end, of in ENDS.items()}
    return told
