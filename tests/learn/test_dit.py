from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from configs import DiT as DiTConfig
from learn.nets.dit import DiT, positions


def net(n_dims: int = 2, *, random: bool = True, **options: object) -> DiT:
    torch.manual_seed(0)
    told = {"kind": "dit", "width": 16, "n_blocks": 2, "n_heads": 2, "n_embedding": 8, "patch": 2}
    built = DiT(DiTConfig.model_validate({**told, **options}), n_in=2, n_out=1, n_params=3, n_dims=n_dims).double()
    for parameter in built.parameters() if random else ():
        nn.init.normal_(parameter, std=0.3)
    return built


def some(n_dims: int = 2, n: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(n, 2, *(8, 4, 4)[:n_dims], generator=rng, dtype=torch.float64)
    return x, torch.randn(n, 3, generator=rng, dtype=torch.float64), torch.linspace(0, 1, n, dtype=torch.float64)


@pytest.mark.parametrize("n_dims", [2, 3])
@pytest.mark.parametrize("patch", [1, 2, 4])
def test_shapes(n_dims: int, patch: int) -> None:
    x, params, level = some(n_dims)
    assert net(n_dims, patch=patch)(x, params, level).shape == (3, 1, *x.shape[2:])


def test_an_untrained_network_answers_zero_and_a_loud_one_hears_everything() -> None:
    x, params, level = some()
    assert torch.count_nonzero(net(random=False)(x, params, level)) == 0
    dit = net()
    out = dit(x, params, level)
    for other in (dit(x + 0.1, params, level), dit(x, params + 0.1, level), dit(x, params, level * 0.9 + 0.01)):
        assert ((other - out).abs().amax((1, 2, 3)) > 1e-3).all()
    out.square().sum().backward()
    assert [name for name, p in dit.named_parameters() if p.grad is None or p.grad.abs().max() == 0] == []


def test_every_patch_hears_every_other_and_no_other_map() -> None:
    x, params, level = some()
    x.requires_grad_()
    net()(x, params, level)[0, 0, 0, 0].backward()
    assert x.grad is not None
    assert (x.grad[0].abs().amax(0) > 0).all()
    assert torch.count_nonzero(x.grad[1:]) == 0


def test_positions_know_the_torus() -> None:
    told = positions((8, 4), torch.device("cpu")).reshape(8, 4, -1)
    likeness = torch.einsum("ijf,klf->ijkl", told, told)
    for i, j in ((0, 0), (7, 3), (3, 1)):  # the same seen from every patch, over the border too
        torch.testing.assert_close(likeness[i, j], likeness[0, 0].roll((i, j), (0, 1)))
    assert (likeness[0, 0].flatten()[1:] < likeness[0, 0, 0, 0] - 0.1).all()


def test_what_does_not_fit_is_refused_in_words() -> None:
    x, params, level = some()
    with pytest.raises(ValueError, match="sides divisible by 4, got 8 x 2 pixels"):
        net(patch=4)(x[..., :2], params, level)
    with pytest.raises(ValueError, match="n_heads: a divisor of width=16, got 3"):
        net(n_heads=3)
