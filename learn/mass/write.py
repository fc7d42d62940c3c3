"""The files of an analysed lens model, each of which begins with its name."""

from __future__ import annotations

from pathlib import Path

from configs.files import replacing
from configs.mass_analysis import MassAnalysis
from learn.mass import recheck
from learn.mass.analysis import Analysis
from learn.mass.export import export
from learn.mass.figure import mass_figure
from learn.mass.latex import latex
from learn.mass.maps import maps, write_maps
from learn.mass.profiles import around, profiles
from learn.mass.record import COLUMNS, record, rows, write_columns, write_csv, write_json
from learn.mass.report import write_pdf


def write(analysis: Analysis, config: MassAnalysis) -> None:
    """Everything into the folder of the configuration."""
    name, seen = analysis.model.name, maps(analysis.model, analysis.lens)
    write_json(config.out / f"{name}_mass.json", record(analysis, config))
    write_csv(config.out / f"{name}_mass.csv", COLUMNS, rows(analysis.measures))
    write_columns(config.out / f"{name}_profile.csv", profiles(analysis))
    write_columns(config.out / f"{name}_ring.csv", around(analysis))
    write_text(config.out / f"{name}_mass.tex", latex(analysis))
    write_maps(config.out / f"{name}_maps.fits", analysis.model, seen)
    write_json(config.out / f"{name}_lenstronomy.json", export(analysis))
    write_text(config.out / f"{name}_lenstronomy.py", Path(recheck.__file__).read_text(encoding="utf-8"))
    figure = mass_figure(analysis, seen)
    with replacing(config.out / f"{name}_mass.png") as temporary:
        figure.savefig(temporary, dpi=110)
    write_pdf(config.out / f"{name}_mass.pdf", analysis, figure)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
