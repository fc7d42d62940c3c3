"""The forward operator compiled: deflection, brightness and the mean over each pixel in one kernel.

Same operator and same gradients as `Camera.image`, to the rounding of its numbers. Knows nothing of lenses.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from sim.lensing.camera import Camera, means
from sim.lensing.light import Light
from sim.lensing.profiles import Mass

OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {
    "compile_threads": 1,  # one kernel: a pool would cost more than it saves
    "cpp.enable_floating_point_contract_flag": "fast",  # a b + c rounded once
}


def fast_image(camera: Camera, mass: Mass, source: Light, light: Light | None = None) -> Tensor:
    """`camera.image`, by a kernel that the first call compiles: seconds for each set of types of profiles.

    A second size of batch compiles once more, for all sizes; cameras of as many rays share a kernel. Eager where there
    is no C++ compiler for a CPU.
    """
    for side in camera.rays:
        torch._dynamo.mark_static(side)
    seen = compiled_means(camera.rays[0].device.type)
    return camera.blurred(seen(camera.rays, camera.supersampling, mass, source, light))


@cache
def compiled_means(device: str) -> Callable[..., Tensor]:
    """`means`, compiled if it can be."""
    compiler = os.environ.get("CXX", "g++")
    if device == "cpu" and shutil.which(compiler) is None:
        print(f"lenses: no C++ compiler {compiler}, so that images are not compiled, and slower", file=sys.stderr)
        return means
    return torch.compile(means, options=OPTIONS)
