from __future__ import annotations

import pytest
import torch
from torch import nn

from configs import UNet as UNetConfig
from learn.nets.unet import UNet, noise_shapes


def net(n_levels: int = 3, *, random: bool = True, **options: object) -> UNet:
    """A small float64 network; with `random` weights also where training starts from zero."""
    torch.manual_seed(0)
    config = UNetConfig.model_validate({"width": 8, "n_levels": n_levels, "n_embedding": 8, **options})
    built = UNet(config, n_in=1, n_out=3, n_params=5).double()
    for parameter in built.parameters() if random else ():
        nn.init.normal_(parameter, std=0.5)
    return built


def some(n: int = 2, height: int = 16, width: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    shapes = (n, 1, height, width), (n, 5)
    maps, params = (torch.randn(shape, generator=rng, dtype=torch.float64) for shape in shapes)
    return maps, params


@pytest.mark.parametrize("n_levels", [1, 2, 4])
@pytest.mark.parametrize("padding", ["circular", "reflect"])
def test_shapes(n_levels: int, padding: str) -> None:
    assert net(n_levels, padding=padding)(*some()).shape == (2, 3, 16, 32)


@pytest.mark.parametrize("patch", [2, 4])
def test_a_network_of_patches_rolls_with_its_input(patch: int) -> None:
    unet, (x, params) = net(2, patch=patch), some()
    assert unet.stride == 2 * patch
    out = unet(x, params)
    assert out.shape == (2, 3, 16, 32)
    shift = (2 * patch, -2 * patch)
    rolled = unet(torch.roll(x, shift, (-2, -1)), params)
    assert (rolled - torch.roll(out, shift, (-2, -1))).abs().max() < 1e-12 * out.abs().max()


def test_without_film_there_is_no_condition() -> None:
    unet, (x, params) = net(film=False), some()
    assert not any("film" in name or "embed" in name for name, _ in unet.named_parameters())
    assert torch.equal(unet(x, params), unet(x, params + 1))


def test_noise_of_every_level_changes_the_answer_and_rolls_with_it() -> None:
    config = UNetConfig(width=8, n_levels=3, n_embedding=8, patch=2)
    unet = UNet(config, n_in=1, n_out=3, n_params=5, n_noise=2).double()
    for parameter in unet.parameters():
        nn.init.normal_(parameter, std=0.5)
    x, params = some()
    shapes = noise_shapes(config, 2, 16, 32)
    assert shapes == [(2, 8, 16), (2, 4, 8), (2, 2, 4)]
    noise = [torch.randn(2, *shape, dtype=torch.float64) for shape in shapes]
    out = unet(x, params, *noise)
    for level in range(3):
        others = [torch.zeros_like(z) if i == level else z for i, z in enumerate(noise)]
        assert (unet(x, params, *others) - out).abs().max() > 1e-3 * out.abs().max()
    rolled = unet(x.roll(8, -1), params, *(z.roll(8 // cell, -1) for z, cell in zip(noise, (2, 4, 8), strict=True)))
    assert (rolled - out.roll(8, -1)).abs().max() < 1e-12 * out.abs().max()


def test_an_untrained_network_answers_zero() -> None:
    assert torch.count_nonzero(net(random=False)(*some())) == 0


def test_rolling_the_input_by_the_stride_rolls_the_output_and_by_less_does_not() -> None:
    unet, (x, params) = net(), some()
    out = unet(x, params)
    for shift in ((4, 0), (-8, 12)):
        rolled = unet(torch.roll(x, shift, (-2, -1)), params)
        assert (rolled - torch.roll(out, shift, (-2, -1))).abs().max() < 1e-12 * out.abs().max()
    odd = unet(torch.roll(x, (1, 0), (-2, -1)), params)
    assert (odd - torch.roll(out, (1, 0), (-2, -1))).abs().max() > 1e-3 * out.abs().max()


def test_reflect_padding_does_not_see_across_the_edge() -> None:
    unet, (x, _) = net(1, padding="reflect"), some(1)
    x.requires_grad_()
    unet.stem(x)[0, :, 0, 0].sum().backward()  # only the stem: normalisation sees the whole map
    assert x.grad is not None
    assert x.grad[..., -1, :].abs().max() == x.grad[..., -1].abs().max() == 0


def test_every_parameter_gets_a_gradient() -> None:
    unet = net(n_blocks=2)
    unet(*some()).square().sum().backward()
    silent = [name for name, p in unet.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    assert silent == []


def test_a_map_does_not_see_its_neighbours_in_the_batch() -> None:
    unet, (x, params) = net(), some(3)
    together = unet(x, params)
    x[1:] += 1.0
    params[1:] -= 1.0
    assert (unet(x, params)[0] - together[0]).abs().max() < 1e-12
    assert (unet(x, params)[1] - together[1]).abs().max() > 1e-3


def test_the_condition_changes_the_answer_of_its_own_map_only() -> None:
    unet, (x, params) = net(), some()
    before = unet(x, params)
    params[1, 3] += 1.0
    change = (unet(x, params) - before).abs().amax((1, 2, 3))
    assert change[0] < 1e-12
    assert change[1] > 1e-3


def test_sides_that_the_stride_does_not_divide_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="sides divisible by 4, got 18 x 32 pixels"):
        net()(*some(height=18))
