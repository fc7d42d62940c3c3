"""Lenses over Ray: the bytes of one machine alone, also when a worker is killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed")

from small_lenses import family  # noqa: E402

from configs import Lenses  # noqa: E402
from ray_jobs.lenses import lenses  # noqa: E402
from sim import lens_sets  # noqa: E402
from sim.lens_sets import Part, Record  # noqa: E402

# Workers cannot import test modules by name: other packages install a `tests` too.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = pytest.mark.ray


def set_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("step.json", "preview.png")}


@pytest.mark.usefixtures("ray_local")
def test_workers_make_the_set_of_one_machine_also_when_one_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = family("realistic", out=tmp_path / "alone", n_pixels=24, n=7, systems_per_task=2)
    list(lens_sets.produce(alone))
    spread = alone.model_copy(update={"out": tmp_path / "spread"})
    lens_sets.make(Part(1, 2, 4), spread)  # of a run that was stopped
    monkeypatch.setattr(lens_sets, "make", Dying(tmp_path / "killed"))
    lenses(spread)
    assert (tmp_path / "killed").is_file()
    assert set_of(spread.out) == set_of(alone.out)
    lines = capsys.readouterr().out
    assert "lenses: 5 systems of realistic to make, " in lines
    assert "lenses: 2 of 7 systems are there already" in lines
    assert "lenses: 7/7 systems" in lines
    assert (spread.out / "preview.png").is_file()


class Dying:
    """As `make`, but the worker that makes the first part is killed once it has."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __call__(self, part: Part, config: Lenses) -> Record:
        record = lens_sets.make(part, config)
        if part.number == 0 and not self.witness.exists():
            self.witness.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return record
