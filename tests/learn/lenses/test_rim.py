"""The inference machine: before it has learned, that it learns, and that answers are of one image."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from toy_lenses import M, toy_lenses, toy_rim

from learn.data import Batch
from learn.lenses.estimate import Estimate, triangular
from learn.lenses.fit import moved
from learn.lenses.latent import NAMES, brightness
from learn.lenses.refine import Refiner
from learn.methods.rim import NET, OPERATOR, Rim, core, observed, source_error


def built(**method: object) -> tuple[Rim, dict[str, torch.nn.Module]]:
    torch.manual_seed(0)
    rim = toy_rim(**method)
    return rim, rim.build()


def test_an_untrained_machine_answers_the_prior() -> None:
    """Its first steps are none: the mean lens, and hardly a source."""
    rim, nets = built()
    seen = observed(toy_lenses(2).inputs, 9)
    for estimate in rim.estimates(nets, seen, 2):
        assert (estimate.lens == 0).all()
        torch.testing.assert_close(brightness(estimate.source), torch.full((2, M, M), 0.02), rtol=1e-4, atol=0)


@torch.no_grad()
def test_the_radius_is_worth_most_and_the_halo_least() -> None:
    """Of errors of one standard deviation each."""
    rim, nets = built()
    batch, scale = toy_lenses(1), torch.tensor(rim.scale.std)

    def loss(name: str) -> float:
        params = torch.tensor(rim.scale.mean) + scale * torch.eye(len(NAMES))[NAMES.index(name)]
        return float(rim.loss(NET, nets, dataclasses.replace(batch, params=params[None]))[1]["lens"])

    assert loss("theta_e") == pytest.approx(5 * loss("e1"), rel=1e-4)
    assert loss("kappa_s") == pytest.approx(loss("e1") / 10, rel=1e-4)


def test_every_weight_is_heard() -> None:
    rim, nets = built()
    for parameter in nets[NET].parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    loss, _ = rim.loss(NET, nets, toy_lenses(2))
    loss.backward()  # type: ignore[no-untyped-call]
    silent = [name for name, p in nets[NET].named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@torch.no_grad()
def test_an_answer_is_of_its_image_alone() -> None:
    rim, nets = built()
    for parameter in nets[NET].parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    batch = toy_lenses(3)
    whole = rim.predict(nets, batch.inputs, batch.params, batch.seeds)
    for i in range(3):
        one = rim.predict(nets, batch.inputs[i : i + 1], batch.params[i : i + 1], batch.seeds[i : i + 1])
        torch.testing.assert_close(whole[i : i + 1], one, rtol=2e-3, atol=1e-5 * float(whole.max()))


@torch.no_grad()
def test_units_only_scale_the_source() -> None:
    rim, nets = built()
    for parameter in nets[NET].parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    batch = toy_lenses(2)
    scaled = batch.inputs * torch.tensor([1e-3, 1e-3, 1.0])[:, None, None]
    one = rim.predict(nets, batch.inputs, batch.params, batch.seeds)
    other = rim.predict(nets, scaled, batch.params, batch.seeds)
    torch.testing.assert_close(1e-3 * one, other, rtol=2e-3, atol=1e-8 * float(one.max()))


def trained(n_steps: int, **method: object) -> tuple[Rim, dict[str, torch.nn.Module], list[float]]:
    """On four systems, again and again."""
    rim, nets = built(**method)
    batch = toy_lenses(4)
    optimizers = {name: torch.optim.Adam(net.parameters(), lr=3e-3) for name, net in nets.items()}
    losses = []
    for step in range(n_steps):
        for phase in rim.phases(step):
            optimizers[phase].zero_grad()
            loss, _ = rim.loss(phase, nets, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(nets[phase].parameters(), 1.0)
            optimizers[phase].step()
        losses.append(float(loss.detach()))
    return rim, nets, losses


def last_of(rim: Rim, nets: dict[str, torch.nn.Module], batch: Batch) -> Estimate:
    with torch.no_grad():
        *_, last = rim.estimates(nets, observed(batch.inputs, 9), rim.config.n_iterations)
    return last


def test_it_learns_four_lenses_and_refining_fits_them() -> None:
    rim, nets, losses = trained(60)
    batch = toy_lenses(4)
    last, seen = last_of(rim, nets, batch), observed(batch.inputs, 9)
    truth = brightness(rim.truth(batch, seen))
    assert losses[-1] < losses[0] / 3
    assert source_error(brightness(last.source), truth).mean() < 0.1
    refiner, exact = Refiner(rim, 12), rim.exact(seen)
    peak = refiner.peak(last, seen, torch.Generator())
    before, after = (rim.residual(one, seen, exact).square().mean((1, 2)) for one in (last, moved(last, peak)))
    assert (after < before).all()
    assert after.max() < 1.5
    draws = [moved(last, refiner.draw(last, peak, seen, torch.Generator().manual_seed(i))) for i in range(2)]
    assert (draws[0].lens != draws[1].lens).all()


def test_a_learned_forward_operator_learns_too() -> None:
    rim, nets, losses = trained(2, forward="learned")
    assert all(map(math.isfinite, losses))
    assert set(nets) == {NET, OPERATOR}
    batch = toy_lenses(4)
    first, _ = rim.loss(OPERATOR, nets, batch)
    optimizer = torch.optim.Adam(nets[OPERATOR].parameters(), lr=1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        loss, _ = rim.loss(OPERATOR, nets, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss < first / 2


def test_draws_scatter_as_an_estimate_says() -> None:
    """Their covariance is the inverse of the product of the factor with itself."""
    n = len(NAMES)
    numbers = 0.3 * torch.randn(1, n * (n + 1) // 2, generator=torch.Generator().manual_seed(1))
    factor = triangular(numbers).expand(20_000, -1, -1)
    wide = Estimate(torch.zeros(20_000, 1, 1), torch.full((20_000, 1, 1), 0.2), torch.zeros(20_000, n), factor)
    draw = wide.draw(torch.Generator().manual_seed(2))
    expected = torch.linalg.inv(factor[0].T @ factor[0])
    torch.testing.assert_close(torch.cov(draw.lens.T), expected, rtol=0, atol=0.05 * float(expected.diag().max()))
    assert float(draw.source.std()) == pytest.approx(0.2, rel=0.03)


def test_a_kernel_is_cut_about_its_middle() -> None:
    kernel = torch.zeros(1, 32, 32)
    kernel[0, 16, 16], kernel[0, 16, 19] = 3.0, 1.0
    cut = core(kernel, 9)
    assert cut.shape == (1, 9, 9)
    assert cut[0, 4, 4] == 0.75
    assert cut[0, 4, 7] == 0.25
    assert core(kernel, 5)[0, 2, 2] == 1.0
    assert torch.equal(core(cut, 21), cut)
