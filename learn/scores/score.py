"""The list of scores: what each is called, what is best, and where it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from learn.scores.apertures import RADII
from learn.scores.coverage import NOMINAL, QUANTITIES

Row = Mapping[str, Any]
"""Scores of one method for one channel by name, each {value, standard_error} or None; and `method`, `channel`."""

DIGITS = 6
"""Scores that agree to this many decimals are equal: maps are float32."""


TINY = 0.005
"""Percentages that two decimals do not show."""


@dataclass(frozen=True)
class Score:
    """One number a method and channel; `heading` is for a narrow table, `meaning` for a reader."""

    name: str
    heading: str
    meaning: str
    group: str
    ideal: float | None = 0.0
    unit: Literal["percent", "number", "decade", "dB"] = "percent"
    printed: bool = False
    weak: bool = False

    def shown(self, row: Row, *, error: bool = True) -> str:
        """`row`'s value, with its standard error if asked: 1.23 ± 0.04 %; a dash where there is none."""
        if row.get(self.name) is None:
            return "–"
        factor = 100 if self.unit == "percent" else 1
        value, deviation = (factor * row[self.name][key] for key in ("value", "standard_error"))
        if self.unit == "percent" and 0 < abs(value) < TINY:
            return f"{value:.0e} %"
        suffix = {"percent": " %", "dB": " dB"}.get(self.unit, "")
        digits = self._digits(value)
        beside = f" ± {deviation:.{digits}f}" if error else ""
        return f"{value:.{digits}f}{beside}{suffix}".replace("-", "−")

    def _digits(self, value: float) -> int:
        if self.unit == "percent":
            return 2 if abs(value) < 10 else 1
        return {"number": 4, "decade": 4, "dB": 1}[self.unit]


def best(rows: Sequence[Row], score: Score) -> Row | None:
    """The row of one channel that is nearest the ideal, the first of equals; None where there is none or no ideal."""
    ideal = score.ideal
    scored = [row for row in rows if row.get(score.name) is not None]
    if ideal is None or not scored:
        return None
    return min(scored, key=lambda row: round(abs(row[score.name]["value"] - ideal), DIGITS))


def _power() -> list[Score]:
    found = []
    for k in (1, 5, 10):
        below = f"k<{k}"
        found += [
            Score(
                f"power_error_k{k}",
                f"|P−1| {below}",
                f"mean of |P/P(truth) − 1|, {below} h/Mpc",
                "Power",
                printed=k > 1,
            ),
            Score(
                f"power_bias_k{k}",
                f"P−1 {below}",
                f"mean of P/P(truth) − 1 with its sign, {below} h/Mpc",
                "Power",
                printed=k == 5,
            ),
            Score(
                f"power_worst_k{k}",
                f"worst P {below}",
                f"largest deviation from 1 of the mean P/P(truth) in a bin, {below} h/Mpc",
                "Power",
            ),
        ]
    return found


def _coverages() -> list[Score]:
    of = {"pixels": "means of 1 Mpc/h squares", "apertures": "masses in 1 Mpc/h discs", "power": "P(k) in bins"}
    return [
        Score(
            f"coverage_{100 * nominal:.0f}_{quantity}",
            f"{100 * nominal:.0f} % {quantity}",
            f"share of true {of[quantity]} inside the {100 * nominal:.0f} % interval of the draws",
            "Coverage",
            ideal=nominal,
        )
        for nominal in NOMINAL
        for quantity in QUANTITIES
    ]


def _apertures() -> list[Score]:
    return [
        Score(
            f"aperture_{name}_{r:g}", f"{short} {r:g}", f"{meaning} in discs of {r:g} Mpc/h on true peaks", "Apertures"
        )
        for name, short, meaning in (
            ("bias", "bias", "median of M/M(truth) − 1"),
            ("scatter", "scatter", "half the central 68 % of M/M(truth) over its median"),
        )
        for r in RADII
    ]


SCORES: tuple[Score, ...] = (
    *_power(),
    Score(
        "power_error_half_nyquist", "|P−1| k<kN/2", "mean of |P/P(truth) − 1| to half the Nyquist frequency", "Power"
    ),
    Score(
        "correlation_k5",
        "r k<5",
        "mean r(k), k<5 h/Mpc",
        "Phases and suppression",
        ideal=1,
        unit="number",
        printed=True,
    ),
    Score(
        "correlation_min_k5",
        "min r k<5",
        "smallest mean r of a bin, k<5 h/Mpc",
        "Phases and suppression",
        ideal=1,
        unit="number",
        printed=True,
    ),
    Score(
        "correlation",
        "r k<kN/2",
        "mean r(k) to half the Nyquist frequency",
        "Phases and suppression",
        ideal=1,
        unit="number",
    ),
    Score(
        "suppression_error",
        "S error",
        "largest |S − S(truth)| to half the Nyquist frequency",
        "Phases and suppression",
        printed=True,
    ),
    Score("mass_error", "mass", "mean of |M/M(truth) − 1|", "Mass"),
    Score("mass_worst", "worst mass", "largest |M/M(truth) − 1| of a map", "Mass"),
    Score("mass_conservation", "not conserved", "largest |M/M(input) − 1| of a map", "Mass"),
    Score("empty", "empty", "share of pixels without mass", "Mass", ideal=None),
    Score("empty_truth", "empty, truth", "the same of the true maps", "Mass", ideal=None),
    Score("empty_error", "empty error", "difference of the two", "Mass"),
    Score(
        "pdf",
        "PDF",
        "Wasserstein distance of the pixels' log10(1 + Σ/mean), in decades",
        "Shapes",
        unit="decade",
        printed=True,
    ),
    Score("peaks", "peaks", "mean |N/N(truth) − 1| over heights with 10 true peaks", "Shapes", printed=True),
    Score("minkowski", "Minkowski", "mean of the next three", "Shapes"),
    *(
        Score(f"minkowski_v{i}", f"V{i}", f"{name} of contours: area between the curves over the true one's", "Shapes")
        for i, name in enumerate(("area", "length", "Euler number"))
    ),
    Score("bispectrum", "bispectrum", "sum of |Q − Q(truth)| over that of |Q(truth)|, equilateral", "Shapes"),
    Score("scattering", "scattering", "mean |S/S(truth) − 1| over wavelet coefficients", "Shapes"),
    *_apertures(),
    *_coverages(),
    Score(
        "ssim", "SSIM (weak)", "structural similarity of the log maps", "Pictures", ideal=1, unit="number", weak=True
    ),
    Score("psnr", "PSNR (weak)", "peak signal to noise of the log maps", "Pictures", ideal=100, unit="dB", weak=True),
)
GROUPS = tuple(dict.fromkeys(score.group for score in SCORES))
BY_NAME: Mapping[str, Score] = {score.name: score for score in SCORES}
PRINTED = tuple(score for score in SCORES if score.printed)
