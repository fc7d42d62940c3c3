"""Noise maps: one that is given is kept, one that is missing is made of background and photons.

A pixel of d electrons / s exposed for t seconds has the variance rms^2 + max(d, 0) / t (as lenstronomy has it).
"""

from __future__ import annotations

import numpy as np

from sim.images.observation import Observation
from sim.images.units import ELECTRON_RATE


def mapped(seen: Observation) -> Observation:
    """With a noise map. ValueError if the background has no scatter of which one could be made."""
    if seen.noise is not None:
        ratio = float(seen.known("sky")["SKYRMS"]) / float(np.median(seen.noise[seen.mask]))
        text = f"given; the outer quarter scatters by {ratio:.2f} of it"
        return seen.after("noise", text, {"NOISEOWN": True, "NOISERAT": ratio}, exposure_map=None)
    rms, who = seen.background_rms, "given"
    if rms is None:
        rms, who = float(seen.known("sky")["SKYRMS"]), "measured"
    if not rms > 0:
        raise ValueError(f"{seen.name}: noise: expected a background that scatters, got rms {rms:g}; give a noise map")
    time = seen.exposure_map if seen.exposure_map is not None else seen.exposure_time
    numbers = {"NOISEOWN": False, "NOISERMS": rms}
    if time is None or seen.unit != ELECTRON_RATE:
        text = f"made: background {rms:.3g} ({who}) everywhere, photons unknown"
        noise = np.full(seen.image.shape, rms)
        return seen.after("noise", text, numbers, noise=noise, exposure_map=None).warned(
            "noise map without photon noise: no exposure time, or not electrons / s"
        )
    noise = np.sqrt(rms**2 + np.maximum(seen.image, 0) / np.maximum(time, 1e-9))
    text = f"made: background {rms:.3g} ({who}) and photons of {float(np.median(time)):.0f} s"
    return seen.after("noise", text, numbers, noise=noise, exposure_map=None)
