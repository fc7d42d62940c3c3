from __future__ import annotations

from pathlib import Path

from untrained import write_checkpoint

from configs import Evaluate, EvaluateHalos, Train, load_one_of
from learn.evaluate import of_checkpoint


def test_the_folder_of_a_checkpoint_is_judged_as_what_it_is(
    halo_checkpoint: Path, toy_painter: Train, tmp_path: Path
) -> None:
    kinds = {"painter": Evaluate, "halos": EvaluateHalos}
    told = load_one_of(kinds, "kind", halo_checkpoint, ["n_draws=4"], of_folder=of_checkpoint)
    assert isinstance(told, EvaluateHalos)
    assert (told.checkpoint, told.n_draws, told.out.name) == (halo_checkpoint, 4, "evaluation")
    painter = write_checkpoint(tmp_path / "final", toy_painter)
    assert isinstance(load_one_of(kinds, "kind", painter, of_folder=of_checkpoint), Evaluate)
