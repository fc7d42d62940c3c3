"""Two small families of lenses, and a machine that never learned to invert them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toy_lenses import FIELD, M, N
from untrained import write_checkpoint

from configs import LensSystems, Train, home

MORE = """
  slope: {low: 1.9, high: 2.2}
  halo: {kappa_s: {low: 0.0, high: 0.05}, r_s: {low: 1.0, high: 3.0}}
  subhalos: {number: {low: 0, high: 4}, theta_e: [0.003, 0.03], radius: {low: 0.1, high: 1.5}}
  line_of_sight: {theta_e: 0.05, radius: {low: 0.5, high: 2.0}, redshift: {low: 0.1, high: 1.0}}
"""


def toy_systems(folder: Path, **changes: Any) -> LensSystems:
    """Of a `plain` family in front of compact sources, and of a `crowded` one with everything that bends light."""
    told = (home() / "configs" / "lenses" / "foundation.yaml").read_text()
    told = told.replace("theta_e: {low: 0.3, high: 2.0}", "theta_e: {low: 0.4, high: 0.7}")
    told = told.replace("offset: {low: 0.0, high: 0.8}", "offset: {low: 0.0, high: 0.3}")
    crowded = told.replace("\nsources:", f"{MORE}sources:").replace("foundation", "crowded")
    for name, text in (("plain", told.replace("foundation", "plain")), ("crowded", crowded)):
        (folder / f"{name}.yaml").write_text(text)
    sizes = {"n_pixels": N, "n_source_pixels": M, "field": FIELD, "n_train": 8, "n_validation": 1, "n_test": 2}
    families = (folder / "plain.yaml", folder / "crowded.yaml")
    return LensSystems.model_validate({"kind": "lenses", "families": families, **sizes, **changes})


def toy_machine(folder: Path, systems: LensSystems, **method: Any) -> Path:
    """The checkpoint of a machine of random weights."""
    train = {
        "method": {"kind": "rim", "n_iterations": 2, "psf_side": 9, **method},
        "data": systems,
        "net": {"kind": "recurrent", "width": 8, "n_levels": 2, "n_read": 3, "n_vector": 32},
        "out": folder,
        "n_steps": 1,
        "batch_size": 4,
    }
    return write_checkpoint(folder / "final", Train.model_validate(train))
