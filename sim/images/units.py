"""Units of brightness: what a header says becomes electrons / s or microjansky, or stays unknown."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from sim.images.observation import Observation

ELECTRON_RATE, MICROJANSKY, UNKNOWN = "electron/s", "uJy", "unknown"
AB_MICROJANSKY = 23.9
"""AB magnitude of 1 microjansky (Oke & Gunn 1983)."""
STERADIAN = (math.pi / 180 / 3600) ** 2
"""Of a square arcsec."""
NAMES = {
    "electron": r"e-?|elec|electrons?",
    "electron/s": r"(e-?|elec|electrons?)(/s(ec)?|s-1|persec(ond)?)",
    "count": r"adu|dn|counts?",
    "count/s": r"(adu|dn|counts?|cps)(/s(ec)?|s-1|persec(ond)?)?",
    "uJy": r"(u|µ|micro)jy|microjansky",
    "nJy": r"njy|nanojansky",
    "Jy": r"jy|jansky",
    "mJy": r"mjy",
    "nanomaggy": r"nanomagg(y|ies)|nmgy",
    "MJy/sr": r"mjy/sr|mjysr-1|mjy\.sr-1",
}
TO_MICROJANSKY = {"uJy": 1.0, "nJy": 1e-3, "mJy": 1e3, "Jy": 1e6, "nanomaggy": 3.630780548}


def named(unit: str) -> str:
    """The name of a unit, however it is written; `unknown` if it is none of these."""
    if unit.strip() in ("MJy/sr", "MJy / sr", "MJy.sr-1", "MJy sr-1"):
        return "MJy/sr"
    plain = re.sub(r"[\s*_()^]|\*\*", "", unit).lower()
    return next((name for name, pattern in NAMES.items() if re.fullmatch(pattern, plain)), UNKNOWN)


def converted(seen: Observation) -> Observation:
    """In electrons / s if it counts electrons or counts whose gain is known, else in microjansky if that is known."""
    unit = named(seen.unit)
    factor, new, why = factor_of(seen, unit)
    if new == UNKNOWN:
        told = "" if unit == UNKNOWN else f" (a gain, an exposure time or a pixel scale is missing for {unit})"
        return replace(seen, unit=UNKNOWN).after("units", f"{seen.unit}: left as it is").warned(f"unit unknown{told}")
    text = f"{new}, as told" if factor == 1 else f"{seen.unit} times {factor:.6g} is {new}{why}"
    return scaled(replace(seen, unit=new), factor).after("units", text, {"UNITFACT": factor})


def factor_of(seen: Observation, unit: str) -> tuple[float, str, str]:
    """What to multiply with, the unit that this gives, and where it comes from."""
    gain, time = 1.0 if unit.startswith("electron") else seen.gain, seen.exposure_time
    if unit in ("electron", "count") and gain and time:
        return gain / time, ELECTRON_RATE, f" (gain {gain:g}, {time:g} s)"
    if unit in ("electron/s", "count/s") and gain:
        return gain, ELECTRON_RATE, f" (gain {gain:g})"
    if unit in TO_MICROJANSKY:
        return TO_MICROJANSKY[unit], MICROJANSKY, ""
    if unit == "MJy/sr" and seen.pixel_size:
        return 1e12 * seen.pixel_size**2 * STERADIAN, MICROJANSKY, " (a pixel)"
    if seen.zero_point is not None:
        return 10 ** (-0.4 * (seen.zero_point - AB_MICROJANSKY)), MICROJANSKY, f" (zero point {seen.zero_point:g})"
    return 1.0, UNKNOWN, ""


def scaled(seen: Observation, factor: float) -> Observation:
    """With brightness and noise times `factor`."""
    times = {
        name: value * factor
        for name in ("image", "noise", "lens_light", "background_rms")
        if (value := getattr(seen, name)) is not None
    }
    if seen.zero_point is not None:
        times["zero_point"] = seen.zero_point + 2.5 * math.log10(factor)
    return replace(seen, **times)
