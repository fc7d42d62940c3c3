"""Networks of cubes: exact translation, a known reach, rows apart; a critic whose halving folds nothing."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from configs import Inception as Config
from configs import Wgan
from learn.nets.critic import Critic, halved
from learn.nets.inception import Inception, cropped


def body(n_blocks: int = 2, n_in: int = 2) -> Inception:
    torch.manual_seed(0)
    net = Inception(Config(kind="inception", width=4, n_blocks=n_blocks, n_embedding=8), n_in, 3, 2)
    return randomised(net)


def critic(levels: int = 2) -> Critic:
    torch.manual_seed(1)
    return randomised(Critic(Wgan(critic_width=4, critic_levels=levels), 2, 2, 8))


def randomised(net: nn.Module) -> nn.Module:
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    return net


def test_a_new_body_answers_nothing() -> None:
    net = Inception(Config(kind="inception", width=4), 1, 3, 2)
    assert net(torch.rand(1, 1, 10, 10, 10), torch.rand(1, 2)).abs().max() == 0


@pytest.mark.parametrize("shift", [(1, 0, 0), (0, 3, 2), (5, 5, 5)])
def test_a_moved_cube_has_its_answer_moved(shift: tuple[int, int, int]) -> None:
    net, params = body().double(), torch.rand(1, 2, dtype=torch.float64)
    cube = torch.rand(1, 2, 12, 12, 12, dtype=torch.float64)

    def periodic(x: Tensor) -> Tensor:
        return net(nn.functional.pad(x, (4,) * 6, mode="circular"), params)

    moved = periodic(torch.roll(cube, shift, (2, 3, 4)))
    torch.testing.assert_close(moved, torch.roll(periodic(cube), shift, (2, 3, 4)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_blocks", [1, 2])
def test_a_cell_is_decided_by_those_within_the_margin_and_no_other(n_blocks: int) -> None:
    net, params = body(n_blocks), torch.rand(1, 2)
    margin, side = net.margin, 2 * net.margin + 3
    assert margin == 2 * n_blocks
    cube = torch.rand(1, 2, side, side, side, requires_grad=True)
    net(cube, params)[0, :, 1, 1, 1].sum().backward()
    seen = cube.grad[0].abs().sum(0) > 0
    expected = torch.zeros(side, side, side, dtype=torch.bool)
    expected[1:-1, 1:-1, 1:-1] = True
    assert torch.equal(seen, expected)


def test_a_cube_in_parts_has_the_answer_in_parts() -> None:
    net, params, cube = body(), torch.rand(1, 2), torch.rand(1, 2, 16, 15, 14)
    whole = net(cube, params)
    assert whole.shape == (1, 3, 8, 7, 6)
    for start in product((0, 3), (0, 2), (0, 1)):
        part = net(cube[(..., *(slice(n, n + 13) for n in start))], params)
        expected = whole[(..., *(slice(n, n + 5) for n in start))]
        torch.testing.assert_close(part, expected, rtol=1e-4, atol=1e-5)


def test_rows_are_apart_and_every_parameter_learns() -> None:
    for net, side in ((body(), 10), (critic(), 13)):
        cubes, params = torch.rand(3, 2, side, side, side), torch.rand(3, 2)
        every = net(cubes, params)
        for i in range(3):
            torch.testing.assert_close(net(cubes[i : i + 1], params[i : i + 1])[0], every[i], rtol=1e-4, atol=1e-5)
        other = net(cubes, params + 1)
        assert (other - every).abs().max() > 1e-3
        every.sum().backward()
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_a_cube_smaller_than_the_reach_is_refused() -> None:
    assert body()(torch.rand(1, 2, 9, 9, 9), torch.rand(1, 2)).shape == (1, 3, 1, 1, 1)
    with pytest.raises(ValueError, match="cube: sides of at least 9 cells, got 9 x 8 x 9"):
        body()(torch.rand(1, 2, 9, 8, 9), torch.rand(1, 2))


def test_halving_folds_no_wave_that_it_cannot_hold() -> None:
    i = torch.arange(17.0)
    for axis in range(3):
        shape = [1, 1, 1]
        shape[axis] = 17
        wave = (torch.cos(torch.pi * i).reshape(shape)).expand(1, 2, 17, 17, 17)
        assert halved(wave).abs().max() < 1e-6
    torch.testing.assert_close(halved(torch.full((1, 2, 17, 17, 17), 3.0)), torch.full((1, 2, 8, 8, 8), 3.0))


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_the_smallest_patch_of_a_critic_leaves_it_one_cell(levels: int) -> None:
    least = Wgan(critic_levels=levels).least_patch
    assert critic(levels)(torch.rand(1, 2, least, least, least), torch.rand(1, 2)).shape == (1,)
    with pytest.raises(RuntimeError):
        critic(levels)(torch.rand(1, 2, least - 1, least - 1, least - 1), torch.rand(1, 2))


def test_cropping_takes_as_many_cells_from_every_side() -> None:
    cube = torch.arange(5.0).expand(1, 1, 5, 5, 5)
    assert cropped(cube, 2).tolist() == [[[[[2.0]]]]]
    assert cropped(cube, 0).shape == cube.shape
