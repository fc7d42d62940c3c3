"""Evaluate an exported lens model with lenstronomy and compare: 0 if deflection and convergence agree to 1e-4, else 1.

Stands alone beside the JSON file of its name and needs numpy and lenstronomy:

    python NAME_lenstronomy.py [NAME_lenstronomy.json]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from lenstronomy.LensModel.lens_model import LensModel

TOLERANCE = 1e-4
"""Of deflections in arcsec, and of convergences, relative above 1."""


def differences(exported: dict[str, Any]) -> dict[str, float]:
    """The largest difference of each quantity over the points of the file."""
    check = {name: np.array(values) for name, values in exported["check"].items()}
    lens, at = LensModel(exported["lens_model_list"]), (check["x"], check["y"], exported["kwargs_lens"])
    alpha_x, alpha_y = lens.alpha(*at)
    kappa = lens.kappa(*at)
    return {
        "alpha_x": float(np.abs(alpha_x - check["alpha_x"]).max()),
        "alpha_y": float(np.abs(alpha_y - check["alpha_y"]).max()),
        "kappa": float((np.abs(kappa - check["kappa"]) / np.maximum(1, np.abs(check["kappa"]))).max()),
    }


def main(arguments: list[str]) -> int:
    """Print what was compared; 1 unless every difference is at most TOLERANCE."""
    path = Path(arguments[0]) if arguments else Path(__file__).with_suffix(".json")
    exported = json.loads(path.read_text(encoding="utf-8"))
    found = differences(exported)
    print(f"{exported['name']}: {', '.join(exported['lens_model_list'])} at {len(exported['check']['x'])} points")
    for name, value in found.items():
        print(f"{name}: largest difference {value:.2g}")
    agree = all(value <= TOLERANCE for value in found.values())
    print("lenstronomy agrees" if agree else f"lenstronomy differs by more than {TOLERANCE:g}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
