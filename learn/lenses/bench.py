"""What is judged, on what, and how a machine is asked: the machines, the systems, their answers with their time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from configs import EvaluateLenses
from configs.lens_evaluation import MACHINE
from learn.data import Batch
from learn.lenses.ensemble import Ensemble, refuse_other_images
from learn.lenses.gallery import given
from learn.lenses.inverter import Effort, Inversion, Inverter, in_frames
from learn.lenses.known import Known
from learn.lenses.latent import radii_of
from learn.lenses.likelihood import FRAME, Forward
from learn.lenses.scores import Answer
from learn.sources import open_source
from learn.sources.lenses import LensSource

Inverts = Callable[..., Inversion]


@dataclass(frozen=True)
class Bench:
    """What is judged and on what: machines by name, that of `checkpoint` first, and the ensemble if there is one."""

    config: EvaluateLenses
    source: LensSource
    machines: Mapping[str, Inverter]
    ensemble: Ensemble | None

    @property
    def machine(self) -> Inverter:
        return self.machines[MACHINE]

    def effort(self, *, n_refine: int = 0, n_draws: int = 0) -> Effort:
        """With the steps of the configuration."""
        return Effort(self.config.n_iterations, n_refine, n_draws)


def opened(config: EvaluateLenses) -> Bench:
    """The machines and the systems; ValueError unless all are for the same images."""
    source = open_source(config.systems, config.split)
    assert isinstance(source, LensSource)
    folders = {MACHINE: config.checkpoint, **config.beside}
    machines = {name: Inverter.load(folder) for name, folder in folders.items()}
    for name, folder in folders.items():
        refuse_other_images(machines[name], machines[MACHINE], folder)
    refuse_other_systems(config, machines[MACHINE])
    ensemble = Ensemble.load([config.checkpoint, *config.ensemble]) if config.ensemble else None
    return Bench(config, source, machines, ensemble)


def refuse_other_systems(config: EvaluateLenses, machine: Inverter) -> None:
    """ValueError unless the systems have the images and sources of the machine."""
    told = config.systems
    for name, got, expected in (
        ("n_pixels", told.n_pixels, machine.n_pixels),
        ("n_source_pixels", told.n_source_pixels, machine.n_source),
        ("field", told.field, machine.field),
    ):
        if got != expected:
            raise ValueError(f"data.{name}: expected {expected} of {config.checkpoint}, got {got}")


def timed(inverts: Inverts, effort: Effort, batch: Batch, truth: Known, seed: int) -> tuple[Inversion, float]:
    """What it answers, and the seconds of a CPU an image."""
    side = batch.inputs.shape[-1] // 2 * 2 - 1
    begun = time.process_time()
    found = inverts(*given(batch, side), truth.pixel_size, effort, seed=seed)
    return found, (time.process_time() - begun) / len(batch)


def answer(machine: Inverter, found: Inversion, seconds: float | None, batch: Batch) -> Answer:
    """As scores want it: the image is that of the exact forward operator, whatever a machine has learned of one."""
    side = machine.psf_side
    operator = Forward(machine.n_pixels, machine.field, machine.supersampling)
    frame = found.source_pixel * found.source.shape[-1] / (FRAME * machine.field)
    kernels = torch.from_numpy(given(batch, side)[2])
    with torch.no_grad():
        model = operator.image(torch.from_numpy(found.source), in_frames(found.lens, frame), kernels).numpy()
    return Answer(found.source, found.lens, radii_of(found.lens), model, seconds, found.n_fitted)
