from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from configs import Diffusion, PairShards
from learn.data import Batch, InOrder
from learn.normalize import LinearScale, LogScale, Moments, Normalizer, fit_log_scale
from learn.sources.shards import ShardSource

SCALE = LogScale(x0=(1e12, 3e10), mean=(0.3, 0.1), std=(0.2, 0.05))


def decades(dtype: torch.dtype) -> torch.Tensor:
    """0 and 12 decades about x0, in two channels."""
    x = torch.cat((torch.zeros(1, dtype=torch.float64), torch.logspace(-6, 6, 120, dtype=torch.float64)))
    return (x[None, :, None] * torch.tensor(SCALE.x0, dtype=torch.float64)[:, None, None]).to(dtype)


def test_inverse_undoes_forward_over_twelve_decades_and_at_zero() -> None:
    x = decades(torch.float64)
    back = SCALE.inverse(SCALE.forward(x))
    np.testing.assert_allclose(back, x, rtol=1e-9, atol=0.1)  # 0.1 Msun/h/(Mpc/h)^2 of 1e12
    assert (back >= 0).all()


def test_in_single_precision_the_round_trip_is_as_good_as_its_digits() -> None:
    x = decades(torch.float32)
    back = SCALE.inverse(SCALE.forward(x))
    assert back.dtype == torch.float32
    worst = (back - x).abs() / (x + torch.tensor(SCALE.x0)[:, None, None])
    assert worst.max() < 1e-5


def test_forward_is_the_formula() -> None:
    x = torch.tensor([[[9e12]], [[0.0]]], dtype=torch.float64)
    np.testing.assert_allclose(SCALE.forward(x).flatten(), [(1.0 - 0.3) / 0.2, -0.1 / 0.05], rtol=1e-12)


def test_fit_gives_training_maps_zero_mean_and_unit_spread(toy_pairs: Path) -> None:
    batches = InOrder(ShardSource(PairShards(folder=toy_pairs), "train"), 2)
    found = Normalizer.fit(batches)
    every = ShardSource(PairShards(folder=toy_pairs), "train").read(range(9))
    for scale, maps in ((found.inputs, every.inputs), (found.targets, every.targets)):
        x0 = maps.double().mean((0, 2, 3))
        normal = scale.forward(maps.double())
        np.testing.assert_allclose(scale.x0, x0, rtol=1e-12)
        np.testing.assert_allclose(normal.mean((0, 2, 3)), 0, atol=1e-10)
        np.testing.assert_allclose(normal.std((0, 2, 3), unbiased=False), 1, rtol=1e-10)
        np.testing.assert_allclose(normal.amax((0, 2, 3)), scale.high, rtol=1e-10)


def test_what_is_brighter_than_in_training_becomes_as_bright_and_nothing_else_changes() -> None:
    x = decades(torch.float32)
    bounded = SCALE.model_copy(update={"high": (2.0, 5.0)}).bounded(SCALE.forward(x))
    np.testing.assert_array_equal(bounded, np.minimum(SCALE.forward(x).numpy(), np.float32([2.0, 5.0])[:, None, None]))
    np.testing.assert_array_equal(SCALE.bounded(SCALE.forward(x)), SCALE.forward(x))  # of old checkpoints
    with pytest.raises(ValueError, match="rows of one length"):
        LogScale(**SCALE.model_dump() | {"high": (1.0,)})


def test_fit_does_not_depend_on_how_the_maps_are_batched(toy_pairs: Path) -> None:
    dataset = ShardSource(PairShards(folder=toy_pairs), "train")
    one, nine = (Normalizer.fit(InOrder(dataset, n)).model_dump() for n in (1, 9))
    for part in one:
        for key in one[part]:
            np.testing.assert_allclose(one[part][key], nine[part][key], rtol=1e-10)


def test_a_parameter_that_never_varied_is_shifted_only(toy_pairs: Path) -> None:
    found = Normalizer.fit(InOrder(ShardSource(PairShards(folder=toy_pairs), "train"), 4)).params
    names = ShardSource(PairShards(folder=toy_pairs), "train").manifest.param_names
    assert found.std[names.index("omega_m")] == 1.0
    assert found.std[names.index("log10_m_c")] < 1.0
    shifted = LinearScale(mean=(0.3,), std=(1.0,), low=(0.3,), high=(0.3,)).forward(torch.tensor([[0.4]]))
    np.testing.assert_allclose(shifted, 0.1, rtol=1e-6)


