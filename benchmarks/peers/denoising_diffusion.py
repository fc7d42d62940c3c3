"""Jobs for denoising-diffusion-pytorch, run by its own interpreter: what its Trainer does with a batch.

Its Trainer reads 8-bit images from files. Here what it would have read lies in memory: maps scaled to [0, 1], mirrored
at random as it does. Schedule, objective, attention, optimiser and moving average are those it has by default.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from ema_pytorch import EMA

from benchmarks.peers.worker import serve

CLIP, BETAS, EMA_DECAY, EMA_EVERY = 1.0, (0.9, 0.99), 0.995, 10
"""Of its Trainer."""
TOGETHER = 16
"""Samples that are drawn at once, as its Trainer does."""


class Model:
    """A network, its optimiser and its average between two jobs."""

    def build(self, maps: str, width: int, n_levels: int, batch: int, lr: float, seed: int) -> dict[str, Any]:
        """New networks for the training maps (N, P, P) of a file, any numbers."""
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        values = torch.from_numpy(np.load(maps, allow_pickle=False))[:, None]
        self.low, self.high = float(values.min()), float(values.max())
        self.maps, self.batch = (values - self.low) / (self.high - self.low), batch
        unet = Unet(width, dim_mults=tuple(2**i for i in range(n_levels)), channels=1)
        self.diffusion = GaussianDiffusion(unet, image_size=self.maps.shape[-1])
        self.optimizer = torch.optim.Adam(self.diffusion.parameters(), lr=lr, betas=BETAS)
        self.average = EMA(self.diffusion, beta=EMA_DECAY, update_every=EMA_EVERY)
        return {"n_weights": sum(p.numel() for p in unet.parameters())}

    def step(self) -> None:
        """What its Trainer does in one."""
        self.diffusion.train()
        chosen = self.maps[torch.randint(len(self.maps), (self.batch,))]
        mirrored = torch.rand(self.batch) < 0.5
        chosen[mirrored] = chosen[mirrored].flip(-1)
        self.diffusion(chosen).backward()
        torch.nn.utils.clip_grad_norm_(self.diffusion.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update()

    def steps(self, n: int) -> dict[str, Any]:
        """Processor seconds of each of `n` steps."""
        found = []
        for _ in range(n):
            start = time.process_time()
            self.step()
            found.append(time.process_time() - start)
        return {"seconds": found}

    def train(self, seconds: float) -> dict[str, Any]:
        """As many steps as fit into so many processor seconds."""
        start, n = time.process_time(), 0
        while time.process_time() - start < seconds:
            self.step()
            n += 1
        return {"n_steps": n}

    def sample(self, kind: str, n_steps: int, n: int, seed: int, out: str) -> dict[str, Any]:
        """Write `n` samples, by the averaged weights: "ddpm" takes all steps that it was trained with, "ddim" fewer."""
        torch.manual_seed(seed)
        drawing = self.average.ema_model.eval()
        drawing.sampling_timesteps = drawing.num_timesteps if kind == "ddpm" else n_steps
        drawing.is_ddim_sampling = kind == "ddim"
        start, made = time.process_time(), []
        for first in range(0, n, TOGETHER):
            made.append(drawing.sample(batch_size=min(TOGETHER, n - first)))
        spent = time.process_time() - start
        np.save(out, (torch.cat(made)[:, 0] * (self.high - self.low) + self.low).numpy(), allow_pickle=False)
        return {"seconds": spent, "n_evaluations": drawing.sampling_timesteps}


if __name__ == "__main__":
    model = Model()
    serve({"build": model.build, "steps": model.steps, "train": model.train, "sample": model.sample})
