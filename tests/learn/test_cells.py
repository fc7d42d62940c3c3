from __future__ import annotations

import pytest
import torch

from learn.nets.cells import into_cells, into_pixels, refuse_indivisible


@pytest.mark.parametrize("sides", [(4, 8), (4, 8, 6)])
@pytest.mark.parametrize("patch", [1, 2])
def test_cells_hold_their_pixels_and_give_them_back(sides: tuple[int, ...], patch: int) -> None:
    x = torch.arange(2 * 3 * torch.tensor(sides).prod()).reshape(2, 3, *sides)
    cells = into_cells(x, patch)
    assert cells.shape == (2, 3 * patch ** len(sides), *(side // patch for side in sides))
    assert torch.equal(into_pixels(cells, patch), x)
    at = (1, 2, 1)[: len(sides)]
    block = x[(1, slice(None), *(slice(patch * i, patch * (i + 1)) for i in at))]
    assert torch.equal(cells[(1, slice(None), *at)], block.reshape(-1))


def test_sides_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match="sides divisible by 4, got 8 x 6 x 4 pixels"):
        refuse_indivisible(torch.zeros(1, 1, 8, 6, 4), 4)
