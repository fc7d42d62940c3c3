"""Training runs compared: what they wrote, and two workers as threads of this process."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from configs import Train
from learn.checkpoint import WEIGHTS
from learn.methods import Method
from learn.prepare import Local
from learn.train import Progress, fit, seeded


def weights(folder: Path) -> bytes:
    return (folder / WEIGHTS).read_bytes()


class Worker(Local):
    """One of several ranks in threads of this process, gradients averaged as data-parallel training does."""

    def __init__(self, rank: int, size: int, shared: dict[str, list[Tensor]], gate: threading.Barrier) -> None:
        super().__init__()
        self.rank, self.size, self.shared, self.gate = rank, size, shared, gate
        self.n_calls = 0

    def average(self, value: Tensor) -> Tensor:
        key = f"{self.n_calls}"
        self.n_calls += 1
        self.shared.setdefault(key, [torch.empty(0)] * self.size)[self.rank] = value.clone()
        self.gate.wait(20)
        return torch.stack(self.shared[key]).mean(0)

    def model(self, module: nn.Module) -> nn.Module:
        for parameter in module.parameters():
            parameter.register_hook(self.average)
        return module

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        mean = self.average(torch.tensor(list(values.values()), dtype=torch.float64))
        return dict(zip(values, mean.tolist(), strict=True))


def fit_on_two_workers(config: Train, monkeypatch: pytest.MonkeyPatch, *, resume: Path | None = None) -> list[Progress]:
    """What rank 0 of two yields."""
    # Threads share torch's random state, which a step sets anew; real workers are processes.
    lock, built = threading.Lock(), threading.Barrier(2)

    def one_at_a_time(method: Method, seed: int) -> dict[str, nn.Module]:
        with lock:
            nets = seeded(method, seed)
        built.wait(20)
        return nets

    shared: dict[str, list[Tensor]] = {}
    gate, seen = threading.Barrier(2), {}

    def work(rank: int) -> None:
        seen[rank] = list(fit(config, Worker(rank, 2, shared, gate), resume=resume))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr("learn.train.seeded", one_at_a_time)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    return seen[0]


def assert_same_state(a: dict, b: dict) -> None:
    assert a["step"] == b["step"]
    assert a["optimizers"].keys() == b["optimizers"].keys()
    for name in a["optimizers"]:
        moments, others = a["optimizers"][name]["state"], b["optimizers"][name]["state"]
        assert moments.keys() == others.keys()
        assert all(torch.equal(moments[i][key], others[i][key]) for i in moments for key in moments[i])
