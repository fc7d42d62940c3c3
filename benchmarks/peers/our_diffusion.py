"""The jobs of the peer of benchmarks/diffusion.py, done by this project as its commands do them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.peers.worker import serve
from configs import Sampling, Train
from learn.fields.drawn import evaluated
from learn.prepare import Local
from learn.sampler import Sampler, seeds_of
from learn.train import Run, fit


class Model:
    """A run between two jobs."""

    def build(self, config: str) -> dict[str, Any]:
        """A new run of a configuration of training, as JSON."""
        torch.set_num_threads(1)
        self.config = Train.model_validate_json(config)
        self.run = Run(self.config.model_copy(update={"out": self.config.out / "timed"}), Local(), None)
        return {"n_weights": sum(p.numel() for net in self.run.nets.values() for p in net.parameters())}

    def steps(self, n: int) -> dict[str, Any]:
        """Processor seconds of each of `n` steps, with reading and augmenting its maps."""
        found = []
        for _ in range(n):
            start = time.process_time()
            self.run.advance()
            found.append(time.process_time() - start)
        return {"seconds": found}

    def train(self, seconds: float) -> dict[str, Any]:
        """As many steps as fit into so many processor seconds, the learning rate falling to the end of them."""
        self.steps(1)
        n_steps = max(2, int(seconds / np.median(self.steps(3)["seconds"])))
        sized = {"n_steps": n_steps, "validate_every": n_steps, "out": self.config.out / "trained"}
        for _ in fit(self.config.model_copy(update=sized)):
            pass
        return {"n_steps": n_steps}

    def sample(self, kind: str, n_steps: int, n: int, seed: int, out: str) -> dict[str, Any]:
        """Write `n` samples, by the averaged weights."""
        told = Sampling.model_validate({"kind": kind, "n_steps": n_steps})
        sampler = Sampler.load(self.config.out / "trained" / "final", sampling=told)
        start = time.process_time()
        made = sampler(seeds_of(seed, range(n)))[:, 0]
        spent = time.process_time() - start
        np.save(Path(out), made, allow_pickle=False)
        return {"seconds": spent, "n_evaluations": evaluated(sampler)}


if __name__ == "__main__":
    model = Model()
    serve({"build": model.build, "steps": model.steps, "train": model.train, "sample": model.sample})
