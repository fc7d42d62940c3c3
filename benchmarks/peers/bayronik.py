"""The U-Net of Bayronik by its published list of layers, and the numbers it is shown: one map in, total matter out.

Channels 64, 128, 256, 512, 1024; each level two 3x3 convolutions, each with batch normalisation and ReLU, zero padding;
pooling by the maximum, transposed convolutions up, skips joined. Input and output are ln(1 + x): 31.0 M parameters.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512, 1024)


class BayronikUNet(nn.Module):
    """(B, 1, H, W) surface density -> (B, 1, H, W) total surface density."""

    def __init__(self) -> None:
        super().__init__()
        self.first = twice(1, WIDTHS[0])
        self.down = nn.ModuleList(twice(a, b) for a, b in pairwise(WIDTHS))
        self.widen = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(list(pairwise(WIDTHS))))
        self.up = nn.ModuleList(twice(b, a) for a, b in reversed(list(pairwise(WIDTHS))))
        self.last = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, density: Tensor) -> Tensor:
        return torch.expm1(self.logarithm(torch.log1p(density)))

    def logarithm(self, x: Tensor) -> Tensor:
        """ln(1 + x) of the input -> that of the output: what its mean squared error is of."""
        skips = [self.first(x)]
        for stage in self.down:
            skips.append(stage(nn.functional.max_pool2d(skips[-1], 2)))
        h = skips.pop()
        for widen, stage in zip(self.widen, self.up, strict=True):
            h = stage(torch.cat((skips.pop(), widen(h)), dim=1))
        return self.last(h)


def twice(n_in: int, n_out: int) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU, two times."""
    ends = ((n_in, n_out), (n_out, n_out))
    layers = [(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()) for a, b in ends]
    return nn.Sequential(*(layer for group in layers for layer in group))