def test_moments_are_exact_where_sums_of_squares_would_not_be() -> None:
    x = 1e9 + np.random.default_rng(0).normal(size=(1000, 2))
    moments = Moments()
    for part in np.split(x, [7, 300]):
        moments.add(torch.from_numpy(part))
    np.testing.assert_allclose((moments.squares / moments.n).sqrt(), x.std(0), rtol=1e-6)


def test_json_round_trip_is_exact(toy_pairs: Path) -> None:
    found = Normalizer.fit(InOrder(ShardSource(PairShards(folder=toy_pairs), "train"), 4))
    assert Normalizer.model_validate_json(found.model_dump_json()) == found


def test_what_cannot_be_fitted_is_refused() -> None:
    def once() -> Iterator[Batch]:
        yield from ()

    with pytest.raises(ValueError, match="read twice"):
        Normalizer.fit(once())
    with pytest.raises(ValueError, match="at least one training map"):
        Normalizer.fit([])
    empty = Batch(torch.ones(1, 1, 2, 2), torch.zeros(1, 3, 2, 2), torch.ones(1, 2), torch.zeros(1))
    with pytest.raises(ValueError, match="positive mass in channel 0 of the training targets"):
        Normalizer.fit([empty])


@pytest.mark.parametrize("broken", [{"std": (1.0, 0.0)}, {"x0": (1.0,)}, {"x0": (-1.0, 1.0)}])
def test_a_scale_that_cannot_be_inverted_is_refused(broken: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="normalizer"):
        LogScale.model_validate(SCALE.model_dump() | broken)


