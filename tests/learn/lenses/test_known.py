"""What is true of systems, and what who knew it could do: back-projection, and the truth's own chi^2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lens_families import toy_systems
from toy_lenses import FIELD, K, M, N, toy_lenses

from configs.lens_evaluation import ADJOINT, BLANK, OBSERVED, TRUTH
from learn.lenses.baselines import baselines, seen_in
from learn.lenses.known import Framed, KnownLens, back_projected, known
from learn.lenses.latent import Lens, radii_of
from learn.lenses.likelihood import FRAME, Forward
from learn.lenses.scores import scored
from learn.methods.rim import core, observed
from learn.sources.lenses import LensSource, unseen_shift
from sim.lensing.einstein import mean_deflection
from sim.lensing.profiles import NFW, SIS
from sim.lensing.scene import Columns, kernels_of, scene


def test_a_known_lens_sees_what_its_parameters_say() -> None:
    batch = toy_lenses(2)
    lens, seen = Lens.of(batch.params), observed(batch.inputs, K)
    operator = KnownLens(N, FIELD, 2, lens.mass())
    source = batch.targets[:, 0]
    expected = Forward(N, FIELD, 2).image(source, lens, seen.psf)
    torch.testing.assert_close(operator.image(source, lens, seen.psf), expected, rtol=1e-6, atol=0)


def test_a_frame_is_only_a_unit() -> None:
    x = torch.linspace(-1, 1, 7).view(1, 1, 7)
    halo = (torch.tensor(0.2), torch.tensor(1.6), torch.tensor(0.4), torch.tensor(0.0))
    arcsec = NFW(*halo)
    frames = NFW(halo[0], *(length / 2.5 for length in halo[1:]))
    none = torch.zeros(1, 1, 1)
    found = Framed(arcsec, torch.full((1, 1, 1), 2.5), (none, none)).deflection(x, 0 * x + 0.1)
    torch.testing.assert_close(found, frames.deflection(x, 0 * x + 0.1), rtol=1e-4, atol=1e-7)


def test_the_adjoint_of_a_compact_source_peaks_where_it_is() -> None:
    """And magnifications are adjoint too: they add the light of an image up from that of the source."""
    batch = toy_lenses(3)
    lens, seen = Lens.of(batch.params), observed(batch.inputs, K)
    operator = Forward(N, FIELD, 2)
    spot = torch.zeros(3, M, M)
    spot[:, 10:12, 14:16] = 1.0
    clean = operator.image(spot, lens, seen.psf)
    quiet = observed(torch.stack((clean, 0.01 + 0 * clean, batch.inputs[:, 2]), dim=1), K)
    found = back_projected(operator, lens, quiet, M)
    brightest = found.source.flatten(1).argmax(1)
    assert set((brightest // M).tolist()) <= {10, 11}
    assert set((brightest % M).tolist()) <= {14, 15}
    total = (found.magnification * spot).sum((1, 2))
    torch.testing.assert_close(total, clean.sum((1, 2)), rtol=1e-4, atol=0)


@pytest.fixture
def source(tmp_path: Path) -> LensSource:
    return LensSource(toy_systems(tmp_path, light_error=0.0), "test")


@pytest.mark.parametrize("family", ["plain", "crowded"])
def test_the_truth_fits_to_its_noise_and_nothing_does_not(source: LensSource, family: str) -> None:
    indices = source.simulations[family]
    batch = source.read(indices)
    truth = known(source, indices, batch, K)
    found = {name: scored(one, batch, truth) for name, one in baselines(batch, truth, FIELD).items()}
    assert np.abs(found[TRUTH]["chi2"] - 1).max() < 5 * np.sqrt(2 / N**2)
    assert (found[BLANK]["chi2"] > 1.5).all()
    assert (found[BLANK]["r"] == 0).all()
    assert (found[ADJOINT]["r"] > found[OBSERVED]["r"]).all()
    assert (found[ADJOINT]["r"] > 0.6).all()
    assert np.isnan(found[OBSERVED]["chi2"]).all()
    _, truths = source.truths(indices)
    np.testing.assert_allclose(truth.pixel_size, truths["pixel_size"], rtol=1e-6)
    np.testing.assert_allclose(radii_of(truth.lens), truth.einstein_radius, rtol=1e-3)
    ratio = truth.einstein_radius / truths["theta_e"]
    assert ratio.min() > 0.9
    assert ratio.max() < 1.6


def test_truths_are_of_one_family(source: LensSource) -> None:
    with pytest.raises(ValueError, match="systems of one family, got those of 2"):
        source.truths([0, 2])


def test_an_image_is_seen_in_the_field_of_its_source() -> None:
    image = np.arange(64, dtype=np.float32).reshape(1, 8, 8)
    np.testing.assert_allclose(seen_in(image, 1.0, 8), image, rtol=0, atol=1e-4)
    np.testing.assert_allclose(seen_in(image, 0.5, 4), image[:, 2:6, 2:6], rtol=0, atol=1e-4)


def test_what_no_image_tells_is_no_part_of_a_source(source: LensSource) -> None:
    """Its pixels through all that bends light, less a shift of everything, make the image that it was seen as."""
    indices = source.simulations["crowded"]
    batch = source.read(indices)
    truth = known(source, indices, batch, K)
    config, truths = source.truths(indices)
    there, columns = scene(truths, config), Columns(truths, torch.float32, "cpu")
    lens, half = Lens.of(batch.params), columns("pixel_size") * N / FRAME
    shift = unseen_shift(there.mass, lens, columns, config)
    none = torch.zeros(1, 1, 1)

    def off(by: tuple[torch.Tensor, torch.Tensor]) -> float:
        seen = KnownLens(N, FIELD, 2, Framed(there.mass, half, by)).image(batch.targets[:, 0], lens, kernels)
        return float(np.abs(seen.numpy() - truth.image).sum() / truth.image.sum())

    kernels = core(kernels_of(columns, config, prefix="assumed"), K)
    assert max(float(x.abs().max()) for x in shift) > 0.02
    assert off(shift) < 0.15
    assert off(shift) < off((none, none)) / 2


def test_a_smooth_lens_shifts_nothing(source: LensSource) -> None:
    indices = source.simulations["plain"]
    config, truths = source.truths(indices)
    columns = Columns(truths, torch.float32, "cpu")
    found = unseen_shift(scene(truths, config).mass, Lens.of(source.read(indices).params), columns, config)
    assert max(float(x.abs().max()) for x in found) < 1e-5


def test_a_far_mass_shifts_all_by_its_deflection() -> None:
    """A singular isothermal sphere bends by its Einstein radius wherever it is."""
    x, y, theta_e, one = (torch.tensor([[[value]]]) for value in (3.0, 0.0, 0.1, 1.0))
    shift = mean_deflection(SIS(theta_e[..., None], x[..., None], y[..., None]), (y, y), 0.3 * one)
    torch.testing.assert_close(shift, (-0.1 * one, 0.0 * one), rtol=1e-2, atol=1e-6)
