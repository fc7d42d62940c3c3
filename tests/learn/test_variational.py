"""The learned schedule: monotone and normalised, it finds the shares that the errors ask for; one network a channel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_fields import about, batch

from configs import Optimizer, Sampling, Train, UNet, Variational
from learn.methods.diffusion import NET
from learn.methods.variational import LEAST_SHARE, SCHEDULE, Learned, Schedule, unlikeness
from learn.methods.variational import Variational as Method
from learn.nets.denoiser import Separate, denoiser
from learn.normalize import Normalizer
from learn.sampler import Sampler
from learn.train import fit


def method(**fields: Any) -> Method:
    config = Train.model_construct(method=Variational(**fields), net=UNet(width=4, n_levels=2, n_embedding=8))
    kind = about(inputs=("dmo",))
    return Method(config, Normalizer.fit([batch(kind, 8, seed=9)]), kind)


def uneven(n: int = 8) -> Schedule:
    schedule = Schedule(-4.0, 4.0, n)
    torch.nn.init.normal_(schedule.logits, generator=torch.Generator().manual_seed(0))
    return schedule


def test_levels_rise_from_end_to_end_and_their_density_is_normalised() -> None:
    schedule, u = uneven(), torch.linspace(0, 1, 4001, dtype=torch.float64)
    with torch.no_grad():
        at, log_density = schedule(u)
    assert (at.diff() > 0).all()
    assert at[0] == pytest.approx(-4)
    assert at[-1] == pytest.approx(4)
    middle = 0.5 * (torch.exp(log_density[1:].double()) + torch.exp(log_density[:-1].double()))
    assert float((middle * at.diff()).sum()) == pytest.approx(1, abs=2e-3)
    slope = at.diff()[2000] / u.diff()[2000]
    assert float(torch.exp(-log_density[2000])) == pytest.approx(float(slope), rel=1e-3)


def test_before_it_has_learned_all_levels_are_alike() -> None:
    at, log_density = Schedule(-5.0, 4.0, 16)(torch.tensor([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(at, [-5.0, -0.5, 4.0], atol=1e-6)
    np.testing.assert_allclose(log_density.detach(), -np.log(9), atol=1e-6)


def test_it_learns_shares_as_the_rms_errors_are() -> None:
    schedule, rms = Schedule(0.0, 4.0, 4), torch.tensor([1.0, 2.0, 3.0, 4.0])
    optimizer = torch.optim.Adam(schedule.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(0)
    for _ in range(1500):
        at, log_density = schedule(torch.rand(512, generator=generator))
        bound = rms[at.floor().long().clamp(max=3)] / torch.exp(log_density).detach()
        optimizer.zero_grad()
        unlikeness(bound, log_density).backward()
        optimizer.step()
    np.testing.assert_allclose(schedule.shares().detach(), rms / rms.sum(), atol=0.03)
    assert schedule.shares().min() >= LEAST_SHARE / 4


def test_samples_begin_without_signal_and_end_without_noise() -> None:
    made = method()
    times = Learned(uneven(), made.objective.path).grid(5, (0.05, 40.0))
    assert times[0] == 1
    assert times[-1] == 0
    assert (times.diff() < 0).all()
    assert len(made.steps({SCHEDULE: uneven()})) == 25


def test_the_bound_is_the_same_whatever_the_schedule() -> None:
    made, shown = method(dropout=0.0), batch(about(inputs=("dmo",)), 64)
    nets = made.build()

    def bound(schedule: Schedule) -> float:
        values = []
        for i in range(40):
            seeds = torch.arange(64) + 1000 * i
            with torch.no_grad():
                values.append(made.loss(NET, {**nets, SCHEDULE: schedule}, replace(shown, seeds=seeds))[0])
        return float(torch.stack(values).mean())

    even, other = bound(Schedule(-5.0, 4.0, 32)), Schedule(-5.0, 4.0, 32)
    torch.nn.init.normal_(other.logits, generator=torch.Generator().manual_seed(0))
    assert bound(other) == pytest.approx(even, rel=0.05)


def test_phases_leave_each_other_alone() -> None:
    made, shown = method(every=2), batch(about(inputs=("dmo",)))
    assert [made.phases(step) for step in range(3)] == [(NET, SCHEDULE), (NET,), (NET, SCHEDULE)]
    nets = made.build()
    made.loss(NET, nets, shown)[0].backward()
    assert all(x.grad is None for x in nets[SCHEDULE].parameters())
    for x in nets[NET].parameters():
        x.grad = None
    made.loss(SCHEDULE, nets, shown)[0].backward()
    assert all(x.grad is None for x in nets[NET].parameters())
    assert all(x.grad is not None for x in nets[SCHEDULE].parameters())


def test_it_trains_and_samples(toy_pairs: Path, tmp_path: Path) -> None:
    config = Train(
        data=toy_pairs,
        out=tmp_path / "run",
        method=Variational(sampler=Sampling(n_steps=3), empty=("stars",)),
        net=UNet(width=4, n_levels=2, n_embedding=8),
        optimizer=Optimizer(lr=1e-2, n_warmup=1, ema=0.5),
        n_steps=4,
        batch_size=4,
        validate_every=2,
    )
    last = list(fit(config))[-1]
    assert np.isfinite(last.metrics["val/loss"])
    sampler = Sampler.load(config.out / "final")
    inputs = batch(about(inputs=("dmo",), n_pixels=16), 2).inputs.numpy()
    assert sampler([1, 2], None, inputs).shape == (2, 3, 16, 16)


def test_separate_channels_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    net = denoiser(UNet(width=4, n_levels=2, n_embedding=8), 5, 3, 2, 2, joint=False)
    assert isinstance(net, Separate)
    for x in net.parameters():
        torch.nn.init.normal_(x, std=0.2)
    shown, params, level = torch.randn(2, 5, 8, 8), torch.randn(2, 2), torch.rand(2)
    before = net(shown, params, level)
    assert before.shape == (2, 3, 8, 8)
    changed = shown.clone()
    changed[:, 1] += 1
    moved = (net(changed, params, level) - before).abs().amax((0, 2, 3))
    assert moved[1] > 0
    assert moved[0] == moved[2] == 0
    changed[:, 4] += 1
    assert ((net(changed, params, level) - before).abs().amax((0, 2, 3)) > 0).all()
