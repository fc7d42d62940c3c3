"""The summary of a folder of reconstructions: a row an image as CSV, and as a page with pictures and flags."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from configs.files import replacing
from configs.provenance import commit
from configs.reconstruction import Reconstruct
from learn.lenses.reconstruction_files import ENDS
from learn.mass.record import write_csv
from learn.page import rendered

SUMMARY, PAGE = "summary.csv", "summary.html"


@dataclass(frozen=True)
class Row:
    """A line of the summary; NaN is what is not known."""

    name: str
    theta_e: float = math.nan
    theta_e_error: float = math.nan
    q: float = math.nan
    q_error: float = math.nan
    shear: float = math.nan
    shear_error: float = math.nan
    kappa_s: float = math.nan
    kappa_s_error: float = math.nan
    chi2: float = math.nan
    psf_width: float = math.nan
    noise: float = math.nan
    z_lens: float = math.nan
    z_source: float = math.nan
    flags: str = ""
    warnings: str = ""
    error: str = ""


COLUMNS = [field.name for field in fields(Row)]


def row_of(record: Mapping[str, Any]) -> Row:
    """Of what NAME_parameters.json holds."""
    lens, nuisance = record["lens_model"], record["nuisance"]
    of = {(one["kind"], name): two for one in lens["components"] for name, two in one["parameters"].items()}
    q, shear, halo = of["epl", "q"], of["shear", "gamma"], of["nfw", "kappa_s"]
    z_lens, z_source = (math.nan if lens[name] is None else lens[name] for name in ("z_lens", "z_source"))
    return Row(
        name=record["name"],
        theta_e=record["theta_e"]["value"],
        theta_e_error=record["theta_e"]["error"],
        q=q["value"],
        q_error=q["error"],
        shear=shear["value"],
        shear_error=shear["error"],
        kappa_s=halo["value"],
        kappa_s_error=halo["error"],
        chi2=record["chi2"],
        psf_width=nuisance["psf_width"]["value"],
        noise=nuisance["noise"]["value"],
        z_lens=z_lens,
        z_source=z_source,
        flags="; ".join(f"{name}: {text}" for name, text in record["flags"].items()),
        warnings="; ".join(record["preparation"]["warnings"]),
    )


def words(row: Row) -> str:
    """A row on one line."""
    if row.error:
        return f"{row.name}: NOT INVERTED: {row.error}"
    said = f"{row.name}: Einstein radius {row.theta_e:.3f} +- {row.theta_e_error:.3f} arcsec, chi2 {row.chi2:.2f}"
    return said + (f"; {row.flags}" if row.flags else "")


def write_summary(config: Reconstruct, rows: Sequence[Row]) -> None:
    """All rows as CSV and as a page, which shows the pictures beside it."""
    write_csv(config.out / SUMMARY, COLUMNS, [texts(row) for row in rows])
    failed = [row for row in rows if row.error]
    done = [row for row in rows if not row.error]
    keys: dict[str, Any] = {"checkpoint": str(config.checkpoint), "commit": commit(), "ends": ENDS}
    page = rendered("reconstruction", done=done, failed=failed, config=config.model_dump(mode="json"), **keys)
    with replacing(config.out / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")


def texts(row: Row) -> dict[str, Any]:
    """Five digits; nothing where there is no number."""
    return {name: text(value) for name, value in asdict(row).items()}


def text(value: object) -> object:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.5g}"
