"""A survey over Ray: the bytes of one machine alone, also when a worker is killed and an image is none."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed")

from survey import asked, content, machine, survey  # noqa: E402

from configs import Reconstruct  # noqa: E402
from learn.lenses import reconstruct as local  # noqa: E402
from learn.lenses.reconstruct import Lens  # noqa: E402
from learn.lenses.reconstruction_summary import Row  # noqa: E402
from ray_jobs.reconstruct import main, reconstruct  # noqa: E402

# Workers cannot import test modules by name: other packages install a `tests` too.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

pytestmark = pytest.mark.ray


@pytest.mark.usefixtures("ray_local")
def test_a_cluster_writes_what_one_machine_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = survey(tmp_path / "in")
    alone = asked(machine(tmp_path / "machine"), images, tmp_path / "alone", n_refine=0)
    list(local.reconstructed(local.found(alone), alone))
    spread = alone.model_copy(update={"out": tmp_path / "spread"})
    local.attempted(local.found(spread)[0], spread)  # of a run that was stopped
    before = (spread.out / "A_parameters.json").stat().st_mtime_ns
    monkeypatch.setattr(local, "attempted", Dying(tmp_path / "killed"))
    with pytest.raises(SystemExit) as ended:
        reconstruct(spread)
    assert ended.value.code == 1
    assert (tmp_path / "killed").is_file()
    assert content(spread.out) == content(alone.out)
    assert (spread.out / "A_parameters.json").stat().st_mtime_ns == before
    printed = capsys.readouterr()
    assert "reconstruct: 3/3 lenses" in printed.out
    assert "reconstruct: B failed: " in printed.err


class Dying:
    """As `attempted`, but the worker that has inverted the last image is killed once."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __call__(self, lens: Lens, config: Reconstruct) -> Row:
        row = local.attempted(lens, config)
        if lens.name == "C" and not self.witness.exists():
            self.witness.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return row


def test_what_the_user_got_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["reconstruct", str(tmp_path / "absent"), str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "absent: expected a checkpoint" in line
