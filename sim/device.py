"""An N-body run on one torch device: the universe, the steps and the states of `sim.nbody`, by `sim.tensors`.

The initial conditions are made on the host, so a seed is the same universe to the bit. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs import Box
from sim import nbody
from sim.nbody import State
from sim.parallel import SERIAL, Comm
from sim.stepping import Step, schedule
from sim.tensors import CHUNK, CHUNK_BYTES, Poisson, drift

DTYPES = (torch.float32, torch.float64)


@dataclass
class Particles:
    """All particles of a box on a device: pos (3, n) Mpc/h in [0, box_size), mom (3, n) as in `nbody.State`.

    acc is the force (3, n) of the kick that ended the last step, if one did.
    """

    box: Box
    a: float
    step: int
    output: float | None
    pos: Tensor
    mom: Tensor
    acc: Tensor | None = None

    @classmethod
    def of(cls, state: State, device: torch.device, dtype: torch.dtype) -> Particles:
        """A copy of `state`."""
        pos, mom = (torch.from_numpy(x).to(device).T.to(dtype).contiguous() for x in (state.pos, state.mom))
        return cls(state.box, state.a, state.step, state.output, pos, mom)


class DeviceState(State):
    """A state whose pos and mom (n, 3) are copied from the device when they are first asked for, in its precision.

    RuntimeError when that is after the run has gone on.
    """

    def __init__(self, particles: Particles, ids: NDArray[np.uint64]) -> None:
        self.box, self.a, self.step, self.output = particles.box, particles.a, particles.step, particles.output
        self.ids = ids
        self._particles = particles

    def __getattr__(self, name: str) -> Any:
        if name not in ("pos", "mom"):
            raise AttributeError(name)
        if self._particles.step != self.step:
            late = f"got the request for {name} of step {self.step} at step {self._particles.step}"
            raise RuntimeError(f"device: expected arrays to be asked for before the next step, {late}")
        tensor: Tensor = getattr(self._particles, name)
        setattr(self, name, tensor.T.contiguous().cpu().numpy())
        return self.__dict__[name]


def run(box: Box, device: str = "cuda", dtype: torch.dtype = torch.float32) -> Iterator[State]:
    """The states of `nbody.run`, computed on `device` ("cpu", "cuda", "cuda:1") in `dtype`, float32 or float64.

    ValueError when torch has no such device or it has too little free memory; RuntimeError as in `nbody.run`.
    """
    refuse(box, device, dtype)
    yield from evolve(nbody.start(box), device=device, dtype=dtype)


def evolve(
    state: State, comm: Comm = SERIAL, *, device: str = "cuda", dtype: torch.dtype = torch.float32
) -> Iterator[State]:
    """Yield `state`, then the state after each step that is left of its box's schedule, as `nbody.evolve` on one rank.

    Errors as in `run`, and ValueError on several ranks.
    """
    if comm.size > 1:
        raise ValueError(f"device: expected one rank, got {comm.size}")
    where = refuse(state.box, device, dtype)
    yield state
    particles, ids = Particles.of(state, where, dtype), state.ids
    del state
    poisson = Poisson.of(particles.box, where, dtype)
    for step in schedule(particles.box)[particles.step :]:
        advance(particles, step, poisson)
        yield DeviceState(particles, ids)


def advance(particles: Particles, step: Step, poisson: Poisson) -> None:
    """Take the particles through one step; see `nbody.advance`."""
    if step.first:
        acc = force(particles, poisson) if particles.acc is None else particles.acc
        particles.mom.add_(acc, alpha=step.first)
    move(particles, step.drift)
    if step.first:
        poisson.kick(acc, particles.pos, 0.0, 1.0)
        particles.mom.mul_(step.keep).add_(acc, alpha=step.second)
        particles.acc = acc
    else:
        poisson.kick(particles.mom, particles.pos, step.keep, step.second)
        move(particles, step.last)
    particles.a, particles.step, particles.output = step.a, particles.step + 1, step.output


def force(particles: Particles, poisson: Poisson) -> Tensor:
    """Minus the gradient of the inverse Laplacian of the density contrast at the particles, (3, n) Mpc/h."""
    acc = torch.zeros_like(particles.pos)
    poisson.kick(acc, particles.pos, 0.0, 1.0)
    return acc


def move(particles: Particles, factor: float) -> None:
    """Pos += factor * mom, and back into [0, box_size); RuntimeError naming the step where that is not finite."""
    lost = drift(particles.pos, particles.mom, factor, particles.box.box_size)
    if lost:
        expected = f"finite momenta after step {particles.step} (a={particles.a:.4f})"
        raise RuntimeError(f"device: expected {expected}, got {lost} coordinates with others")


def refuse(box: Box, device: str, dtype: torch.dtype = torch.float32) -> torch.device:
    """The device; ValueError when torch has none of that name, when it lacks memory, or when `dtype` is no float."""
    if dtype not in DTYPES:
        raise ValueError(f"device: expected float32 or float64, got {dtype}")
    kind, _, index = device.partition(":")
    count = torch.cuda.device_count()
    if device != "cpu" and not (kind == "cuda" and (index or "0").isdecimal() and int(index or 0) < count):
        raise ValueError(f"device: expected cpu or one of {count} CUDA devices, got {device}")
    if kind == "cuda":
        free, needed = torch.cuda.mem_get_info(device)[0], memory_bytes(box, dtype, kind)
        if needed > free:
            gib = f"{needed / 2**30:.1f} GiB free on {device}"
            raise ValueError(f"device: expected {gib} for {box.n_mesh}^3 cells, got {free / 2**30:.1f} GiB")
    return torch.device(device)


def memory_bytes(box: Box, dtype: torch.dtype = torch.float32, kind: str = "cuda") -> int:
    """Most memory that a run holds on a device at a time: particles, a chunk of them, six meshes.

    A transform back holds the modes, their product with i k, the transform's copy of it, the result and the workspace.
    """
    size, n = dtype.itemsize, box.n_particles**3
    mesh = size * box.n_mesh**2 * (box.n_mesh + 2)
    return 9 * size * n + 6 * mesh + CHUNK_BYTES * min(n, CHUNK[kind])
