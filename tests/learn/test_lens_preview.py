"""The preview of lenses: rows of systems, of one set or of several."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_lenses import family

from learn.lens_preview import lens_figure, rows_of, write_lens_preview
from sim import lens_sets


@pytest.mark.parametrize("kind", ["shards", "fits"])
def test_sets_are_drawn_system_by_system(tmp_path: Path, kind: str) -> None:
    for name, n in (("foundation", 6), ("weak", 3)):
        list(lens_sets.produce(family(name, out=tmp_path / name, n=n, n_pixels=16, format=kind)))
    path = write_lens_preview(tmp_path)
    assert path == tmp_path / "preview.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    both = lens_figure(rows_of([tmp_path / "foundation", tmp_path / "weak"])).axes
    assert [axes.get_ylabel() for axes in both[::12]] == ["foundation", "weak"]
    assert sum(len(axes.images) for axes in both) == 3 * (4 + 3)
    alone = rows_of([tmp_path / "foundation"])
    assert [len(row.truths) for row in alone] == [4, 2]
    assert lens_figure(alone).axes[0].get_title() == "source"
