"""A generator of cubes from its configuration to its page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_boxes import BOX, COSMOLOGY, simulation
from toy_fields import fields

from configs import EvaluateFields, Train
from learn.fields.evaluation import evaluate
from learn.fields.figures import TITLES
from learn.train import fit


@pytest.mark.slow
def test_cubes_are_trained_on_and_judged_in_three_dimensions(toy_generator: Train, tmp_path: Path) -> None:
    for i in range(6):
        cosmology = COSMOLOGY.model_copy(update={"sigma8": 0.7 + 0.05 * i, "omega_m": 0.3 + 0.02 * (i % 3)})
        told = BOX.model_copy(update={"cosmology": cosmology})
        simulation(tmp_path / "boxes" / f"box_{i}", seed=i, told=told)
    data = fields(tmp_path / "boxes", n_dims=3, n_pixels=16, split=(0.34, 0.16, 0.5))
    list(fit(toy_generator.model_copy(update={"data": data, "n_steps": 2})))
    metrics = evaluate(
        EvaluateFields(
            kind="fields",
            checkpoint=toy_generator.out / "final",
            data=data,
            out=tmp_path / "judged",
            n_bins=4,
            samplers=("ddim",),
            evaluations=(3,),
            n_traded=2,
            n_neighbours=2,
        )
    )
    assert metrics["n_fields"] == 3
    assert [row["method"] for row in metrics["rows"]][::4] == ["samples", "held-out fields"]
    known = {name for name, found in metrics["rows"][0].items() if found is not None} - {"method"}
    assert known >= {"mafd", "variance", "pdf", "minkowski", "bispectrum", "periodicity", "density"}
    curves = np.load(tmp_path / "judged" / "curves.npz")
    assert curves["samples.minkowski"].shape == (3, 4, len(curves["axis.minkowski"]))
    # The mean square of the contrast is a sum over modes in space: of (12.5 Mpc/h)^3, not of squares.
    assert np.median(curves["held-out fields.power"]) * 12.5 > 12.5**3 * 1e-4
    page = (tmp_path / "judged" / "fields.html").read_text()
    assert "Cubes are judged as cubes" in page
    assert page.count("data:image/png;base64,") == len(TITLES)
