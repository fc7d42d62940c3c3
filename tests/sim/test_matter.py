"""Dark matter that a person has, seen as the training maps saw theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_boxes import BOX, COSMOLOGY

from configs import Baryons, Pairs
from sim import cosmology, pairs
from sim.matter import read_matter

SMOOTH = Baryons(scatter_c=0.0)


def test_a_box_is_seen_as_in_training(boxes: Path, tmp_path: Path) -> None:
    """Without scatter of the concentrations, which has a seed of its own, to the last bit."""
    config = Pairs(simulations=boxes, out=tmp_path, n_pixels=16, baryons=SMOOTH, split=(0.5, 0.5, 0))
    shard = pairs.made("box_0000", config)
    matter = read_matter(boxes / "box_0000", SMOOTH)
    for axis in (0, 1, 2):
        seen = matter.map(pixel_size=BOX.box_size / 16, depth=BOX.box_size, stride=4, axis=axis)
        np.testing.assert_array_equal(seen, shard.inputs[axis, 0], strict=True)
    assert matter.known == COSMOLOGY.model_dump() | {"redshift": 0.0}


def test_a_snapshot_is_seen_as_it_is(boxes: Path) -> None:
    raw = read_matter(boxes / "box_0000" / "snap_000.hdf5", SMOOTH)
    repaired = read_matter(boxes / "box_0000", SMOOTH)
    assert (np.linalg.norm(raw.pos - repaired.pos, axis=1) > 0).any()
    assert raw.known["omega_m"] == pytest.approx(COSMOLOGY.omega_m)
    density = raw.map(pixel_size=1.0, depth=BOX.box_size, stride=1)
    assert density.shape == (12, 12)  # of 12.5 Mpc/h
    mean = cosmology.mean_density(COSMOLOGY) * BOX.box_size
    np.testing.assert_allclose(density.mean(dtype=float), mean, rtol=1e-5)


def test_of_a_deeper_box_a_slab_is_seen_and_a_shallower_one_is_refused(boxes: Path) -> None:
    raw = read_matter(boxes / "box_0000" / "snap_000.hdf5", SMOOTH)
    whole, part = (raw.map(pixel_size=0.8, depth=depth, stride=4) for depth in (12.5, 5.0))
    inside = (raw.pos[:, 2] < 5).mean()
    np.testing.assert_allclose(part.mean(dtype=float) / whole.mean(dtype=float), inside, rtol=1e-5)
    with pytest.raises(ValueError, match=r"snap_000\.hdf5: expected a box of at least 50 Mpc/h, got 12\.5"):
        raw.map(pixel_size=0.8, depth=50.0, stride=4)
    with pytest.raises(ValueError, match=r"expected a box of at least 64 pixels of 0\.8 Mpc/h, got 12\.5"):
        raw.map(pixel_size=0.8, depth=12.5, stride=64)


def test_what_is_missing_is_named(boxes: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere: expected a snapshot, or the folder of a box"):
        read_matter(boxes / "nowhere", SMOOTH)
    with pytest.raises(ValueError, match="expected an output at redshift 2"):
        read_matter(boxes / "box_0000", SMOOTH, redshift=2.0)