@pytest.mark.parametrize("n_dims", [2, 3])
def test_maps_and_cubes_have_a_scale_a_channel_and_a_field_may_have_no_input(n_dims: int) -> None:
    rng = np.random.default_rng(n_dims)
    targets = torch.tensor(rng.lognormal(size=(5, 2, *(4,) * n_dims)) * np.reshape([1.0, 100.0], (2, *(1,) * n_dims)))
    nothing = torch.zeros(5, 0, *(4,) * n_dims)
    batch = Batch(nothing, targets, torch.tensor(rng.random((5, 3))), torch.arange(5))
    fitted = Normalizer.fit([batch])
    assert fitted.targets.n_dims == n_dims
    assert fitted.inputs.x0 == ()
    assert fitted.inputs.forward(nothing).shape == nothing.shape
    y = fitted.targets.forward(targets)
    np.testing.assert_allclose(y.transpose(0, 1).flatten(1).mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(fitted.targets.inverse(y), targets, rtol=1e-9)


def stars(n: int = 64) -> torch.Tensor:
    """Maps (1, 2, n, n): gas everywhere, stars in a fifth of the pixels over six decades."""
    rng = np.random.default_rng(0)
    maps = rng.lognormal(size=(1, 2, n, n))
    maps[0, 1] = 10 ** rng.uniform(-3, 3, (n, n)) * (rng.random((n, n)) < 0.2)
    return torch.tensor(maps)


def test_a_gap_keeps_empty_pixels_apart_and_exactly_empty() -> None:
    maps = stars()
    scale = fit_log_scale("targets", [1.0, 100.0], [(maps, None)], (0.0, 1.0))
    shown = scale.forward(maps)
    np.testing.assert_allclose(scale.inverse(shown), maps, rtol=1e-6, atol=0)
    empty = maps[0, 1] == 0
    assert (scale.inverse(shown)[0, 1][empty] == 0).all()
    lowest, highest = shown[0, 1][~empty].min(), shown[0, 1][empty].max()
    assert float(lowest - highest) >= 1.0 / scale.std[1]
    noisy = scale.inverse(shown + 0.15 / scale.std[1] * torch.randn(shown.shape, generator=torch.manual_seed(0)))
    assert (noisy[0, 1][empty] == 0).double().mean() > 0.999
    assert noisy.min() >= 0


def test_as_many_pixels_are_empty_after_noise_as_before() -> None:
    """A pixel of few stars is pushed below the faintest as often as above it: it must not be emptied by that."""
    maps = stars()
    maps[0, 1] *= 1e-3  # nearly all are far below x0
    scale = fit_log_scale("targets", [1.0, 100.0], [(maps, None)], (0.0, 1.0))
    shown = scale.forward(maps)
    noisy = scale.inverse(shown + 0.1 / scale.std[1] * torch.randn(shown.shape, generator=torch.manual_seed(0)))
    np.testing.assert_array_equal(noisy[0, 1] == 0, maps[0, 1] == 0)


def test_without_a_gap_half_of_the_empty_pixels_would_fill() -> None:
    maps = stars()
    scale = fit_log_scale("targets", [1.0, 100.0], [(maps, None)])
    noisy = scale.inverse(scale.forward(maps) + 0.1 * torch.randn(maps.shape, generator=torch.manual_seed(0)))
    empty = maps[0, 1] == 0
    assert 0.4 < float((noisy[0, 1][empty] == 0).double().mean()) < 0.6
    assert scale.gap == ()


def test_the_gap_is_that_of_the_channels_that_are_named() -> None:
    assert Diffusion(empty=("stars",), gap=0.7).scales(("dark_matter", "gas", "stars"))["gaps"] == (0.0, 0.0, 0.7)
    assert Diffusion().scales(("gas", "stars")) == {"offset": 1.0, "gaps": (), "residual": ()}
    with pytest.raises(ValueError, match=r"method\.empty: any of gas, got stars"):
        Diffusion(empty=("stars",)).scales(("gas",))
    assert Diffusion(residual=("gas",)).scales(("gas", "stars"))["residual"] == (True, False)
    with pytest.raises(ValueError, match=r"method\.residual: any of stars, got gas"):
        Diffusion(residual=("gas",)).scales(("stars",))


def halos(gas: float) -> Batch:
    """Dark matter over decades, a share of it as gas but for 1 % of scatter, and stars in a fifth of the pixels."""
    rng = np.random.default_rng(1)
    matter = 10 ** rng.normal(0, 1, (4, 1, 32, 32))
    scattered = gas * matter * (1 + 0.01 * rng.standard_normal(matter.shape))
    targets = np.concatenate([scattered, np.concatenate([stars(32)[:, 1:]] * 4)], axis=1)
    return Batch(torch.tensor(matter), torch.tensor(targets), torch.ones(4, 1), torch.arange(4))


def test_a_residual_is_what_a_guess_from_the_input_leaves_open() -> None:
    batch = halos(gas=0.15)
    scales = [Normalizer.fit([batch], offset=3.0, residual=told).targets for told in ((True, False), ())]
    beside, plain = (scale.forward(batch.targets, batch.inputs) for scale in scales)
    assert scales[0].share == pytest.approx((0.15, 0.0), rel=0.01)
    np.testing.assert_allclose(beside[:, 0].mean(), 0, atol=1e-9)
    np.testing.assert_allclose(beside[:, 0].std(correction=0), 1)
    np.testing.assert_array_equal(beside[:, 1], plain[:, 1])
    assert abs(np.corrcoef(beside[:, 0].flatten(), batch.inputs.flatten())[0, 1]) < 0.1
    np.testing.assert_allclose(scales[0].inverse(beside, batch.inputs), batch.targets, rtol=1e-9)
    errors = [
        (scale.inverse(shown + 0.1, batch.inputs) / batch.targets - 1)[:, 0].abs().mean()
        for scale, shown in zip(scales, (beside, plain), strict=True)
    ]
    assert errors[0] < 0.1 * errors[1]  # a tenth of a standard deviation


def test_a_residual_is_of_an_input_map() -> None:
    batch = halos(gas=0.15)
    with pytest.raises(ValueError, match="an input map for the residual channels, got none"):
        Normalizer.fit([replace(batch, inputs=batch.inputs[:, :0])], residual=(True, False))
    scale = Normalizer.fit([batch], residual=(True, False)).targets
    with pytest.raises(ValueError, match="the map whose share is taken off, got none"):
        scale.forward(batch.targets)
    with pytest.raises(ValueError, match="rows of one length"):
        LogScale.model_validate(scale.model_dump() | {"share": (0.1,)})
