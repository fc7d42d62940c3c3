"""Samplers of halos: masses in and out, a draw of its seed alone, and the mean profile of a set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from untrained import write_checkpoint

from configs import HaloCutouts, Profile, Sampling, Train, Trained
from learn.halos import HaloSampler, MeanProfile, frame_of
from learn.sources.halos import HaloSource
from sim.samples import TARGET_CHANNELS


def told(data: HaloCutouts, i: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """What a sampler is shown of training sample `i`."""
    batch = HaloSource(data, "train").read([i])
    maps = batch.inputs[0].numpy() * np.float32((6.25 / 16) ** 2)
    params = batch.params[0].double().numpy()
    return maps[0], maps[1:], params[:-1], float(10 ** params[-1])


def test_a_draw_is_that_of_its_seed_alone(halo_checkpoint: Path, data: HaloCutouts) -> None:
    sampler = HaloSampler.load(halo_checkpoint)
    three = sampler.sample(*told(data), 7, 3)
    assert three.shape == (3, 3, 16, 16)
    assert three.dtype == np.float32
    np.testing.assert_array_equal(sampler.sample(*told(data), 7, 1)[0], three[0])
    assert not np.array_equal(three[0], three[1])
    assert not np.array_equal(sampler.sample(*told(data), 8, 1)[0], three[0])


def test_halos_together_have_the_draws_of_each_alone(halo_checkpoint: Path, data: HaloCutouts) -> None:
    profile = MeanProfile.fit(Profile(kind="mean_profile", data=data, n_masses=2, n_radii=6))
    rows = [told(data, i) for i in (0, 3, 4)]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    for sampler in (HaloSampler.load(halo_checkpoint), profile):
        every = sampler.sample_each(*columns, np.array([7, 8, 9]), 2)
        assert every.shape == (3, 2, 3, 16, 16)
        for one, row, seed in zip(every, rows, (7, 8, 9), strict=True):
            np.testing.assert_array_equal(one, sampler.sample(*row, seed, 2))


def test_masses_are_the_answer_of_the_method_times_the_area_of_a_pixel(
    halo_checkpoint: Path, data: HaloCutouts
) -> None:
    sampler = HaloSampler.load(halo_checkpoint)
    batch = HaloSource(data, "train").read([0])
    densities = sampler.answers(batch.inputs.numpy(), batch.params.numpy(), torch.tensor([7]))
    np.testing.assert_allclose(sampler.sample(*told(data), 7, 1), densities * (6.25 / 16) ** 2, rtol=2e-3)


def test_frames_are_known_without_opening_and_tell_samplings_apart(halo_checkpoint: Path, data: HaloCutouts) -> None:
    config = Trained(kind="checkpoint", folder=halo_checkpoint)
    frame = HaloSampler.load(halo_checkpoint).frame
    assert frame_of(config) == frame
    assert (frame.scales, frame.n_pixels, frame.depth) == ((6.25, 12.5, 25.0, 50.0), 16, 50.0)
    assert "log10_halo_mass" not in frame.param_names
    assert HaloSampler.load(halo_checkpoint).n_evaluations == 3
    guided = HaloSampler.load(halo_checkpoint, sampling=Sampling(n_steps=3, guidance=2.0))
    assert guided.n_evaluations == 6
    other = config.model_copy(update={"sampling": Sampling(n_steps=2)})
    assert frame_of(other).identity != frame.identity


def test_a_model_of_other_channels_is_refused(halo_train: Train, data: HaloCutouts, tmp_path: Path) -> None:
    total = data.model_copy(update={"targets": "total"})
    folder = write_checkpoint(tmp_path / "final", halo_train, data=total)
    with pytest.raises(ValueError, match=f"expected one of {', '.join(TARGET_CHANNELS)}"):
        frame_of(Trained(kind="checkpoint", folder=folder))


def test_the_mean_profile_has_the_mass_of_the_set_it_is_the_mean_of(data: HaloCutouts) -> None:
    profile = MeanProfile.fit(Profile(kind="mean_profile", data=data, n_masses=1, n_radii=6))
    source = HaloSource(data, "train")
    drawn, true = np.zeros(3), np.zeros(3)
    for i in range(len(source)):
        drawn += profile.sample(*told(data, i), 0, 1)[0].sum((1, 2), dtype=float)
        true += source.read([i]).targets[0].numpy().sum((1, 2), dtype=float) * (6.25 / 16) ** 2
    np.testing.assert_allclose(drawn, true, rtol=0.15)


def test_the_mean_profile_follows_the_dark_matter_and_knows_no_chance(data: HaloCutouts) -> None:
    profile = MeanProfile.fit(Profile(kind="mean_profile", data=data, n_masses=3, n_radii=6))
    condition, wide, params, mass = told(data)
    draws = profile.sample(condition, wide, params, mass, 1, 2)
    np.testing.assert_array_equal(draws[0], draws[1])
    np.testing.assert_allclose(profile.sample(2 * condition, wide, params, mass, 3, 1)[0], 2 * draws[0], rtol=1e-6)


def test_shares_that_were_put_in_come_out_at_the_nearest_mass(data: HaloCutouts) -> None:
    profile = MeanProfile.fit(Profile(kind="mean_profile", data=data, n_masses=2, n_radii=6))
    shares = np.array([[0.8, 0.15, 0.05], [0.6, 0.3, 0.1]])
    flat = replace(profile, log_masses=np.array([13.0, 14.0]), shares=np.tile(shares[:, :, None], 6))
    condition, wide, params, _ = told(data)
    for log_mass, share in ((13.4, shares[0]), (13.6, shares[1])):
        found = flat.sample(condition, wide, params, 10**log_mass, 0, 1)[0]
        np.testing.assert_allclose(found, share[:, None, None] * condition, rtol=1e-6)
