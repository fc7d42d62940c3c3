"""One held-out map as a checkpoint paints it, samples, halos of a box, lenses inverted: a look while a run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from configs import Diffusion, HaloPainting, Rim, Train
from learn.counts.boxes_figure import boxes_figure
from learn.figures import maps_figure
from learn.halo_painter import HaloPainter
from learn.lenses.gallery import gallery, look
from learn.lenses.inverter import Inverter
from learn.predict import Predictor
from learn.sampler import Sampler
from learn.samples_figure import samples_figure
from learn.sources import open_source

N_SAMPLES = 3


def specimen(config: Train, folder: Path) -> Figure:
    """The first validation map beside what the model makes of it, or of its condition."""
    if isinstance(config.method, HaloPainting):
        return counted(config, folder)
    if isinstance(config.method, Rim):
        return inverted(config, folder)
    return drawn(config, folder) if isinstance(config.method, Diffusion) else painted(config, folder)


def painted(config: Train, folder: Path) -> Figure:
    """The first validation map: input, painted, true and their difference, a row a channel."""
    source = open_source(config.data, "validation")
    batch = source.read([0])
    source.close()
    predictor = Predictor.load(folder)
    painted = predictor(batch.inputs.numpy(), batch.params.numpy())[0]
    return maps_figure(
        batch.inputs[0, 0].numpy(),
        painted,
        batch.targets[0].numpy(),
        source.about.box_size,
        channels=source.about.target_channels,
        title=f"first map of {next(iter(source.simulations))}, step {predictor.meta.step}",
    )


def drawn(config: Train, folder: Path) -> Figure:
    """The first validation map and samples with its inputs and parameters, a row a channel."""
    source = open_source(config.data, "validation")
    batch = source.read([0] * N_SAMPLES)
    source.close()
    sampler = Sampler.load(folder)
    samples = sampler(range(N_SAMPLES), batch.params.numpy(), batch.inputs.numpy())
    title = f"step {sampler.meta.step}: the first map of {next(iter(source.simulations))}, and samples of its condition"
    return samples_figure({"simulation": batch.targets[:1].numpy(), "sample": samples}, source.about, title=title)


def counted(config: Train, folder: Path) -> Figure:
    """The first validation box: density, painted and true halos of all masses, seen through the box."""
    whole = config.data.model_copy(update={"patch": None})
    source = open_source(whole, "validation")
    batch = source.read([0])
    source.close()
    painter = HaloPainter.load(folder)
    density, truth = batch.inputs[0, 0].numpy(), batch.targets[0].numpy()
    halos = {"painted halos": painter(density, batch.params[0].numpy()), "true halos": truth}
    title = f"{next(iter(source.simulations))}, step {painter.meta.step}"
    return boxes_figure(density, halos, source.about.pixel_size, title=title)


def inverted(config: Train, folder: Path) -> Figure:
    """The first validation system of each family: image, model, residual, the true source and the one that is found."""
    source: Any = open_source(config.data, "validation")
    inverter = Inverter.load(folder)
    shown = [look(source, inverter, indices[0], name) for name, indices in source.simulations.items()]
    return gallery(shown, title=f"step {inverter.meta.step}: the first system of each family")
