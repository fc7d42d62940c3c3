"""A painter as one torch program, from physical maps to physical maps, that runs without this code.

Knows painters and their networks; knows nothing of files.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from configs import Stochastic
from learn.checkpoint import Meta, Nets
from learn.methods.painting import Painter
from learn.nets.unet import noise_shapes

MAX_CELLS = 1 << 12
"""Of the coarsest level along a side."""


class Program(nn.Module):
    """maps (B, I, H, W) [Msun/h/(Mpc/h)^2], params (B, p) and white noise, if it draws -> fields (B, 3, H, W)."""

    def __init__(self, painter: Painter, nets: Nets) -> None:
        super().__init__()
        self.painter = painter
        self.nets = nn.ModuleDict(dict(nets))

    def forward(self, maps: Tensor, params: Tensor, *noise: Tensor) -> Tensor:
        return self.painter.paint(dict(self.nets.items()), maps, params, noise)


def n_noise(meta: Meta) -> int:
    """Channels of noise a level; none where there is one answer."""
    return meta.config.method.n_noise if isinstance(meta.config.method, Stochastic) else 0


def shapes_of_noise(meta: Meta, height: int, width: int) -> list[tuple[int, int, int]]:
    """The noise that a map of these sides is drawn with, level by level; nothing where there is one answer."""
    return noise_shapes(meta.config.unet, n_noise(meta), height, width) if n_noise(meta) else []


def exported(meta: Meta, nets: Nets) -> ExportedProgram:
    """The painter of `meta` with the weights of `nets`, for any batch and any sides that its stride divides."""
    painter = Painter(meta.config, meta.normalizer, meta, n_noise=n_noise(meta))
    program = Program(painter, nets).eval().requires_grad_(False)
    example = arguments(meta, 2, 4 * meta.config.net.stride, 6 * meta.config.net.stride)
    made = torch.export.export(program, example, dynamic_shapes=dynamic_shapes(meta))
    for graph in (module.graph for module in made.graph_module.modules() if isinstance(module, GraphModule)):
        for node in graph.nodes:
            node.meta.pop("stack_trace", None)  # places of this code on this machine
    return made


def arguments(meta: Meta, n_maps: int, height: int, width: int, *, seed: int = 0) -> tuple[Tensor, ...]:
    """Arguments of the program: maps about the mean of training, its mean parameters, and noise of `seed`."""
    generator = torch.Generator().manual_seed(seed)
    mean = torch.tensor(meta.normalizer.inputs.x0)[:, None, None]
    contrast = torch.rand((n_maps, len(meta.input_channels), height, width), generator=generator)
    noise = [torch.randn((n_maps, *s), generator=generator) for s in shapes_of_noise(meta, height, width)]
    return (0.5 + contrast) * mean, torch.tensor([meta.param_defaults] * n_maps), *noise


def dynamic_shapes(meta: Meta) -> dict[str, Any]:
    """What may change from call to call: the number of maps, and their sides in steps of the stride."""
    batch, rows, columns = Dim("batch"), Dim("rows", min=2, max=MAX_CELLS), Dim("columns", min=2, max=MAX_CELLS)
    stride = meta.config.net.stride
    told: dict[str, Any] = {"maps": {0: batch, 2: times(stride, rows), 3: times(stride, columns)}, "params": {0: batch}}
    noise = tuple({0: batch, 2: times(n, rows), 3: times(n, columns)} for n in cells(meta))
    return told | {"noise": noise} if n_noise(meta) else told


def cells(meta: Meta) -> list[int]:
    """Cells of each level, from the finest, along a side of one cell of the coarsest."""
    return [2**level for level in reversed(range(meta.config.unet.n_levels))]


def times(n: int, side: Any) -> Any:
    return side if n == 1 else n * side
