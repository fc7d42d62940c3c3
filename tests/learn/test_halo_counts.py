"""Methods that count halos: whole numbers by seed alone, exact translation, learning, resuming, sharing the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import assert_same_state, fit_on_two_workers, weights
from torch import Tensor, nn
from toy_counts import opened

from configs import Optimizer, Train
from learn import checkpoint
from learn.methods import Counts, Wgan, wgan
from learn.methods.counts import NET
from learn.methods.halo_counts import Draw, pooled
from learn.methods.noise import successors
from learn.methods.wgan import CRITIC, GENERATOR, slope_penalty
from learn.prepare import Local
from learn.schedule import ema_decay
from learn.sources import open_source
from learn.train import Run, adamw, fit

Make = Callable[..., Train]
KINDS = ("counts", "wgan")
OCCUPATION = {"kind": "counts", "likelihood": "occupation"}
ROUNDS = OCCUPATION | {"rounds": 3}
LIKELIHOODS = [{"kind": "counts", "likelihood": name} for name in ("poisson", "negative_binomial", "occupation")]


def random_nets(method: Counts | Wgan, std: float = 0.2) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    nets = method.build()
    for net in nets.values():
        for parameter in net.parameters():
            nn.init.normal_(parameter, std=std)
    return nets


def whole_box(config: Train) -> tuple[Tensor, Tensor]:
    source = open_source(config.data.model_copy(update={"patch": None}), "test")
    batch = source.read([0])
    return batch.inputs, batch.params


@pytest.mark.parametrize("kind", [*KINDS, OCCUPATION, ROUNDS])
def test_a_new_model_knows_the_mean_count_and_no_more(count_train: Make, kind: str | dict[str, str]) -> None:
    method, batch = opened(count_train(kind))
    torch.manual_seed(0)
    nets = method.build()
    drawn = torch.cat([method.halos.draws_of(method, nets, batch.inputs, batch.params, batch.seeds, 8)])
    mean = torch.tensor(method.halos.normalizer.targets.x0)
    torch.testing.assert_close(drawn.mean((0, 1, 3, 4, 5)), mean, rtol=0.15, atol=0.01)


@pytest.mark.parametrize("kind", [*KINDS, OCCUPATION, ROUNDS])
def test_counts_are_whole_numbers_from_zero_up_and_the_draw_of_their_seed(
    count_train: Make, kind: str | dict[str, str]
) -> None:
    config = count_train(kind)
    method, _ = opened(config)
    nets, (inputs, params) = random_nets(method), whole_box(config)
    wide, given = inputs.repeat(3, 1, 1, 1, 1), params.repeat(3, 1)
    with torch.no_grad():
        every = method.predict(nets, wide, given, torch.tensor([5, 6, 5]))
        alone = method.predict(nets, inputs, params, torch.tensor([6]))
    assert every.shape == (3, 2, 12, 12, 12)
    assert torch.equal(every, every.round())
    assert every.min() == 0
    assert every.max() > 1
    assert torch.equal(every[0], every[2])
    assert not torch.equal(every[0], every[1])
    assert (every[1] == alone[0]).float().mean() > 0.999


@pytest.mark.parametrize("kind", [*KINDS, OCCUPATION, ROUNDS])
def test_a_moved_box_with_moved_noise_has_moved_halos(count_train: Make, kind: str | dict[str, str]) -> None:
    config = count_train(kind)
    method, _ = opened(config)
    nets, (inputs, params) = random_nets(method), whole_box(config)
    drawn = method.halos.drawn(torch.tensor([1]), (12,) * 3, (12,) * 3)

    def counted(by: int) -> Tensor:
        box, normals, uniforms = (torch.roll(x, (by, 2 * by, 0), (2, 3, 4)) for x in (inputs, *vars(drawn).values()))
        shown, moved = method.halos.wrapped(box), Draw(method.halos.wrapped(normals), uniforms)
        with torch.no_grad():
            return method.halos.in_rounds(
                shown, normals, lambda seen: method.count(nets, seen, params, moved), is_box=True
            )

    for by in (1, 5):
        assert torch.equal(counted(by), torch.roll(counted(0), (by, 2 * by, 0), (2, 3, 4)))


def test_inputs_are_whole_boxes_or_have_their_margin(count_train: Make) -> None:
    method, batch = opened(count_train())
    assert method.halos.surrounded(batch.inputs, (6, 6, 6)) is batch.inputs
    box = torch.rand(1, 1, 6, 6, 6)
    around = method.halos.surrounded(box, (6, 6, 6))
    assert torch.equal(around[..., 2:-2, 2:-2, 2:-2], box)
    assert torch.equal(around[..., :2, 2:-2, 2:-2], box[..., -2:, :, :])
    with pytest.raises(ValueError, match="density: cells with 2 around them, or a whole box"):
        method.halos.surrounded(box, (5, 5, 5))


def test_the_loss_is_the_likelihood_of_a_cell(count_train: Make) -> None:
    method, batch = opened(count_train(LIKELIHOODS[0]))
    nets = random_nets(method)
    loss, _ = method.loss(NET, nets, batch)
    expected = method.expected(nets, batch.inputs, batch.params)
    assert expected.dispersion is None
    by_hand = torch.distributions.Poisson(expected.mean.double()).log_prob(batch.targets.double()).sum(1).mean()
    assert loss.item() == pytest.approx(-by_hand.item(), rel=1e-5)


@pytest.mark.parametrize("method", LIKELIHOODS)
def test_the_likelihood_of_truth_is_learned_and_beats_the_mean_count(count_train: Make, method: dict[str, str]) -> None:
    model, batch = opened(count_train(method))
    torch.manual_seed(0)
    nets = model.build()
    optimizer = adamw(nets[NET], Optimizer(lr=2e-2))
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss, _ = model.loss(NET, nets, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1
    with torch.no_grad():
        rate = model.expected(nets, batch.inputs, batch.params).mean
    r = np.corrcoef(rate[:, 0].flatten(), batch.inputs[:, 0, 2:-2, 2:-2, 2:-2].flatten())[0, 1]
    assert r > 0.8


def test_the_penalty_is_zero_for_a_critic_of_unit_slope_whatever_the_batch() -> None:
    torch.manual_seed(0)
    way = torch.randn(2, 3, 3, 3)
    way /= way.norm()
    for n in (1, 5):
        points = torch.randn(n, 2, 3, 3, 3, requires_grad=True)
        unit, steep = (slope_penalty((points * by * way).flatten(1).sum(1), points).item() for by in (1, 3))
        assert unit == pytest.approx(0, abs=1e-6)
        assert steep == pytest.approx(4, rel=1e-4)


def test_the_penalty_is_of_each_row_and_can_be_descended() -> None:
    factor = torch.tensor([0.5, 2.0], requires_grad=True)
    points = torch.randn(2, 1, 2, 2, 2, requires_grad=True)
    said = factor * points.flatten(1)[:, 0]
    penalty = slope_penalty(said, points)
    assert penalty.item() == pytest.approx((0.25 + 1) / 2, rel=1e-5)
    penalty.backward()
    np.testing.assert_allclose(factor.grad, [-0.5, 1.0], rtol=1e-5)
    flat = torch.zeros(2, 1, 2, 2, 2, requires_grad=True)
    slope_penalty((flat * 0 * factor[0]).flatten(1).sum(1), flat).backward()
    assert torch.isfinite(factor.grad).all()


def test_the_penalty_is_taken_between_true_and_false_halos_at_shares_of_their_seeds(
    count_train: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, batch = opened(count_train("wgan"))
    nets, points = random_nets(method), []

    def kept(said: Tensor, at: Tensor) -> Tensor:
        points.append(at.detach())
        return slope_penalty(said, at)

    monkeypatch.setattr(wgan, "slope_penalty", kept)
    true = method._scaled(batch.targets)
    with torch.no_grad():
        false = method._scaled(method._fakes(nets, batch.inputs, batch))
    losses = [method.loss(CRITIC, nets, batch)[0].item() for _ in range(2)]
    assert losses[0] == losses[1]
    share = torch.stack([((at - true) * (false - true)).flatten(1).sum(1) for at in points])
    share = share / (false - true).square().flatten(1).sum(1)
    assert torch.equal(share[0], share[1])
    assert share.min() > 0
    assert share.max() < 1
    assert share[0].std() > 0.1
    torch.testing.assert_close(points[0], true + share[0].reshape(-1, 1, 1, 1, 1) * (false - true))


def test_averages_of_both_networks_follow_them(count_train: Make) -> None:
    run = Run(count_train("wgan"), Local(), None)
    for step in range(1, 4):
        before = {name: [p.clone() for p in net.parameters()] for name, net in run.ema.items()}
        run.advance()
        for name, net in run.ema.items():
            moved = zip(before[name], run.nets[name].parameters(), net.parameters(), strict=True)
            for old, raw, new in moved:
                torch.testing.assert_close(new, old + (1 - ema_decay(0.9, step)) * (raw - old))


def test_the_critic_has_its_steps_before_the_generator_has_one(count_train: Make) -> None:
    method, _ = opened(count_train({"kind": "wgan", "n_critic": 3, "critic_levels": 1}))
    assert [len(method.phases(step)) for step in range(6)] == [1, 1, 2, 1, 1, 2]
    assert method.phases(2) == (CRITIC, GENERATOR)


def test_the_gradient_of_counts_is_that_of_their_mean(count_train: Make) -> None:
    method, batch = opened(count_train("wgan"))
    nets = random_nets(method)
    drawn = method.halos.drawn(batch.seeds, tuple(batch.inputs.shape[-3:]), (6, 6, 6))
    counts = method.count(nets, batch.inputs, batch.params, drawn)
    answer = method.halos.answer(nets[GENERATOR], batch.inputs, batch.params, drawn.normals)
    rates = method.halos.rates(answer)
    parameters = list(nets[GENERATOR].parameters())
    for a, b in zip(
        torch.autograd.grad(counts.sum(), parameters), torch.autograd.grad(rates.sum(), parameters), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    many = torch.stack(
        [
            method.count(
                nets, batch.inputs, batch.params, Draw(drawn.normals, torch.rand_like(drawn.uniforms))
            ).detach()
            for _ in range(400)
        ]
    )
    torch.testing.assert_close(many.mean(0), rates.detach(), rtol=0.1, atol=0.15)


def test_bins_of_a_cell_are_rounded_together_and_each_has_its_mean() -> None:
    rates = torch.tensor([[0.3, 0.0], [0.5, 1.7], [0.1, 0.4]])[None, :, :, None, None].expand(20_000, -1, -1, 1, 1)
    uniforms = torch.rand(rates.shape, generator=torch.Generator().manual_seed(0))
    counts = wgan.counted(rates, uniforms)
    assert counts.min() == 0
    assert torch.equal(counts, counts.round())
    torch.testing.assert_close(counts.mean(0), rates[0], rtol=0, atol=0.015)
    total = counts.sum(1)
    assert set(total[:, 0].flatten().tolist()) == {0.0, 1.0}
    assert set(total[:, 1].flatten().tolist()) == {2.0, 3.0}


def test_an_anchor_weighs_the_likelihood_of_poisson_beside_the_critic(count_train: Make) -> None:
    told = {"kind": "wgan", "n_critic": 1, "critic_width": 4, "critic_levels": 1}
    free, batch = opened(count_train(told))
    held, _ = opened(count_train(told | {"anchor": 3.0}))
    nets = random_nets(free)
    losses = [method.loss(GENERATOR, nets, batch)[0] for method in (free, held)]
    drawn = free.halos.drawn(batch.seeds, tuple(batch.inputs.shape[-3:]), (6, 6, 6))
    rates = free.rates(nets, batch.inputs, batch.params, drawn.normals)
    by_hand = torch.distributions.Poisson(rates).log_prob(batch.targets) + torch.lgamma(batch.targets + 1)
    assert (losses[1] - losses[0]).item() == pytest.approx(-3 * by_hand.sum(1).mean().item(), rel=1e-4)
    fakes = free._scaled(free._fakes(nets, batch.inputs, batch))
    said = free._judge(nets, batch.inputs, batch.params)(fakes)
    assert losses[0].item() == pytest.approx(-said.mean().item() / (2 * 6**3) ** 0.5, rel=1e-5)


def test_a_critic_that_is_trained_tells_false_halos_from_true_ones_and_a_generator_learns(count_train: Make) -> None:
    method, batch = opened(count_train({"kind": "wgan", "n_critic": 1, "critic_width": 8, "critic_levels": 1}))
    torch.manual_seed(0)
    nets = method.build()
    optimizers = {name: adamw(net, Optimizer(lr=1e-2, betas=(0.0, 0.9))) for name, net in nets.items()}

    def step(phase: str) -> dict[str, Tensor]:
        optimizers[phase].zero_grad()
        loss, seen = method.loss(phase, nets, batch)
        loss.backward()
        optimizers[phase].step()
        return {"loss": loss.detach(), **seen}

    first = step(CRITIC)["distance"]
    for _ in range(40):
        last = step(CRITIC)["distance"]
    assert last > first + 0.05
    before = {name: value.clone() for name, value in nets[GENERATOR].state_dict().items()}

    def believed() -> float:
        fakes = method._scaled(method._fakes(nets, batch.inputs, batch))
        return method._judge(nets, batch.inputs, batch.params)(fakes).mean().item()

    at_first = believed()
    losses = [float(step(GENERATOR)["loss"]) for _ in range(30)]
    assert losses[-1] < losses[0]
    assert believed() > at_first + 0.1 * abs(at_first)
    assert any(not torch.equal(value, before[name]) for name, value in nets[GENERATOR].state_dict().items())


def test_the_critic_sees_counts_that_scatter_alike_and_whose_slope_at_nothing_is_that_at_one(count_train: Make) -> None:
    method, _ = opened(count_train("wgan"))
    assert isinstance(method, Wgan)
    for mean in (1e-3, 0.1, 2.0, 100.0):
        scale = method.normalizer.targets.model_copy(update={"x0": (mean, mean)})
        method.halos.normalizer = method.normalizer.model_copy(update={"targets": scale})
        counts = torch.poisson(torch.full((1, 2, 40, 40, 40), mean), torch.Generator().manual_seed(1))
        np.testing.assert_allclose(method._scaled(counts).std((0, 2, 3, 4)), 1, rtol=0.3)
        ends = torch.tensor([0.0, 1.0]).repeat(1, 2, 1)[..., None, None].requires_grad_()
        (slopes,) = torch.autograd.grad(method._scaled(ends).sum(), ends)
        assert 1 < float(slopes[0, 0, 0] / slopes[0, 0, 1]) < 2
        assert method._scaled(torch.zeros(1, 2, 1, 1, 1)).abs().max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_resumed_is_the_run_that_never_stopped_bit_for_bit(count_train: Make, tmp_path: Path, kind: str) -> None:
    config = count_train(kind)
    whole = list(fit(config))
    stopped = config.model_copy(update={"out": tmp_path / "stopped"})
    next(p for p in fit(stopped) if p.step == 3)
    torch.randn(3)
    resumed = list(fit(stopped, resume=checkpoint.latest(stopped.out)))
    assert [p.metrics for p in resumed] == [p.metrics for p in whole[2:]]
    last = checkpoint.latest(stopped.out)
    assert weights(whole[-1].checkpoint) == weights(last)
    assert_same_state(checkpoint.load_resume(whole[-1].checkpoint), checkpoint.load_resume(last))
    assert {"val/loss", "val/crps", "val/empty"} <= set(whole[-1].metrics)


@pytest.mark.parametrize("kind", KINDS)
def test_two_workers_train_the_model_of_one(
    count_train: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    config = count_train(kind, n_steps=4)
    one = list(fit(config))
    two = fit_on_two_workers(config.model_copy(update={"out": tmp_path / "two"}), monkeypatch)
    for p, q in zip(one, two, strict=True):
        assert p.metrics.keys() == q.metrics.keys()
        losses = [[m.metrics[name] for name in sorted(p.metrics) if name.endswith("loss")] for m in (p, q)]
        np.testing.assert_allclose(losses[1], losses[0], rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_in_parts_has_the_gradient_of_the_whole(count_train: Make, kind: str) -> None:
    found = []
    for n in (1, 3):
        run = Run(count_train(kind, n_accumulate=n), Local(), None)
        for phase in run.method.phases(1):
            for net in run.nets.values():
                net.zero_grad()
            run._accumulate(phase, run.batches.at(1))
            found.append(torch.cat([p.grad.flatten() for p in run.nets[phase].parameters()]))
    half = len(found) // 2
    for a, b in zip(found[:half], found[half:], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)
        assert a.abs().max() > 0


def test_betas_and_learning_rates_are_those_of_each_network(count_train: Make) -> None:
    optimizer = Optimizer(lr=1e-3, betas=(0.0, 0.9), lr_factors={"critic": 4.0}, n_warmup=0)
    run = Run(count_train("wgan", optimizer=optimizer), Local(), None)
    run.advance()
    run.advance()
    rates = {name: one.param_groups[0]["lr"] for name, one in run.optimizers.items()}
    assert rates["critic"] == pytest.approx(4 * rates["generator"], rel=1e-9)
    assert {one.param_groups[0]["betas"] for one in run.optimizers.values()} == {(0.0, 0.9)}
    with pytest.raises(ValueError, match=r"optimizer\.lr_factors: any of generator, critic, got painter"):
        Run(count_train("wgan", optimizer=Optimizer(lr_factors={"painter": 2.0})), Local(), None)


def test_scores_prefer_draws_of_the_true_distribution(count_train: Make) -> None:
    method, _ = opened(count_train())
    torch.manual_seed(0)
    rate = torch.rand(40, 2, 6, 6, 6) * 2
    truth = torch.poisson(rate)
    good = torch.stack([torch.poisson(rate) for _ in range(8)])
    found = {
        "right": method.halos.scores(good, truth),
        "too many": method.halos.scores(torch.stack([torch.poisson(1.2 * rate) for _ in range(8)]), truth),
        "too smooth": method.halos.scores(rate.round().expand(8, *rate.shape), truth),
        "shuffled": method.halos.scores(good[:, torch.randperm(40)], truth),
    }
    assert min(found, key=lambda name: float(found[name]["crps"])) == "right"
    assert float(found["too many"]["excess_halos_12_13"]) > 0.1
    assert abs(float(found["right"]["empty"])) < 0.01


def test_pools_keep_the_number_of_halos() -> None:
    counts = torch.randint(0, 5, (3, 2, 1, 4, 4, 4)).float()
    for side in (1, 2, 4):
        torch.testing.assert_close(pooled(counts, side).square().sum(), counts.sum())


def test_seeds_of_draws_are_apart() -> None:
    assert len(set(successors(torch.tensor([1, 2]), 8).tolist())) == 16
