"""Diffusion of fields: what a sample depends on, and what it must not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_boxes import simulation
from torch import Tensor, nn
from toy_fields import about, batch, fields, method, smooth

from configs import Diffusion as DiffusionConfig
from configs import DiT, Sampling, Train, UNet
from learn.data import Batch
from learn.methods import Diffusion
from learn.methods.diffusion import NET
from learn.methods.noise import Streams
from learn.methods.objectives import objective_of
from learn.sampler import Sampler, seeds_of
from learn.specimen import specimen
from learn.train import fit

NETS = {"unet": UNet(width=8, n_levels=2, n_embedding=8), "dit": DiT(kind="dit", width=16, n_blocks=1, n_heads=2)}
OBJECTIVES = ("eps", "v", "edm", "flow")
FEW = {"kind": "dpmpp_2m", "n_steps": 3}


def loud(method: Diffusion, *, seed: int = 0) -> dict[str, nn.Module]:
    """Networks that answer something, as they are when they sample."""
    nets = method.build()
    for i, parameter in enumerate(nets[NET].parameters()):
        nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(seed + i))
    nets[NET].eval()
    return nets


def predicted(method: Diffusion, nets: dict[str, nn.Module], shown: Batch, seeds: Tensor) -> Tensor:
    with torch.inference_mode():
        return method.predict(nets, shown.inputs, shown.params, seeds)


@pytest.mark.parametrize("n_dims", [2, 3])
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("inputs", [(), ("dmo", "wide")])
def test_maps_and_cubes_with_and_without_inputs(n_dims: int, net: str, inputs: tuple[str, ...]) -> None:
    kind = about(n_dims, inputs=inputs)
    made, shown = method(kind, net=NETS[net], sampler=FEW), batch(kind)
    nets = loud(made)
    loss, _ = made.loss(NET, nets, shown)
    loss.backward()
    silent = [name for name, p in nets[NET].named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []
    samples = predicted(made, nets, shown, shown.seeds)
    assert samples.shape == shown.targets.shape
    assert samples.min() >= 0
    changes = [{"params": shown.params + 0.1}, *([{"inputs": 2 * shown.inputs}] if inputs else [])]
    for change in changes:
        assert not torch.allclose(predicted(made, nets, replace(shown, **change), shown.seeds), samples)


@pytest.mark.parametrize("name", ["ddpm", "dpmpp_2m", "heun"])
@pytest.mark.parametrize("net", NETS)
def test_a_seed_gives_a_sample_whatever_is_drawn_beside_it(net: str, name: str) -> None:
    kind = about()
    made, shown = method(kind, net=NETS[net], sampler={"kind": name, "n_steps": 3}), batch(kind)
    nets = loud(made)
    together = predicted(made, nets, shown, torch.tensor([5, 6, 5, 7]))
    alone = predicted(made, nets, list(shown.parts(4))[2], torch.tensor([5]))
    np.testing.assert_allclose(alone[0], together[2], rtol=1e-4)
    assert not torch.allclose(together[0], together[1], rtol=1e-2)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_map_is_denoised_without_a_look_at_its_neighbours(objective: str) -> None:
    kind = about()
    made, shown = method(kind, objective=objective), batch(kind)
    nets = loud(made)
    start = Streams(shown.seeds).normal((1, 8, 8))
    with torch.inference_mode():
        samples = made.sample(nets, shown.inputs, shown.params, start, Streams(shown.seeds))
        start[1:], shown.params[1:] = start[1:] + 1, shown.params[1:] + 1
        others = made.sample(nets, shown.inputs, shown.params, start, Streams(shown.seeds))
    np.testing.assert_allclose(others[0], samples[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(others[1], samples[1], rtol=1e-2)


@pytest.mark.parametrize("n_dims", [2, 3])
@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m", "heun"])
def test_rolling_the_noise_rolls_the_sample_to_the_last_bit(name: str, n_dims: int) -> None:
    kind = about(n_dims, n_pixels=32 if n_dims == 2 else 8)
    made = method(kind, net=UNet(width=8, n_levels=3, n_embedding=8), sampler={"kind": name, "n_steps": 5})
    shown, axes = batch(kind, 1), tuple(range(2, 2 + n_dims))
    nets = loud(made)
    start = Streams(shown.seeds).normal(tuple(shown.targets.shape[1:]))

    def sample(noise: Tensor) -> Tensor:
        with torch.inference_mode():
            return made.sample(nets, shown.inputs, shown.params, noise, Streams(shown.seeds))

    out = sample(start)
    assert out.std() > 0.1
    for shift in ((4, -4, 4), (-8, 12, 0), (0, 4, 8)):
        assert torch.equal(sample(start.roll(shift[:n_dims], axes)), out.roll(shift[:n_dims], axes))
    odd = sample(start.roll((1,) * n_dims, axes))
    assert not torch.allclose(odd, out.roll((1,) * n_dims, axes), rtol=1e-3)


def test_guidance_of_one_is_no_guidance_and_more_is_further_from_what_no_condition_gives() -> None:
    kind = about()
    shown = batch(kind)

    def sample(guidance: float, told: Batch = shown) -> Tensor:
        made = method(kind, sampler={"kind": "ddim", "n_steps": 1, "guidance": guidance})
        start = Streams(told.seeds).normal((1, 8, 8))
        with torch.inference_mode():
            return made.sample(loud(made), told.inputs, told.params, start, Streams(told.seeds))

    conditional, free = sample(1.0), sample(0.0)
    np.testing.assert_allclose(sample(1.0 + 1e-7), conditional, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(sample(3.0), free + 3 * (conditional - free), rtol=1e-3, atol=1e-3)
    other = replace(shown, params=shown.params + 0.1)
    assert torch.equal(sample(0.0, other), free)
    assert not torch.allclose(sample(1.0, other), conditional, rtol=1e-2)


def test_hidden_conditions_are_as_many_as_asked_and_never_among_what_is_validated() -> None:
    kind = about(inputs=("wide",))
    shown = batch(kind, 400)
    made = method(kind, dropout=0.25)
    nets = loud(made)
    seen: list[Tensor] = []
    nets[NET].embed.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    made.loss(NET, nets, shown)
    hidden = seen[0][:, -1] == 0
    assert 0.18 < hidden.float().mean() < 0.32
    assert torch.count_nonzero(seen[0][hidden]) == 0
    assert (seen[0][~hidden, :-1] != 0).all()
    made.validate(nets, shown)
    assert all((told[:, -1] == 1).all() for told in seen[1:])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_share_of_the_draws_has_noise_as_the_steps_of_the_sampler_have_it(objective: str) -> None:
    u = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    logs, told = {}, {"objective": objective, "sampler": {"noise_range": (0.05, 40.0)}}
    for even in (0.0, 0.4):
        objectives = objective_of(DiffusionConfig(even=even, **told))
        times = objectives.times.drawn(u)
        logs[even] = torch.log(objectives.path.noise(times) / objectives.path.signal(times)).numpy()
    for low, high in ((-2.0, 0.0), (np.log(5), np.log(20)), (np.log(41), np.inf)):
        plain, mixed = (np.mean((x > low) & (x < high)) for x in logs.values())
        steps = (high - low) / np.log(40 / 0.05) if np.isfinite(high) else 0
        assert mixed == pytest.approx(0.6 * plain + 0.4 * steps, abs=1e-4)
    grids = [objective_of(DiffusionConfig(even=even, **told)).times.grid(9, (0.05, 40.0)) for even in (0.0, 0.4)]
    assert torch.equal(*grids)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_loss_of_a_map_is_that_of_its_seed(objective: str) -> None:
    kind = about()
    made, shown = method(kind, objective=objective), batch(kind, 6)
    nets = loud(made)
    whole = made.loss(NET, nets, shown)[0]
    parts = torch.stack([made.loss(NET, nets, part)[0] for part in shown.parts(3)])
    np.testing.assert_allclose(parts.mean().detach(), whole.detach(), rtol=1e-4)
    other = replace(shown, seeds=shown.seeds + 100)
    assert not torch.allclose(made.loss(NET, nets, other)[0], whole, rtol=1e-4)


def test_bright_pixels_weigh_more_and_the_mean_stays_the_best_estimate() -> None:
    made = method(about(), bright=0.5)
    said = torch.tensor([[0.0, 2.0, 8.0]], requires_grad=True)
    weights = made._weights(said)
    np.testing.assert_allclose(weights.detach(), np.array([[1, 3, 33]]) / (37 / 3), rtol=1e-6)
    truth = said.detach() + torch.tensor([-1.0, 0.0, 4.0])[:, None] * torch.ones(3)  # what one noisy field may be of
    (weights * (said - truth).square()).sum().backward()
    shift = truth.mean(0) - said.detach()
    assert said.grad is not None
    np.testing.assert_allclose(said.grad, -6 * weights.detach() * shift, rtol=1e-5)  # 0 where the mean is said
    nets, shown = loud(made), batch(about())
    losses = [float(method(about(), bright=bright).loss(NET, nets, shown)[0].detach()) for bright in (0.0, 0.5)]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_network_that_answers_nothing_errs_by_the_variance_of_the_answer(objective: str) -> None:
    kind = about(n_pixels=16)
    made, shown = method(kind, objective=objective), batch(kind, 64)
    expected = {"flow": 2.0, "eps": 0.5}.get(objective, 1.0)  # eps: what the noisy field leaves open of the noise
    loss = made.validate(made.build(), shown)["loss"]
    np.testing.assert_allclose(loss.detach(), expected, rtol=0.1)


class Misled(nn.Module):
    """Knows the fields but for an error of 0.1, and answers what it is asked for."""

    def __init__(self, made: Diffusion, fields: Tensor, base: Tensor | None = None) -> None:
        super().__init__()
        self.made, self.x0 = made, made.normalizer.targets.forward(fields, base)

    def forward(self, seen: Tensor, _params: Tensor, told: Tensor) -> Tensor:
        angle = (torch.pi / 2 * told.double())[:, None, None, None]
        t = self.made.objective.path.time_of(torch.tan(angle))
        signal, noise = self.made.objective.path.signal(t), self.made.objective.path.noise(t)
        wrong, objective, seen = self.x0 + 0.1, self.made.objective, seen[:, :1]
        answer = objective.answer(wrong, (seen - signal * wrong) / noise, signal, noise)
        keep, scale = objective.known(signal, noise) if objective.known else (0.0, 1.0)
        return ((answer - keep * seen) / scale).float()


@pytest.mark.parametrize("kind", ["ddim", "dpmpp_2m", "heun"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_network_that_has_learned_little_makes_fields_of_no_more_than_their_variance(
    objective: str, kind: str
) -> None:
    """Where the signal is small, an error of the noise is one of the field many times over."""
    shape = about(n_pixels=16)
    made, shown = method(shape, objective=objective, sampler={"kind": kind, "n_steps": 25}), batch(shape, 8)
    nets = made.build()
    start = Streams(shown.seeds).normal((1, 16, 16))

    def spread_of(said: float) -> float:
        nn.init.constant_(nets[NET].head.conv.bias, said)
        with torch.inference_mode():
            return float(made.sample(nets, shown.inputs, shown.params, start, Streams(shown.seeds)).square().mean())

    assert spread_of(0.0) < 1.2
    assert spread_of(0.05) < 1.4


def test_the_same_error_is_the_same_measure_for_every_objective() -> None:
    kind = about()
    shown = batch(kind)
    every = [method(kind, objective=objective) for objective in OBJECTIVES]
    measured = [made.validate({NET: Misled(made, shown.targets)}, shown)["velocity"] for made in every]
    angles = np.pi / 2 * (np.arange(8) + 0.5) / 8
    np.testing.assert_allclose(torch.stack(measured), np.mean(0.01 / np.sin(angles) ** 2), rtol=1e-3)


@pytest.mark.parametrize("offset", [1.0, 0.05])
def test_fields_go_through_the_normaliser_and_back_without_a_clamp_in_their_bulk(offset: float) -> None:
    kind = about(n_pixels=32)
    fields = torch.from_numpy(smooth(8, (32, 32), np.random.default_rng(1)))
    scale = type(method(kind).normalizer).fit([batch(kind, 8, seed=9)], offset=offset).targets
    assert scale.x0[0] == pytest.approx(offset * float(batch(kind, 8, seed=9).targets.mean()), rel=1e-5)
    back = scale.inverse(scale.forward(fields))
    np.testing.assert_allclose(back, fields, rtol=3e-5)


def test_no_sample_is_brighter_than_training_ever_was() -> None:
    kind = about()
    made, shown = method(kind, net=NETS["unet"], sampler=FEW), batch(kind)
    nets, scale = loud(made), made.normalizer.targets
    free = predicted(made, nets, shown, shown.seeds)
    bound = float(free.median())
    dark = scale.model_copy(update={"high": tuple(scale.forward(torch.full((1, 1, 1), bound)).flatten().tolist())})
    made.normalizer = made.normalizer.model_copy(update={"targets": dark})
    np.testing.assert_allclose(predicted(made, nets, shown, shown.seeds), free.clamp(max=bound), rtol=1e-5)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_residuals_become_fields_around_what_they_are_shown_with(objective: str) -> None:
    kind = about(inputs=("dmo",))
    made, shown = method(kind, objective=objective, residual=("dmo",)), batch(kind)
    scale = made.normalizer.targets
    net = Misled(made, shown.targets, shown.inputs)
    expected = scale.inverse(scale.bounded(net.x0 + 0.1), shown.inputs)
    samples = made.predict({NET: net}, shown.inputs, shown.params, shown.seeds)
    np.testing.assert_allclose(samples, expected, rtol=0.01)
    measured = made.validate({NET: net}, shown)["velocity"]
    angles = np.pi / 2 * (np.arange(8) + 0.5) / 8
    np.testing.assert_allclose(measured, np.mean(0.01 / np.sin(angles) ** 2), rtol=1e-3)


@pytest.fixture
def generating(toy_train: Train) -> Train:
    """Six steps of a tiny diffusion model of painted fields, given the dark matter."""
    told: dict[str, Any] = {"kind": "diffusion", "sampler": FEW}
    return Train.model_validate(toy_train.model_dump() | {"method": told})


def test_a_model_on_disk_samples_with_its_averaged_weights(generating: Train, toy_pairs: Path) -> None:
    list(fit(generating))
    folder = generating.out / "final"
    sampler = Sampler.load(folder)
    assert sampler.shape == (3, 16, 16)
    inputs = np.exp(np.random.default_rng(0).normal(size=(4, 1, 16, 16))).astype(np.float32) * 1e12
    params = np.tile(sampler.params_from({}), (4, 1))
    samples = sampler([7, 8, 7, 9], params, inputs)
    assert samples.shape == (4, 3, 16, 16)
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(sampler([9], params[3:], inputs[3:])[0], samples[3])
    assert not np.allclose(samples[0], samples[2], rtol=1e-2)  # another input
    by_method = sampler._method.predict(
        sampler._nets, torch.tensor(inputs[:1]), torch.tensor(params[:1]), torch.tensor([7])
    )
    np.testing.assert_allclose(by_method.detach(), samples[:1], rtol=1e-4)
    raw = Sampler.load(folder, sampling=Sampling(kind="ddim", n_steps=2))
    assert raw.meta.config.method.sampler.n_steps == 2
    assert not np.allclose(raw([7], params[:1], inputs[:1]), samples[:1], rtol=1e-2)
    for call, words in (
        (lambda: sampler([7], params[:1]), r"inputs: 1 of 1 channels \(dmo\)"),
        (lambda: sampler([7], params[:1], -inputs[:1]), "finite densities >= 0"),
        (lambda: sampler([-7], params[:1], inputs[:1]), "seeds: integers >= 0"),
        (lambda: sampler([7], params[:2], inputs[:1]), "params: shape"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    assert len(specimen(generating, folder).axes) > 3


def test_samples_of_a_seed_have_seeds_of_their_own() -> None:
    every = seeds_of(7, range(6))
    assert len(set(every.tolist())) == 6
    assert every[0] == 7
    np.testing.assert_array_equal(seeds_of(7, range(2, 5)), every[2:5])
    for wrong in ((-1, range(2)), (2**40, range(2)), (1, range(2**22, 2**22 + 1))):
        with pytest.raises(ValueError, match=r"^(seed|samples): "):
            seeds_of(*wrong)


@pytest.mark.slow
def test_cubes_of_particles_are_learned_drawn_and_shown(toy_generator: Train, tmp_path: Path) -> None:
    for i in range(3):
        simulation(tmp_path / "boxes" / f"box_{i}", seed=i)
    data = fields(tmp_path / "boxes", n_dims=3, n_pixels=8, split=(0.34, 0.33, 0.33))
    config = toy_generator.model_copy(update={"data": data, "n_steps": 2})
    assert [progress.step for progress in fit(config)] == [1, 2]
    sampler = Sampler.load(config.out / "final")
    cubes = sampler(seeds_of(1, range(3)))
    assert cubes.shape == (3, 1, 8, 8, 8)
    np.testing.assert_array_equal(sampler(seeds_of(1, range(2, 3)))[0], cubes[2])
    assert len(specimen(config, config.out / "final").axes) > 3
